package config

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type batch struct {
	Bytes  Size     `yaml:"bytes"`
	Linger Duration `yaml:"linger"`
}

func (b batch) Validate() error {
	var errs []error
	if b.Bytes < 1<<10 {
		errs = append(errs, Invalid("bytes", "is %s, want at least 1KiB", b.Bytes))
	}
	if b.Linger <= 0 {
		errs = append(errs, Invalid("linger", "must be above 0"))
	}
	return errors.Join(errs...)
}

type input struct {
	Files []string `yaml:"files"`
	Limit *int     `yaml:"limit"`
}

type extra struct {
	Depth int `yaml:"depth"`
}

type extra2 struct {
	Width int `yaml:"width"`
}

type sample struct {
	Extra  extra             `yaml:",inline"`
	Extra2 extra2            `yaml:",inline"`
	Node   string            `yaml:"node"`
	On     bool              `yaml:"on"`
	Rate   float64           `yaml:"rate"`
	Batch  batch             `yaml:"batch"`
	Inputs []input           `yaml:"inputs"`
	Labels map[string]string `yaml:"labels"`
	Paths  OneOrMore         `yaml:"paths"`
	Token  string            `yaml:"-" env:"LOGHAUL_TEST_TOKEN"`
}

func (s sample) Validate() error {
	if s.Node == "-" {
		return errors.New("a node needs a name")
	}
	return Under("batch", s.Batch.Validate())
}

func defaults() sample {
	return sample{Node: "host", Batch: batch{Bytes: 1 << 20, Linger: time.Second}}
}

func TestParse(t *testing.T) {
	seven := 7
	full := sample{
		Node: "web-1", On: true, Rate: .5, Batch: batch{Bytes: 2 << 20, Linger: 1500 * time.Millisecond},
		Inputs: []input{{Files: []string{"/var/log/haproxy.log", "2"}, Limit: &seven}, {}},
		Labels: map[string]string{"dc": "1"},
	}
	for name, tc := range map[string]struct {
		in   string
		want sample
	}{
		"empty":             {"", defaults()},
		"only comments":     {"# nothing\n", defaults()},
		"empty section":     {"batch:\n  # bytes: 1MiB\nnode: host\n", defaults()},
		"everything":        {"node: web-1\non: true\nrate: 0.5\nbatch: {bytes: 2MiB, linger: 1.5s}\ninputs:\n- files: [/var/log/haproxy.log, 2]\n  limit: 7\n- {}\nlabels: {dc: 1}\n", full},
		"inlined":           {"width: 3\ndepth: 4\n", func() sample { s := defaults(); s.Extra.Depth, s.Extra2.Width = 4, 3; return s }()},
		"anchor":            {"node: &n host\nlabels: {dc: *n}\n", func() sample { s := defaults(); s.Labels = map[string]string{"dc": "host"}; return s }()},
		"one or more, one":  {"paths: /a\n", func() sample { s := defaults(); s.Paths = OneOrMore{"/a"}; return s }()},
		"one or more, more": {"paths: [/a, /b]\n", func() sample { s := defaults(); s.Paths = OneOrMore{"/a", "/b"}; return s }()},
		"size in bytes":     {"batch: {bytes: 1048576}\n", defaults()},
		"fraction of MiB":   {"batch: {bytes: 0.5 MiB}\n", func() sample { s := defaults(); s.Batch.Bytes = 512 << 10; return s }()},
	} {
		t.Run(name, func(t *testing.T) {
			got := defaults()
			if err := Parse("f.yml", []byte(tc.in), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestProblems(t *testing.T) {
	for name, tc := range map[string]struct{ in, want string }{
		"typo in a section": {"batch:\n  lingr: 1s\n", `f.yml:2: unknown key "lingr" in batch, did you mean "linger"?`},
		"typo at the top":   {"\nnoed: x\n", `f.yml:2: unknown key "noed", did you mean "node"?`},
		"unlike any key":    {"batch:\n  colour: red\n", `f.yml:2: unknown key "colour" in batch (known: bytes, linger)`},
		"in a list":         {"inputs:\n- files: []\n- file: [a]\n", `f.yml:3: unknown key "file" in inputs[1], did you mean "files"?`},
		"given twice":       {"node: a\nnode: b\n", `f.yml:2: node is given twice, first in line 1`},
		"duration":          {"batch:\n  linger: 5\n", `f.yml:2: batch.linger: got "5", want a duration such as 500ms, 1s or 2m`},
		"size":              {"batch:\n  bytes: many\n", `f.yml:2: batch.bytes: "many" is not a size such as 64KiB, 2MiB or 1GiB`},
		"size too large":    {"batch:\n  bytes: 99999999TiB\n", `f.yml:2: batch.bytes: size "99999999TiB" is out of range`},
		"size negative":     {"batch:\n  bytes: -1\n", `f.yml:2: batch.bytes: size "-1" is out of range`},
		"switch":            {"on: yes please\n", `f.yml:1: on: got "yes please", want true or false`},
		"number":            {"rate: fast\n", `f.yml:1: rate: got "fast", want a number such as 0.5`},
		"switch for text":   {"node: true\n", `f.yml:1: node: got "true", want text such as "web-1"`},
		"no value":          {"node:\n", `f.yml:1: node has no value; want text such as "web-1", or leave the key out`},
		"list for section":  {"batch: [1]\n", `f.yml:1: batch: got a list, want a section with keys (bytes, linger)`},
		"text for list":     {"inputs:\n- files: /a\n", `f.yml:2: inputs[0].files: got "/a", want a list, each item in its own line after "- "`},
		"text for file":     {"hello\n", `f.yml:1: the file: got "hello", want a section with keys (depth, width, node, on, rate, batch, inputs, labels, paths)`},
		"section for text":  {"node: {a: b}\n", `f.yml:1: node: got a section, want text such as "web-1"`},
		"secret":            {"token: s3cret\n", `f.yml:1: token is a secret and does not stand in this file: set LOGHAUL_TEST_TOKEN, or LOGHAUL_TEST_TOKEN_FILE to a file that holds it`},
		"a tab":             {"batch:\n\tlinger: 1s\n", "f.yml:2: this is not YAML: found character that cannot start any token; indent with blanks, not with tabs, and put quotes around a text that begins with @, % or `"},
		"not YAML":          {"node: a\n\tbatch: b\n", "f.yml:2: this is not YAML: found a tab character that violates indentation"},
		"two documents":     {"node: a\n---\nnode: b\n", "f.yml:2: a second document starts here; want one per file"},
		"all at once":       {"noed: x\nrate: fast\nbatch:\n  lingr: 1s\n", "f.yml:1: unknown key \"noed\", did you mean \"node\"?\nf.yml:2: rate: got \"fast\", want a number such as 0.5\nf.yml:4: unknown key \"lingr\" in batch, did you mean \"linger\"?"},
		"validated":         {"node: a\nbatch:\n  linger: 0s\n  bytes: 5\n", "f.yml:3: batch.linger: must be above 0\nf.yml:4: batch.bytes: is 5B, want at least 1KiB"},
		"without a line":    {"node: \"-\"\n", "f.yml: a node needs a name"},
	} {
		t.Run(name, func(t *testing.T) {
			got := defaults()
			err := Parse("f.yml", []byte(tc.in), &got)
			if err == nil {
				t.Fatalf("loaded %+v", got)
			}
			if diff := cmp.Diff(tc.want, err.Error()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if _, ok := errors.AsType[Problems](err); !ok {
				t.Errorf("error is a %T, want Problems", err)
			}
		})
	}
}

// A key that the file leaves out has no line of its own: its section does.
func TestValidateUsesTheNearestLine(t *testing.T) {
	got := defaults()
	got.Batch.Linger = 0
	err := Parse("f.yml", []byte("node: a\n\nbatch:\n  bytes: 1MiB\n"), &got)
	if want := "f.yml:3: batch.linger: must be above 0"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestSecretsComeFromTheEnvironmentOrAFile(t *testing.T) {
	got := defaults()
	t.Setenv("LOGHAUL_TEST_TOKEN", "from env")
	if err := Parse("f.yml", nil, &got); err != nil || got.Token != "from env" {
		t.Errorf("got %q, %v", got.Token, err)
	}
	if err := os.Unsetenv("LOGHAUL_TEST_TOKEN"); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("from file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LOGHAUL_TEST_TOKEN_FILE", path)
	if err := Parse("f.yml", nil, &got); err != nil || got.Token != "from file" {
		t.Errorf("got %q, %v", got.Token, err)
	}
	t.Setenv("LOGHAUL_TEST_TOKEN_FILE", path+".missing")
	if err := Parse("f.yml", nil, &got); err == nil {
		t.Error("a missing secret file was accepted")
	}
}

func TestLoadReadsFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "c.yml")
	if err := os.WriteFile(path, []byte("node: x\nbatch: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := defaults()
	if err := Load(path, &got); err != nil || got.Node != "x" {
		t.Errorf("got %+v, %v", got, err)
	}
	data, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := TopKeys(path, data)
	if diff := cmp.Diff([]string{"node", "batch"}, keys); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	if err := Load(filepath.Join(dir, "none.yml"), &got); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want ErrNotExist", err)
	}
	if err := os.WriteFile(path, make([]byte, MaxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Load(path, &got); err == nil {
		t.Error("a file above the limit was loaded")
	}
}

func TestSizeString(t *testing.T) {
	for in, want := range map[Size]string{0: "0B", 1: "1B", 1500: "1500B", 1 << 10: "1KiB", 3 << 20: "3MiB", 5 << 40: "5TiB", 1 << 30: "1GiB"} {
		if got := in.String(); got != want {
			t.Errorf("%d: got %s, want %s", int64(in), got, want)
		}
		if back, err := parseSize(want); err != nil || back != in {
			t.Errorf("%s reads as %d, %v", want, int64(back), err)
		}
	}
}

func TestNearest(t *testing.T) {
	keys := []string{"linger", "bytes", "compression"}
	for in, want := range map[string]string{"lingr": "linger", "Linger": "linger", "ligner": "linger", "byte": "bytes", "compresion": "compression", "x": "", "colour": ""} {
		if got := Nearest(in, keys); got != want {
			t.Errorf("%s: got %q, want %q", in, got, want)
		}
	}
}
