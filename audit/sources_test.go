package audit

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/internal/wire"
)

func TestCoverage(t *testing.T) {
	r := func(from, to int64, lines int) archive.Range { return archive.Range{From: from, To: to, Lines: lines} }
	for name, tc := range map[string]struct {
		in       []archive.Range
		want     []covered
		overlaps int
	}{
		"one":              {[]archive.Range{r(10, 20, 2)}, []covered{{Span{10, 20}, 2}}, 0},
		"touching":         {[]archive.Range{r(0, 10, 1), r(10, 20, 2)}, []covered{{Span{0, 20}, 3}}, 0},
		"touching before":  {[]archive.Range{r(10, 20, 2), r(0, 10, 1)}, []covered{{Span{0, 20}, 3}}, 0},
		"fills a gap":      {[]archive.Range{r(0, 10, 1), r(20, 30, 3), r(10, 20, 2)}, []covered{{Span{0, 30}, 6}}, 0},
		"leaves a gap":     {[]archive.Range{r(20, 30, 3), r(0, 10, 1)}, []covered{{Span{0, 10}, 1}, {Span{20, 30}, 3}}, 0},
		"twice":            {[]archive.Range{r(0, 10, 1), r(0, 10, 1)}, []covered{{Span{0, 10}, 1}}, 0},
		"inside":           {[]archive.Range{r(0, 10, 5), r(2, 4, 1)}, []covered{{Span{0, 10}, 5}}, 0},
		"inside a merged":  {[]archive.Range{r(0, 10, 5), r(10, 20, 5), r(8, 12, 2)}, []covered{{Span{0, 20}, 10}}, 0},
		"around":           {[]archive.Range{r(2, 4, 1), r(6, 8, 1), r(0, 10, 5)}, []covered{{Span{0, 10}, 5}}, 0},
		"longer":           {[]archive.Range{r(0, 4, 2), r(0, 10, 5)}, []covered{{Span{0, 10}, 5}}, 0},
		"overlaps partly":  {[]archive.Range{r(0, 10, 5), r(6, 14, 4)}, []covered{{Span{0, 14}, 9}}, 1},
		"overlaps on both": {[]archive.Range{r(0, 10, 5), r(20, 30, 5), r(6, 24, 9)}, []covered{{Span{0, 30}, 19}}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			var c coverage
			for _, in := range tc.in {
				c.add(in)
			}
			if diff := cmp.Diff(tc.want, c.spans, cmp.AllowUnexported(covered{})); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if c.overlaps != tc.overlaps {
				t.Errorf("%d overlaps, want %d", c.overlaps, tc.overlaps)
			}
		})
	}
}

// Whatever the order and the repeats, the bytes covered are those of a bit map.
func TestCoverageAgainstABitMap(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		var c coverage
		var bits [64]bool
		for range rng.IntN(12) {
			from := rng.Int64N(60)
			to := from + 1 + rng.Int64N(4)
			c.add(archive.Range{From: from, To: to, Lines: 1})
			for i := from; i < to; i++ {
				bits[i] = true
			}
		}
		var want, got []Span
		for i := range int64(len(bits)) {
			switch {
			case !bits[i]:
			case i > 0 && bits[i-1]:
				want[len(want)-1].To++
			default:
				want = append(want, Span{i, i + 1})
			}
		}
		for _, s := range c.spans {
			got = append(got, s.Span)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
	}
}

func TestCoverageKnowsTheLastPath(t *testing.T) {
	var c coverage
	for _, r := range []struct {
		from, to int64
		path     string
	}{{10, 20, "log.1"}, {0, 10, "log"}, {20, 30, "log.2"}, {0, 10, "log"}} {
		c.add(archive.Range{Source: wire.Source{Path: r.path}, From: r.from, To: r.to, Lines: 1})
	}
	if c.path != "log.2" {
		t.Errorf("got %s", c.path)
	}
}

func TestGaps(t *testing.T) {
	for _, tc := range []struct{ in, want []Span }{
		{nil, []Span{}},
		{[]Span{{0, 10}}, []Span{}},
		{[]Span{{5, 10}, {12, 20}}, []Span{{0, 5}, {10, 12}}},
	} {
		if diff := cmp.Diff(tc.want, gaps(tc.in)); diff != "" {
			t.Errorf("%v (-want +got)\n%s", tc.in, diff)
		}
	}
}
