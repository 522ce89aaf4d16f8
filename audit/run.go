package audit

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/s2"
)

const (
	// maxFanIn bounds the runs that are open at once: files and their buffers.
	maxFanIn = 64
	// runBlock is the block size of a run's compression; a reader holds about
	// three of them.
	runBlock = 256 << 10
)

// run is a sorted sequence of lines in a temporary file, compressed with s2.
// The file has no name any more, so nothing is left behind however the process
// ends. A line is: source, offset, time and length as varints with a flag
// byte before the length, then the bytes. A run is read once.
type run struct {
	file *os.File
	in   *bufio.Reader
	line line
	buf  []byte
}

func writeRun(dir string, lines cursor) (*run, error) {
	f, err := os.CreateTemp(dir, "loghaul-audit-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if err := fillRun(f, lines); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	r := s2.NewReader(f, s2.ReaderMaxBlockSize(runBlock), s2.ReaderAllocBlock(runBlock))
	return &run{file: f, in: bufio.NewReaderSize(r, 32<<10)}, nil
}

func fillRun(f io.Writer, lines cursor) error {
	w := s2.NewWriter(f, s2.WriterBlockSize(runBlock), s2.WriterConcurrency(1))
	var head []byte
	for {
		l, err := lines.next()
		if err == io.EOF { //nolint:errorlint // cursors return it bare
			return w.Close()
		}
		if err != nil {
			return errors.Join(err, w.Close())
		}
		head = binary.AppendUvarint(head[:0], uint64(l.source)) //nolint:gosec // not negative
		head = binary.AppendUvarint(head, uint64(l.offset))     //nolint:gosec // not negative
		head = binary.AppendVarint(head, l.at)
		flag := byte(0)
		if l.noLF {
			flag = 1
		}
		head = append(head, flag)
		head = binary.AppendUvarint(head, uint64(len(l.raw)))
		if _, err := w.Write(head); err != nil {
			return errors.Join(err, w.Close())
		}
		if _, err := w.Write(l.raw); err != nil {
			return errors.Join(err, w.Close())
		}
	}
}

func (r *run) next() (*line, error) {
	source, err := binary.ReadUvarint(r.in)
	if err == io.EOF { //nolint:errorlint // bare at the end of the run
		return nil, io.EOF
	}
	var offset, size uint64
	var at int64
	var flag byte
	if err == nil {
		offset, err = binary.ReadUvarint(r.in)
	}
	if err == nil {
		at, err = binary.ReadVarint(r.in)
	}
	if err == nil {
		flag, err = r.in.ReadByte()
	}
	if err == nil {
		size, err = binary.ReadUvarint(r.in)
	}
	if err != nil {
		return nil, fmt.Errorf("read spilled lines: %w", noEOF(err))
	}
	if uint64(cap(r.buf)) < size {
		r.buf = make([]byte, size)
	}
	r.buf = r.buf[:size]
	if _, err := io.ReadFull(r.in, r.buf); err != nil {
		return nil, fmt.Errorf("read spilled lines: %w", noEOF(err))
	}
	r.line = line{raw: r.buf, at: at, offset: int64(offset), source: int32(source), noLF: flag == 1} //nolint:gosec // as written
	return &r.line, nil
}

// noEOF keeps a cut run from looking like one that ended.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (r *run) close() error { return r.file.Close() }
