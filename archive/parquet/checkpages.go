package parquet

import "hash/crc32"

const (
	// maxPage bounds a page before compression.
	maxPage = 1 << 29
	// maxRatio is more than zstd can compress: a block of 128 KiB takes at
	// least 4 bytes. A page that claims more is lying about its size.
	maxRatio = 1 << 15
)

// CheckPages walks the pages of all columns: their headers fill the chunks
// exactly, the sizes they declare can be true, the rows add up, and the CRCs
// are right. file is the bytes from the start of the file to the footer at
// least. Every error wraps ErrCorrupt.
func (f *Footer) CheckPages(file []byte) error {
	if int64(len(file)) < f.At {
		return corruptf("%d bytes, the footer starts at %d", len(file), f.At)
	}
	if string(file[:len(magic)]) != magic {
		return corruptf("it starts with %q instead of %q", file[:len(magic)], magic)
	}
	if f.Rows == 0 {
		return nil
	}
	for i := range f.Columns {
		c := &f.Columns[i]
		if err := f.CheckChunk(i, file[c.Start:c.Start+c.Size]); err != nil {
			return err
		}
	}
	return nil
}

// CheckChunk is CheckPages for one column: chunk is its Size bytes from Start
// on.
func (f *Footer) CheckChunk(column int, chunk []byte) error {
	c := &f.Columns[column]
	if int64(len(chunk)) != c.Size {
		return corruptf("column %s: %d bytes, want %d", c.Name, len(chunk), c.Size)
	}
	at, end, rows := c.Start, c.Start+c.Size, 0
	var uncompressed int64
	for at < end {
		var p pageHeader
		r := &thriftReader{b: chunk[at-c.Start:]}
		p.read(r)
		if r.err != nil {
			return corruptf("column %s, page at %d: %w", c.Name, at, r.err)
		}
		body := at + int64(r.pos)
		if err := p.check(c, at == c.Start, end-body, f.Rows-rows); err != nil {
			return corruptf("column %s, page at %d: %w", c.Name, at, err)
		}
		stored := chunk[body-c.Start:][:p.stored]
		if crc32.ChecksumIEEE(stored) != p.crc {
			return corruptf("column %s, page at %d: wrong CRC", c.Name, at)
		}
		if p.typ == dataPage {
			rows += p.values
		}
		uncompressed += int64(r.pos + p.size)
		at = body + int64(p.stored)
		if p.typ == dictionaryPage && at != c.Data {
			return corruptf("column %s: data page at %d, declared at %d", c.Name, at, c.Data)
		}
	}
	if rows != f.Rows || uncompressed != c.Uncompressed {
		return corruptf("column %s: pages of %d rows and %d bytes, want %d and %d",
			c.Name, rows, uncompressed, f.Rows, c.Uncompressed)
	}
	return nil
}

const (
	dataPage       = 0
	dictionaryPage = 2
)

type pageHeader struct {
	typ          int
	size, stored int
	crc          uint32
	hasCRC       bool
	values       int
	encoding     Encoding
	sub          int16 // the field of the sub-header: 5 or 7
}

func (p *pageHeader) read(r *thriftReader) {
	p.typ = -1
	r.fields(0, func(id int16, typ byte) bool {
		switch id {
		case 1:
			p.typ = int(r.number(typ))
		case 2:
			p.size = r.positive(typ)
		case 3:
			p.stored = r.positive(typ)
		case 4:
			p.crc = uint32(r.number(typ)) //nolint:gosec // bit pattern
			p.hasCRC = true
		case 5, 7:
			if r.want(typ, typeStruct) && p.sub == 0 {
				p.sub = id
				p.readSub(r)
			}
		default:
			r.fail("unknown field of a page header")
		}
		return true
	})
}

func (p *pageHeader) readSub(r *thriftReader) {
	r.fields(1, func(id int16, typ byte) bool {
		switch id {
		case 1:
			p.values = r.count(typ)
		case 2:
			p.encoding = Encoding(r.count(typ)) //nolint:gosec // bounded
		case 5:
			r.fail("statistics of a page")
		default:
			return false
		}
		return true
	})
}

func (r *thriftReader) positive(typ byte) int {
	v := r.number(typ)
	if v < 0 || v > maxPage {
		r.fail("size out of range")
		return 0
	}
	return int(v)
}

// check is given the column, whether this is its first page, the bytes left
// behind the header, and the rows left.
func (p *pageHeader) check(c *FooterColumn, first bool, left int64, rows int) error {
	dictionary := first && c.Start != c.Data
	switch {
	case dictionary && (p.typ != dictionaryPage || p.sub != 7 || p.encoding != Plain):
		return corruptf("not a dictionary page")
	case !dictionary && (p.typ != dataPage || p.sub != 5):
		return corruptf("not a data page")
	case !p.hasCRC:
		return corruptf("no CRC")
	case int64(p.stored) > left:
		return corruptf("%d bytes where %d are left", p.stored, left)
	case c.Codec == uncompressed && p.size != p.stored:
		return corruptf("%d bytes stored as %d without compression", p.size, p.stored)
	case p.size > p.stored*maxRatio:
		return corruptf("%d bytes stored as %d", p.size, p.stored)
	case dictionary && p.values > p.size:
		return corruptf("%d dictionary entries in %d bytes", p.values, p.size)
	case !dictionary && (p.values > rows || p.values == 0):
		return corruptf("%d rows where %d are left", p.values, rows)
	}
	return p.checkEncoding(c, dictionary)
}

func (p *pageHeader) checkEncoding(c *FooterColumn, dictionary bool) error {
	if dictionary {
		return nil
	}
	ok := false
	switch p.encoding {
	case RLEDictionary:
		ok = c.Start != c.Data
	case Plain:
		ok = true
	case DeltaBinaryPacked:
		ok = c.Type == Int32 || c.Type == Int64
	case DeltaLengthByteArray:
		ok = c.Type == ByteArray
	case RLE:
	}
	if !ok {
		return corruptf("encoding %d of a %s column", p.encoding, c.Type)
	}
	return nil
}
