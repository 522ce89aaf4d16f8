package haproxycfg_test

import (
	"errors"
	"io/fs"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/parser/haproxycfg"
)

func TestProblems(t *testing.T) {
	for name, tc := range map[string]struct{ in, want string }{
		"does not compile":  {"frontend f\n log-format \"%ci\t%foo\"\n", "a.cfg:2: log-format: there is no alias 'foo': did you mean %f?\n    %ci\t%foo\n       \t^"},
		"error format":      {"defaults\n error-log-format %{+Q\n", "a.cfg:2: error-log-format: expected '}' to end the flags\n    %{+Q\n     ^"},
		"in a profile":      {"log-profile p\n on close format %\n", "a.cfg:2: on close format: the string ends after '%': expected an alias, '{', '(', '[' or '%'\n    %\n     ^"},
		"blanks":            {"frontend f\n log-format %ci %cp\n", "a.cfg:2: log-format takes one word and has 2: put the whole string in quotes, or a backslash before each blank"},
		"nothing":           {"frontend f\n log-format\n log-format ''\n", "a.cfg:2: log-format has no log-format string\na.cfg:3: log-format has no log-format string"},
		"quote":             {"frontend f\n log-format \"%ci\n mode http\n", "a.cfg:2: byte 13: the quote is not closed\n     log-format \"%ci\n                ^"},
		"variable":          {"frontend f\n log-format \"$FMT\"\n", `a.cfg:2: log-format needs the environment variable FMT, which is not set here: set it as HAProxy has it, or write a default as in "${FMT-…}"`},
		"profile's":         {"frontend f\n log x profile \"$P\" local0\n", `a.cfg:2: log … profile needs the environment variable P, which is not set here: set it as HAProxy has it, or write a default as in "${P-…}"`},
		"variables":         {"global\n setenv A aaaaaaaa\n" + strings.Repeat(" setenv A \"$A$A\"\n", 14), "a.cfg:16: byte 15: its variables make the line longer than 64 KiB\n     setenv A \"$A$A\"\n                  ^"},
		"no profile":        {"frontend f\n log x profile p local0\n", `a.cfg:2: there is no section "log-profile p": give the file that has it, too`},
		"no defaults":       {"frontend f from d\n", `a.cfg:1: there is no section "defaults d" before this line: give the file that has it, before this one`},
		"inherited once":    {"defaults\n log x profile p local0\nfrontend f\nfrontend g\n", `a.cfg:2: there is no section "log-profile p": give the file that has it, too`},
		".if":               {".if 1\n.if 0\n", "a.cfg:1: the .if has no .endif\na.cfg:2: the .if has no .endif"},
		".endif":            {".endif\n.else\n.elif 1\n", "a.cfg:1: .endif without an .if before it\na.cfg:2: .else without an .if before it\na.cfg:3: .elif without an .if before it"},
		"in one branch":     {".if feature(A)\nfrontend f\n log-format %foo\n.endif\n", "a.cfg:3: log-format: there is no alias 'foo': did you mean %f?\n    %foo\n    ^"},
		"profile, if":       {".if feature(A)\nlog-profile p\n.endif\n.if version_atleast(3.2)\nfrontend f\n log x profile p local0\n.endif\n", ""},
		"too many branches": {manyConditions(9), "a.cfg: it has more than 8 conditions that cannot be evaluated here: set the environment variables they ask for as HAProxy has them, or give a file without conditions"},
		"many branches":     {manyConditions(8), ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := haproxycfg.Parse([]haproxycfg.File{{Name: "a.cfg", Data: []byte(tc.in)}}, nil)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func manyConditions(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(".if feature(F" + strconv.Itoa(i) + ")\n.endif\n")
	}
	return b.String()
}

func TestNotes(t *testing.T) {
	c := parse(t, ".if feature(A)\nfrontend f\n.else\nfrontend g\n.endif\nfrontend h\n bind \":${PORT-80}\"\n option httplog\n log-format \"${FMT-%ci}\"\nfrontend i\n option httplog\n", nil)
	var got []string
	for _, n := range c.Notes {
		got = append(got, n.Error())
	}
	c.Notes = append(c.Notes, parse(t, "frontend f\n log-format \"x\\n%ci\"\nfrontend g\n log-format \"${HAPROXY_KEYLOG_FC_LOG_FMT}\"\n", nil).Notes...)
	last := c.Notes[len(c.Notes)-1].Error()
	if !strings.Contains(last, "a.cfg:4: log-format: a log-format string cannot hold a line feed") || len(c.Notes) != 5 {
		t.Errorf("%d notes, the last %s", len(c.Notes), last)
	}
	if diff := cmp.Diff([]string{
		"a.cfg:1: whether feature(A) holds for HAProxy is not known here, so its formats are read both ways",
		"a.cfg:9: log-format takes the default of the environment variable FMT, which is not set here; set it if HAProxy has it",
		"a.cfg:11: HAProxy writes tcplog for frontend i, which is not in mode http",
	}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// system makes a machine with these files.
func system(files map[string]string) haproxycfg.System {
	m := fstest.MapFS{}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return haproxycfg.System{Stat: m.Stat, ReadDir: m.ReadDir, ReadFile: m.ReadFile}
}

// TestLoad reads several files as one configuration, and folders as -f does.
func TestLoad(t *testing.T) {
	sys := system(map[string]string{
		"first.cfg":       "defaults\n log x local0\n option tcplog\n",
		"conf.d/20.cfg":   "frontend b\n log-format %cp\n",
		"conf.d/10.cfg":   " log-format %foo\nfrontend a\n",
		"conf.d/.x.cfg":   "frontend hidden\n",
		"conf.d/old.conf": "frontend old\n",
		"conf.d/z.cfg/a":  "frontend below\n",
		"empty/readme":    "",
	})
	c, err := haproxycfg.Load(sys, "first.cfg", "conf.d")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range c.Formats {
		got = append(got, f.File+" "+show(f))
	}
	if diff := cmp.Diff([]string{"first.cfg a tcplog:3", "conf.d/20.cfg b %cp:2"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	_, err = haproxycfg.Load(sys, "first.cfg", "none.cfg", "empty")
	var problems haproxycfg.Problems
	if !errors.As(err, &problems) || len(problems) != 2 || problems[0].File != "none.cfg" || problems[1].File != "empty" {
		t.Errorf("got %v", err)
	}
	sys.ReadFile = func(name string) ([]byte, error) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	_, err = haproxycfg.Load(sys, "conf.d")
	if err == nil || !strings.HasPrefix(err.Error(), "conf.d/10.cfg: cannot read it: permission denied; ") {
		t.Errorf("got %v", err)
	}
}
