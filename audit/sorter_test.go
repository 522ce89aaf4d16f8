package audit

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/internal/wire"
)

// modelLine is a line as it is printed, and where.
type modelLine struct {
	node, id string
	offset   int64
	text     string
}

func (a modelLine) compare(b modelLine) int {
	return cmp.Or(cmp.Compare(a.node, b.node), cmp.Compare(a.id, b.id), cmp.Compare(a.offset, b.offset), cmp.Compare(a.text, b.text))
}

// randomLine is mostly short; some are empty, very long, or have what no line
// of a file has.
func randomLine(rng *rand.Rand) string {
	switch rng.IntN(400) {
	case 0:
		return strings.Repeat("long", arenaChunk/3)
	case 1, 2:
		return "two\nlines"
	case 3, 4:
		return "ends\n"
	case 5:
		return ""
	}
	return strings.Repeat(string(rune('a'+rng.IntN(26))), 1+rng.IntN(300))
}

// fill adds n lines or some more, and gives them sorted. They are what readers
// of the archive come across: stretches of sources that follow each other, come
// late, come again, overlap others, and claim a place that others have, be it
// with lines that begin elsewhere; ends without LF; lines that stand for more
// bytes than they have.
func fill(t *testing.T, s *sorter, rng *rand.Rand, n int) []modelLine {
	t.Helper()
	var all []modelLine
	type piece struct {
		src    wire.Source
		offset int64
		text   string
		noLF   bool
	}
	var stretches [][]piece
	end := int64(0) // of the stretch before
	for total := 0; total < n; {
		src := wire.Source{Node: fmt.Sprintf("node-%d", rng.IntN(2)), ID: fmt.Sprintf("%024x", rng.IntN(3))}
		offset := rng.Int64N(1 << 20)
		switch rng.IntN(3) {
		case 0:
			offset = rng.Int64N(1 << 40)
		case 1:
			offset = end // of another source, or of the same one
		}
		var own []piece
		for range 1 + rng.IntN(60) {
			p := piece{src, offset, randomLine(rng), rng.IntN(100) == 0}
			offset += int64(len(p.text)) + 1
			if rng.IntN(50) == 0 {
				offset += rng.Int64N(100) // of a container
			}
			own = append(own, p)
		}
		end = offset
		stretches = append(stretches, own)
		total += len(own)
		for rng.IntN(3) == 0 { // again, cut elsewhere
			from := rng.IntN(len(own))
			again := slices.Clone(own[from : from+1+rng.IntN(len(own)-from)])
			if rng.IntN(2) == 0 {
				other := &again[rng.IntN(len(again))]
				if other.text = randomLine(rng); rng.IntN(2) == 0 {
					other.text = own[from].text + "\nor more" // also of another place
				}
			}
			stretches = append(stretches, again)
			total += len(again)
		}
	}
	if rng.IntN(2) == 0 {
		rng.Shuffle(len(stretches), func(i, j int) { stretches[i], stretches[j] = stretches[j], stretches[i] })
	}
	for _, p := range slices.Concat(stretches...) {
		raw := []byte(p.text)
		if err := s.add(line{raw: raw, offset: p.offset, source: s.source(p.src), noLF: p.noLF}); err != nil {
			t.Fatal(err)
		}
		if len(raw) > 0 {
			raw[0] = '!' // the caller's buffer is its own again
		}
		if !p.noLF {
			p.text += "\n"
		}
		all = append(all, modelLine{p.src.Node, p.src.ID, p.offset, p.text})
	}
	slices.SortFunc(all, modelLine.compare)
	return all
}

// drain gives all lines, and how many segments they were in. Lines at one offset
// must be segments of their own.
func drain(t *testing.T, s *sorter) (lines []modelLine, segments int) {
	t.Helper()
	c, err := s.sorted()
	if err != nil {
		t.Fatal(err)
	}
	several := false
	for {
		g, err := c.next()
		if errors.Is(err, io.EOF) {
			return lines, segments
		}
		if err != nil {
			t.Fatal(err)
		}
		segments++
		texts := []string{string(g.text)}
		if g.lines > 1 {
			texts = strings.SplitAfter(strings.TrimSuffix(string(g.text), "\n"), "\n")
			texts[len(texts)-1] += "\n"
		}
		if len(texts) != int(g.lines) {
			t.Fatalf("%d lines, said to be %d", len(texts), g.lines)
		}
		src, offset := s.sources[g.source], g.offset
		for i, text := range texts {
			l := modelLine{src.Node, src.ID, offset, text}
			if n := len(lines); n > 0 && i == 0 {
				last := lines[n-1]
				if last.offset == offset && last.node == src.Node && last.id == src.ID && (several || g.lines > 1) {
					t.Fatalf("two lines at offset %d are not segments of a line", offset)
				}
			}
			lines = append(lines, l)
			offset += int64(len(text))
		}
		several = g.lines > 1
	}
}

// TestSorterIsASort compares the sorter with a plain sort of lines, and what
// cat prints with those of them that are not equal to the one before.
func TestSorterIsASort(t *testing.T) {
	seeds := uint64(4)
	if testing.Short() {
		seeds = 2
	}
	for name, tc := range map[string]struct {
		limit int64
		lines int
		runs  func(int) bool
	}{
		"fits":               {1 << 30, 3000, func(n int) bool { return n == 0 }},
		"spills":             {1 << 18, 3000, func(n int) bool { return n > 1 && n < maxFanIn }},
		"more than the fan":  {1 << 13, 2000, func(n int) bool { return n > 0 && n <= maxFanIn }},
		"smaller than lines": {1, 150, func(n int) bool { return n > 0 && n <= maxFanIn }},
	} {
		t.Run(name, func(t *testing.T) {
			var all CatReport
			for seed := range seeds {
				dir := t.TempDir()
				s := newSorter(tc.limit, dir)
				want := fill(t, s, rand.New(rand.NewPCG(seed, 1)), tc.lines)
				if !tc.runs(len(s.runs)) {
					t.Errorf("%d runs", len(s.runs))
				}
				got, _ := drain(t, s)
				if !slices.Equal(want, got) {
					diff := gocmp.Diff(want, got, gocmp.AllowUnexported(modelLine{}))
					t.Fatalf("seed %d (-want +got)\n%.2000s", seed, diff)
				}
				if err := s.close(); err != nil {
					t.Error(err)
				}
				left, err := os.ReadDir(dir)
				if err != nil || len(left) != 0 {
					t.Errorf("left behind: %v, %v", left, err)
				}
				s = newSorter(tc.limit, dir)
				fill(t, s, rand.New(rand.NewPCG(seed, 1)), tc.lines)
				report := printsModel(t, s, want)
				all.Duplicates += report.Duplicates
				all.Conflicts += report.Conflicts
				if err := s.close(); err != nil {
					t.Error(err)
				}
			}
			if all.Duplicates == 0 || all.Conflicts == 0 {
				t.Errorf("lines without what is to be tested: %+v", all)
			}
		})
	}
}

// printsModel compares what cat prints with the lines, which are sorted, and
// gives the report that it should make.
func printsModel(t *testing.T, s *sorter, lines []modelLine) (report CatReport) {
	t.Helper()
	var want bytes.Buffer
	for i, l := range lines {
		if i > 0 && l == lines[i-1] {
			report.Duplicates++
			continue
		}
		if i > 0 && l.offset == lines[i-1].offset && l.id == lines[i-1].id && l.node == lines[i-1].node {
			report.Conflicts++
		}
		report.Lines++
		report.Bytes += int64(len(l.text))
		want.WriteString(l.text)
	}
	var got bytes.Buffer
	var printed CatReport
	warnings := 0
	if err := printed.print(t.Context(), &got, s, func(error) { warnings++ }); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want.Bytes()) {
		t.Errorf("printed %d bytes, want %d others", got.Len(), want.Len())
	}
	if diff := gocmp.Diff(report, printed); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if warnings != int(min(report.Conflicts, maxConflicts)) {
		t.Errorf("%d warnings of %d conflicts", warnings, report.Conflicts)
	}
	return report
}

// Lines that follow each other are looked at together, also where another
// object has some of them.
func TestSorterKeepsLinesTogether(t *testing.T) {
	for name, limit := range map[string]int64{"fits": 1 << 30, "spills": 1 << 20} {
		t.Run(name, func(t *testing.T) {
			s := newSorter(limit, t.TempDir())
			defer s.close() //nolint:errcheck // not what is tested
			add := func(id string, from, to int64) {
				for i := from; i < to; i++ {
					if err := s.add(line{raw: fmt.Appendf(nil, "%099d", i), offset: 100 * i, source: s.source(wire.Source{ID: id})}); err != nil {
						t.Fatal(err)
					}
				}
			}
			add("b", 0, 20_000)
			add("a", 10_000, 20_000)
			add("a", 0, 10_000)
			add("a", 5_000, 5_100)
			lines, segments := drain(t, s)
			if len(lines) != 40_100 || segments > 250 {
				t.Errorf("%d lines in %d segments", len(lines), segments)
			}
		})
	}
}

func TestSorterMemoryIsBounded(t *testing.T) {
	const limit = 4 << 20
	for name, tc := range map[string]struct {
		size, lines int
		step        int64
	}{
		"lines that follow each other": {300, 100_000, 301},
		"lines that do not":            {300, 100_000, 1000},
		"long lines":                   {arenaChunk * 3 / 2, 100, arenaChunk * 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSorter(limit, t.TempDir())
			defer s.close() //nolint:errcheck // not what is tested
			raw := []byte(strings.Repeat("y", tc.size))
			src := s.source(wire.Source{Node: "n", ID: "i"})
			for i := range tc.lines { // more than 30 MB
				if err := s.add(line{raw: raw, offset: tc.step * int64(i), source: src}); err != nil {
					t.Fatal(err)
				}
				var held int64
				for _, l := range s.lists {
					held += int64(cap(l.segments)) * segmentCost
				}
				for _, c := range slices.Concat(s.arena.chunks, s.arena.free) {
					held += int64(cap(c))
				}
				if held > 2*limit {
					t.Fatalf("%d bytes are held after %d lines, the limit is %d", held, i, limit)
				}
			}
			if len(s.runs) < 5 {
				t.Errorf("%d runs", len(s.runs))
			}
		})
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

// A temporary file that does not give back what was written is an error, not
// other lines.
func TestDamagedRunIsAnError(t *testing.T) {
	for name, damage := range map[string]func(f *os.File, size int64) error{
		"cut in the middle": func(f *os.File, size int64) error { return f.Truncate(size / 2) },
		"cut at the end":    func(f *os.File, size int64) error { return f.Truncate(size - 1) },
		"empty":             func(f *os.File, _ int64) error { return f.Truncate(0) },
		"cut between segments": func(f *os.File, _ int64) error {
			head := make([]byte, runHeader)
			if _, err := f.ReadAt(head, 0); err != nil {
				return err
			}
			return f.Truncate(runHeader + int64(head[24]) + int64(head[25])<<8 + int64(head[26])<<16)
		},
		"other bytes":  func(f *os.File, size int64) error { _, err := f.WriteAt([]byte{1}, size/2); return err },
		"other offset": func(f *os.File, _ int64) error { _, err := f.WriteAt([]byte{1}, 15); return err },
		"wild size":    func(f *os.File, _ int64) error { _, err := f.WriteAt([]byte{1}, 31); return err },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSorter(1<<20, t.TempDir())
			defer s.close() //nolint:errcheck // not what is tested
			fill(t, s, rand.New(rand.NewPCG(1, 2)), 200)
			if err := s.spill(); err != nil {
				t.Fatal(err)
			}
			if err := damage(s.runs[0].file, s.runs[0].size); err != nil {
				t.Fatal(err)
			}
			c, err := s.sorted()
			for err == nil {
				_, err = c.next()
			}
			if errors.Is(err, io.EOF) {
				t.Error("it reads like a whole run")
			}
		})
	}
}
