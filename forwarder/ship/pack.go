package ship

import (
	"bytes"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"

	"github.com/loghaul/loghaul/internal/wire"
)

const (
	// chunk is how many raw bytes are read and compressed at a time.
	chunk = 512 << 10
	// window is how far back zstd looks. More costs memory and gains nothing
	// on log lines.
	window = 256 << 10
	// pending bounds the bytes that zstd holds back before it writes a block.
	pending = 160 << 10
	// framing bounds what an encoding adds to bytes it cannot compress: block
	// headers, and the frame's own.
	framing = 1 << 10
)

// packer compresses one batch at a time. It is a source.Sink.
type packer struct {
	encoding wire.Encoding
	s2       *s2.Writer
	zstd     *zstd.Encoder

	out     []byte
	limit   int
	crc     uint32
	lines   int
	partial bool // the last run did not end with LF
	err     error
}

func newPacker(e wire.Encoding) (*packer, error) {
	p := &packer{encoding: e}
	switch e {
	case wire.S2:
		p.s2 = s2.NewWriter(nil, s2.WriterConcurrency(1), s2.WriterBlockSize(chunk))
	case wire.Zstd:
		z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(window),
			zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false))
		if err != nil {
			return nil, fmt.Errorf("zstd encoder: %w", err)
		}
		p.zstd = z
	case wire.Plain:
	}
	return p, nil
}

// begin starts a batch whose payload is appended to out and stays below limit.
func (p *packer) begin(out []byte, limit int) {
	p.out, p.limit, p.crc, p.lines, p.partial, p.err = out[:0], limit, 0, 0, false, nil
	switch p.encoding {
	case wire.S2:
		p.s2.Reset((*appender)(p))
	case wire.Zstd:
		p.zstd.Reset((*appender)(p))
	case wire.Plain:
	}
}

// Room says how many raw bytes fit for sure, should none of them compress.
func (p *packer) Room() int {
	room := p.limit - len(p.out) - framing
	if p.encoding == wire.Zstd && !p.flushes() {
		room -= pending
	}
	return max(room, 0)
}

// flushes says whether the limit is so low that nothing may be held back.
func (p *packer) flushes() bool { return p.limit < chunk+pending+framing }

// Add compresses a run of raw bytes and says how many LFs it holds.
func (p *packer) Add(run []byte) int {
	if p.err != nil || len(run) == 0 {
		return 0
	}
	switch p.encoding {
	case wire.S2:
		p.err = p.s2.EncodeBuffer(run)
	case wire.Zstd:
		if _, p.err = p.zstd.Write(run); p.err == nil && p.flushes() {
			p.err = p.zstd.Flush()
		}
	case wire.Plain:
		p.out = append(p.out, run...)
	}
	n := bytes.Count(run, []byte{'\n'})
	p.crc = crc32.Update(p.crc, crc32.IEEETable, run)
	p.lines += n
	p.partial = run[len(run)-1] != '\n'
	return n
}

// finish ends the batch. The payload is the memory given to begin, or larger
// memory that took its place.
func (p *packer) finish() (payload []byte, records int, err error) {
	if p.err == nil && p.s2 != nil {
		p.err = p.s2.Close()
	}
	if p.err == nil && p.zstd != nil {
		p.err = p.zstd.Close()
	}
	records = p.lines
	if p.partial {
		records++
	}
	payload, p.out = p.out, nil
	if p.err == nil && len(payload) > p.limit {
		p.err = fmt.Errorf("a payload of %d bytes passed the limit of %d", len(payload), p.limit)
	}
	return payload, records, p.err
}

// appender is the packer as the encoders' destination.
type appender packer

// Write appends to the payload. It doubles the memory as append would not:
// payloads are of about one size, and each copy is reused.
func (a *appender) Write(b []byte) (int, error) {
	if need := len(a.out) + len(b); need > cap(a.out) {
		grown := make([]byte, len(a.out), min(max(need, 2*cap(a.out), 64<<10), max(need, a.limit)))
		copy(grown, a.out)
		a.out = grown
	}
	a.out = append(a.out, b...)
	return len(b), nil
}
