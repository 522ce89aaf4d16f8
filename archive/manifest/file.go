package manifest

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// A file is three zstd frames (RFC 8878): a skippable one with the filters, if
// there are any, a real one with the document as JSON, and a skippable one with
// the seal. So any zstd tool prints the document.
const (
	filterMagic = 0x184D2A50 // RFC 8878, section 3.1.2: 0x184D2A50 to 0x184D2A5F
	sealMagic   = 0x184D2A5A
	// skippableHeader is magic and size.
	skippableHeader = 8
	// sealSize is what the seal has behind its header: format (4 bytes), size of
	// the document's frame (4), key id (32), signature (64).
	sealSize   = 4 + 4 + 32 + 64
	sealFrame  = skippableHeader + sealSize
	sealFormat = 1

	// maxDocument bounds the document's frame, maxJSON what it decompresses to.
	maxDocument = 64 << 20
	maxJSON     = 512 << 20
	// tailSize is how much of the end Open reads at first.
	tailSize = 64 << 10
)

// File is a manifest with its seal.
type File struct {
	Manifest *Manifest
	// Hash is the SHA-256 of the document's frame: what the next one in the
	// chain has, and what is signed.
	Hash [sha256.Size]byte
	seal seal
}

// Link gives what the next manifest has to say about this one.
func (f *File) Link() Link {
	return Link{Sequence: f.Manifest.Sequence, SHA256: hex.EncodeToString(f.Hash[:])}
}

// Encode makes the file of m with the given objects, signed by signer unless
// that is nil. It fills Objects, Sources and Filters of m. The error is about m.
func Encode(m *Manifest, entries []*Entry, signer *Signer) ([]byte, *File, error) {
	m.Version = Version
	m.From, m.To, m.Made = milli(m.From), milli(m.To), milli(m.Made)
	filters := m.fill(entries)
	if err := m.check(); err != nil {
		return nil, nil, err
	}
	text, err := json.Marshal(m)
	if err != nil {
		return nil, nil, fmt.Errorf("encode a manifest: %w", err)
	}
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, nil, fmt.Errorf("zstd: %w", err)
	}
	document := w.EncodeAll(text, nil)
	if len(document) > maxDocument {
		return nil, nil, fmt.Errorf("a manifest of %d bytes: %w", len(document), errTooLarge)
	}
	file := &File{Manifest: m, Hash: sha256.Sum256(document)}
	if signer != nil {
		file.seal = signer.sign(file.Hash)
	}
	var out []byte
	if m.Filters != nil {
		out = appendSkippable(out, filterMagic, len(filters))
		out = append(out, filters...)
	}
	out = append(out, document...)
	out = appendSkippable(out, sealMagic, sealSize)
	out = binary.LittleEndian.AppendUint32(out, sealFormat)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(document))) //nolint:gosec // bounded above
	out = append(out, file.seal.key[:]...)
	return append(out, file.seal.signature[:]...), file, nil
}

var errTooLarge = errors.New("too large")

func appendSkippable(dst []byte, magic uint32, size int) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, magic)
	return binary.LittleEndian.AppendUint32(dst, uint32(size)) //nolint:gosec // bounded by maxFilters
}

// Decode reads a whole file. Errors are those of Open; the filters are checked
// too.
func Decode(b []byte) (*File, error) {
	r := bytes.NewReader(b)
	f, err := Open(r, int64(len(b)))
	if err != nil {
		return nil, err
	}
	_, err = f.ReadFilters(r)
	return f, err
}

// Open reads the document and the seal of a file of size bytes, most often by
// one read of its end. It does not check the signature, see Keyring.Check, nor
// the filters, see ReadFilters. An error about the bytes wraps ErrCorrupt or
// ErrVersion; errors of r are passed on.
func Open(r io.ReaderAt, size int64) (*File, error) { return open(r, size, &Manifest{}) }

// OpenBrief is Open, but leaves Columns of all objects nil: they are most of a
// document, and only who looks for lines needs them.
func OpenBrief(r io.ReaderAt, size int64) (*File, error) { return open(r, size, &brief{}) }

// document is what a document is read into.
type document interface{ manifest() *Manifest }

func (m *Manifest) manifest() *Manifest { return m }

// brief reads a Manifest without columns.
type brief struct {
	Manifest
	Objects []briefObject `json:"objects"`
}

type briefObject struct {
	Object
	Columns passedOver `json:"columns"`
}

type passedOver struct{}

func (passedOver) UnmarshalJSON([]byte) error { return nil }

func (b *brief) manifest() *Manifest {
	m := &b.Manifest
	if b.Objects != nil {
		m.Objects = make([]Object, len(b.Objects))
	}
	for i := range b.Objects {
		m.Objects[i] = b.Objects[i].Object
	}
	return m
}

func open(r io.ReaderAt, size int64, into document) (*File, error) {
	if size < sealFrame {
		return nil, corrupt("%d bytes are too few", size)
	}
	tail := make([]byte, min(size, tailSize))
	if err := readAt(r, tail, size-int64(len(tail))); err != nil {
		return nil, err
	}
	end := tail[len(tail)-sealFrame:]
	if binary.LittleEndian.Uint32(end) != sealMagic || binary.LittleEndian.Uint32(end[4:]) != sealSize {
		return nil, corrupt("it does not end with a seal")
	}
	if v := binary.LittleEndian.Uint32(end[8:]); v != sealFormat {
		return nil, fmt.Errorf("%w: seal %d, this build reads %d; use a newer loghaul", ErrVersion, v, sealFormat)
	}
	n := int64(binary.LittleEndian.Uint32(end[12:]))
	at := size - sealFrame - n
	if at < 0 || n > maxDocument {
		return nil, corrupt("a document of %d bytes in %d", n, size)
	}
	document := make([]byte, n)
	if have := int64(len(tail)) - sealFrame; n <= have {
		copy(document, tail[have-n:])
	} else if err := readAt(r, document, at); err != nil {
		return nil, err
	}
	f := &File{Hash: sha256.Sum256(document)}
	copy(f.seal.key[:], end[16:])
	copy(f.seal.signature[:], end[48:])
	var err error
	if f.Manifest, err = decode(document, into); err != nil {
		return nil, err
	}
	return f, f.checkSize(at)
}

// decode reads the document's frame.
func decode(document []byte, into document) (*Manifest, error) {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxJSON))
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	defer z.Close()
	text, err := z.DecodeAll(document, nil)
	if err != nil {
		return nil, corrupt("document: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	strict := d.Decode(into)
	m := into.manifest()
	if strict != nil { // Perhaps it is what a newer program wrote.
		m.Version = 0
		var any struct {
			Version int `json:"version"`
		}
		if json.Unmarshal(text, &any) == nil {
			m.Version = any.Version
		}
	}
	switch {
	case m.Version > Version:
		return nil, fmt.Errorf("%w: %d, this build reads up to %d; use a newer loghaul", ErrVersion, m.Version, Version)
	case strict != nil:
		return nil, corrupt("document: %w", strict)
	case m.Version < 1:
		return nil, corrupt("version %d", m.Version)
	}
	return m, m.check()
}

// checkSize compares what lies before the document with the filters.
func (f *File) checkSize(at int64) error {
	want := int64(0)
	if f.Manifest.Filters != nil {
		want = skippableHeader + f.Manifest.Filters.Size
	}
	if at != want {
		return corrupt("%d bytes before the document, want %d", at, want)
	}
	return nil
}

// ReadFilters reads the bytes of all filters and compares their checksum; nil
// if there are none. r is the manifest's bytes.
func (f *File) ReadFilters(r io.ReaderAt) ([]byte, error) {
	want := f.Manifest.Filters
	if want == nil {
		return nil, nil
	}
	b := make([]byte, skippableHeader+want.Size)
	if err := readAt(r, b, 0); err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint32(b) != filterMagic || int64(binary.LittleEndian.Uint32(b[4:])) != want.Size {
		return nil, corrupt("it does not begin with the filters")
	}
	b = b[skippableHeader:]
	if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != want.SHA256 {
		return nil, corrupt("the filters have the SHA-256 %x, want %s", sum, want.SHA256)
	}
	return b, nil
}

func readAt(r io.ReaderAt, b []byte, at int64) error {
	n, err := r.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return corrupt("it ends before byte %d", at+int64(len(b)))
	}
	return err
}

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrCorrupt}, args...)...)
}
