package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ErrCorrupt is wrapped by every error about the bytes of a file.
var ErrCorrupt = errors.New("corrupt Parquet file")

const (
	// maxFooter bounds the footer's size.
	maxFooter = 64 << 20
	// maxRows bounds the rows of a file.
	maxRows = 1 << 24
)

// Footer is what a file's footer says, as far as this package's Writer puts
// it there: a flat schema and one row group, or none if there are no rows.
type Footer struct {
	Root     string
	Rows     int
	Columns  []FooterColumn
	Metadata []KeyValue
	// At is where the footer starts in the file, End the bytes from there on.
	At  int64
	End []byte
}

// FooterColumn is a column and its chunk.
type FooterColumn struct {
	Column
	Codec int32
	// Start, Data and Size are where the chunk and its first data page start,
	// and how long the chunk is. Start is Data unless there is a dictionary.
	Start, Data, Size int64
	// Uncompressed is the size of all pages before compression.
	Uncompressed int64
	Nulls        int64
	// Min and Max are nil when they are not given.
	Min, Max []byte
	// BloomAt and BloomSize are 0 without a bloom filter.
	BloomAt, BloomSize int64
}

func corruptf(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrCorrupt}, args...)...)
}

// ReadFooter reads and checks the footer of a file of size bytes: every
// offset and size it gives lies within the file, in order and without
// overlaps. Errors of r are passed on; every other error wraps ErrCorrupt. It
// allocates no more than the footer's size times a small factor.
func ReadFooter(r io.ReaderAt, size int64) (*Footer, error) {
	const tail = 8
	if size < int64(len(magic)+tail) {
		return nil, corruptf("%d bytes are too few", size)
	}
	var end [tail]byte
	if err := readAt(r, end[:], size-tail); err != nil {
		return nil, err
	}
	n := int64(binary.LittleEndian.Uint32(end[:]))
	switch {
	case string(end[4:]) != magic:
		return nil, corruptf("it ends with %q instead of %q", end[4:], magic)
	case n > size-int64(len(magic)+tail) || n > maxFooter:
		return nil, corruptf("a footer of %d bytes in %d", n, size)
	}
	b := make([]byte, n, n+tail)
	if err := readAt(r, b, size-tail-n); err != nil {
		return nil, err
	}
	f := &Footer{At: size - tail - n, End: append(b, end[:]...)}
	tr := &thriftReader{b: b}
	f.read(tr)
	if tr.err == nil && tr.pos != len(b) {
		tr.fail("bytes left over")
	}
	if tr.err != nil {
		return nil, corruptf("footer: %w", tr.err)
	}
	return f, f.check()
}

func readAt(r io.ReaderAt, b []byte, at int64) error {
	n, err := r.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return corruptf("it ends before byte %d", at+int64(len(b)))
	}
	return err
}

// check holds what must be true of the whole.
func (f *Footer) check() error {
	if f.Rows < 0 || f.Rows > maxRows {
		return corruptf("%d rows", f.Rows)
	}
	at := int64(len(magic))
	if f.Rows == 0 {
		if at != f.At {
			return corruptf("nothing accounts for the bytes from %d to %d", at, f.At)
		}
		return nil
	}
	for i := range f.Columns {
		c := &f.Columns[i]
		switch {
		case c.Start != at || c.Data < c.Start || c.Size < 0 || c.Size > f.At-c.Start || c.Data > c.Start+c.Size:
			return corruptf("column %s: chunk at %d, data at %d, %d bytes, where %d is next and %d is the end",
				c.Name, c.Start, c.Data, c.Size, at, f.At)
		case c.Codec != uncompressed && c.Codec != zstdCodec:
			return corruptf("column %s: codec %d", c.Name, c.Codec)
		case c.Nulls < 0 || c.Nulls > int64(f.Rows):
			return corruptf("column %s: %d nulls in %d rows", c.Name, c.Nulls, f.Rows)
		case c.Uncompressed < 0:
			return corruptf("column %s: %d bytes before compression", c.Name, c.Uncompressed)
		}
		at += c.Size
	}
	for i := range f.Columns {
		c := &f.Columns[i]
		if c.BloomAt == 0 && c.BloomSize == 0 {
			continue
		}
		if c.BloomAt != at || c.BloomSize < bloomBlock || c.BloomSize > f.At-at {
			return corruptf("column %s: bloom filter of %d bytes at %d, where %d is next and %d is the end",
				c.Name, c.BloomSize, c.BloomAt, at, f.At)
		}
		at += c.BloomSize
	}
	if at != f.At {
		return corruptf("nothing accounts for the bytes from %d to %d", at, f.At)
	}
	return nil
}
