package gaps

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Version is the format version this build writes, and the newest it reads.
const Version = 1

const (
	// maxFile bounds what is read of a file, maxText what it decompresses to. A
	// file of maxEntries entries with maxSlotSpans stretches is far smaller.
	maxFile = 16 << 20
	maxText = 64 << 20
	// window keeps the encoder small: files are.
	window = 128 << 10
)

// header is the first line of a file.
type header struct {
	Version  int       `json:"version"`
	Stream   string    `json:"stream"`
	Writer   string    `json:"writer"`
	Hour     time.Time `json:"hour"`
	Rejected bool      `json:"rejected"`
	Made     time.Time `json:"made"`
	Entries  int       `json:"entries"`
	Lines    int64     `json:"lines"`
}

func newHeader(stream string, f *File, entries int) header {
	return header{Version, stream, f.Writer, f.Start(), f.Rejected, f.Made, entries, f.Lines}
}

// encode makes the file of entries and completes f.
func encode(stream string, f *File, entries []Entry) ([]byte, error) {
	f.Lines = Lines(entries)
	var text bytes.Buffer
	w := json.NewEncoder(&text)
	w.SetEscapeHTML(false)
	if err := w.Encode(newHeader(stream, f, len(entries))); err != nil {
		return nil, fmt.Errorf("encode a gap file: %w", err)
	}
	for i := range entries {
		if err := entries[i].check(f.Slot); err != nil {
			return nil, fmt.Errorf("entry %d of a gap file: %w", i, err)
		}
		if err := w.Encode(&entries[i]); err != nil {
			return nil, fmt.Errorf("encode a gap file: %w", err)
		}
	}
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(true), zstd.WithWindowSize(window), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	defer z.Close() //nolint:errcheck // it has no stream
	b := z.EncodeAll(text.Bytes(), nil)
	f.Hash = digest(b)
	return b, nil
}

// decode reads the file that is named by f. Errors wrap ErrDamaged or ErrVersion.
func decode(stream string, f *File, b []byte) ([]Entry, error) {
	if !f.matches(b) {
		return nil, damaged("it does not have the checksum in its name")
	}
	return parse(stream, f, b)
}

func damaged(format string, a ...any) error {
	return fmt.Errorf("%w: %w", ErrDamaged, fmt.Errorf(format, a...))
}

func parse(stream string, f *File, b []byte) ([]Entry, error) {
	if len(b) > maxFile {
		return nil, damaged("it has %d bytes", len(b))
	}
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxText), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	defer z.Close()
	text, err := z.DecodeAll(b, nil)
	if err != nil {
		return nil, damaged("%w", err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	var version struct {
		Version int `json:"version"`
	}
	first, _, _ := bytes.Cut(text, []byte{'\n'})
	if err := json.Unmarshal(first, &version); err != nil {
		return nil, damaged("its first line: %w", err)
	}
	if version.Version > Version {
		return nil, fmt.Errorf("%w: %d, this build reads up to %d; use a newer loghaul", ErrVersion, version.Version, Version)
	}
	d.DisallowUnknownFields()
	var h header
	if err := d.Decode(&h); err != nil {
		return nil, damaged("its first line: %w", err)
	}
	if want := newHeader(stream, f, h.Entries); h != want || h.Entries < 1 || h.Entries > maxEntries {
		return nil, damaged("it says it is %+v, and is stored as %+v", h, want)
	}
	entries := make([]Entry, 0, h.Entries)
	for {
		var e Entry
		err := d.Decode(&e)
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = e.check(f.Slot)
		}
		if err != nil {
			return nil, damaged("entry %d: %w", len(entries), err)
		}
		if entries = append(entries, e); len(entries) > h.Entries {
			break
		}
	}
	if len(entries) != h.Entries || Lines(entries) != h.Lines {
		return nil, damaged("%d entries of %d lines, its first line says %d of %d", len(entries), Lines(entries), h.Entries, h.Lines)
	}
	return entries, nil
}
