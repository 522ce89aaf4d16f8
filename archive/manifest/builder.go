package manifest

import (
	"cmp"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/internal/wire"
)

// Entry is an object that waits for its manifest.
type Entry struct {
	Object
	ranges []archive.Range
	losses []archive.Loss
	blooms map[string][]byte
}

// NewEntry makes the entry of an object. s is the object's summary, nil for
// what was quarantined. The entry keeps no view of the object.
func NewEntry(key string, size int64, sum [32]byte, s *archive.Summary) *Entry {
	e := &Entry{Object: Object{Key: key, Size: size, SHA256: hex.EncodeToString(sum[:])}}
	if s == nil {
		return e
	}
	m := s.Meta
	e.RawSHA256, e.RawBytes, e.Lines, e.Unparsed, e.RawKept, e.Rests = m.RawSHA256, m.RawBytes, m.Lines, m.Unparsed, m.RawKept, m.Rests
	e.MinTime, e.MaxTime, e.Timed = m.MinTime, m.MaxTime, m.Timed
	e.Masks, e.Columns = m.Masks, s.Columns
	e.ranges, e.losses = m.Ranges, m.Losses
	e.blooms = map[string][]byte{}
	for column, b := range s.Blooms {
		e.blooms[column] = slices.Clone(b)
	}
	return e
}

// FilterBytes is the size of the entry's filters, which is most of its memory.
func (e *Entry) FilterBytes() (n int) {
	for _, b := range e.blooms {
		n += len(b)
	}
	return n
}

// fill puts entries into m in the order of their keys, and gives the bytes of
// their filters.
func (m *Manifest) fill(entries []*Entry) []byte {
	entries = slices.Clone(entries)
	slices.SortFunc(entries, func(a, b *Entry) int { return strings.Compare(a.Key, b.Key) })
	sources := map[wire.Source]int{}
	for _, e := range entries {
		for i := range e.ranges {
			sources[e.ranges[i].Source] = 0
		}
		for i := range e.losses {
			sources[e.losses[i].Source] = 0
		}
	}
	m.Sources = nil
	for s := range sources {
		m.Sources = append(m.Sources, s)
	}
	slices.SortFunc(m.Sources, func(a, b wire.Source) int {
		return cmp.Or(strings.Compare(a.Node, b.Node), strings.Compare(a.ID, b.ID), strings.Compare(a.Path, b.Path))
	})
	for i, s := range m.Sources {
		sources[s] = i
	}
	m.Objects = make([]Object, 0, len(entries))
	blooms := make([]map[string][]byte, 0, len(entries))
	for _, e := range entries {
		o := e.Object
		for i := range e.ranges {
			r := &e.ranges[i]
			o.Ranges = append(o.Ranges, Range{int64(sources[r.Source]), r.From, r.To, int64(r.Lines)})
		}
		for i := range e.losses {
			l := &e.losses[i]
			o.Losses = append(o.Losses, Loss{sources[l.Source], l.From, l.To, l.Lines, l.Reason, l.Read})
		}
		m.Objects = append(m.Objects, o)
		blooms = append(blooms, e.blooms)
	}
	var filters []byte
	m.Filters, filters = newFilters(blooms)
	return filters
}
