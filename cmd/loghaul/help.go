package main

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
)

// help prints the text for a command, a group, or all there is.
func help(s streams, args []string) error {
	if len(args) == 0 {
		_, err := io.WriteString(s.out, overview(""))
		return err
	}
	if isGroup(args[0]) && len(args) == 1 {
		_, err := io.WriteString(s.out, overview(args[0]+" "))
		return err
	}
	c, _, err := find(args)
	if err != nil {
		return err
	}
	_, err = io.WriteString(s.out, c.help())
	return err
}

// overview lists the commands whose names begin with prefix.
func overview(prefix string) string {
	var b strings.Builder
	if prefix == "" {
		b.WriteString("loghaul moves HAProxy access logs to an archive that never loses a line, and to a search index.\n\n")
	}
	b.WriteString("Commands:\n")
	for _, c := range commands() {
		if strings.HasPrefix(c.name, prefix) {
			fmt.Fprintf(&b, "  %-18s  %s\n", c.name, c.short)
		}
	}
	b.WriteString("\nloghaul help COMMAND (or loghaul COMMAND --help) explains one, with examples.\n")
	if prefix == "" {
		b.WriteString("To see it work: loghaul up --demo\n")
	}
	return b.String()
}

// help is what --help prints.
func (c command) help() string {
	var b strings.Builder
	fmt.Fprintf(&b, "loghaul %s\n%s\n\n", strings.TrimSpace(c.name+" "+c.args), wrap(c.short+"."))
	if c.long != "" {
		b.WriteString(strings.TrimSpace(c.long) + "\n\n")
	}
	fs := flag.NewFlagSet(c.name, flag.ContinueOnError)
	c.setup(fs)
	first := true
	fs.VisitAll(func(f *flag.Flag) {
		if first {
			b.WriteString("Flags:\n")
			first = false
		}
		value, usage := flag.UnquoteUsage(f)
		if f.DefValue != "" && f.DefValue != "false" {
			usage += " (default " + f.DefValue + ")"
		}
		fmt.Fprintf(&b, "  %s\n        %s\n", strings.TrimSpace("--"+f.Name+" "+value), strings.ReplaceAll(usage, "\n", "\n        "))
	})
	if !first {
		b.WriteString("\n")
	}
	b.WriteString("Examples:\n" + indent(c.examples) + "\n" + exitCodes(c.name))
	return b.String()
}

func exitCodes(name string) string {
	lines := []string{"0 done", "1 failed", "2 wrong use or configuration"}
	if strings.HasSuffix(name, " verify") {
		lines = append(lines, "3 found a difference")
	}
	return "Exit codes: " + strings.Join(lines, "; ") + ".\n"
}

func indent(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight("  "+strings.TrimSpace(lines[i]), " ")
	}
	return strings.Join(lines, "\n") + "\n"
}

// wrap keeps the lines of a paragraph below 100 characters.
func wrap(s string) string {
	var b strings.Builder
	n := 0
	for i, word := range strings.Fields(s) {
		switch {
		case n+1+len(word) > 100:
			b.WriteByte('\n')
			n = 0
		case i > 0:
			b.WriteByte(' ')
			n++
		}
		b.WriteString(word)
		n += len(word)
	}
	return b.String()
}

// list is a flag that may be given several times.
type list []string

// String gives the values for the help text.
func (l *list) String() string { return strings.Join(*l, ",") }

// Set adds a value.
func (l *list) Set(v string) error {
	*l = append(*l, v)
	return nil
}

// oneOf checks a flag that takes one of a few words.
func oneOf(name, got string, want ...string) error {
	if slices.Contains(want, got) {
		return nil
	}
	return usagef("--%s: got %q, want %s", name, got, strings.Join(want, " or "))
}
