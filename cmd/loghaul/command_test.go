package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// call runs the command line in this process.
func call(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, streams{in: strings.NewReader(""), out: &out, err: &errs})
	return code, out.String(), errs.String()
}

// golden compares with a file under testdata, or writes it with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is not what is printed; if that is meant: go test ./cmd/loghaul -update\n(-want +got)\n%s", path, diff)
	}
}

func TestHelp(t *testing.T) {
	t.Setenv("LOGHAUL_ARCHIVE", "") // it would show up as a default
	code, out, _ := call(t, "help")
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	golden(t, "help/help.txt", out)
	for _, c := range commands() {
		t.Run(c.name, func(t *testing.T) {
			words := strings.Fields(c.name)
			code, out, errs := call(t, append(words, "--help")...)
			if code != 0 || errs != "" {
				t.Errorf("exit code %d, stderr %q", code, errs)
			}
			golden(t, "help/"+strings.ReplaceAll(c.name, " ", "-")+".txt", out)
			if _, same, _ := call(t, append([]string{"help"}, words...)...); same != out {
				t.Errorf("help %s differs from %[1]s --help", c.name)
			}
			for line := range strings.SplitSeq(out, "\n") {
				if n := len([]rune(line)); n > 120 {
					t.Errorf("a line of %d characters: %s", n, line)
				}
			}
			if !strings.Contains(out, "Exit codes: 0 done; 1 failed; 2 ") || !strings.Contains(out, "\n  loghaul "+c.name) {
				t.Error("no exit codes or no example")
			}
		})
	}
}

func TestHelpOfAGroup(t *testing.T) {
	for _, args := range [][]string{{"help", "audit"}, {"audit", "--help"}, {"audit", "help"}} {
		code, out, _ := call(t, args...)
		if code != 0 || !strings.Contains(out, "audit cat") || strings.Contains(out, "config check") {
			t.Errorf("%v: exit code %d\n%s", args, code, out)
		}
	}
}

func TestWrongUse(t *testing.T) {
	t.Setenv("LOGHAUL_ARCHIVE", "")
	empty := "file://" + t.TempDir()
	var audits []string
	for _, c := range commands() {
		if strings.HasPrefix(c.name, "audit ") {
			audits = append(audits, c.name)
		}
	}
	for _, tc := range []struct {
		args string
		want string
	}{
		{"", "name a command"},
		{"adit", `unknown command "adit", did you mean "audit"?`},
		{"aggregat", `unknown command "aggregat", did you mean "aggregate"?`},
		{"audit cta", `unknown command "audit cta", did you mean "audit cat"?`},
		{"audit", "audit what? There is: " + strings.Join(audits, ", ")},
		{"xyzzy", `unknown command "xyzzy"; loghaul help lists them`},
		{"help xyzzy", `unknown command "xyzzy"; loghaul help lists them`},
		{"audit verify", "say which archive: --archive file:///dir or --archive s3://bucket/prefix (or set LOGHAUL_ARCHIVE)"},
		{"backfill --archive x --index y", "index.url: want http://host:port or https://host:port"},
		{"backfill --archive x", "say which index: --index http://host:9200, or --config FILE of an aggregator"},
		{"backfill --index http://127.0.0.1:9200", "say which archive: --archive file:///dir or --archive s3://bucket/prefix (or set LOGHAUL_ARCHIVE)"},
		{"backfill --archive " + empty + " --index http://127.0.0.1:9200 --from -1h --to -2h", "--from -1h is not before --to -2h"},
		{"backfill --archive " + empty + " --index http://127.0.0.1:9200 all", `unexpected argument "all"`},
		{"audit cat --archiv " + empty, "audit cat: unknown flag --archiv, did you mean --archive?; see loghaul audit cat --help"},
		{"audit cat --colour", "audit cat: unknown flag --colour; see loghaul audit cat --help"},
		{"audit cat --archive", "audit cat: flag needs an argument: -archive; see loghaul audit cat --help"},
		{"audit cat", "say which archive: --archive file:///dir or --archive s3://bucket/prefix (or set LOGHAUL_ARCHIVE)"},
		{"audit cat --archive " + empty + " more", `unexpected argument "more"`},
		{"audit cat --archive " + empty + " --from yesterday", `--from: "yesterday" is not a time; want ` + timeHelp},
		{"audit cat --archive " + empty + " --from -1h --to -2h", "--from -1h is not before --to -2h"},
		{"audit cat --archive " + empty + " --format json", `--format: got "json", want raw`},
		{"audit cat --archive " + empty + " --memory lots", `audit cat: invalid value "lots" for flag -memory: "lots" is not a size such as 64KiB, 2MiB or 1GiB; see loghaul audit cat --help`},
		{"audit cat --archive " + empty + " --memory 4KiB", `audit cat: invalid value "4KiB" for flag -memory: it takes at least 1MiB: with less, a few lines would be a temporary file; see loghaul audit cat --help`},
		{"audit cat --archive " + empty + " --source web-1", `--source "web-1" is not the id of a source, nor how one begins: hexadecimal digits; loghaul audit sources lists them`},
		{"audit sources --archive " + empty + " --output xml", `--output: got "xml", want table or json`},
		{"audit ls --archive " + empty + " --output xml", `--output: got "xml", want table or json`},
		{"version now", "version takes no arguments"},
	} {
		t.Run(tc.args, func(t *testing.T) {
			code, out, errs := call(t, strings.Fields(tc.args)...)
			if code != exitUsage || out != "" {
				t.Errorf("exit code %d, stdout %q", code, out)
			}
			lines := strings.Split(strings.TrimSuffix(errs, "\n"), "\n")
			if diff := cmp.Diff("loghaul: "+tc.want, lines[len(lines)-1]); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestFlagsStandAnywhere(t *testing.T) {
	fs := flag.NewFlagSet("x", flag.ContinueOnError)
	a, b := fs.String("a", "", ""), fs.Bool("b", false, "")
	operands, err := parseFlags(fs, []string{"one", "--a", "-2h", "two", "-b", "--", "--c", "-d"})
	if err != nil || *a != "-2h" || !*b {
		t.Errorf("%v, a=%q b=%v", err, *a, *b)
	}
	if diff := cmp.Diff([]string{"one", "two", "--c", "-d"}, operands); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestVersion(t *testing.T) {
	for _, arg := range []string{"version", "--version"} {
		if code, out, _ := call(t, arg); code != 0 || !strings.HasPrefix(out, "loghaul "+version+" (go1.") {
			t.Errorf("%s: exit code %d, %q", arg, code, out)
		}
	}
}
