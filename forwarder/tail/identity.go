package tail

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// headMax bounds the head of a file: its first record, or that many bytes of
// it.
const headMax = 1024

// guardMax is how many bytes before a position are compared when a file is
// read on from there.
const guardMax = 256

// fileKey names an inode. The kernel gives the number to another file once
// this one is deleted and closed by everybody.
type fileKey struct{ dev, ino uint64 }

// head is the fingerprint of a file's beginning.
type head struct {
	n   int
	sum [16]byte
}

func makeHead(p []byte) head {
	s := sha256.Sum256(p)
	h := head{n: len(p)}
	copy(h.sum[:], s[:])
	return h
}

func (h head) String() string { return hex.EncodeToString(h.sum[:]) }

func parseHead(s string, n int) (head, error) {
	h := head{n: n}
	if b, err := hex.DecodeString(s); err != nil || copy(h.sum[:], b) != len(h.sum) || len(b) != len(h.sum) {
		return h, fmt.Errorf("head %q is not %d hexadecimal digits", s, 2*len(h.sum))
	}
	return h, nil
}

// readHead gives a file's head. It is complete, and then never changes while
// the file only grows, once it ends with LF or is headMax bytes long.
func readHead(f io.ReaderAt) (p []byte, complete bool, err error) {
	p = make([]byte, headMax)
	n, err := f.ReadAt(p, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, false, err
	}
	p = p[:n]
	if i := bytes.IndexByte(p, '\n'); i >= 0 {
		return p[:i+1], true, nil
	}
	return p, n == headMax, nil
}

// sourceID derives the identity of a source from nothing but the file itself,
// so that reading it again after all state was lost gives the same. Generations
// tell apart what device, inode and head cannot.
func sourceID(node string, k fileKey, gen int, headBytes []byte) string {
	h := sha256.New()
	fmt.Fprintf(h, "loghaul source 1\n%d %s\n%d %d %d %d\n", len(node), node, k.dev, k.ino, gen, len(headBytes))
	h.Write(headBytes)
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// headKey stands for the inode of a generation that was compressed before
// anybody saw it.
func headKey(h head) fileKey { return fileKey{ino: binary.BigEndian.Uint64(h.sum[:])} }

// guard is the fingerprint of the n bytes that end at a position: it tells
// whether what lies before the position is still what was read there.
type guard struct {
	sum uint32
	n   int
	at  int64
}

func makeGuard(p []byte, at int64) guard {
	if len(p) > guardMax {
		p = p[len(p)-guardMax:]
	}
	return guard{sum: crc32.ChecksumIEEE(p), n: len(p), at: at}
}

// holds says whether f has the bytes that g was made of where they were.
func (g guard) holds(f io.ReaderAt) (bool, error) {
	if g.n == 0 {
		return true, nil
	}
	var p [guardMax]byte
	n, err := f.ReadAt(p[:g.n], g.at-int64(g.n))
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return n == g.n && crc32.ChecksumIEEE(p[:n]) == g.sum, nil
}

// evidenceMin is how many bytes have to be equal before a file counts as a
// copy of another one that still exists.
const evidenceMin = 1024

// sameContent says whether the first n bytes of a and b look equal: it compares
// up to 16 samples of 4 KiB spread over them, the first and the last among them.
func sameContent(a, b *os.File, n int64) bool {
	const samples, size = 16, 4096
	var pa, pb [size]byte
	step := max((n-size)/(samples-1), size)
	for off := int64(0); off < n; off += step {
		k := min(size, n-off)
		na, _ := a.ReadAt(pa[:k], off)
		nb, _ := b.ReadAt(pb[:k], off)
		if int64(na) != k || int64(nb) != k || !bytes.Equal(pa[:k], pb[:k]) {
			return false
		}
	}
	k := min(size, n)
	na, _ := a.ReadAt(pa[:k], n-k)
	nb, _ := b.ReadAt(pb[:k], n-k)
	return int64(na) == k && int64(nb) == k && bytes.Equal(pa[:k], pb[:k])
}
