package audit

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/internal/wire"
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
	// Lost is what the forwarder declared as lost and the archive has not got
	// after all, in order. With a time filter: declared then.
	Lost []Lost `json:"lost"`
	// Joined is what was sent as the end of another source.
	Joined []Span `json:"joined,omitempty"`
	// Counter marks a source that only counts lines that were lost: then the
	// ranges are numbers of lines.
	Counter bool `json:"counter,omitempty"`
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
	all := Coverage{}
	s := &scan{store: store, filter: filter, warn: warn}
	err := s.run(ctx, func(o *object) error {
		all.Add(o.reader.Meta(), &filter)
		return nil
	})
	return all.Sources(!filter.timed()), err
}

// Coverage is what is known of each source. One goroutine may use it at a time.
type Coverage map[sourceKey]*coverage

// Sources sums up, by node and id. If everything was looked at (complete), what
// is not known is missing.
func (all Coverage) Sources(complete bool) []Source {
	out := make([]Source, 0, len(all))
	for key, c := range all {
		out = append(out, c.source(key, complete))
	}
	slices.SortFunc(out, func(a, b Source) int {
		return cmp.Or(strings.Compare(a.Node, b.Node), strings.Compare(a.ID, b.ID))
	})
	return out
}

// Add takes in what an object has of the selected sources.
func (all Coverage) Add(m *archive.Meta, f *Filter) {
	of := func(node, id string) *coverage {
		key := sourceKey{node, id}
		if all[key] == nil {
			all[key] = &coverage{}
		}
		return all[key]
	}
	if f.rows(m) {
		for _, r := range m.Ranges {
			if f.source(r.Source.Node, r.Source.ID) {
				of(r.Source.Node, r.Source.ID).add(r)
			}
		}
	}
	for i := range m.Losses {
		if l := &m.Losses[i]; f.loss(l) {
			of(l.Source.Node, l.Source.ID).lose(l)
		}
	}
}

// Merge takes in what other has. It must not be used any more.
func (all Coverage) Merge(other Coverage) {
	for key, c := range other {
		mine := all[key]
		if mine == nil {
			all[key] = c
			continue
		}
		mine.last(c.path, c.pathEnd)
		for _, s := range c.spans {
			mine.add(archive.Range{Source: wire.Source{Path: mine.path}, From: s.From, To: s.To, Lines: int(s.lines)})
		}
		mine.losses = append(mine.losses, c.losses...)
		mine.overlaps += c.overlaps
	}
}

// source sums up. If everything was looked at (complete), what is not known is
// missing.
func (c *coverage) source(key sourceKey, complete bool) Source {
	src := Source{Node: key.node, ID: key.id, Path: c.path, Overlaps: c.overlaps, Archived: []Span{}}
	for _, sp := range c.spans {
		src.Archived = append(src.Archived, sp.Span)
		src.Lines += sp.lines
		src.Bytes += sp.To - sp.From
	}
	var known []Span
	src.Lost, src.Joined, known = settle(c.losses, src.Archived)
	src.Counter = len(src.Archived) == 0 && len(src.Lost) > 0 && !slices.ContainsFunc(src.Lost, func(l Lost) bool { return !l.counted() })
	if complete {
		src.Missing = gaps(known)
	}
	return src
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
	losses   []Lost
}

type covered struct {
	Span
	lines int64
}

// add takes in a range. A range that is wholly covered repeats lines that are
// counted; one that wholly covers spans counts in their place.
func (c *coverage) add(r archive.Range) {
	c.last(r.Source.Path, r.To)
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

// last notes the path of the range that ends last.
func (c *coverage) last(path string, to int64) {
	if to >= c.pathEnd {
		c.path, c.pathEnd = strings.Clone(path), to
	}
}
