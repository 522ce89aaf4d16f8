package parquet

import (
	"encoding/binary"
	"math/bits"

	"github.com/cespare/xxhash/v2"
)

// Split-block bloom filter as parquet-format's BloomFilter.md defines it:
// blocks of 256 bits, eight salted bits per value, xxh64 with seed 0.
const (
	bloomBlock = 32 // bytes
	// bloomBits is the least number of bits per distinct value. The size is
	// then rounded up to a power of two, as some readers demand it; with 8 to
	// 16 bits, 0.2 to 3 % of the look-ups of absent values say "perhaps".
	bloomBits = 8
)

// bloomSize gives the bytes of a filter for n distinct values.
func bloomSize(n int) int {
	return 1 << bits.Len(uint(max(n*bloomBits/8, bloomBlock)-1))
}

// appendBloom appends a filter that holds values.
func appendBloom(dst []byte, values *Strings) []byte {
	at := len(dst)
	size := bloomSize(values.Len())
	for range size / 8 {
		dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
	}
	filter := dst[at:]
	for i := range values.Len() {
		bloomInsert(filter, xxhash.Sum64(values.At(i)))
	}
	return dst
}

func bloomInsert(filter []byte, h uint64) {
	blocks := uint64(len(filter) / bloomBlock)
	block := filter[(h>>32)*blocks>>32*bloomBlock:][:bloomBlock]
	for i, salt := range [8]uint32{
		0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d,
		0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31,
	} {
		word := block[4*i:][:4]
		bit := uint32(1) << (uint32(h) * salt >> 27) //nolint:gosec // the lower half
		binary.LittleEndian.PutUint32(word, binary.LittleEndian.Uint32(word)|bit)
	}
}
