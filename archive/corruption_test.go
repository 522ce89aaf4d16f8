package archive

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/loghaul/loghaul/internal/fault"
)

// corruption is one way in which an object can be wrong. These are the rows of
// the table in docs/formats/archive.md.
type corruption struct {
	name string
	// table breaks the columns before they are written, as a defect of the
	// encoder would, and meta the metadata; file breaks the finished file.
	table func(*table)
	meta  func(*Meta)
	file  func(testing.TB, []byte) []byte
	// check is the check that must find it; "render" means that rows are
	// refused.
	check string
	// reads says that Open and Rows do not see it, only the verification.
	reads bool
}

func corruptions() []corruption {
	column := func(name string, edit func(*format.ColumnMetaData)) func(testing.TB, []byte) []byte {
		return func(t testing.TB, b []byte) []byte {
			return editFooter(t, b, func(m *format.FileMetaData) { edit(chunkOf(t, m, name)) })
		}
	}
	stats := func(name string, edit func(*format.Statistics)) func(testing.TB, []byte) []byte {
		return column(name, func(c *format.ColumnMetaData) { edit(&c.Statistics) })
	}
	meta := func(from, to string) func(testing.TB, []byte) []byte {
		return func(t testing.TB, b []byte) []byte {
			return editFooter(t, b, func(m *format.FileMetaData) {
				kv := &m.KeyValueMetadata[0]
				if !strings.Contains(kv.Value, from) {
					t.Fatalf("metadata has no %s: %s", from, kv.Value)
				}
				kv.Value = strings.Replace(kv.Value, from, to, 1)
			})
		}
	}
	return []corruption{
		{name: "empty file", file: func(testing.TB, []byte) []byte { return nil }, check: "footer"},
		{name: "file cut in the footer", file: func(_ testing.TB, b []byte) []byte { return b[:len(b)-100] }, check: "footer"},
		{name: "bytes missing in the middle", file: func(_ testing.TB, b []byte) []byte { return slices.Delete(b, 500, 600) }, check: "footer"},
		{name: "footer longer than the file", file: func(_ testing.TB, b []byte) []byte {
			binary.LittleEndian.PutUint32(b[len(b)-8:], 1<<31)
			return b
		}, check: "footer"},
		{name: "other magic at the start", file: func(_ testing.TB, b []byte) []byte { b[0] = 'X'; return b }, check: "pages"},
		{name: "bit flipped in a page", file: func(t testing.TB, b []byte) []byte {
			_, body := firstPage(t, b, "http_path")
			b[body+10] ^= 1
			return b
		}, check: "pages"},
		{name: "bit flipped in a page, CRC made to fit", file: func(t testing.TB, b []byte) []byte {
			return rewritePage(t, b, "http_path", func(h *format.PageHeader, page []byte) {
				page[len(page)/2] ^= 1
				h.CRC = int32(crc32.ChecksumIEEE(page))
			})
		}, check: "decode"},
		{name: "page that claims 1 GiB", file: func(t testing.TB, b []byte) []byte {
			return rewritePage(t, b, "http_path", func(h *format.PageHeader, _ []byte) { h.UncompressedPageSize = 1 << 30 })
		}, check: "pages"},
		{name: "page that claims more rows", file: func(t testing.TB, b []byte) []byte {
			return rewritePage(t, b, "offset", func(h *format.PageHeader, _ []byte) { h.DataPageHeader.V.NumValues *= 2 })
		}, check: "pages"},
		{name: "column renamed", file: func(t testing.TB, b []byte) []byte {
			return editFooter(t, b, func(m *format.FileMetaData) {
				chunkOf(t, m, "backend").PathInSchema[0] = "backenb"
				for i := range m.Schema {
					if m.Schema[i].Name == "backend" {
						m.Schema[i].Name = "backenb"
					}
				}
			})
		}, check: "schema"},
		{name: "other time unit", file: func(t testing.TB, b []byte) []byte {
			return editFooter(t, b, func(m *format.FileMetaData) {
				for i := range m.Schema {
					if m.Schema[i].Name == "time" {
						m.Schema[i].ConvertedType.V = 10 // TIMESTAMP_MICROS
						m.Schema[i].LogicalType.Value = &format.TimestampType{
							IsAdjustedToUTC: true, Unit: format.TimeUnit{Value: &format.MicroSeconds{}},
						}
					}
				}
			})
		}, check: "schema"},
		{name: "min too high", file: stats("status", func(s *format.Statistics) { s.MinValue[0]++ }), check: "statistics", reads: true},
		{name: "max too low", file: stats("time", func(s *format.Statistics) { s.MaxValue[0]-- }), check: "statistics", reads: true},
		{name: "min of a text too high", file: stats("server", func(s *format.Statistics) { s.MinValue[0]++ }), check: "statistics", reads: true},
		{name: "wrong null_count", file: stats("http_query", func(s *format.Statistics) { s.NullCount++ }), check: "statistics", reads: true},
		{name: "bloom filter without an entry", file: func(t testing.TB, b []byte) []byte {
			var at, size int64
			editFooter(t, b, func(m *format.FileMetaData) {
				c := chunkOf(t, m, "client_ip")
				at, size = c.BloomFilterOffset, int64(c.BloomFilterLength)
			})
			bits := b[at+size-32 : at+size] // the last block
			if bytes.Equal(bits, make([]byte, 32)) {
				t.Fatal("nothing in the last block")
			}
			clear(bits)
			return b
		}, check: "bloom filter", reads: true},
		{name: "metadata that is no JSON", file: meta(`{"version"`, `["version"`), check: "metadata"},
		{name: "other number of lines", file: meta(`"lines":`, `"lines":1`), check: "metadata"},
		{name: "range shifted", file: meta(`"from":0`, `"from":1`), check: "metadata"},
		{name: "other raw_sha256", file: func(t testing.TB, b []byte) []byte {
			return editFooter(t, b, func(m *format.FileMetaData) {
				kv := &m.KeyValueMetadata[0]
				i := strings.Index(kv.Value, `"raw_sha256":"`) + len(`"raw_sha256":"`)
				digit := "0"
				if kv.Value[i] == '0' {
					digit = "1"
				}
				kv.Value = kv.Value[:i] + digit + kv.Value[i+1:]
			})
		}, check: "metadata", reads: true},
		{name: "least time too late", meta: func(m *Meta) { m.MinTime++ }, check: "metadata", reads: true},
		{name: "greatest time too early", meta: func(m *Meta) { m.MaxTime-- }, check: "metadata", reads: true},
		{name: "a row without a time counted as timed", meta: func(m *Meta) { m.Timed++ }, check: "metadata", reads: true},
		{name: "two columns swapped", table: func(t *table) {
			a, b := &t.columns[colConnFrontend].chunk.Int32s, &t.columns[colConnBackend].chunk.Int32s
			*a, *b = *b, *a
		}, check: "render", reads: true},
		{name: "one number changed", table: func(t *table) { t.columns[colStatus].chunk.Int32s[7]++ }, check: "render", reads: true},
		{name: "one letter of a dictionary changed", table: func(t *table) { t.columns[colServer].chunk.Texts.Data[0] ^= 1 }, check: "render", reads: true},
		{name: "null moved to another row", table: func(t *table) {
			c := &t.columns[colQuery]
			for i := range c.bits {
				if w := c.bits[i]; w&3 == 1 || w&3 == 2 {
					c.bits[i] ^= 3
					return
				}
			}
			panic("no such pair of rows")
		}, check: "render"},
		{name: "value in a row that has no such field", table: func(t *table) { t.columns[colUniqueID].addText(3, []byte("x")) }, check: "values"},
		{name: "offset shifted", table: func(t *table) { t.columns[colOffset].chunk.Int64s[5]++ }, check: "identity"},
		{name: "line of another source", table: func(t *table) {
			c := &t.columns[colSource].chunk
			c.Texts.Append([]byte("0123456789abcdef01234567"))
			c.Codes[5] = 1
		}, check: "identity"},
		{name: "kept bytes changed", table: func(t *table) {
			data := t.columns[colRaw].chunk.Texts.Data
			data[len(data)-1] ^= 1
		}, check: "lines", reads: true},
		{name: "row of no known format", table: func(t *table) {
			c := &t.columns[colFormat].chunk
			c.Texts.Data[0] ^= 1
		}, check: "values"},
	}
}

// TestCorruptions breaks an object in each way and expects the verification
// to find it by the check that is there for it, and Open and Rows to find it
// too unless only the verification can.
func TestCorruptions(t *testing.T) {
	raw := readCorpus(t, corpusDir+"/http/httplog.log.gz")
	raw = append(raw[:bytes.LastIndexByte(raw[:400_000], '\n')+1], "not a line of HAProxy\n"...)
	w, err := newWindow(cut(1, raw, 64<<10))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range corruptions() {
		t.Run(c.name, func(t *testing.T) {
			e := newEncoder(t, wellKnown(t)...)
			e.breakTable = c.table
			if c.file != nil {
				e.options.Fault = &fault.Object{File: func(b []byte) []byte { return c.file(t, b) }}
			}
			f, err := e.file(w, sealed)
			if err != nil {
				t.Fatal(err)
			}
			body, meta := f.body, f.meta
			if c.meta != nil {
				c.meta(meta)
				body = editFooter(t, body, func(m *format.FileMetaData) {
					if m.KeyValueMetadata[0].Value, err = meta.encode(); err != nil {
						t.Fatal(err)
					}
				})
			}
			refused, err := e.verifier.verify(body, w, meta, e.table)
			if c.check == "render" {
				if err != nil || len(refused) == 0 {
					t.Errorf("verify refused %d rows: %v", len(refused), err)
				}
			} else {
				wantCheck(t, "verify", err, c.check)
			}
			err = readAll(body)
			if c.reads != (err == nil) {
				t.Errorf("reading it: %v", err)
			}
			if err != nil && !errors.Is(err, ErrCorrupt) {
				t.Errorf("reading it: %v is not ErrCorrupt", err)
			}
			if c.reads {
				err = checkFooter(body)
				if c.check == "statistics" || c.check == "bloom filter" || c.check == "metadata" && !strings.Contains(c.name, "sha256") {
					wantCheck(t, "CheckFooter", err, c.check)
				} else if err != nil {
					t.Errorf("CheckFooter: %v", err)
				}
			}
		})
	}
}

func wantCheck(t *testing.T, what string, err error, check string) {
	t.Helper()
	c, ok := errors.AsType[*CorruptError](err)
	if !ok {
		t.Errorf("%s: %v, want check %q to fail", what, err, check)
	} else if c.Check != check {
		t.Errorf("%s: check %q failed (%v), want %q", what, c.Check, err, check)
	}
}

func readAll(body []byte) error {
	r, err := Open(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return err
	}
	return r.Rows(func(*Row) error { return nil })
}

func checkFooter(body []byte) error {
	r, err := Open(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return err
	}
	return r.CheckFooter()
}

func TestWrongTimeIsFound(t *testing.T) {
	raw := readCorpus(t, corpusDir+"/dates-paris-spring/httplog.log")
	w, err := newWindow(cut(1, raw, 64<<10))
	if err != nil {
		t.Fatal(err)
	}
	e := newEncoder(t, wellKnown(t)...)
	// The printed clock is time plus offset, so this row renders all the same.
	e.breakTable = func(tb *table) {
		tb.columns[colTime].chunk.Int64s[3] += 3600_000
		tb.columns[colUTCOffset].chunk.Int32s[3] -= 3600
	}
	body, meta, err := e.write(w, sealed)
	if err != nil {
		t.Fatal(err)
	}
	e.table.columns[colTime].chunk.Int64s[3] -= 3600_000
	e.table.columns[colUTCOffset].chunk.Int32s[3] += 3600
	_, err = e.verifier.verify(body, w, meta, e.table)
	wantCheck(t, "verify", err, "values")
}

// TestRefusedRows lets columns lie and expects Encode to keep the bytes.
func TestRefusedRows(t *testing.T) {
	raw := readCorpus(t, corpusDir+"/dates-paris-spring/httplog.log")
	e := newEncoder(t, wellKnown(t)...)
	first := true
	e.breakTable = func(tb *table) {
		if first {
			tb.columns[colStatus].chunk.Int32s[7]++
			first = false
		}
	}
	o, err := e.Encode(cut(1, raw, 64<<10), sealed)
	if err != nil {
		t.Fatal(err)
	}
	if o.Refused != 1 || o.Unparsed != 1 || !bytes.Equal(readBack(t, o.Body), raw) {
		t.Errorf("%d refused, %d unparsed", o.Refused, o.Unparsed)
	}
	e.breakTable = func(tb *table) {
		tb.columns[colStatus].chunk.Int32s = append(tb.columns[colStatus].chunk.Int32s[:0], 1)
	}
	if _, err = e.Encode(cut(1, raw, 64<<10), sealed); err == nil {
		t.Error("an object whose columns do not fit its rows was made")
	}
	e.breakTable = nil
	e.options.Fault = &fault.Object{File: func(b []byte) []byte { b[1000] ^= 1; return b }}
	if _, err = e.Encode(cut(1, raw, 64<<10), sealed); !errors.Is(err, ErrUnverified) {
		t.Errorf("error %v, want ErrUnverified", err)
	}
}

// editFooter decodes the footer with parquet-go, has it edited, and writes it.
func editFooter(t testing.TB, b []byte, edit func(*format.FileMetaData)) []byte {
	t.Helper()
	n := int(binary.LittleEndian.Uint32(b[len(b)-8:]))
	at := len(b) - 8 - n
	var m format.FileMetaData
	if err := thrift.Unmarshal(new(thrift.CompactProtocol), bytes.Clone(b[at:at+n]), &m); err != nil {
		t.Fatal(err)
	}
	edit(&m)
	footer, err := thrift.Marshal(new(thrift.CompactProtocol), &m)
	if err != nil {
		t.Fatal(err)
	}
	out := append(bytes.Clone(b[:at]), footer...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(footer)))
	return append(out, "PAR1"...)
}

func chunkOf(t testing.TB, m *format.FileMetaData, name string) *format.ColumnMetaData {
	t.Helper()
	for i := range m.RowGroups[0].Columns {
		if c := &m.RowGroups[0].Columns[i].MetaData; c.PathInSchema[0] == name {
			return c
		}
	}
	t.Fatalf("no column %s", name)
	return nil
}

// firstPage gives where the first page of a column and its body start.
func firstPage(t testing.TB, b []byte, name string) (header, body int64) {
	t.Helper()
	var at int64
	editFooter(t, b, func(m *format.FileMetaData) {
		c := chunkOf(t, m, name)
		if at = c.DataPageOffset; c.DictionaryPageOffset > 0 {
			at = c.DictionaryPageOffset
		}
	})
	var h format.PageHeader
	r := bytes.NewReader(b[at:])
	if err := thrift.NewDecoder(new(thrift.CompactProtocol).NewReader(r)).Decode(&h); err != nil {
		t.Fatal(err)
	}
	return at, int64(len(b)) - int64(r.Len())
}

// rewritePage changes the first page of a column and moves everything behind
// it, so that only the change itself is wrong.
func rewritePage(t testing.TB, b []byte, name string, edit func(*format.PageHeader, []byte)) []byte {
	t.Helper()
	at, body := firstPage(t, b, name)
	var h format.PageHeader
	if err := thrift.Unmarshal(new(thrift.CompactProtocol), bytes.Clone(b[at:body]), &h); err != nil {
		t.Fatal(err)
	}
	page := bytes.Clone(b[body : body+int64(h.CompressedPageSize)])
	edit(&h, page)
	header, err := thrift.Marshal(new(thrift.CompactProtocol), &h)
	if err != nil {
		t.Fatal(err)
	}
	moved := int64(len(header)) - (body - at)
	out := slices.Concat(b[:at], header, page, b[body+int64(len(page)):])
	return editFooter(t, out, func(m *format.FileMetaData) {
		behind := false
		for i := range m.RowGroups[0].Columns {
			c := &m.RowGroups[0].Columns[i].MetaData
			if behind {
				c.DataPageOffset += moved
			}
			if c.DictionaryPageOffset > at || behind && c.DictionaryPageOffset > 0 {
				c.DictionaryPageOffset += moved
			}
			if c.PathInSchema[0] == name {
				c.TotalCompressedSize += moved
				c.TotalUncompressedSize += moved
				if c.DictionaryPageOffset > 0 {
					c.DataPageOffset += moved
				}
				behind = true
			}
			if c.BloomFilterOffset > 0 {
				c.BloomFilterOffset += moved
			}
		}
	})
}
