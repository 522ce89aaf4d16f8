package archive

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	pq "github.com/parquet-go/parquet-go"

	"github.com/loghaul/loghaul/archive/parquet"
)

// Value checks never see the footer, and a wrong footer hides rows: an engine
// skips a file whose statistics or bloom filter exclude what it looks for.

// schemaString is the schema of defs in parquet-go's notation, made without
// any of the writer's code.
func schemaString(defs []columnDef) string {
	var b strings.Builder
	fmt.Fprintf(&b, "message %s {\n", schemaRoot)
	for _, d := range defs {
		repetition, typ, logical := "required", "", ""
		if d.Optional {
			repetition = "optional"
		}
		switch d.Type {
		case parquet.Boolean:
			typ = "boolean"
		case parquet.Int32:
			typ, logical = "int32", " (INT(32,true))" // how parquet-go shows a bare int32
		case parquet.Int64:
			typ, logical = "int64", " (INT(64,true))"
		case parquet.ByteArray:
			typ = "binary"
		}
		switch d.Logical {
		case parquet.None:
		case parquet.String:
			logical = " (STRING)"
		case parquet.TimestampMillis:
			logical = " (TIMESTAMP(isAdjustedToUTC=true,unit=MILLIS))"
		}
		fmt.Fprintf(&b, "\t%s %s %s%s;\n", repetition, typ, d.Name, logical)
	}
	b.WriteString("}")
	return b.String()
}

// checkFooter recomputes what the footer says about each column from the
// decoded values.
func (v *verifier) checkFooter() error {
	if v.rows == 0 {
		return v.checkMetaTimes()
	}
	group := v.file.Metadata().RowGroups[0]
	chunks := v.file.RowGroups()[0].ColumnChunks()
	i := -1 // among the columns of the file
	for j := range v.columns {
		c := &v.columns[j]
		if c.def.since > v.version {
			continue
		}
		i++
		s := group.Columns[i].MetaData.Statistics
		if got := c.nulls(); s.NullCount != got {
			return corrupt("statistics", c.def.Name, -1, "null_count %d, want %d", s.NullCount, got)
		}
		lo, hi := c.bounds()
		if err := checkBounds(c.def, lo, hi, s.MinValue, s.MaxValue); err != nil {
			return corrupt("statistics", c.def.Name, -1, "%w", err)
		}
		if !c.def.bloom {
			continue
		}
		if err := c.checkBloom(chunks[i].BloomFilter()); err != nil {
			return corrupt("bloom filter", c.def.Name, -1, "%w", err)
		}
	}
	return v.checkMetaTimes()
}

// checkMetaTimes recomputes what the metadata says about the column time, by
// which readers leave out whole objects.
func (v *verifier) checkMetaTimes() error {
	text, _ := v.file.Lookup(metaKey) // checkMeta found it
	m, err := decodeMeta(text)
	if err != nil {
		return err
	}
	c := &v.columns[colTime]
	var least, most int64
	if lo, hi := c.bounds(); lo != nil {
		least, most = int64(binary.LittleEndian.Uint64(lo)), int64(binary.LittleEndian.Uint64(hi)) //nolint:gosec // bit pattern
	}
	if timed := v.rows - int(c.nulls()); m.MinTime != least || m.MaxTime != most || m.Timed != timed {
		return corrupt("metadata", c.def.Name, -1, "%d times from %d to %d, want %d from %d to %d",
			m.Timed, m.MinTime, m.MaxTime, timed, least, most)
	}
	return nil
}

func (c *decodedColumn) nulls() int64 {
	n := 0
	for i := range c.pages {
		n += c.pages[i].rows - c.pages[i].values
	}
	return int64(n)
}

// bounds gives the least and greatest value as statistics store them, nil
// when there is none or when the column has none by design.
func (c *decodedColumn) bounds() (lo, hi []byte) {
	switch {
	case c.def.Type == parquet.Int32:
		return intBounds(c, func(p *decodedPage) ([]int32, []int32) { return p.i32, p.dict32 },
			func(v int32) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(v)) }) //nolint:gosec // bit pattern
	case c.def.Type == parquet.Int64:
		return intBounds(c, func(p *decodedPage) ([]int64, []int64) { return p.i64, p.dict64 },
			func(v int64) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(v)) }) //nolint:gosec // bit pattern
	case c.def.Logical == parquet.String:
		c.eachText(func(v []byte) {
			if lo == nil || bytes.Compare(v, lo) < 0 {
				lo = v
			}
			if hi == nil || bytes.Compare(v, hi) > 0 {
				hi = v
			}
		})
	}
	return lo, hi
}

func intBounds[T int32 | int64](c *decodedColumn, get func(*decodedPage) (plain, dict []T), store func(T) []byte) (lo, hi []byte) {
	var least, most T
	found := false
	for i := range c.pages {
		p := &c.pages[i]
		values, dict := get(p)
		if p.coded {
			values = dict
			if i > 0 || p.values == 0 {
				continue // all pages share the dictionary
			}
		} else {
			values = values[:p.values]
		}
		if !found && len(values) > 0 {
			least, most, found = values[0], values[0], true
		}
		for _, v := range values {
			least, most = min(least, v), max(most, v)
		}
	}
	if !found {
		return nil, nil
	}
	return store(least), store(most)
}

// eachText calls fn for each value, or for each entry of the dictionary.
func (c *decodedColumn) eachText(fn func([]byte)) {
	for i := range c.pages {
		p := &c.pages[i]
		if p.values == 0 || p.coded && i > 0 {
			continue
		}
		n := p.values
		if p.coded {
			n = len(p.offsets) - 1
		}
		for j := range n {
			fn(p.data[p.offsets[j]:p.offsets[j+1]])
		}
	}
}

// checkBounds compares the footer's bounds with the true ones. Only long texts
// may have other ones: a prefix below, something above with at most the same
// length.
func checkBounds(d *columnDef, lo, hi, gotLo, gotHi []byte) error {
	const limit = 64
	if d.Type == parquet.Boolean || d.Type == parquet.ByteArray && d.Logical == parquet.None {
		lo, hi = nil, nil
	}
	if lo == nil || hi == nil {
		if len(gotLo)+len(gotHi) > 0 {
			return fmt.Errorf("min %q and max %q of no values", gotLo, gotHi)
		}
		return nil
	}
	if len(gotLo)+len(gotHi) == 0 && len(hi) > limit {
		return nil // nothing above it is short enough
	}
	if len(lo) <= limit && !bytes.Equal(gotLo, lo) ||
		len(lo) > limit && (!bytes.HasPrefix(lo, gotLo) || len(gotLo) <= limit-4) {
		return fmt.Errorf("min_value %q, want %q", gotLo, lo)
	}
	if len(hi) <= limit && !bytes.Equal(gotHi, hi) ||
		len(hi) > limit && (bytes.Compare(gotHi, hi) <= 0 || len(gotHi) > limit) {
		return fmt.Errorf("max_value %q, want %q", gotHi, hi)
	}
	return nil
}

func (c *decodedColumn) checkBloom(filter pq.BloomFilter) (err error) {
	n := 0
	c.eachText(func(v []byte) {
		n++
		if err != nil || filter == nil {
			return
		}
		found, e := filter.Check(pq.ByteArrayValue(v))
		if e == nil && !found {
			e = fmt.Errorf("has no %q", v)
		}
		err = e
	})
	if n > 0 && filter == nil {
		return fmt.Errorf("is missing for %d values", n)
	}
	return err
}
