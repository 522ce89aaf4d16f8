package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	pq "github.com/parquet-go/parquet-go"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/archive/parquet"
)

// derivedVersion is the newest format of the archive without a checksum of the
// lines, which derived objects would have to be rendered for.
const derivedVersion = 3

// template is an object that was encoded from lines, as columns: others are made
// of it with other times, offsets, clients and unique ids, which all have the
// same length. What the encoder takes for parsing and verifying is saved.
type template struct {
	object  int
	columns []parquet.Column
	chunks  []parquet.Chunk
	meta    archive.Meta
}

func newTemplate(object int, body []byte) (*template, error) {
	footer, err := parquet.ReadFooter(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return nil, err
	}
	t := &template{object: object}
	for _, kv := range footer.Metadata {
		if kv.Key == "loghaul" {
			if err := json.Unmarshal([]byte(kv.Value), &t.meta); err != nil {
				return nil, err
			}
		}
	}
	file, err := pq.OpenFile(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return nil, err
	}
	for i, chunk := range file.RowGroups()[0].ColumnChunks() {
		c := &footer.Columns[i]
		t.columns = append(t.columns, c.Column)
		k, err := read(c, chunk, footer.Rows)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Name, err)
		}
		t.chunks = append(t.chunks, k)
	}
	return t, nil
}

// read decodes a column.
func read(c *parquet.FooterColumn, chunk pq.ColumnChunk, rows int) (k parquet.Chunk, err error) {
	k.Encoding = parquet.RLEDictionary
	if c.Type == parquet.Int64 && c.Logical == parquet.TimestampMillis || c.Name == "offset" {
		k.Encoding = parquet.DeltaBinaryPacked
	}
	k.Bloom = c.BloomSize > 0
	k.Coded = c.Type == parquet.ByteArray && c.Start != c.Data
	if c.Optional {
		k.Present = make([]uint64, (rows+63)/64)
	}
	known := map[string]uint32{}
	row := 0
	pages := chunk.Pages()
	defer pages.Close() //nolint:errcheck // only read
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return k, nil
		}
		if err != nil {
			return k, err
		}
		values := make([]pq.Value, page.NumRows())
		if n, err := page.Values().ReadValues(values); n < len(values) {
			return k, err
		}
		for _, v := range values {
			if !v.IsNull() {
				if c.Optional {
					k.Present[row>>6] |= 1 << (row & 63)
				}
				add(&k, c.Type, v, known)
			}
			row++
		}
	}
}

func add(k *parquet.Chunk, typ parquet.Type, v pq.Value, known map[string]uint32) {
	switch typ {
	case parquet.Boolean:
		k.Bools = append(k.Bools, v.Boolean())
	case parquet.Int32:
		k.Int32s = append(k.Int32s, v.Int32())
	case parquet.Int64:
		k.Int64s = append(k.Int64s, v.Int64())
	case parquet.ByteArray:
		if !k.Coded {
			k.Texts.Append(v.ByteArray())
			return
		}
		code, ok := known[string(v.ByteArray())]
		if !ok {
			code = uint32(len(known)) //nolint:gosec // few
			known[string(v.ByteArray())] = code
			k.Texts.Append(v.ByteArray())
		}
		k.Codes = append(k.Codes, code)
	}
}

// column gives the number of a column.
func (t *template) column(name string) int {
	return slices.IndexFunc(t.columns, func(c parquet.Column) bool { return c.Name == name })
}

// derive makes object i. w is used again for the next one, and so is the result.
func (m *maker) derive(t *template, i int, w *parquet.Writer) (key archive.KeyInfo, body []byte, err error) {
	shift := int64(i-t.object) * int64(m.g.object)
	chunks := slices.Clone(t.chunks)
	moved := func(name string, by int64) []int64 {
		k := &chunks[t.column(name)]
		k.Int64s = slices.Clone(k.Int64s)
		for j := range k.Int64s {
			k.Int64s[j] += by
		}
		return k.Int64s
	}
	moved("offset", int64(i-t.object)*room)
	moved("read_time", shift)
	times := moved("time", shift)
	random := rand.New(rand.NewPCG(uint64(i), 11)) //nolint:gosec // repeatable
	clients, ids := &chunks[t.column("client_ip")], &chunks[t.column("unique_id")]
	clients.Texts, clients.Codes, clients.Coded = parquet.Strings{}, make([]uint32, len(times)), true
	ids.Texts, ids.Codes, ids.Coded = parquet.Strings{}, nil, false
	codes := map[int]uint32{}
	base := start.UnixMilli() + int64(i*m.g.object)
	for row, at := range times {
		n := int(at - base)
		c := clientOf(random)
		if m.g.isNeedle(i, n) {
			c = -1
		}
		code, ok := codes[c]
		if !ok {
			code = uint32(len(codes)) //nolint:gosec // few
			codes[c] = code
			clients.Texts.Append([]byte(address(c)))
		}
		clients.Codes[row] = code
		ids.Texts.Append([]byte(uniqueID(i, n, time.UnixMilli(at))))
	}
	meta := t.meta
	meta.Version, meta.RawSHA256, meta.Sealed = derivedVersion, "", m.sealed(i)
	meta.MinTime += shift
	meta.MaxTime += shift
	meta.Ranges = slices.Clone(meta.Ranges)
	for j := range meta.Ranges {
		meta.Ranges[j].From += int64(i-t.object) * room
		meta.Ranges[j].To += int64(i-t.object) * room
	}
	text, err := json.Marshal(&meta)
	if err != nil {
		return key, nil, err
	}
	w.Begin(t.columns, meta.Lines)
	for j := range chunks {
		if err := w.Add(&chunks[j]); err != nil {
			return key, nil, err
		}
	}
	if body, err = w.Finish([]parquet.KeyValue{{Key: "loghaul", Value: string(text)}}); err != nil {
		return key, nil, err
	}
	sum := sha256.Sum256(body)
	return archive.KeyInfo{Writer: meta.Writer, Sealed: meta.Sealed, Hash: hex.EncodeToString(sum[:6])}, body, nil
}

// readable reads all lines of an object.
func readable(body []byte) error {
	r, err := archive.Open(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return err
	}
	return r.Rows(func(*archive.Row) error { return nil })
}
