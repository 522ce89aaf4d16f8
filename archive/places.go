package archive

import (
	"math"
	"slices"
	"unicode/utf8"

	"github.com/loghaul/loghaul/archive/parquet"
	"github.com/loghaul/loghaul/parser/filter"
)

// place is where a test finds its values in the rows of some formats.
type place struct {
	column int
	name   string // of the column
	// flag is the bit of a column of bits, 0 for any other column.
	flag int32
	// label is the member of a JSON object, "" for any other column.
	label string
	// format is the name of the format whose rows these are, nil for all rows.
	format []byte
	// loose says that the column only tells which rows may pass: they have to be
	// asked again.
	loose bool
}

// places gives where the values of a test are. all is false if rows pass that no
// place knows about: then every row has to be asked.
func (rd *Reader) places(t *filter.Test) (places []place, all bool) {
	f := t.Field
	switch f.Place {
	case filter.InColumn:
		if i := rd.byName(f.Column); i >= 0 {
			return []place{{column: i, name: f.Column}}, true
		}
	case filter.InFlags:
		return []place{{column: colFlags, name: "flags", flag: f.Flag}}, true
	case filter.InLabel:
		return []place{{column: colLabels, name: "labels", label: f.Key}}, true
	case filter.InHeader:
		return rd.headerPlaces(t)
	case filter.InFormat:
		return rd.dynamicPlaces(t)
	case filter.InLine:
	}
	return nil, false
}

// byName gives the index of a core column, or -1.
func (rd *Reader) byName(name string) int {
	return slices.IndexFunc(rd.defs[:coreCount], func(d columnDef) bool { return d.Name == name })
}

// headerPlaces is places for a captured header: the slots that each format has
// it in. Formats of one name may differ in that, and which of them a line has is
// only seen by the line.
func (rd *Reader) headerPlaces(t *filter.Test) (places []place, all bool) {
	first := colReqHeader1
	if t.Field.Response {
		first = colResHeader1
	}
	for i := range rd.plans {
		p := &rd.plans[i]
		loose := false
		for j := range rd.plans {
			if q := &rd.plans[j]; j != i && string(q.name) == string(p.name) && !slices.Equal(t.Field.Slots(q.format), t.Field.Slots(p.format)) {
				loose = true
			}
		}
		if loose && t.Not {
			return nil, false
		}
		for _, slot := range t.Field.Slots(p.format) {
			at := place{column: first + slot, name: rd.defs[first+slot].Name, format: p.name, loose: loose}
			if !slices.ContainsFunc(places, func(o place) bool { return o.column == at.column && string(o.format) == string(at.format) }) {
				places = append(places, at)
			}
		}
	}
	return places, true
}

// dynamicPlaces is places for a field of a format that has no core column.
func (rd *Reader) dynamicPlaces(t *filter.Test) (places []place, all bool) {
	for i := range rd.plans {
		p := &rd.plans[i]
		field := t.Field.Find(p.format)
		if field < 0 || slices.ContainsFunc(places, func(o place) bool { return string(o.format) == string(p.name) }) {
			continue
		}
		o := slices.IndexFunc(p.ops, func(o op) bool { return o.field == field })
		if o < 0 {
			return nil, false
		}
		switch p.ops[o].kind {
		case opText, opInt32, opInt64:
			col := p.ops[o].col
			places = append(places, place{column: col, name: rd.defs[col].Name, format: p.name})
		default:
			return nil, false
		}
	}
	return places, true
}

// hides reports whether a row that keeps its bytes may have a value that a
// column has no place for: a text that is not UTF-8, or a time of more than 24
// days, as sessions have. Other numbers are what HAProxy keeps in few bits.
func hides(column int, typ parquet.Type) bool {
	return column > colRaw && typ == parquet.ByteArray || isDuration(column)
}

func isDuration(column int) bool { return column >= colTimeRequest && column <= colTimeUser }

// certain reports whether no value that a column hides passes a test which an
// absent one does not pass, or the other way round.
func certain(t *filter.Test, column int) bool {
	switch t.Compare {
	case filter.IsAddress:
		return true
	case filter.InRanges:
		if !isDuration(column) {
			return true
		}
		in := *t
		in.Not = false
		return !in.MayMatchRange(math.MaxInt32+1, math.MaxInt64) && !in.MayMatchRange(math.MinInt64, math.MinInt32-1)
	case filter.Equal:
		values := t.Equals()
		return values != nil && !slices.ContainsFunc(values, func(v []byte) bool { return !utf8.Valid(v) })
	default:
		return false
	}
}
