package archive

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	pq "github.com/parquet-go/parquet-go"

	"github.com/loghaul/loghaul/archive/parquet"
	"github.com/loghaul/loghaul/parser"
)

// fewBytes are so few that a copy of a page's texts costs next to nothing.
const fewBytes = 1 << 10

// decoded is the columns of an object as parquet-go reads them. That is the
// point of it: what wrote the object had no part in reading it.
type decoded struct {
	file    *pq.File
	columns []decodedColumn
	rows    int
	opened  int // counts the files
}

// decodedColumn walks the rows of one column. Values are read in row order.
type decodedColumn struct {
	def   *columnDef
	chunk pq.ColumnChunk // nil: the object has no such column
	pages []decodedPage
	// The current page, with what is asked for on every row.
	page   *decodedPage
	levels []byte // nil: all rows are alike
	all    bool   // all rows have a value, if levels is nil
	index  int    // of the next page
	start  int    // first row of the page
	end    int    // first row behind it
	value  int    // next value of the page
	// seek counts from here: values of the page lie before row mark.
	mark, marked int
}

// decodedPage holds views of a page; they are valid until release.
type decodedPage struct {
	page   pq.Page
	rows   int
	levels []byte // per row: 1 has a value; nil: all have
	values int

	bools []byte
	i32   []int32
	i64   []int64
	// Texts: data and len+1 offsets; codes select them when there is a
	// dictionary, as they select integers.
	data    []byte
	offsets []uint32
	coded   bool
	codes   []int32
	dict32  []int32
	dict64  []int64
}

// open decodes all columns of a file. It has passed CheckPages: parquet-go
// trusts sizes.
func (d *decoded) open(file []byte, defs []columnDef, version, rows int) error {
	if err := d.start(bytes.NewReader(file), int64(len(file)), defs, version, rows); err != nil {
		return err
	}
	for i := range d.columns {
		if err := d.load(i); err != nil {
			return err
		}
	}
	return nil
}

// start reads the footer of file with parquet-go, which must agree about the
// columns that an object of that version has. load then decodes columns. Nothing
// but the footer is read before.
func (d *decoded) start(file io.ReaderAt, size int64, defs []columnDef, version, rows int) (err error) {
	defer recovered(&err, "decode")
	d.release()
	f, err := pq.OpenFile(file, size, pq.SkipMagicBytes(true), pq.SkipPageIndex(true), pq.SkipBloomFilters(true), pq.ReadBufferSize(64<<10))
	if err != nil {
		return corrupt("footer", "", -1, "%w", err)
	}
	groups := min(rows, 1) // none without rows
	if len(f.RowGroups()) != groups || int(f.NumRows()) != rows {
		return corrupt("footer", "", -1, "%d row groups of %d rows, want %d of %d", len(f.RowGroups()), f.NumRows(), groups, rows)
	}
	var chunks []pq.ColumnChunk
	if rows > 0 {
		chunks = f.RowGroups()[0].ColumnChunks()
		if want := countSince(defs, version); len(chunks) != want {
			return corrupt("schema", "", -1, "%d columns, want %d", len(chunks), want)
		}
	}
	d.file, d.rows = f, rows
	d.opened++
	if cap(d.columns) < len(defs) {
		d.columns = make([]decodedColumn, len(defs))
	}
	d.columns = d.columns[:len(defs)]
	for i := range defs {
		c := &d.columns[i]
		*c = decodedColumn{def: &defs[i], pages: c.pages[:0]}
		if rows > 0 && defs[i].since <= version {
			c.chunk, chunks = chunks[0], chunks[1:]
		}
	}
	return nil
}

// load decodes all pages of a column, which have passed CheckChunk.
func (d *decoded) load(column int) (err error) {
	defer recovered(&err, "decode")
	c := &d.columns[column]
	switch {
	case d.rows == 0:
		return nil
	case c.chunk == nil:
		c.pages = append(c.pages, decodedPage{rows: d.rows}) // all null
		return nil
	}
	return c.read(c.chunk, d.rows)
}

// countSince gives the number of columns that objects of a version have.
func countSince(defs []columnDef, version int) (n int) {
	for i := range defs {
		if defs[i].since <= version {
			n++
		}
	}
	return n
}

// empty reports whether all rows are null.
func (c *decodedColumn) empty() bool {
	for i := range c.pages {
		if c.pages[i].values > 0 {
			return false
		}
	}
	return true
}

// release gives the pages back to parquet-go.
func (d *decoded) release() {
	for i := range d.columns {
		c := &d.columns[i]
		for j := range c.pages {
			if p := c.pages[j].page; p != nil {
				pq.Release(p)
			}
		}
		clear(c.pages)
		c.pages = c.pages[:0]
	}
	d.columns = d.columns[:0]
	d.file = nil
}

// recovered turns a panic of the decoder into an error about the object.
func recovered(err *error, check string) {
	if r := recover(); r != nil {
		*err = corrupt(check, "", -1, "the Parquet decoder failed: %v", r)
	}
}

func (c *decodedColumn) read(chunk pq.ColumnChunk, rows int) error {
	pages := chunk.Pages()
	defer func() { _ = pages.Close() }()
	total := 0
	for {
		p, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return corrupt("decode", c.def.Name, -1, "%w", err)
		}
		c.pages = append(c.pages, decodedPage{page: p})
		last := &c.pages[len(c.pages)-1]
		if err := last.view(c.def); err != nil {
			return corrupt("decode", c.def.Name, -1, "%w", err)
		}
		if last.values == 0 { // half of all columns: their memory serves the next ones
			*last = decodedPage{rows: last.rows}
			pq.Release(p)
		}
		total += last.rows
	}
	if total != rows {
		return corrupt("decode", c.def.Name, -1, "%d rows, want %d", total, rows)
	}
	return nil
}

// view takes the slices out of a page and checks that they fit together.
func (p *decodedPage) view(def *columnDef) error {
	p.rows = int(p.page.NumRows())
	p.values = p.rows
	if def.Optional {
		p.levels = p.page.DefinitionLevels()
		if len(p.levels) != p.rows {
			return fmt.Errorf("%d definition levels for %d rows", len(p.levels), p.rows)
		}
		p.values = bytes.Count(p.levels, []byte{1})
	}
	data := p.page.Data()
	if dict := p.page.Dictionary(); dict != nil {
		p.coded = true
		p.codes = data.Int32()
		p.typed(def, dict.Page())
		return p.checkCodes(dict.Len())
	}
	p.typed(def, p.page)
	if n := p.length(def); n < p.values {
		return fmt.Errorf("%d values, want %d", n, p.values)
	}
	return nil
}

func (p *decodedPage) typed(def *columnDef, from pq.Page) {
	data := from.Data()
	switch def.Type {
	case parquet.Boolean:
		p.bools = data.Boolean()
	case parquet.Int32:
		p.i32 = data.Int32()
	case parquet.Int64:
		p.i64 = data.Int64()
	case parquet.ByteArray:
		p.data, p.offsets = data.ByteArray()
		if len(p.data) < fewBytes {
			// Short texts are copied together with what lies behind them: see
			// parser.Printer. That must not be the end of the memory.
			p.data = append(make([]byte, 0, len(p.data)+parser.PrintAhead), p.data...)
		}
	}
	if p.coded {
		p.dict32, p.dict64 = p.i32, p.i64
	}
}

// length gives the number of values that the slices hold.
func (p *decodedPage) length(def *columnDef) int {
	switch def.Type {
	case parquet.Boolean:
		return len(p.bools) * 8
	case parquet.Int32:
		return len(p.i32)
	case parquet.Int64:
		return len(p.i64)
	case parquet.ByteArray:
	}
	return len(p.offsets) - 1
}

func (p *decodedPage) checkCodes(entries int) error {
	if len(p.codes) < p.values {
		return fmt.Errorf("%d codes, want %d", len(p.codes), p.values)
	}
	if most := greatest(p.codes[:p.values]); p.values > 0 && int64(most) >= int64(entries) {
		return fmt.Errorf("code %d in a dictionary of %d", int32(most), entries) //nolint:gosec // as it was
	}
	return nil
}

// greatest gives the greatest code; a negative one is greater than any entry.
// Those of four do not wait for each other.
func greatest(codes []int32) uint32 {
	var a, b, c, d uint32
	for ; len(codes) >= 8; codes = codes[8:] {
		k := (*[8]int32)(codes)
		a, b = max(a, uint32(k[0]), uint32(k[4])), max(b, uint32(k[1]), uint32(k[5])) //nolint:gosec // see above
		c, d = max(c, uint32(k[2]), uint32(k[6])), max(d, uint32(k[3]), uint32(k[7])) //nolint:gosec // see above
	}
	for _, code := range codes {
		a = max(a, uint32(code)) //nolint:gosec // see above
	}
	return max(a, b, c, d)
}

// has reports whether row has a value. Rows must be asked for in order.
func (c *decodedColumn) has(row int) bool {
	if c.levels == nil && row < c.end {
		return c.all
	}
	return c.look(row)
}

func (c *decodedColumn) look(row int) bool {
	for row >= c.end {
		c.next()
	}
	if c.levels == nil {
		return c.all
	}
	return c.levels[row-c.start] == 1
}

// rewind goes back to the first row.
func (c *decodedColumn) rewind() {
	c.page, c.index, c.start, c.end, c.value = nil, 0, 0, 0, 0
}

// seek goes to row, whatever was read before: has and what reads a value go on
// from there.
func (c *decodedColumn) seek(row int) {
	if row < c.start || c.page == nil {
		c.rewind()
	}
	for row >= c.end {
		if c.page != nil {
			c.value = c.page.values
		}
		c.next()
	}
	switch {
	case c.levels == nil && c.all:
		c.value = row - c.start
	case c.levels == nil:
		c.value = 0
	default:
		if row < c.mark {
			c.mark, c.marked = c.start, 0
		}
		c.marked += bytes.Count(c.levels[c.mark-c.start:row-c.start], []byte{1})
		c.mark, c.value = row, c.marked
	}
}

// next goes to the next page.
func (c *decodedColumn) next() {
	if c.page != nil && c.value != c.page.values {
		panic(unread{c.def.Name, c.page.values - c.value})
	}
	c.page = &c.pages[c.index]
	c.index++
	c.start, c.end, c.value = c.end, c.end+c.page.rows, 0
	c.mark, c.marked = c.start, 0
	c.levels, c.all = c.page.levels, c.page.values == c.page.rows
	if c.all || c.page.values == 0 {
		c.levels = nil
	}
}

// unread is the panic for values in rows whose format has no such field.
type unread struct {
	column string
	values int
}

func (u unread) String() string {
	return fmt.Sprintf("column %s has %d values in rows that do not use it", u.column, u.values)
}

// finish checks that all values were read.
func (c *decodedColumn) finish() error {
	if c.page != nil && c.value != c.page.values {
		return corrupt("values", c.def.Name, -1, "%d values in rows whose format does not use them", c.page.values-c.value)
	}
	for _, p := range c.pages[c.index:] {
		if p.values > 0 {
			return corrupt("values", c.def.Name, -1, "%d values in rows whose format does not use them", p.values)
		}
	}
	return nil
}

func (c *decodedColumn) text() []byte {
	p, i := c.page, c.value
	c.value++
	if p.coded {
		i = int(p.codes[i])
	}
	return p.data[p.offsets[i]:p.offsets[i+1]]
}

func (c *decodedColumn) int32() int32 {
	p, i := c.page, c.value
	c.value++
	if p.coded {
		return p.dict32[p.codes[i]]
	}
	return p.i32[i]
}

func (c *decodedColumn) int64() int64 {
	p, i := c.page, c.value
	c.value++
	if p.coded {
		return p.dict64[p.codes[i]]
	}
	return p.i64[i]
}

func (c *decodedColumn) bool() bool {
	i := c.value
	c.value++
	return c.page.bools[i>>3]>>(i&7)&1 != 0
}
