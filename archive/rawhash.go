package archive

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"slices"
)

// RawSHA256 renders all lines and gives the SHA-256, in hexadecimal digits, of
// the bytes that the object's ranges name: what Meta.RawSHA256 has to be. It
// also calls fn for each line if fn is not nil, see Lines. It reads the whole
// object.
func (rd *Reader) RawSHA256(fn func(*Row) error) (string, error) {
	h := rawHash{sum: sha256.New()}
	err := rd.Lines(func(r *Row) error {
		h.add(r)
		if fn == nil {
			return nil
		}
		return fn(r)
	})
	return hex.EncodeToString(h.sum.Sum(nil)), err
}

// rawHash sums up the bytes of rows in the order of their source. Rows come in
// that order, but for the later records of a joined line: these wait until what
// lies between has come. Lines has checked that nothing is missing.
type rawHash struct {
	sum   hash.Hash
	next  int64   // offset of the next byte
	ahead []piece // in order
}

type piece struct {
	at   int64
	line []byte
	noLF bool
}

func (h *rawHash) add(r *Row) {
	if r.Parts == nil && len(h.ahead) == 0 {
		h.write(piece{r.Offset, r.Raw, r.NoLF})
		return
	}
	if r.Parts == nil {
		h.insert(piece{r.Offset, r.Raw, r.NoLF})
	}
	for i, p := range r.Parts {
		h.insert(piece{p.Offset, p.Raw, r.NoLF && i == len(r.Parts)-1})
	}
	for len(h.ahead) > 0 && (h.ahead[0].at == h.next || h.ahead[0].at == r.Offset) {
		h.write(h.ahead[0])
		h.ahead = slices.Delete(h.ahead, 0, 1)
	}
}

// insert keeps a copy of what is ahead: rows are valid during their call only.
func (h *rawHash) insert(p piece) {
	p.line = slices.Clone(p.line)
	i, _ := slices.BinarySearchFunc(h.ahead, p.at, func(q piece, at int64) int { return int(min(max(q.at-at, -1), 1)) })
	h.ahead = slices.Insert(h.ahead, i, p)
}

func (h *rawHash) write(p piece) {
	h.sum.Write(p.line)
	h.next = p.at + int64(len(p.line))
	if !p.noLF {
		h.sum.Write([]byte{'\n'})
		h.next++
	}
}
