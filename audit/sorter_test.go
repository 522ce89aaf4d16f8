package audit

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/internal/wire"
)

// text gives a line in a form that sorts as lines do.
func text(s *sorter, l *line) string {
	src := s.sources[l.source]
	return fmt.Sprintf("%s %s %013d %s %v", src.Node, src.ID, l.offset, l.raw, !l.noLF)
}

// fill adds n lines of several sources in random order, some of them twice.
func fill(t *testing.T, s *sorter, n int) []string {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	var want []string
	for i := range n {
		src := wire.Source{Node: fmt.Sprintf("node-%d", rng.IntN(3)), ID: fmt.Sprintf("%024x", rng.IntN(5))}
		raw := fmt.Sprintf("%d%s", i, strings.Repeat("x", rng.IntN(300)))
		if rng.IntN(500) == 0 {
			raw = strings.Repeat("long", arenaChunk/3)
		}
		l := line{raw: []byte(raw), offset: rng.Int64N(1 << 40), source: s.source(src), noLF: rng.IntN(4) == 0}
		for range 1 + rng.IntN(2) {
			if err := s.add(l); err != nil {
				t.Fatal(err)
			}
			want = append(want, text(s, &l))
		}
		l.raw[0] = '!' // the caller's buffer is its own again
	}
	slices.Sort(want)
	return want
}

func drain(t *testing.T, s *sorter) []string {
	t.Helper()
	c, err := s.sorted()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for {
		l, err := c.next()
		if errors.Is(err, io.EOF) {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, text(s, l))
	}
}

func TestSorterInMemoryAndSpilled(t *testing.T) {
	for name, tc := range map[string]struct {
		limit int64
		lines int
		runs  func(int) bool
	}{
		"fits":               {1 << 30, 3000, func(n int) bool { return n == 0 }},
		"spills":             {1 << 18, 3000, func(n int) bool { return n > 3 && n < maxFanIn }},
		"more than the fan":  {1 << 14, 3000, func(n int) bool { return n > 0 && n <= maxFanIn }},
		"smaller than lines": {1, 200, func(n int) bool { return n > 0 && n <= maxFanIn }},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := newSorter(tc.limit, dir)
			want := fill(t, s, tc.lines)
			if !tc.runs(len(s.runs)) {
				t.Errorf("%d runs", len(s.runs))
			}
			if diff := cmp.Diff(want, drain(t, s)); diff != "" {
				t.Errorf("(-want +got)\n%.2000s", diff)
			}
			if err := s.close(); err != nil {
				t.Error(err)
			}
			left, err := os.ReadDir(dir)
			if err != nil || len(left) != 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

func TestSorterMemoryIsBounded(t *testing.T) {
	const limit = 4 << 20
	s := newSorter(limit, t.TempDir())
	defer s.close() //nolint:errcheck // not what is tested
	raw := []byte(strings.Repeat("y", 300))
	src := s.source(wire.Source{Node: "n", ID: "i"})
	for i := range int64(100_000) { // 34 MB
		if err := s.add(line{raw: raw, offset: i, source: src}); err != nil {
			t.Fatal(err)
		}
		var held int64
		for _, l := range s.lists {
			held += int64(cap(l.lines)) * lineCost
		}
		for _, c := range s.arena {
			held += int64(cap(c))
		}
		if held > 2*limit {
			t.Fatalf("%d bytes are held after %d lines, the limit is %d", held, i, limit)
		}
	}
	if len(s.runs) < 5 {
		t.Errorf("%d runs", len(s.runs))
	}
}

func TestSorterSaysWhereItCannotSpill(t *testing.T) {
	s := newSorter(1, t.TempDir()+"/none")
	for i := range int64(2) {
		err := s.add(line{raw: []byte("x"), offset: i, source: s.source(wire.Source{})})
		if i == 1 && (err == nil || !strings.Contains(err.Error(), "TMPDIR")) {
			t.Errorf("got %v", err)
		}
	}
}

func TestCutRunIsAnError(t *testing.T) {
	s := newSorter(1<<20, t.TempDir())
	fill(t, s, 200)
	if err := s.spill(); err != nil {
		t.Fatal(err)
	}
	info, err := s.runs[0].file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.runs[0].file.Truncate(info.Size() / 2); err != nil {
		t.Fatal(err)
	}
	c, err := s.sorted()
	for err == nil {
		_, err = c.next()
	}
	if errors.Is(err, io.EOF) {
		t.Error("a cut run reads like a whole one")
	}
}
