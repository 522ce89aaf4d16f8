package parquet

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/zstd"
)

// Dictionaries reads the dictionary pages of text columns: all values of a
// column without its rows. One goroutine may use it at a time.
type Dictionaries struct {
	zstd *zstd.Decoder
	buf  []byte
}

// NewDictionaries makes a reader of dictionary pages.
func NewDictionaries() (*Dictionaries, error) {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxPage))
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	return &Dictionaries{zstd: d}, nil
}

// Texts gives the entries of the dictionary of c, a ByteArray column, in the
// order of the page. page is the bytes [c.Start, c.Data) of the file. Entries
// are valid until the next call. Every error wraps ErrCorrupt.
func (d *Dictionaries) Texts(c *FooterColumn, page []byte) ([][]byte, error) {
	var p pageHeader
	r := &thriftReader{b: page}
	p.read(r)
	if r.err != nil {
		return nil, corruptf("column %s, dictionary: %w", c.Name, r.err)
	}
	if err := p.check(c, true, int64(len(page)-r.pos), 0); err != nil {
		return nil, corruptf("column %s, dictionary: %w", c.Name, err)
	}
	body := page[r.pos:]
	if len(body) != p.stored || crc32.ChecksumIEEE(body) != p.crc {
		return nil, corruptf("column %s, dictionary: %d bytes, declared %d, or a wrong CRC", c.Name, len(body), p.stored)
	}
	if c.Codec == zstdCodec {
		var err error
		if d.buf, err = d.zstd.DecodeAll(body, d.buf[:0]); err != nil {
			return nil, corruptf("column %s, dictionary: %w", c.Name, err)
		}
		body = d.buf
	}
	if len(body) != p.size {
		return nil, corruptf("column %s, dictionary: %d bytes, declared %d", c.Name, len(body), p.size)
	}
	texts := make([][]byte, 0, p.values)
	for len(body) >= 4 {
		n := binary.LittleEndian.Uint32(body)
		if uint64(n) > uint64(len(body)-4) {
			break
		}
		texts = append(texts, body[4:4+n:4+n])
		body = body[4+n:]
	}
	if len(body) > 0 || len(texts) != p.values {
		return nil, corruptf("column %s, dictionary: %d entries, declared %d", c.Name, len(texts), p.values)
	}
	return texts, nil
}
