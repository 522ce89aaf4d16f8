package audit

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/loghaul/loghaul/archive"
)

// Span is a stretch [From, To) of a source, in bytes.
type Span struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

// Source is what Sources tells about one source.
type Source struct {
	Node string `json:"node"`
	ID   string `json:"source"`
	// Path is where the source lay when its last bytes were read.
	Path string `json:"path"`
	// Archived and Missing are in order and do not touch each other. Missing
	// ends where the archive ends: what a forwarder has not sent yet cannot
	// be known here. With a time filter Archived covers the objects selected
	// and Missing is not known, thus nil.
	Archived []Span `json:"archived"`
	Missing  []Span `json:"missing"`
	// Lines and Bytes count what is archived once, even if objects hold it
	// several times.
	Lines int64 `json:"lines"`
	Bytes int64 `json:"bytes"`
	// Overlaps counts ranges that cover a part of another one. If there are
	// any, Lines is an upper bound: the lines in common count twice.
	Overlaps int `json:"overlaps,omitempty"`
}

// Sources lists the sources in the archive by node and id, from the footers of
// the objects alone.
func Sources(ctx context.Context, store Store, filter Filter, warn func(error)) ([]Source, error) {
	all := map[sourceKey]*coverage{}
	s := &scan{store: store, filter: filter, warn: warn}
	err := s.run(ctx, func(o *object) error {
		for _, r := range o.reader.Meta().Ranges {
			if !filter.source(r.Source.Node, r.Source.ID) {
				continue
			}
			key := sourceKey{r.Source.Node, r.Source.ID}
			if all[key] == nil {
				all[key] = &coverage{}
			}
			all[key].add(r)
		}
		return nil
	})
	out := make([]Source, 0, len(all))
	for key, c := range all {
		src := Source{Node: key.node, ID: key.id, Path: c.path, Overlaps: c.overlaps}
		for _, sp := range c.spans {
			src.Archived = append(src.Archived, sp.Span)
			src.Lines += sp.lines
			src.Bytes += sp.To - sp.From
		}
		if !filter.timed() {
			src.Missing = gaps(src.Archived)
		}
		out = append(out, src)
	}
	slices.SortFunc(out, func(a, b Source) int {
		return cmp.Or(strings.Compare(a.Node, b.Node), strings.Compare(a.ID, b.ID))
	})
	return out, err
}

// gaps gives what lies before and between the spans.
func gaps(spans []Span) []Span {
	missing := []Span{}
	end := int64(0)
	for _, sp := range spans {
		if sp.From > end {
			missing = append(missing, Span{end, sp.From})
		}
		end = sp.To
	}
	return missing
}

// coverage is the set of bytes of one source that are archived, with the
// number of lines. It is as large as the number of gaps, not of objects.
type coverage struct {
	spans    []covered // in order, never touching
	overlaps int
	path     string
	pathEnd  int64 // where the range that path was taken from ends
}

type covered struct {
	Span
	lines int64
}

// add takes in a range. A range that is wholly covered repeats lines that are
// counted; one that wholly covers spans counts in their place.
func (c *coverage) add(r archive.Range) {
	if r.To >= c.pathEnd {
		c.path, c.pathEnd = strings.Clone(r.Source.Path), r.To
	}
	n := covered{Span{r.From, r.To}, int64(r.Lines)}
	// The spans that touch or overlap n are [i, j).
	i, _ := slices.BinarySearchFunc(c.spans, n.From, func(s covered, from int64) int { return cmp.Compare(s.To, from) })
	j := i
	for ; j < len(c.spans) && c.spans[j].From <= n.To; j++ {
		s := c.spans[j]
		switch {
		case s.From <= n.From && n.To <= s.To:
			return
		case n.From <= s.From && s.To <= n.To: // its lines are among n's
		case s.To == n.From || s.From == n.To:
			n.lines += s.lines
		default:
			c.overlaps++
			n.lines += s.lines
		}
		n.From, n.To = min(n.From, s.From), max(n.To, s.To)
	}
	c.spans = slices.Replace(c.spans, i, j, n)
}
