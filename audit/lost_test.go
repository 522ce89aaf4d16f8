package audit

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/archive"
)

func TestSettle(t *testing.T) {
	l := func(from, to, lines int64, reason string) Lost { return Lost{Span{from, to}, lines, reason} }
	for name, tc := range map[string]struct {
		losses   []Lost
		archived []Span
		lost     []Lost
		joined   []Span
	}{
		"none":                   {nil, []Span{{0, 10}}, []Lost{}, nil},
		"one":                    {[]Lost{l(10, 20, 0, "gone")}, []Span{{0, 10}}, []Lost{l(10, 20, 0, "gone")}, nil},
		"turned up":              {[]Lost{l(2, 8, 0, "gone")}, []Span{{0, 10}}, []Lost{}, nil},
		"a part turned up":       {[]Lost{l(5, 30, 3, "gone")}, []Span{{0, 10}, {15, 20}}, []Lost{l(10, 15, 0, "gone"), l(20, 30, 0, "gone")}, nil},
		"twice":                  {[]Lost{l(5, 9, 0, "gone"), l(5, 9, 2, "truncated")}, nil, []Lost{l(5, 9, 2, "truncated")}, nil},
		"overlapping":            {[]Lost{l(5, 9, 0, "gone"), l(7, 12, 0, "truncated")}, nil, []Lost{l(5, 9, 0, "gone"), l(9, 12, 0, "truncated")}, nil},
		"neighbours":             {[]Lost{l(5, 9, 0, "gone"), l(9, 12, 0, "gone"), l(12, 20, 1, "gone")}, nil, []Lost{l(5, 12, 0, "gone"), l(12, 20, 1, "gone")}, nil},
		"counted":                {[]Lost{l(3, 7, 4, "x"), l(0, 3, 3, "x"), l(5, 9, 4, "x")}, nil, []Lost{l(0, 9, 9, "x")}, nil},
		"counted, other reasons": {[]Lost{l(3, 7, 4, "x"), l(0, 3, 3, "y")}, nil, []Lost{l(0, 3, 3, "y"), l(3, 7, 4, "x")}, nil},
		"joined":                 {[]Lost{l(10, 20, 0, "gone"), l(5, 12, 0, archive.Joined)}, []Span{{0, 6}}, []Lost{l(12, 20, 0, "gone")}, []Span{{6, 12}}},
	} {
		t.Run(name, func(t *testing.T) {
			lost, joined, _ := settle(tc.losses, tc.archived)
			if d := cmp.Diff(tc.lost, lost); d != "" {
				t.Errorf("lost (-want +got)\n%s", d)
			}
			if d := cmp.Diff(tc.joined, joined); d != "" {
				t.Errorf("joined (-want +got)\n%s", d)
			}
		})
	}
}

// TestSettleAgainstABitMap: whatever overlaps what, a byte is archived, joined,
// lost or missing, and only one of that.
func TestSettleAgainstABitMap(t *testing.T) {
	const size = 40
	rng := rand.New(rand.NewPCG(7, 8))
	for range 3000 {
		var want [size]byte
		var archived []Span
		var losses []Lost
		pick := func() Span {
			from := rng.Int64N(size - 1)
			return Span{from, min(size, from+1+rng.Int64N(9))}
		}
		mark := func(s Span, with byte) {
			for i := s.From; i < s.To; i++ {
				if with > want[i] {
					want[i] = with
				}
			}
		}
		for range rng.IntN(4) {
			s := pick()
			archived = with(archived, s)
			mark(s, 'm'+2)
		}
		for range rng.IntN(7) {
			s, reason := pick(), "gone"
			if rng.IntN(4) == 0 {
				reason = archive.Joined
				mark(s, 'm'+1)
			} else {
				mark(s, 'm')
			}
			losses = append(losses, Lost{s, rng.Int64N(s.To - s.From + 1), reason})
		}
		lost, joined, known := settle(losses, archived)
		var got [size]byte
		put := func(s Span, with byte) {
			for i := s.From; i < s.To; i++ {
				if got[i] != 0 {
					t.Fatalf("byte %d is there twice: %v, %v, %v", i, archived, lost, joined)
				}
				got[i] = with
			}
		}
		end := int64(0)
		for _, l := range lost {
			put(l.Span, 'm')
			if l.From < end || l.Lines > l.To-l.From {
				t.Fatalf("lost is %v", lost)
			}
			end = l.To
		}
		for _, s := range joined {
			put(s, 'm'+1)
		}
		for _, s := range archived {
			put(s, 'm'+2)
		}
		if got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		for _, s := range gaps(known) {
			put(s, 1)
		}
	}
}
