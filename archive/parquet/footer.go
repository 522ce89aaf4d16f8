package parquet

// writeFooter writes FileMetaData. Field numbers are those of parquet.thrift.
func (w *Writer) writeFooter(metadata []KeyValue) {
	h := &w.footer
	h.reset()
	h.i32(1, 1) // version
	h.list(2, typeStruct, len(w.columns)+1)
	h.begin(0)
	h.string(4, w.root)
	h.i32(5, int32(len(w.columns))) //nolint:gosec // bounded
	h.end()
	for i := range w.columns {
		schemaElement(h, &w.columns[i])
	}
	rows := 0
	for _, g := range w.groups {
		rows += g.rows
	}
	h.i64(3, int64(rows))
	h.list(4, typeStruct, len(w.groups))
	for i := range w.groups {
		w.rowGroup(h, &w.groups[i])
	}
	h.list(5, typeStruct, len(metadata))
	for _, kv := range metadata {
		h.begin(0)
		h.string(1, kv.Key)
		h.string(2, kv.Value)
		h.end()
	}
	h.string(6, w.createdBy)
	// Statistics only count when the order of each column is declared.
	h.list(7, typeStruct, len(w.columns))
	for range w.columns {
		h.begin(0)
		h.begin(1) // TYPE_ORDER
		h.end()
		h.end()
	}
	h.b = append(h.b, 0)
}

func schemaElement(h *thriftWriter, c *Column) {
	h.begin(0)
	h.i32(1, int32(c.Type))
	if c.Optional {
		h.i32(3, 1)
	} else {
		h.i32(3, 0)
	}
	h.string(4, c.Name)
	switch c.Logical {
	case None:
	case String:
		h.i32(6, 0) // UTF8
		h.begin(10)
		h.begin(1) // STRING
		h.end()
		h.end()
	case TimestampMillis:
		h.i32(6, 9) // TIMESTAMP_MILLIS
		h.begin(10)
		h.begin(8) // TIMESTAMP
		h.bool(1, true)
		h.begin(2)
		h.begin(1) // MILLIS
		h.end()
		h.end()
		h.end()
		h.end()
	}
	h.end()
}

func (w *Writer) rowGroup(h *thriftWriter, g *group) {
	var total, stored int64
	h.begin(0)
	h.list(1, typeStruct, len(g.chunks))
	for i := range g.chunks {
		m := &g.chunks[i]
		total += m.uncompressed
		stored += m.compressed
		h.begin(0)
		h.i64(2, m.start())
		h.begin(3)
		columnMeta(h, &w.columns[i], m, g.rows)
		h.end()
		h.end()
	}
	h.i64(2, total)
	h.i64(3, int64(g.rows))
	h.i64(5, g.chunks[0].start())
	h.i64(6, stored)
	h.end()
}

func (m *chunkMeta) start() int64 {
	if m.dictionary > 0 {
		return m.dictionary
	}
	return m.data
}

func columnMeta(h *thriftWriter, c *Column, m *chunkMeta, rows int) {
	h.i32(1, int32(c.Type))
	encodings := [3]Encoding{m.encoding, RLE, Plain}
	n := 2
	if m.dictionary > 0 {
		n = 3
	}
	h.list(2, typeI32, n)
	for _, e := range encodings[:n] {
		h.zigzag(int64(e))
	}
	h.list(3, typeBinary, 1)
	h.text(c.Name)
	h.i32(4, m.codec)
	h.i64(5, int64(rows))
	h.i64(6, m.uncompressed)
	h.i64(7, m.compressed)
	h.i64(9, m.data)
	if m.dictionary > 0 {
		h.i64(11, m.dictionary)
	}
	h.begin(12)
	h.i64(3, m.stats.nulls)
	if m.stats.max != nil {
		h.binary(5, m.stats.max)
		h.binary(6, m.stats.min)
		h.bool(7, m.stats.maxExact)
		h.bool(8, m.stats.minExact)
	}
	h.end()
	// Engines that filter by dictionary want to know that no page fell back.
	if m.dictionary > 0 {
		h.list(13, typeStruct, 2)
		pageCount(h, 2, Plain, 1)
		pageCount(h, 0, m.encoding, m.pages)
	}
	if m.bloom {
		h.i64(14, m.bloomOffset)
		h.i32(15, int32(m.bloomLength)) //nolint:gosec // bounded
	}
}

func pageCount(h *thriftWriter, typ int32, e Encoding, n int32) {
	h.begin(0)
	h.i32(1, typ)
	h.i32(2, int32(e))
	h.i32(3, n)
	h.end()
}
