package parquet

import "encoding/binary"

// paging cuts one column chunk into data pages.
type paging struct {
	w   *Writer
	c   *Chunk
	m   *chunkMeta
	col *Column
}

func (p *paging) encoding(dictionary bool) Encoding {
	switch {
	case dictionary:
		return RLEDictionary
	case p.w.simple:
		return Plain
	case p.col.Type == ByteArray:
		return DeltaLengthByteArray
	case p.c.Encoding == DeltaBinaryPacked, p.c.Encoding == RLEDictionary && p.col.Type == Int32:
		// Numbers of 32 bits without a dictionary are ports and the like:
		// packed they take a tenth more than zstd makes of them, and a tenth
		// of the time.
		return DeltaBinaryPacked
	}
	return Plain
}

// size estimates the bytes of the values [from, to) before compression.
func (p *paging) size(from, to int) int {
	n := to - from
	switch {
	case p.m.encoding == RLEDictionary:
		return p.w.codes.size(n)
	case p.col.Type == ByteArray && n > 0:
		start := uint32(0)
		if from > 0 {
			start = p.c.Texts.Ends[from-1]
		}
		if p.m.encoding == Plain {
			n *= 4
		}
		return int(p.c.Texts.Ends[to-1]-start) + n
	case p.col.Type == Int32:
		return n * 4
	case p.col.Type == Int64:
		return n * 8
	}
	return n/8 + 1
}

// pages writes all data pages. A page ends at a multiple of 64 rows, where the
// bitmap of present values is aligned.
func (p *paging) pages() {
	rows, row, value := p.w.rows, 0, 0
	total := p.size(0, p.c.values())
	for row < rows {
		end, last := rows, p.c.values()
		if total > pageBytes {
			end, last = row, value
			for end < rows && (end == row || p.size(value, last) < pageBytes) {
				next := min(end+64, rows)
				last += p.present(end, next)
				end = next
			}
		}
		p.page(row, end, value, last)
		row, value = end, last
	}
}

func (p *paging) present(from, to int) int {
	if p.c.Present == nil {
		return to - from
	}
	return countBits(p.c.Present, from, to)
}

// page writes the rows [row, end), whose values are [from, to).
func (p *paging) page(row, end, from, to int) {
	b := p.w.page[:0]
	if p.col.Optional {
		b = appendLevels(b, p.c.Present, row, end, to-from)
	}
	c := p.c
	switch p.m.encoding {
	case RLEDictionary:
		b = p.w.codes.appendPage(b, from, to)
	case DeltaLengthByteArray:
		b = p.lengths(b, from, to)
	case DeltaBinaryPacked:
		if p.col.Type == Int32 {
			b = appendDelta(b, c.Int32s[from:to], 1<<32-1)
		} else {
			b = appendDelta(b, c.Int64s[from:to], 1<<64-1)
		}
	case Plain, RLE:
		b = p.plain(b, from, to)
	}
	p.w.page = b
	if p.m.pages == 0 && p.m.encoding == DeltaBinaryPacked && !p.w.alike && !p.w.shrinks(b) {
		p.m.codec = uncompressed
	}
	p.m.pages++
	p.w.appendPage(p.m, b, func(h *thriftWriter) {
		h.begin(5)
		h.i32(1, int32(end-row)) //nolint:gosec // bounded
		h.i32(2, int32(p.m.encoding))
		h.i32(3, int32(RLE))
		h.i32(4, int32(RLE))
		h.end()
	}, 0)
}

func (p *paging) plain(b []byte, from, to int) []byte {
	c := p.c
	switch p.col.Type {
	case Boolean:
		for i := from; i < to; i += 8 {
			var bits byte
			for j, v := range c.Bools[i:min(i+8, to)] {
				if v {
					bits |= 1 << j
				}
			}
			b = append(b, bits)
		}
	case Int32:
		for _, v := range c.Int32s[from:to] {
			b = binary.LittleEndian.AppendUint32(b, uint32(v)) //nolint:gosec // bit pattern
		}
	case Int64:
		for _, v := range c.Int64s[from:to] {
			b = binary.LittleEndian.AppendUint64(b, uint64(v)) //nolint:gosec // bit pattern
		}
	case ByteArray:
		for i := from; i < to; i++ {
			b = appendPlainText(b, c.Texts.At(i))
		}
	}
	return b
}

func (p *paging) lengths(b []byte, from, to int) []byte {
	if from == to {
		return appendDelta[int32](b, nil, 1<<32-1)
	}
	start := uint32(0)
	if from > 0 {
		start = p.c.Texts.Ends[from-1]
	}
	p.w.lengths = p.w.lengths[:0]
	prev := start
	for _, e := range p.c.Texts.Ends[from:to] {
		p.w.lengths = append(p.w.lengths, int32(e-prev)) //nolint:gosec // bounded
		prev = e
	}
	b = appendDelta(b, p.w.lengths, 1<<32-1)
	return append(b, p.c.Texts.Data[start:prev]...)
}
