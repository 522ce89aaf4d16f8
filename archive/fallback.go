package archive

import "time"

// EncodeRaw makes one object of batches as Encode does, and relies on as little
// as possible: each record is a row that keeps its bytes and has no fields,
// records of container runtimes are not joined, and values are stored as they
// are, without dictionaries, differences, compression or formats. It is for
// batches that Encode has failed on, and uses none of the memory that failed.
// It is verified in the same way.
func (e *Encoder) EncodeRaw(batches []Batch, sealed time.Time) (*Object, error) {
	raw := &Encoder{options: e.options, raw: true, breakTable: e.breakTable}
	raw.options.Formats = nil
	return raw.Encode(batches, sealed)
}

// addRaw adds a batch as records that keep their bytes.
func (e *Encoder) addRaw(row int, b *Batch) int {
	t := e.table.columns
	start := row
	for at, rest := b.Header.From, b.Raw; len(rest) > 0; row++ {
		line, after, noLF := nextRecord(rest)
		flags := int32(0)
		if noLF {
			flags = flagNoLF
		}
		t[colOffset].chunk.Int64s = append(t[colOffset].chunk.Int64s, at)
		t[colFlags].chunk.Int32s = append(t[colFlags].chunk.Int32s, flags)
		if b.Header.Rest && row == start {
			e.addRest(row, line)
		} else {
			e.unparsed++
			t[colRaw].addText(row, line)
		}
		at += int64(len(rest) - len(after))
		rest = after
	}
	e.addOrigin(start, row, &b.Header)
	return row
}
