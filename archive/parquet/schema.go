// Package parquet writes Parquet files of flat schemas: required and optional
// columns, one row group, no nesting. It exists because a general writer
// hashes and copies every value several times; this one is handed columns that
// are already typed, dense and, where it pays, dictionary coded. It knows
// nothing about logs.
//
// Only encodings that DuckDB, Trino, Spark, parquet-go and pyarrow all read
// are written: PLAIN, RLE_DICTIONARY with PLAIN dictionary pages,
// DELTA_BINARY_PACKED and DELTA_LENGTH_BYTE_ARRAY, in v1 data pages, each page
// one zstd frame (or not compressed at all when it is tiny) with a CRC-32.
// Signed integers only: Trino reads unsigned ones wrongly without an error.
//
// It also holds Check, which walks a file's footer and page headers and
// refuses sizes that do not add up. Readers that trust them allocate whatever
// a flipped bit says.
//
// The format is https://github.com/apache/parquet-format; field numbers and
// enum values are those of its parquet.thrift.
package parquet

import "fmt"

// Type is a physical type.
type Type int32

// The physical types that the writer knows, with the numbers of parquet.thrift.
const (
	Boolean   Type = 0
	Int32     Type = 1
	Int64     Type = 2
	ByteArray Type = 6
)

// String gives the name of parquet.thrift.
func (t Type) String() string {
	switch t {
	case Boolean:
		return "BOOLEAN"
	case Int32:
		return "INT32"
	case Int64:
		return "INT64"
	case ByteArray:
		return "BYTE_ARRAY"
	}
	return fmt.Sprintf("Type(%d)", int32(t))
}

// Logical says how readers interpret a physical type.
type Logical uint8

// The logical types that the writer knows.
const (
	// None leaves the physical type as it is.
	None Logical = iota
	// String is UTF-8 text in a ByteArray. The caller guarantees that it is
	// valid: some engines refuse a whole file otherwise.
	String
	// TimestampMillis is milliseconds since 1970 UTC in an Int64.
	TimestampMillis
)

// Column is one column of a schema.
type Column struct {
	Name     string
	Type     Type
	Logical  Logical
	Optional bool
}

// KeyValue is one entry of the footer's key-value metadata.
type KeyValue struct{ Key, Value string }

// Encoding is a page encoding, with the numbers of parquet.thrift.
type Encoding int32

// The encodings that the writer uses.
const (
	Plain                Encoding = 0
	RLE                  Encoding = 3
	DeltaBinaryPacked    Encoding = 5
	DeltaLengthByteArray Encoding = 6
	RLEDictionary        Encoding = 8
)

// Compression codecs, with the numbers of parquet.thrift.
const (
	uncompressed int32 = 0
	zstdCodec    int32 = 6
)
