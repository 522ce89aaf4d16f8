package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/klauspost/compress/zstd"
)

const (
	magic = "PAR1"
	// pageBytes is where a data page ends, give or take 64 rows.
	pageBytes = 1 << 20
	// tinyChunk is the size up to which a chunk is not compressed: a zstd
	// frame alone costs 13 bytes, and most all-null columns are that small.
	tinyChunk = 96
	// probeBytes is how much of a page of packed differences is compressed to
	// see whether that pays. Mostly they are noise; seconds in milliseconds are
	// not.
	probeBytes = 8 << 10
)

// Writer makes one file after the other and keeps its memory between them:
// Begin, one Add per column in the order of the schema, Finish. One goroutine
// may use it at a time.
type Writer struct {
	root, createdBy string
	columns         []Column
	rows            int     // of the row group at hand
	groups          []group // that are complete
	simple          bool    // of BeginPlain
	alike           bool    // of BeginGroups

	zstd    *zstd.Encoder
	out     []byte
	page    []byte // one page before compression
	chunks  []chunkMeta
	header  thriftWriter
	footer  thriftWriter
	codes   codes // of the column being written
	ints    intDict
	texts   textDict
	lengths []int32
	scratch []byte
	word    [16]byte
}

// group is what the footer says about a row group.
type group struct {
	rows   int
	chunks []chunkMeta
}

// chunkMeta is what the footer says about a column chunk.
type chunkMeta struct {
	codec                    int32
	encoding                 Encoding
	dictionary, data         int64 // offsets; dictionary 0: none
	pages                    int32
	uncompressed, compressed int64
	bloomOffset, bloomLength int64
	stats                    bounds
	minBuffer, maxBuffer     []byte
	bloom                    bool
	bloomData                []byte
}

// NewWriter makes a Writer for a schema. root names the schema; createdBy
// should have the form "name version 1.2.3 (build x)", which old readers parse
// before they believe statistics.
func NewWriter(root, createdBy string) (*Writer, error) {
	z, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		// Without it pages that hold no repetition are stored as they are,
		// which costs a sixth of the whole file.
		zstd.WithAllLitEntropyCompression(true),
		zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(4<<20),
		zstd.WithEncoderCRC(true))
	if err != nil {
		return nil, fmt.Errorf("zstd encoder: %w", err)
	}
	return &Writer{root: root, createdBy: createdBy, zstd: z}, nil
}

// Begin starts a file of rows rows with the given columns. A file without rows
// has no row group: only a schema and metadata.
func (w *Writer) Begin(columns []Column, rows int) {
	w.begin(columns, rows, false)
}

// BeginPlain is Begin for a file that is as simple as can be: all values are
// PLAIN and nothing is compressed. No Chunk may be Coded.
func (w *Writer) BeginPlain(columns []Column, rows int) {
	w.begin(columns, rows, true)
}

// BeginGroups is Begin for a file of several row groups, see NextGroup: rows is
// the number of rows of the first. All chunks are compressed, whether it pays or
// not: some readers, as parquet-go, take the codec of a column from its first
// chunk.
func (w *Writer) BeginGroups(columns []Column, rows int) {
	w.begin(columns, rows, false)
	w.alike = true
}

func (w *Writer) begin(columns []Column, rows int, simple bool) {
	w.columns, w.rows, w.simple, w.alike, w.groups = columns, rows, simple, false, w.groups[:0]
	w.out = append(w.out[:0], magic...)
	if cap(w.chunks) < len(columns) {
		w.chunks = slices.Grow(w.chunks, len(columns)-len(w.chunks))
	}
	w.chunks = w.chunks[:0]
}

// NextGroup ends the row group, whose columns have all been added, and begins
// another one of rows rows: one Add per column follows. The file was begun by
// BeginGroups.
func (w *Writer) NextGroup(rows int) error {
	if err := w.complete(); err != nil {
		return err
	}
	w.groups = append(w.groups, group{w.rows, w.chunks})
	w.rows, w.chunks = rows, make([]chunkMeta, 0, len(w.columns))
	return nil
}

func (w *Writer) complete() error {
	if len(w.chunks) != len(w.columns) {
		return fmt.Errorf("parquet: %d of %d columns were added", len(w.chunks), len(w.columns))
	}
	return nil
}

// Add writes the next column.
func (w *Writer) Add(c *Chunk) error {
	i := len(w.chunks)
	if i >= len(w.columns) {
		return fmt.Errorf("parquet: more than %d columns", len(w.columns))
	}
	if err := w.valid(&w.columns[i], c); err != nil {
		return fmt.Errorf("parquet: column %s: %w", w.columns[i].Name, err)
	}
	w.chunks = w.chunks[:i+1]
	m := &w.chunks[i]
	*m = chunkMeta{minBuffer: m.minBuffer, maxBuffer: m.maxBuffer, bloomData: m.bloomData[:0]}
	if w.rows == 0 {
		return nil
	}
	start := len(w.out)
	w.dictionary(&w.columns[i], c, m)
	w.write(&w.columns[i], c, m)
	m.compressed = int64(len(w.out) - start)
	if c.Bloom && c.Texts.Len() > 0 {
		m.bloomData = appendBloom(m.bloomData, &c.Texts)
		m.bloom = true
	}
	return nil
}

// valid refuses what would give a file that says something else than c.
func (w *Writer) valid(col *Column, c *Chunk) error {
	values := w.rows
	if c.Present != nil {
		if len(c.Present) < (w.rows+63)/64 {
			return fmt.Errorf("bitmap of %d words for %d rows", len(c.Present), w.rows)
		}
		values = countBits(c.Present, 0, w.rows)
	}
	typed := len(c.Bools)
	switch col.Type {
	case Boolean:
	case Int32:
		typed = len(c.Int32s)
	case Int64:
		typed = len(c.Int64s)
	case ByteArray:
		typed = c.Texts.Len()
		if c.Coded {
			typed = len(c.Codes)
		}
	}
	switch {
	case !col.Optional && values != w.rows:
		return fmt.Errorf("is required and has %d values for %d rows", values, w.rows)
	case w.simple && c.Coded:
		return errors.New("has a dictionary in a plain file")
	case typed != values || c.values() != values:
		return fmt.Errorf("%d values of type %s (%d in all) for %d rows that have one", typed, col.Type, c.values(), values)
	}
	return nil
}

// dictionary builds the dictionary of a chunk, if it is to have one, and the
// chunk's statistics.
func (w *Writer) dictionary(col *Column, c *Chunk, m *chunkMeta) {
	w.codes.entries = 0
	var b bounds
	switch values := c.values(); {
	case values == 0:
	case col.Type == Int32:
		lo, hi := minMax(c.Int32s)
		b = int32Bounds(lo, hi, &w.word)
		if c.Encoding == RLEDictionary && !w.simple {
			intDictionary(&w.ints, &w.codes, c.Int32s, lo, hi, 4)
		}
	case col.Type == Int64:
		lo, hi := minMax(c.Int64s)
		b = int64Bounds(lo, hi, &w.word)
		if c.Encoding == RLEDictionary && !w.simple {
			intDictionary(&w.ints, &w.codes, c.Int64s, lo, hi, 8)
		}
	case c.Coded:
		w.texts.build(&c.Texts, &w.codes, c.Codes)
		b = textBounds(w.texts.min, w.texts.max, w.scratch)
	case col.Type == ByteArray && !c.Unbounded:
		lo, hi := leastMost(&c.Texts)
		b = textBounds(lo, hi, w.scratch)
	}
	if c.Unbounded {
		b = bounds{}
	}
	b.nulls = int64(w.rows - c.values())
	if b.max != nil {
		m.minBuffer = append(m.minBuffer[:0], b.min...)
		m.maxBuffer = append(m.maxBuffer[:0], b.max...)
		b.min, b.max = m.minBuffer, m.maxBuffer
	}
	m.stats = b
}

// write appends the pages of a chunk.
func (w *Writer) write(col *Column, c *Chunk, m *chunkMeta) {
	entries, dict := w.codes.entries, w.ints.plain
	switch {
	case entries == 0:
		dict = nil
	case col.Type == ByteArray:
		dict = w.texts.plain
	}
	levels := w.rows / 64
	if n := c.values(); n == 0 || n == w.rows {
		levels = 8 // one run
	}
	p := paging{w: w, c: c, m: m, col: col}
	m.encoding = p.encoding(entries > 0)
	m.codec = zstdCodec
	if w.simple || !w.alike && levels+len(dict)+p.size(0, c.values()) <= tinyChunk {
		m.codec = uncompressed
	}
	if entries > 0 {
		m.dictionary = int64(len(w.out))
		w.appendPage(m, dict, func(h *thriftWriter) {
			h.begin(7)
			h.i32(1, int32(entries)) //nolint:gosec // bounded
			h.i32(2, int32(Plain))
			h.bool(3, true)
			h.end()
		}, 2)
	}
	m.data = int64(len(w.out))
	p.pages()
}

// appendPage compresses and appends one page. typ is 0 for a data page and 2
// for a dictionary page; sub writes the header's struct for it.
func (w *Writer) appendPage(m *chunkMeta, payload []byte, sub func(*thriftWriter), typ int32) {
	stored := payload
	if m.codec == zstdCodec {
		w.scratch = w.zstd.EncodeAll(payload, w.scratch[:0])
		stored = w.scratch
	}
	h := &w.header
	h.reset()
	h.i32(1, typ)
	h.i32(2, int32(len(payload)))               //nolint:gosec // bounded
	h.i32(3, int32(len(stored)))                //nolint:gosec // bounded
	h.i32(4, int32(crc32.ChecksumIEEE(stored))) //nolint:gosec // bit pattern
	sub(h)
	h.b = append(h.b, 0)
	w.out = append(w.out, h.b...)
	w.out = append(w.out, stored...)
	m.uncompressed += int64(len(h.b) + len(payload))
}

// shrinks reports whether the middle of a page loses 3 % by compression.
func (w *Writer) shrinks(page []byte) bool {
	if len(page) > probeBytes {
		page = page[(len(page)-probeBytes)/2:][:probeBytes]
	}
	w.scratch = w.zstd.EncodeAll(page, w.scratch[:0])
	return len(w.scratch) < len(page)-len(page)/32
}

// Finish writes bloom filters and the footer and gives the file, which is
// valid until the next Begin.
func (w *Writer) Finish(metadata []KeyValue) ([]byte, error) {
	if err := w.complete(); err != nil {
		return nil, err
	}
	if w.rows > 0 {
		w.groups = append(w.groups, group{w.rows, w.chunks})
	}
	for _, g := range w.groups {
		for i := range g.chunks {
			if m := &g.chunks[i]; m.bloom {
				w.appendBloom(m)
			}
		}
	}
	at := len(w.out)
	w.writeFooter(metadata)
	w.out = append(w.out, w.footer.b...)
	w.out = binary.LittleEndian.AppendUint32(w.out, uint32(len(w.out)-at)) //nolint:gosec // bounded
	w.out = append(w.out, magic...)
	return w.out, nil
}

func (w *Writer) appendBloom(m *chunkMeta) {
	m.bloomOffset = int64(len(w.out))
	h := &w.header
	h.reset()
	h.i32(1, int32(len(m.bloomData)))   //nolint:gosec // bounded
	for id := int16(2); id <= 4; id++ { // algorithm BLOCK, hash XXHASH, compression UNCOMPRESSED
		h.begin(id)
		h.begin(1)
		h.end()
		h.end()
	}
	h.b = append(h.b, 0)
	w.out = append(w.out, h.b...)
	w.out = append(w.out, m.bloomData...)
	m.bloomLength = int64(len(w.out)) - m.bloomOffset
}
