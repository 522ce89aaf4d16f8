package parquet

import (
	"math/bits"

	"github.com/cespare/xxhash/v2"
)

// BloomBlock is the number of bytes of a bloom filter that decide about a value.
const BloomBlock = bloomBlock

// Bloom gives the bits of a bloom filter, a view of b, which is the bytes
// [BloomAt, BloomAt+BloomSize) of a file: a thrift header and the bits. Their
// number of blocks is a power of two. Every error wraps ErrCorrupt.
func Bloom(b []byte) ([]byte, error) {
	size := int64(-1)
	r := &thriftReader{b: b}
	r.fields(0, func(id int16, typ byte) bool {
		if id == 1 {
			size = r.number(typ)
			return true
		}
		return false
	})
	blocks := size / bloomBlock
	switch {
	case r.err != nil:
		return nil, corruptf("bloom filter: %w", r.err)
	case size != int64(len(b)-r.pos) || size%bloomBlock != 0 || bits.OnesCount64(uint64(blocks)) != 1: //nolint:gosec // not negative, or the first holds
		return nil, corruptf("bloom filter: %d bytes, declared %d", len(b)-r.pos, size)
	}
	return b[r.pos:], nil
}

// BloomHash is the hash that a bloom filter knows a value by.
func BloomHash(value []byte) uint64 { return xxhash.Sum64(value) }

// BloomBlockOf gives the block, of blocks, that decides about a hash.
func BloomBlockOf(hash, blocks uint64) uint64 { return (hash >> 32) * blocks >> 32 }

// BloomMayHold reports whether a block of BloomBlock bytes may hold a value of
// the given hash; false is certain.
func BloomMayHold(block []byte, hash uint64) bool {
	var want [bloomBlock]byte
	bloomInsert(want[:], hash)
	for i, b := range want {
		if block[i]&b != b {
			return false
		}
	}
	return true
}

// BloomBlockAt gives where in the file the block lies that decides about a hash.
// The column has a bloom filter: its bits are a power of two of bytes and follow
// a header of less than 32.
func (c *FooterColumn) BloomBlockAt(hash uint64) int64 {
	size := int64(1) << (bits.Len64(uint64(c.BloomSize)) - 1)       //nolint:gosec // not negative
	block := BloomBlockOf(hash, uint64(size/bloomBlock))            //nolint:gosec // not negative
	return c.BloomAt + c.BloomSize - size + int64(block)*bloomBlock //nolint:gosec // within size
}
