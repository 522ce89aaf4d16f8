package archive

import (
	"crypto/sha256"

	"github.com/loghaul/loghaul/internal/fault"
	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/wrapper"
)

// MaxRawBytes is the most raw bytes that one object may hold. It keeps every
// size inside an object far below the 2 GiB that Parquet's page headers can
// express, and lets a reader refuse larger claims.
const MaxRawBytes = 256 << 20

// MaxLines is the most lines one object may hold.
const MaxLines = 4 << 20

// Batch is one batch as a forwarder sent it: a run of whole records of one
// source. The raw bytes are decompressed and verified against the header.
type Batch struct {
	// Header is used for Source, From, To, Records, ReadAt, Labels, Rest and
	// Lost.
	Header wire.Header
	// Raw is the bytes [From, To) of the source; none if they are lost. Encode
	// only reads it.
	Raw []byte
}

// Options configures an Encoder.
type Options struct {
	// Formats are tried in this order on each line, then parser.EventFormat.
	Formats []*parser.Format
	// Wrapper is what lines are wrapped in: usually wrapper.Auto. With
	// wrapper.None, the zero value, all lines are taken as they are.
	Wrapper wrapper.Kind
	// Zone resolves dates that were printed without an offset; nil means UTC.
	// The Encoder uses it alone.
	Zone *parser.Zone
	// Writer identifies the aggregator in keys and footers: 1 to 64 of
	// A-Z a-z 0-9 . _ -
	Writer string
	// CreatedBy is the version of the program, for the footer.
	CreatedBy string
	// Masks says what a Masker did to the lines; the Encoder puts it into the
	// metadata.
	Masks []Mask
	// Fault is for tests; nil otherwise.
	Fault *fault.Object
}

// Object is one encoded and verified object.
type Object struct {
	// Key is the object's name below the archive's root, see ParseKey.
	Key string
	// Body is the Parquet file; the caller owns it.
	Body []byte
	// SHA256 is the checksum of Body.
	SHA256 [sha256.Size]byte
	// Lines counts the rows. Unparsed ones matched no format. RawKept ones are
	// those that matched but keep their bytes in the column raw.
	Lines, Unparsed, RawKept int
	// Rests counts the rests of lines that were cut before. They are not among
	// Unparsed.
	Rests int
	// Events counts the lines in which HAProxy tells of a server, a proxy or
	// itself. They keep their bytes, too, and are not among RawKept.
	Events int
	// Refused counts the unparsed lines that a format did match but whose
	// columns did not give the line back: defects of this program.
	Refused int
	// Fallback says that EncodeRaw made it.
	Fallback bool
	// Duplicates counts batches that were dropped because another batch of the
	// object has the same source and range.
	Duplicates int
	// RawBytes counts the bytes of all lines, LFs included.
	RawBytes int64
	// RawSHA256 is their SHA-256 in hexadecimal digits, see Meta.
	RawSHA256 string
	// Ranges lists which bytes of which sources the object holds.
	Ranges []Range
	// Losses lists what forwarders declared as lost.
	Losses []Loss
	// MinTime and MaxTime bound the events' times, in Unix milliseconds. They
	// are 0 when no line has a time.
	MinTime, MaxTime int64
}

// Range is a stretch of one source that lies in consecutive rows of an object.
type Range struct {
	Source wire.Source `json:"source"`
	// From and To are the byte range [From, To) in the source.
	From int64 `json:"from"`
	To   int64 `json:"to"`
	// Lines is the number of rows, Row the first one.
	Lines int `json:"lines"`
	Row   int `json:"row"`
}
