package tail

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const (
	// unpackStep is how much is decompressed at a time while a position is
	// looked for.
	unpackStep = 4 << 20
	// unpackMemory bounds what a zstd frame may ask for.
	unpackMemory = 64 << 20
)

// archive reads a compressed file forwards. It holds the stretch that the next
// batch may need, and what is compared before a position.
type archive struct {
	fd      *os.File
	from    io.Reader
	release func()
	window  []byte
	base    int64 // offset of window in the decompressed stream
	eof     bool
}

func unpackable(name string) bool {
	ext := filepath.Ext(name)
	return ext == ".gz" || ext == ".zst"
}

// openArchive begins at the beginning of fd, which stays the caller's.
func openArchive(fd *os.File, name string) (*archive, error) {
	a := &archive{fd: fd, release: func() {}}
	in := io.NewSectionReader(fd, 0, 1<<62)
	if filepath.Ext(name) == ".gz" {
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("gzip: %w", err)
		}
		a.from = z
		return a, nil
	}
	z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(unpackMemory))
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	a.from, a.release = z, z.Close
	return a, nil
}

// end is how far the stream is known.
func (a *archive) end() int64 { return a.base + int64(len(a.window)) }

// fill decompresses up to n bytes more. It keeps what lies from keep on.
func (a *archive) fill(keep int64, n int) error {
	if drop := min(keep-a.base, int64(len(a.window))); drop > 0 {
		a.window = append(a.window[:0], a.window[drop:]...)
		a.base += drop
	}
	for n > 0 && !a.eof {
		had := len(a.window)
		if cap(a.window)-had < 1 {
			grown := make([]byte, had, 2*had+64<<10)
			copy(grown, a.window)
			a.window = grown
		}
		k, err := a.from.Read(a.window[had:min(cap(a.window), had+n)])
		a.window = a.window[:had+k]
		n -= k
		switch {
		case errors.Is(err, io.EOF):
			a.eof = true
		case err != nil:
			return fmt.Errorf("decompressing: %w", err)
		}
	}
	return nil
}

// ReadAt reads what is held.
func (a *archive) ReadAt(p []byte, off int64) (int, error) {
	if off < a.base || off > a.end() {
		return 0, io.EOF
	}
	n := copy(p, a.window[off-a.base:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (a *archive) close() { a.release() }
