package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/loghaul/loghaul/internal/config"
)

// Exit codes, as the design fixes them.
const (
	exitDone       = 0
	exitFailed     = 1
	exitUsage      = 2
	exitDifference = 3 // only audit verify and index verify
)

// streams are what a command reads and writes: data to out, all else to err.
type streams struct {
	in  io.Reader
	out io.Writer
	err io.Writer
}

// command is one thing that loghaul can be told to do.
type command struct {
	// name is one word, or two for a command of a group: "audit cat".
	name string
	// args stands behind the name in the usage line.
	args string
	// short is the line in the list of commands.
	short string
	// long explains, before the flags.
	long string
	// examples can be pasted into a shell, with their comments.
	examples string
	// alone says that there are no arguments but flags.
	alone bool
	// setup declares the flags and gives the function that uses them. The
	// function gets the arguments that are not flags.
	setup func(*flag.FlagSet) func(ctx context.Context, s streams, args []string) error
}

// usageError is a wrong command line: exit code 2.
type usageError struct{ msg string }

func (e *usageError) Error() string { return e.msg }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// exitError ends the process with a code; why was said already.
type exitError struct{ code int }

func (e *exitError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// exitCode says how a command ended to whoever started it.
func exitCode(err error) int {
	var usage *usageError
	var problems config.Problems
	var said *exitError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &said):
		return said.code
	case errors.As(err, &usage), errors.As(err, &problems):
		return exitUsage
	}
	return exitFailed
}

// run finds the command, runs it, reports its error and gives the exit code.
func run(ctx context.Context, args []string, s streams) int {
	err := dispatch(ctx, args, s)
	var said *exitError
	if err != nil && !errors.As(err, &said) {
		fmt.Fprintln(s.err, prefixed(err)) //nolint:errcheck // nowhere left to report
	}
	return exitCode(err)
}

// prefixed puts the program's name before an error, except before problems of
// a file: these begin with FILE:LINE, which editors jump to.
func prefixed(err error) string {
	if problems, ok := errors.AsType[config.Problems](err); ok {
		return problems.Error()
	}
	return "loghaul: " + err.Error()
}

func dispatch(ctx context.Context, args []string, s streams) error {
	if len(args) == 0 {
		fmt.Fprint(s.err, overview("")) //nolint:errcheck // nowhere left to report
		return usagef("name a command")
	}
	if isHelp(args[0]) {
		return help(s, args[1:])
	}
	if args[0] == "--version" || args[0] == "-version" {
		args[0] = "version"
	}
	c, rest, err := find(args)
	if err != nil {
		if len(args) > 1 && isHelp(args[1]) {
			return help(s, args[:1])
		}
		return err
	}
	fs := flag.NewFlagSet(c.name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fn := c.setup(fs)
	operands, err := parseFlags(fs, rest)
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, err := io.WriteString(s.out, c.help())
		return err
	case err != nil:
		return usagef("%s: %v; see loghaul %s --help", c.name, err, c.name)
	case c.alone && len(operands) > 0:
		return usagef("unexpected argument %q", operands[0])
	}
	return fn(ctx, s, operands)
}

func isHelp(arg string) bool {
	return arg == "help" || arg == "--help" || arg == "-help" || arg == "-h"
}

// isGroup says whether a word is no command but the first word of some.
func isGroup(word string) bool {
	return slices.ContainsFunc(commands(), func(c command) bool { return strings.HasPrefix(c.name, word+" ") }) &&
		!slices.ContainsFunc(commands(), func(c command) bool { return c.name == word })
}

// find takes the command's name off args.
func find(args []string) (command, []string, error) {
	one, two := args[0], strings.Join(args[:min(2, len(args))], " ")
	var names []string
	for _, c := range commands() {
		if c.name == two && strings.Contains(two, " ") {
			return c, args[2:], nil
		}
		names = append(names, c.name)
	}
	for _, c := range commands() {
		if c.name == one {
			return c, args[1:], nil
		}
	}
	asked := one
	if isGroup(one) {
		asked = two
		names = slices.DeleteFunc(names, func(n string) bool { return !strings.HasPrefix(n, one+" ") })
		if len(args) == 1 {
			return command{}, nil, usagef("%s what? There is: %s", one, strings.Join(names, ", "))
		}
	} else {
		for _, n := range names { // the first word of a group may be the one misspelt
			if group, _, ok := strings.Cut(n, " "); ok {
				names = append(names, group)
			}
		}
	}
	if near := config.Nearest(asked, names); near != "" {
		return command{}, nil, usagef("unknown command %q, did you mean %q?", asked, near)
	}
	return command{}, nil, usagef("unknown command %q; loghaul help lists them", asked)
}

// parseFlags lets flags stand before, between and behind other arguments;
// nothing behind "--" is a flag.
func parseFlags(fs *flag.FlagSet, args []string) ([]string, error) {
	var operands []string
	for {
		if err := fs.Parse(args); err != nil {
			return nil, suggest(fs, err)
		}
		rest := fs.Args()
		if len(rest) == 0 {
			return operands, nil
		}
		if n := len(args) - len(rest); n > 0 && args[n-1] == "--" {
			return append(operands, rest...), nil
		}
		operands = append(operands, rest[0])
		args = rest[1:]
	}
}

// suggest adds the nearest name to the error about an unknown flag.
func suggest(fs *flag.FlagSet, err error) error {
	if errors.Is(err, flag.ErrHelp) {
		return err
	}
	const unknown = "flag provided but not defined: -"
	name, ok := strings.CutPrefix(err.Error(), unknown)
	if !ok {
		return err
	}
	var names []string
	fs.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	if near := config.Nearest(name, names); near != "" {
		return fmt.Errorf("unknown flag --%s, did you mean --%s?", name, near)
	}
	return fmt.Errorf("unknown flag --%s", name)
}
