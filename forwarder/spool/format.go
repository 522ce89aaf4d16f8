package spool

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"strings"
	"time"
)

// The format is described in docs/formats/spool.md. Numbers are little-endian,
// checksums CRC-32 (IEEE).
const (
	version    = 1
	magic      = "LHSPOOL\n"
	headerSize = 64
	// headSize is that of the head of a record.
	headSize = 32
	// maxRecord bounds the payload of a record.
	maxRecord = 64 << 20
	// maxOffset and maxLoss bound what is believed.
	maxOffset = 1 << 60
	maxLoss   = 1 << 50
)

// recordMagic begins each record, so that one can be found behind damage. Its
// bytes are no UTF-8.
var recordMagic = [4]byte{0xfb, 'L', 'H', 0xf2} //nolint:gochecknoglobals // a constant

// Kinds of records.
const (
	kindData = 1 // payload: whole lines
	kindLoss = 2 // payload: lines, bytes, reason
	kindEnd  = 3 // no payload: the writer ended and had synced everything
)

// ErrVersion is wrapped by the error for a spool of a newer version.
var ErrVersion = errors.New("spool of another version")

var errDamaged = errors.New("damaged")

// header begins a segment.
type header struct {
	id   string
	base int64 // offset of its first byte in the stream
	// every is the policy: at most that much later than the write came its
	// fsync, 0: before it was acknowledged.
	every time.Duration
	boot  [16]byte // which boot of the machine wrote it, 0 if unknown
	born  time.Time
}

func (h *header) encode() []byte {
	b := make([]byte, headerSize)
	copy(b, magic)
	binary.LittleEndian.PutUint32(b[8:], version)
	binary.LittleEndian.PutUint32(b[12:], uint32(min(max(h.every.Milliseconds(), boolInt(h.every > 0)), 1<<31))) //nolint:gosec // bounded
	if _, err := hex.Decode(b[16:28], []byte(h.id)); err != nil {
		panic("spool: id " + h.id) // made or checked by Open
	}
	binary.LittleEndian.PutUint64(b[28:], uint64(h.base)) //nolint:gosec // not negative
	copy(b[36:], h.boot[:])
	binary.LittleEndian.PutUint64(b[52:], uint64(h.born.UnixNano())) //nolint:gosec // bits
	binary.LittleEndian.PutUint32(b[60:], crc32.ChecksumIEEE(b[:60]))
	return b
}

func boolInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// decodeHeader reads the first headerSize bytes of a segment. Every version
// keeps magic, version and the checksum where they are.
func decodeHeader(b []byte) (header, error) {
	if len(b) < headerSize || string(b[:8]) != magic || crc32.ChecksumIEEE(b[:60]) != binary.LittleEndian.Uint32(b[60:]) {
		return header{}, errDamaged
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v != version {
		return header{}, fmt.Errorf("%w: it has version %d, this build reads version %d", ErrVersion, v, version)
	}
	h := header{
		id:    hex.EncodeToString(b[16:28]),
		base:  int64(binary.LittleEndian.Uint64(b[28:])), //nolint:gosec // checked below
		every: time.Duration(binary.LittleEndian.Uint32(b[12:])) * time.Millisecond,
		born:  time.Unix(0, int64(binary.LittleEndian.Uint64(b[52:]))), //nolint:gosec // bits
	}
	copy(h.boot[:], b[36:])
	if h.base < 0 || h.base > maxOffset {
		return header{}, errDamaged
	}
	return h, nil
}

// head begins a record. Its own checksum is seeded with the stream's id, so no
// line can contain what looks like a record of this stream to somebody who does
// not know the id.
type head struct {
	kind    byte
	size    int64 // of the payload
	off     int64 // of its first byte in the stream
	lines   int64
	payload uint32 // checksum
}

// advance is how far the record moves the stream.
func (h *head) advance(payload []byte) int64 {
	switch h.kind {
	case kindData:
		return h.size
	case kindLoss:
		if l, ok := decodeLoss(payload); ok {
			return l.advance()
		}
	}
	return 0
}

func seed(id string) uint32 { return crc32.ChecksumIEEE([]byte(id)) }

func (h *head) encode(b []byte, seed uint32) {
	_ = b[headSize-1]
	copy(b, recordMagic[:])
	binary.LittleEndian.PutUint32(b[8:], uint32(h.kind))
	binary.LittleEndian.PutUint32(b[12:], uint32(h.size)) //nolint:gosec // at most maxRecord
	binary.LittleEndian.PutUint64(b[16:], uint64(h.off))  //nolint:gosec // not negative
	binary.LittleEndian.PutUint32(b[24:], uint32(min(h.lines, 1<<32-1)))
	binary.LittleEndian.PutUint32(b[28:], h.payload)
	binary.LittleEndian.PutUint32(b[4:], crc32.Update(seed, crc32.IEEETable, b[8:headSize]))
}

func decodeHead(b []byte, seed uint32) (head, bool) {
	if len(b) < headSize || [4]byte(b[:4]) != recordMagic ||
		crc32.Update(seed, crc32.IEEETable, b[8:headSize]) != binary.LittleEndian.Uint32(b[4:]) {
		return head{}, false
	}
	h := head{
		kind:    b[8],
		size:    int64(binary.LittleEndian.Uint32(b[12:])),
		off:     int64(binary.LittleEndian.Uint64(b[16:])), //nolint:gosec // checked below
		lines:   int64(binary.LittleEndian.Uint32(b[24:])),
		payload: binary.LittleEndian.Uint32(b[28:]),
	}
	return h, h.kind >= kindData && h.kind <= kindEnd && h.off >= 0 && h.size <= maxRecord && h.off <= maxOffset
}

// loss is the payload of a loss mark.
type loss struct {
	reason       string
	lines, bytes int64
}

// advance is how many offsets a mark takes: wire wants at least one for each
// line.
func (l *loss) advance() int64 { return max(l.bytes, l.lines, 1) }

// maxReason is what wire allows.
const maxReason = 32

func (l *loss) encode() []byte {
	b := make([]byte, 16, 16+len(l.reason))
	binary.LittleEndian.PutUint64(b, uint64(l.lines))     //nolint:gosec // not negative
	binary.LittleEndian.PutUint64(b[8:], uint64(l.bytes)) //nolint:gosec // not negative
	return append(b, l.reason...)
}

func decodeLoss(b []byte) (loss, bool) {
	if len(b) < 17 || len(b) > 16+maxReason {
		return loss{}, false
	}
	l := loss{
		lines:  int64(binary.LittleEndian.Uint64(b)),     //nolint:gosec // checked below
		bytes:  int64(binary.LittleEndian.Uint64(b[8:])), //nolint:gosec // checked below
		reason: string(b[16:]),
	}
	return l, l.lines >= 0 && l.bytes >= 0 && l.lines < maxLoss && l.bytes < maxLoss
}

// bootID names this boot of the machine, 0 if the kernel does not say.
func bootID() (id [16]byte) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err == nil {
		_, _ = hex.Decode(id[:], []byte(strings.ReplaceAll(strings.TrimSpace(string(b)), "-", "")))
	}
	return id
}
