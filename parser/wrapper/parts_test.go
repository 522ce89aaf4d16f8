package wrapper_test

import (
	"strings"
	"testing"

	"github.com/loghaul/loghaul/parser/wrapper"
)

func TestParts(t *testing.T) {
	const (
		cri    = "2026-11-22T16:17:55.857123456Z "
		docker = `","stream":"stdout","time":"2026-11-22T16:17:55Z"}`
	)
	for line, want := range map[string]struct {
		part  wrapper.Part
		ok    bool
		opens bool // it may open more than Part says, not less
	}{
		cri + "stdout P x":                     {wrapper.Part{Kind: wrapper.CRI, More: true}, true, true},
		cri + "stderr P x":                     {wrapper.Part{Kind: wrapper.CRI, Stderr: true, More: true}, true, true},
		cri + "stdout P":                       {wrapper.Part{Kind: wrapper.CRI, More: true}, true, true},
		cri + "stdout P:a:b x":                 {wrapper.Part{Kind: wrapper.CRI, More: true}, true, true},
		cri + "stdout F x":                     {wrapper.Part{Kind: wrapper.CRI}, true, false},
		cri + "stdout Px x":                    {opens: true},
		cri + "stdxxx P x":                     {opens: true},
		"2026-11-22T16:17:55Z stdout P x":      {wrapper.Part{Kind: wrapper.CRI, More: true}, true, true},
		"2026-11-22T16:17:55+01:00 stdout P x": {wrapper.Part{Kind: wrapper.CRI, More: true}, true, true},
		`{"log":"x` + docker:                   {wrapper.Part{Kind: wrapper.Docker, More: true}, true, true},
		`{"log":"x\n` + docker:                 {wrapper.Part{Kind: wrapper.Docker}, true, false},
		`{"log":"x\\n` + docker:                {wrapper.Part{Kind: wrapper.Docker, More: true}, true, true},
		`{"log":"x\\\n` + docker:               {wrapper.Part{Kind: wrapper.Docker}, true, true},
		`{"log":"\n` + docker:                  {wrapper.Part{Kind: wrapper.Docker}, true, false},
		`{"log":"` + docker:                    {wrapper.Part{Kind: wrapper.Docker, More: true}, true, true},
		`{"stream":"stderr","time":"2026-11-22T16:17:55Z","log":"x"}`:   {wrapper.Part{Kind: wrapper.Docker, Stderr: true, More: true}, true, true},
		`{"stream":"stderr","time":"2026-11-22T16:17:55Z","log":"x\n"}`: {wrapper.Part{Kind: wrapper.Docker, Stderr: true}, true, true},
		`{"x":"` + strings.Repeat("y", 100):                             {opens: true},
		"":                                                              {}, "x": {}, "1.2.3.4:5 [22/Nov/2026:16:17:55.857] fe": {}, "<134>Nov 22 16:17:55 lb1 haproxy[1]: P": {}, "2026-11-22T16:17:55.857Z P": {},
	} {
		s := wrapper.NewSplitter(wrapper.Auto, nil)
		if got := s.Opens([]byte(line)); got != want.opens {
			t.Errorf("%q opens: %v, want %v", line, got, want.opens)
		}
		part, ok := s.Part([]byte(line))
		if part != want.part || ok != want.ok {
			t.Errorf("%q: %+v, %v, want %+v, %v", line, part, ok, want.part, want.ok)
		}
		if ok && part.More && !want.opens {
			t.Errorf("%q is a part that does not open a line", line)
		}
		for kind, wanted := range map[wrapper.Kind]bool{
			wrapper.None: false, wrapper.Local: false, wrapper.CRI: part.Kind == wrapper.CRI, wrapper.Docker: part.Kind == wrapper.Docker,
		} {
			s := wrapper.NewSplitter(kind, nil)
			if _, ok := s.Part([]byte(line)); ok != wanted {
				t.Errorf("%q as %v: %v, want %v", line, kind, ok, wanted)
			}
		}
	}
}

func TestMessage(t *testing.T) {
	const at = "2026-11-22T16:17:55.8Z stdout "
	for _, tc := range []struct {
		records []string
		want    string
		ok      bool
	}{
		{[]string{at + "F <6>x"}, "<6>x", true},
		{[]string{at + "F"}, "", true},
		{[]string{at + "P x ", at + "P ", at + "F y"}, "x y", true},
		{[]string{`{"log":"\"\u00e9","stream":"stdout","time":"2026-11-22T16:17:55Z"}`, `{"log":"\t\n","stream":"stdout","time":"2026-11-22T16:17:55Z"}`}, "\"é\t", true},
		{[]string{"x"}, "", false},
		{[]string{at + "P x", "y"}, "", false},
		{[]string{at + "P x", ""}, "", false},
		{nil, "", true},
	} {
		s := wrapper.NewSplitter(wrapper.Auto, nil)
		var records [][]byte
		for _, r := range tc.records {
			records = append(records, []byte(r))
		}
		if got, ok := s.Message(records...); string(got) != tc.want || ok != tc.ok {
			t.Errorf("%q: %q, %v, want %q, %v", tc.records, got, ok, tc.want, tc.ok)
		}
	}
}

// FuzzParts: a record that has more of its line behind it is always seen, and
// records joined are the messages of each.
func FuzzParts(f *testing.F) {
	f.Add([]byte("2026-11-22T16:17:55.8Z stdout P x"), []byte("2026-11-22T16:17:55.8Z stdout F y"))
	f.Add([]byte(`{"log":"x\\n","stream":"stdout","time":"2026-11-22T16:17:55Z"}`), []byte(`{"log":"x\n","stream":"stdout","time":"2026-11-22T16:17:55Z"}`))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		s := wrapper.NewSplitter(wrapper.Auto, nil)
		p, ok := s.Part(a)
		if ok && p.More && !s.Opens(a) {
			t.Errorf("%q has more, but does not open a line", a)
		}
		message, isA := s.Message(a)
		if isA != ok {
			t.Fatalf("%q is a record: %v and %v", a, ok, isA)
		}
		want := string(message)
		message, isB := s.Message(b)
		want += string(message)
		both, ok := s.Message(a, b)
		if ok != (isA && isB) || ok && string(both) != want {
			t.Fatalf("%q and %q give %q (%v), want %q", a, b, both, ok, want)
		}
		if n := s.CutsJoined([][]byte{a, b}); (n > 0) != ok {
			t.Fatalf("%q and %q: %d cuts", a, b, n)
		} else if n > 0 {
			var h wrapper.Header
			if got := s.Cut(n-1, &h); string(got) != want || h.Partial || h.Kind != p.Kind || h.Inner != wrapper.None {
				t.Errorf("%q and %q give %q, %+v", a, b, got, h)
			}
		}
	})
}
