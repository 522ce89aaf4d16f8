package audit

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"slices"

	"github.com/loghaul/loghaul/archive"
)

// A line can be archived twice only where ranges of objects overlap, and the
// footers tell all ranges. Where none do, there is nothing to read.

// ranges collects the ranges of objects, which it sorts with bounded memory.
type ranges struct{ *sorter }

// add takes the ranges of the object that stands at place in the order of
// precedence.
func (r *ranges) add(place int, all []archive.Range, f *Filter) error {
	for i := range all {
		g := &all[i]
		if !f.source(g.Source.Node, g.Source.ID) {
			continue
		}
		raw := binary.BigEndian.AppendUint64(nil, uint64(g.To)) //nolint:gosec // not negative
		raw = binary.BigEndian.AppendUint32(raw, uint32(place)) //nolint:gosec // far fewer objects
		if err := r.sorter.add(line{raw: raw, offset: g.From, source: r.source(g.Source), noLF: true}); err != nil {
			return err
		}
	}
	return nil
}

// overlaps are the stretches that objects share with another one, by place in
// the order of precedence and source.
type overlaps struct {
	places map[int]map[sourceKey][]Span
	ranges int // that begin in another one
}

// overlaps sweeps over the sorted ranges.
func (r *ranges) overlaps() (*overlaps, error) {
	in, err := r.sorted()
	if err != nil {
		return nil, err
	}
	type open struct {
		to    int64
		place int
	}
	var active []open
	source := int32(-1)
	o := &overlaps{places: map[int]map[sourceKey][]Span{}}
	for {
		l, err := in.next()
		if err == io.EOF { //nolint:errorlint // cursors return it bare
			return o, nil
		}
		if err != nil {
			return nil, err
		}
		if l.source != source {
			source, active = l.source, active[:0]
		}
		now := open{int64(binary.BigEndian.Uint64(l.text)), int(binary.BigEndian.Uint32(l.text[8:]))} //nolint:gosec // as written
		active = slices.DeleteFunc(active, func(a open) bool { return a.to <= l.offset })
		key := sourceKey{r.sources[source].Node, r.sources[source].ID}
		for _, a := range active {
			shared := Span{l.offset, min(a.to, now.to)}
			o.add(a.place, key, shared)
			o.add(now.place, key, shared)
		}
		if len(active) > 0 {
			o.ranges++
		}
		active = append(active, now)
	}
}

func (o *overlaps) add(place int, key sourceKey, s Span) {
	if o.places[place] == nil {
		o.places[place] = map[sourceKey][]Span{}
	}
	o.places[place][key] = with(o.places[place][key], s)
}

// copies sorts the lines of overlaps so that those of one place in a source are
// neighbours.
type copies struct{ *sorter }

// digest stands for the bytes of a line and whether an LF followed them.
func digest(r *archive.Row) [sha256.Size]byte {
	h := sha256.New()
	h.Write(r.Raw)
	if !r.NoLF {
		h.Write([]byte{'\n'})
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// add takes the rows of the object at place that lie where it overlaps others.
func (c *copies) add(place int, rd *archive.Reader, shared map[sourceKey][]Span, f *Filter) error {
	return rd.Lines(func(r *archive.Row) error {
		spans := shared[sourceKey{r.Source.Node, r.Source.ID}]
		i, _ := slices.BinarySearchFunc(spans, r.Offset, func(s Span, at int64) int { return cmp.Compare(s.To-1, at) })
		if i == len(spans) || r.Offset < spans[i].From || !f.row(r) {
			return nil
		}
		sum, size := digest(r), len(r.Raw)
		if !r.NoLF {
			size++
		}
		raw := binary.BigEndian.AppendUint32(sum[:], uint32(place)) //nolint:gosec // far fewer objects
		raw = binary.BigEndian.AppendUint32(raw, uint32(r.Index))   //nolint:gosec // bounded
		raw = binary.BigEndian.AppendUint32(raw, uint32(size))      //nolint:gosec // bounded
		return c.sorter.add(line{raw: raw, offset: r.Offset, source: c.source(r.Source), noLF: true})
	})
}

// copied is a line that another one came before: with the same bytes (a
// repeat), or with the same identity only (a conflict).
type copied struct {
	key        sourceKey
	offset     int64
	place, row int
	size       int64 // with the LF
	conflict   bool
}

// each calls fn for every line but the first of its identity.
func (c *copies) each(ctx context.Context, fn func(*copied)) error {
	in, err := c.sorted()
	if err != nil {
		return err
	}
	last := segment{source: -1}
	for n := 0; ; n++ {
		l, err := in.next()
		if err == io.EOF { //nolint:errorlint // cursors return it bare
			return nil
		}
		if err != nil {
			return err
		}
		if l.source == last.source && l.offset == last.offset {
			src := &c.sources[l.source]
			fn(&copied{
				sourceKey{src.Node, src.ID},
				l.offset,
				int(binary.BigEndian.Uint32(l.text[sha256.Size:])),
				int(binary.BigEndian.Uint32(l.text[sha256.Size+4:])),
				int64(binary.BigEndian.Uint32(l.text[sha256.Size+8:])),
				!bytes.Equal(l.text[:sha256.Size], last.text[:sha256.Size]),
			})
		}
		last.source, last.offset, last.text = l.source, l.offset, append(last.text[:0], l.text...)
		if n%(1<<14) == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
}
