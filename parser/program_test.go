package parser

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// reading is what a record tells, in a form that can be compared.
type reading struct {
	Values []Value
	Lone   Value
	Spans  []string
}

func readingOf(r *Record) reading {
	out := reading{Values: make([]Value, len(r.Values))}
	for i, v := range r.Values {
		out.Values[i] = meaning(r.Format.Fields()[i].Kind, v)
	}
	out.Lone = meaning(KindList, r.Lone)
	for _, s := range r.spans {
		out.Spans = append(out.Spans, string(s.text))
	}
	return out
}

// meaning leaves of v what Value documents for its kind; the rest may be left over from an earlier line.
func meaning(k Kind, v Value) Value {
	out := Value{State: v.State}
	if v.State&(Present|Unsure) == 0 {
		return out
	}
	if k == KindInt || k == KindDate || k == KindList || v.State&IPv4 != 0 {
		out.Int = v.Int
	}
	if k == KindDate {
		out.Zone = v.Zone
	}
	if k != KindInt && k != KindDate {
		out.Text = append([]byte{}, v.Text...)
	}
	if v.State&Unsure != 0 && string(v.Text) != "-" {
		out = Value{State: Unsure}
	}
	return out
}

// TestProgramAgreesWithSolver holds the fast program against the solver, which looks at every way to read a line: on
// the lines of the corpus, and on the same lines damaged.
func TestProgramAgreesWithSolver(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, file := range corpusFiles(t, false) {
		f, err := Compile(file.spec)
		if err != nil {
			t.Fatal(err)
		}
		var known []*Format // the same for configurations that are known
		if strings.Contains(file.spec, "%h") {
			for _, n := range [][2]int{{4, 3}, {1, 1}, {1, 0}, {0, 1}, {0, 0}, {3, 0}} {
				c, err := CompileWith(file.spec, Options{Captures: &Captures{Request: make([]string, n[0]), Response: make([]string, n[1])}})
				if err != nil {
					t.Fatal(err)
				}
				known = append(known, c)
			}
		}
		var fast, slow Record
		matched := 0
		for i, line := range file.lines {
			if i%12 != 0 {
				continue
			}
			for range 4 {
				if agree(t, f, line, &fast, &slow) {
					matched++
				}
				if len(known) > 0 {
					agree(t, known[rng.IntN(len(known))], line, &fast, &slow)
				}
				line = damage(rng, line)
			}
		}
		if matched == 0 {
			t.Errorf("%s: no line matched", file.name)
		}
	}
}

func agree(t *testing.T, f *Format, line []byte, fast, slow *Record) bool {
	t.Helper()
	got := f.Parse(line, fast)
	*slow = Record{solver: slow.solver}
	slow.use(f)
	want := f.solve(line, 0, 0, true, slow)
	if got != want {
		t.Fatalf("%s\n%q\nprogram matches: %v, solver: %v", f.Spec(), line, got, want)
	}
	if !got {
		return false
	}
	if diff := cmp.Diff(readingOf(slow), readingOf(fast)); diff != "" {
		t.Fatalf("%s\n%q\nprogram differs from the solver (-solver +program):\n%s", f.Spec(), line, diff)
	}
	if out := f.Append(nil, fast); string(out) != string(line) {
		t.Fatalf("%s\nrendered %q, want\n%q", f.Spec(), out, line)
	}
	return true
}

// damage returns line with one byte changed, dropped, doubled or replaced by one that means something.
func damage(rng *rand.Rand, line []byte) []byte {
	if len(line) == 0 {
		return line
	}
	i := rng.IntN(len(line))
	out := append([]byte{}, line[:i]...)
	switch rng.IntN(4) {
	case 0:
		return append(out, line[i+1:]...)
	case 1:
		return append(append(out, line[i]), line[i:]...)
	case 2:
		const special = " \"{}|-+/:#\\]0\x00~=."
		return append(append(out, special[rng.IntN(len(special))]), line[i+1:]...)
	default:
		j := rng.IntN(len(line))
		return append(append(out, line[j]), line[i+1:]...)
	}
}
