package manifest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"math/bits"
	"slices"

	"github.com/loghaul/loghaul/archive/parquet"
)

// Filters describes the bloom filters of a manifest's objects. The bits of all
// objects that decide about one value lie together, so that a look-up reads a
// few short stretches, however many objects there are.
type Filters struct {
	// Size is the number of bytes, SHA256 their checksum in hexadecimal digits.
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	// Columns has the filters by the column's name.
	Columns map[string][]Class `json:"columns"`
}

// Class is the filters of one column that have the same number of blocks. Its
// bytes are the first block of each object, in the order of Objects, then the
// second of each, and so on.
type Class struct {
	// Blocks is a power of two; a block has parquet.BloomBlock bytes.
	Blocks int `json:"blocks"`
	// At is where the class starts among the filters' bytes.
	At int64 `json:"at"`
	// Objects are numbers in Manifest.Objects, in ascending order.
	Objects []int `json:"objects"`
}

func (c *Class) size() int64 { return int64(c.Blocks) * int64(len(c.Objects)) * parquet.BloomBlock }

// maxFilters bounds the bytes of the filters of one manifest.
const maxFilters = 1 << 30

// check holds what must be true for objects objects.
func (f *Filters) check(objects int) error {
	if f == nil {
		return nil
	}
	bad := fmt.Errorf("%w: filters do not fit their description", ErrCorrupt)
	if f.Size < 0 || f.Size > maxFilters || !isSHA256(f.SHA256) {
		return bad
	}
	at := int64(0)
	for _, column := range slices.Sorted(maps.Keys(f.Columns)) {
		for _, c := range f.Columns[column] {
			if c.At != at || c.Blocks < 1 || c.Blocks > maxFilters/parquet.BloomBlock || bits.OnesCount(uint(c.Blocks)) != 1 || len(c.Objects) == 0 {
				return bad
			}
			for i, o := range c.Objects {
				if o < 0 || o >= objects || i > 0 && o <= c.Objects[i-1] {
					return bad
				}
			}
			if at += c.size(); at > f.Size {
				return bad
			}
		}
	}
	if at != f.Size {
		return bad
	}
	return nil
}

// newFilters arranges the filters of objects; blooms[i] are those of object i,
// by column.
func newFilters(blooms []map[string][]byte) (*Filters, []byte) {
	classes := map[string]map[int][]int{}
	for i, columns := range blooms {
		for column, b := range columns {
			if classes[column] == nil {
				classes[column] = map[int][]int{}
			}
			n := len(b) / parquet.BloomBlock
			classes[column][n] = append(classes[column][n], i)
		}
	}
	if len(classes) == 0 {
		return nil, nil
	}
	f := &Filters{Columns: map[string][]Class{}}
	var out []byte
	for _, column := range slices.Sorted(maps.Keys(classes)) {
		for _, blocks := range slices.Sorted(maps.Keys(classes[column])) {
			c := Class{Blocks: blocks, At: int64(len(out)), Objects: classes[column][blocks]}
			out = slices.Grow(out, int(c.size()))
			for b := range blocks {
				for _, i := range c.Objects {
					out = append(out, blooms[i][column][b*parquet.BloomBlock:][:parquet.BloomBlock]...)
				}
			}
			f.Columns[column] = append(f.Columns[column], c)
		}
	}
	sum := sha256.Sum256(out)
	f.Size, f.SHA256 = int64(len(out)), hex.EncodeToString(sum[:])
	return f, out
}

// MayHold reports for each object of the manifest whether it may have value in
// a column: false is certain. It reads the few stretches of r, the manifest's
// bytes, that decide; errors of r are passed on. A column that has no filter in
// an object may have the value, unless all rows are null.
func (f *File) MayHold(r io.ReaderAt, column string, value []byte) ([]bool, error) {
	out := make([]bool, len(f.Manifest.Objects))
	for i := range out {
		_, out[i] = f.Manifest.Objects[i].Columns[column]
	}
	if f.Manifest.Filters == nil {
		return out, nil
	}
	hash := parquet.BloomHash(value)
	for _, c := range f.Manifest.Filters.Columns[column] {
		row := len(c.Objects) * parquet.BloomBlock
		b := make([]byte, row)
		at := skippableHeader + c.At + int64(parquet.BloomBlockOf(hash, uint64(c.Blocks)))*int64(row) //nolint:gosec // positive and bounded
		if n, err := r.ReadAt(b, at); n < len(b) {
			return nil, err
		}
		for i, o := range c.Objects {
			out[o] = out[o] && parquet.BloomMayHold(b[i*parquet.BloomBlock:][:parquet.BloomBlock], hash)
		}
	}
	return out, nil
}

// Bloom gives the bits of the filter of an object, nil if it has none. filters
// is what File.ReadFilters gave.
func (m *Manifest) Bloom(filters []byte, object int, column string) []byte {
	if m.Filters == nil {
		return nil
	}
	for _, c := range m.Filters.Columns[column] {
		i, ok := slices.BinarySearch(c.Objects, object)
		if !ok {
			continue
		}
		out := make([]byte, 0, c.Blocks*parquet.BloomBlock)
		for b := range c.Blocks {
			at := c.At + int64(b*len(c.Objects)+i)*parquet.BloomBlock
			out = append(out, filters[at:at+parquet.BloomBlock]...)
		}
		return out
	}
	return nil
}
