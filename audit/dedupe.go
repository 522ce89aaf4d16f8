package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/loghaul/loghaul/archive"
)

// DedupeOptions says what Dedupe looks at and with what means.
type DedupeOptions struct {
	Filter Filter
	// Memory bounds the bytes that are held for sorting; 0 is DefaultMemory. The
	// object being read comes on top.
	Memory int64
	// TempDir is where more is spilled; "" is the system's.
	TempDir string
	// Warn gets each thing that is wrong and does not end the call. It must be
	// safe for concurrent use.
	Warn func(error)
}

// DedupeReport says what the archive holds more than once.
type DedupeReport struct {
	// Objects were looked at, Read of them read whole, because their ranges
	// overlap those of others: Overlaps ranges begin in another one.
	Objects  int `json:"objects"`
	Read     int `json:"objects_read"`
	Overlaps int `json:"overlapping_ranges"`
	// Lines is the number of lines in the selected ranges, repeats included.
	Lines int64 `json:"lines"`
	DedupeCounts
	// Groups has the same by source, writer and hour, without those that have
	// nothing.
	Groups []DedupeGroup `json:"groups"`
}

// DedupeCounts counts lines that are not the first of their identity.
type DedupeCounts struct {
	// Repeats are equal to a line before them, byte for byte: RepeatedBytes in
	// all, LFs included. Readers leave them out.
	Repeats       int64 `json:"repeats"`
	RepeatedBytes int64 `json:"repeated_bytes"`
	// Conflicts are lines with the identity of another line but other bytes.
	// Readers give all of them.
	Conflicts int64 `json:"conflicts"`
}

func (c *DedupeCounts) add(l *copied) {
	if l.conflict {
		c.Conflicts++
		return
	}
	c.Repeats++
	c.RepeatedBytes += l.size
}

// DedupeGroup is what one writer stored again of one source in one hour.
type DedupeGroup struct {
	Node   string `json:"node"`
	Source string `json:"source"`
	// Writer sealed the objects that have the repeats within the hour that
	// begins at Sealed, UTC.
	Writer string    `json:"writer"`
	Sealed time.Time `json:"sealed"`
	DedupeCounts
}

// Dedupe counts what the archive holds more than once. Footers tell where that
// can be; only objects there are read. Of equal lines the first is that of the
// object whose key is the least.
func Dedupe(ctx context.Context, store Store, o DedupeOptions) (*DedupeReport, error) {
	if o.Memory <= 0 {
		o.Memory = DefaultMemory
	}
	report := &DedupeReport{Groups: []DedupeGroup{}}
	found := &ranges{newSorter(o.Memory, o.TempDir)}
	defer found.close() //nolint:errcheck // nothing of it is needed any more
	s := &scan{store: store, filter: o.Filter, warn: o.Warn}
	var objects []*object
	err := s.run(ctx, func(obj *object) error {
		m := obj.reader.Meta()
		for i := range m.Ranges {
			if r := &m.Ranges[i]; o.Filter.source(r.Source.Node, r.Source.ID) {
				report.Lines += int64(r.Lines)
			}
		}
		objects = append(objects, &object{key: obj.key, size: obj.size, name: obj.name})
		return found.add(len(objects)-1, m.Ranges, &o.Filter)
	})
	report.Objects = len(objects)
	var incomplete *IncompleteError
	if err != nil && !errors.As(err, &incomplete) {
		return nil, err
	}
	over, oerr := found.overlaps()
	if oerr != nil {
		return nil, oerr
	}
	report.Read, report.Overlaps = len(over.places), over.ranges
	lines := &copies{newSorter(o.Memory, o.TempDir)}
	defer lines.close() //nolint:errcheck // nothing of it is needed any more
	rerr := over.read(ctx, store, o, objects, lines)
	if rerr != nil && !errors.As(rerr, &incomplete) {
		return nil, rerr
	}
	groups := map[DedupeGroup]*DedupeCounts{}
	if err := lines.each(ctx, func(l *copied) {
		report.add(l)
		name := &objects[l.place].name
		g := DedupeGroup{Node: l.key.node, Source: l.key.id, Writer: name.Writer, Sealed: name.Sealed.Truncate(time.Hour)}
		if groups[g] == nil {
			groups[g] = &DedupeCounts{}
		}
		groups[g].add(l)
	}); err != nil {
		return nil, err
	}
	for g, counts := range groups {
		g.DedupeCounts = *counts
		report.Groups = append(report.Groups, g)
	}
	slices.SortFunc(report.Groups, func(a, b DedupeGroup) int {
		return cmp.Or(a.Sealed.Compare(b.Sealed), strings.Compare(a.Writer, b.Writer), strings.Compare(a.Node, b.Node), strings.Compare(a.Source, b.Source))
	})
	return report, errors.Join(err, rerr)
}

// read puts the lines of overlapping ranges into lines.
func (o *overlaps) read(ctx context.Context, store Store, opt DedupeOptions, objects []*object, lines *copies) error {
	s := &scan{store: store, whole: true, warn: opt.Warn}
	for place, obj := range objects {
		shared := o.places[place]
		if shared == nil {
			continue
		}
		if err := s.readWhole(ctx, obj, func(rd *archive.Reader) error { return lines.add(place, rd, shared, &opt.Filter) }); err != nil {
			return err
		}
	}
	if s.broken > 0 {
		return &IncompleteError{Objects: s.broken}
	}
	return nil
}

// readWhole reads one object whole and gives it to fn. If it cannot be read, it is
// counted and reported.
func (s *scan) readWhole(ctx context.Context, obj *object, fn func(*archive.Reader) error) error {
	s.load(ctx, obj)
	err := obj.err
	if err == nil {
		err = fn(obj.reader)
	}
	obj.reader = nil
	switch {
	case err == nil:
		return nil
	case errors.Is(err, archive.ErrCorrupt), errors.Is(err, archive.ErrVersion), obj.err != nil && !fatal(ctx, err):
		s.broken++
		s.warn(fmt.Errorf("%s: %w", obj.key, err))
		return nil
	}
	return fmt.Errorf("%s: %w", obj.key, err)
}
