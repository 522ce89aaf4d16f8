package parquet

// Strings is a list of byte strings, one behind the other.
type Strings struct {
	Data []byte
	// Ends holds where each string ends in Data; each starts where the one
	// before it ends.
	Ends []uint32
}

// Len gives the number of strings.
func (s *Strings) Len() int { return len(s.Ends) }

// At gives string i, aliasing Data.
func (s *Strings) At(i int) []byte {
	from := uint32(0)
	if i > 0 {
		from = s.Ends[i-1]
	}
	return s.Data[from:s.Ends[i]]
}

// Append adds v.
func (s *Strings) Append(v []byte) {
	s.Data = append(s.Data, v...)
	s.Ends = append(s.Ends, uint32(len(s.Data))) //nolint:gosec // the caller bounds an object far below 4 GiB
}

// Reset empties the list and keeps its memory.
func (s *Strings) Reset() { s.Data, s.Ends = s.Data[:0], s.Ends[:0] }

// Chunk is the content of one column: the values of its rows without the
// nulls, in order. Exactly one of Bools, Int32s, Int64s, Texts and Codes (with
// Texts as their dictionary) is used, as the column's type says; none when all
// rows are null. The Writer reads it during Add and changes nothing in it.
type Chunk struct {
	// Present has bit i set (least significant first) when row i has a value.
	// nil means that all rows have one. Bits behind the last row are 0.
	Present []uint64

	Int32s []int32
	// Codes index Texts when Coded is set. Texts is a dictionary then:
	// distinct values, each of them used.
	Codes  []uint32
	Coded  bool
	Texts  Strings
	Int64s []int64
	Bools  []bool

	// Encoding is for integers: Plain, DeltaBinaryPacked, or RLEDictionary,
	// which falls back to DeltaBinaryPacked (32 bits) or Plain (64 bits) where
	// a dictionary does not pay.
	Encoding Encoding
	// Bloom asks for a bloom filter; texts only.
	Bloom bool
	// Unbounded leaves min and max out: for values nobody compares.
	Unbounded bool
}

// values gives the number of values that are not null.
func (c *Chunk) values() int {
	if c.Coded {
		return len(c.Codes)
	}
	return len(c.Bools) + len(c.Int32s) + len(c.Int64s) + c.Texts.Len()
}
