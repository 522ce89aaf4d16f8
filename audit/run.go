package audit

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"
)

const (
	// maxFanIn bounds the runs that are open at once: files and their buffers.
	maxFanIn = 64
	// runBuffer is the buffer of a run for what is smaller; segments take one of
	// their own.
	runBuffer = 32 << 10
	// runHeader is the size of a segment's header.
	runHeader = 36
)

// run is a sorted sequence of segments in a temporary file. The file has no name
// any more, so nothing is left behind however the process ends. A segment is a
// header of numbers, least byte first (source and lines, of 4 bytes; offset,
// time and length, of 8; a CRC-32C of the numbers before it and of the bytes, of
// 4), and then the bytes. They are not compressed: that takes as much time
// as to render the lines. A run is read once.
type run struct {
	file    *os.File
	size    int64 // of the file
	left    int64 // segments that have not been read
	in      *bufio.Reader
	segment segment
	buf     []byte
}

func writeRun(dir string, in cursor) (*run, error) {
	f, err := os.CreateTemp(dir, "loghaul-audit-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	r := &run{file: f}
	if err := r.fill(in); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return r, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli) //nolint:gochecknoglobals // a constant

func (r *run) fill(in cursor) error {
	w := bufio.NewWriterSize(r.file, runBuffer)
	var head []byte
	for {
		g, err := in.next()
		if err == io.EOF { //nolint:errorlint // cursors return it bare
			return w.Flush()
		}
		if err != nil {
			return err
		}
		head = binary.LittleEndian.AppendUint32(head[:0], uint32(g.source)) //nolint:gosec // not negative
		head = binary.LittleEndian.AppendUint32(head, uint32(g.lines))      //nolint:gosec // not negative
		head = binary.LittleEndian.AppendUint64(head, uint64(g.offset))     //nolint:gosec // not negative
		head = binary.LittleEndian.AppendUint64(head, uint64(g.at))         //nolint:gosec // bit pattern
		head = binary.LittleEndian.AppendUint64(head, uint64(len(g.text)))  //
		head = binary.LittleEndian.AppendUint32(head, checksum(head, g.text))
		if _, err := w.Write(head); err != nil {
			return err
		}
		if _, err := w.Write(g.text); err != nil {
			return err
		}
		r.size += int64(len(head) + len(g.text))
		r.left++
	}
}

func checksum(head, text []byte) uint32 {
	return crc32.Update(crc32.Checksum(head, castagnoli), castagnoli, text)
}

func (r *run) next() (*segment, error) {
	if r.left == 0 {
		return nil, io.EOF
	}
	if r.in == nil {
		r.in = bufio.NewReaderSize(r.file, runBuffer)
	}
	if err := r.read(); err != nil {
		if errors.Is(err, io.EOF) { // not to look like a run that ended
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("read spilled lines: %w", err)
	}
	r.left--
	return &r.segment, nil
}

// errSpilled is a temporary file that does not give back what was written.
var errSpilled = errors.New("the temporary file has changed: its checksum is wrong")

// read reads a segment.
func (r *run) read() error {
	var head [runHeader]byte
	if _, err := io.ReadFull(r.in, head[:]); err != nil {
		return err
	}
	size := binary.LittleEndian.Uint64(head[24:])
	if size > uint64(r.size) { //nolint:gosec // not negative
		return errSpilled
	}
	r.buf = slices.Grow(r.buf[:0], int(size))[:size] //nolint:gosec // at most r.size
	if _, err := io.ReadFull(r.in, r.buf); err != nil {
		return err
	}
	if checksum(head[:runHeader-4], r.buf) != binary.LittleEndian.Uint32(head[runHeader-4:]) {
		return errSpilled
	}
	r.segment = segment{
		text:   r.buf,
		source: int32(binary.LittleEndian.Uint32(head[:])),   //nolint:gosec // as written
		lines:  int32(binary.LittleEndian.Uint32(head[4:])),  //nolint:gosec // as written
		offset: int64(binary.LittleEndian.Uint64(head[8:])),  //nolint:gosec // as written
		at:     int64(binary.LittleEndian.Uint64(head[16:])), //nolint:gosec // as written
	}
	return nil
}

func (r *run) close() error { return r.file.Close() }
