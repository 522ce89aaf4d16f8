package archive

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/loghaul/loghaul/parser"
)

// Version is the format version this build writes, and the newest it reads.
// Version 2 brought the columns of wrapped lines; version 3 labels, containers,
// lines joined of several records, losses, and objects that hold nothing else;
// version 4 RawSHA256.
const Version = 4

// metaKey is the entry of the footer's key-value metadata that holds Meta as JSON.
const metaKey = "loghaul"

// Meta is what an object's footer says about the object as a whole.
type Meta struct {
	Version int `json:"version"`
	// Writer is the aggregator that made the object, Sealed when it closed
	// the window, to the millisecond, UTC.
	Writer string    `json:"writer"`
	Sealed time.Time `json:"sealed"`
	// Formats are the formats that lines were tried on, in order. The column
	// format holds their names; formats of one name differ in their captures.
	Formats []FormatInfo `json:"formats"`
	// Lines counts the rows; Unparsed those that matched no format; RawKept
	// those that matched but keep their bytes. Rests are the rests of lines that
	// were cut before; they are not tried and not among Unparsed.
	Lines    int `json:"lines"`
	Unparsed int `json:"unparsed"`
	RawKept  int `json:"raw_kept"`
	Rests    int `json:"rests,omitempty"`
	// Fallback says that every record is kept as it is, because no object with
	// fields could be made and verified.
	Fallback bool `json:"fallback,omitempty"`
	// Masks says which fields were masked before the lines came here.
	Masks []Mask `json:"masks,omitempty"`
	// RawBytes counts the bytes of all lines, LFs included.
	RawBytes int64 `json:"raw_bytes"`
	// RawSHA256 is the SHA-256, in hexadecimal digits, of the bytes that Ranges
	// names, one range behind the other. It does not depend on how they are
	// encoded. "" in objects of a version before 4.
	RawSHA256 string `json:"raw_sha256,omitempty"`
	// MinTime and MaxTime bound the column time in Unix milliseconds; both
	// are 0 when it is all null.
	MinTime int64 `json:"min_time"`
	MaxTime int64 `json:"max_time"`
	// Timed counts the rows with a time. Only when it equals Lines may a reader
	// leave the object out because of MinTime and MaxTime: see audit.
	Timed int `json:"timed"`
	// Ranges lists which bytes of which sources are here, in row order.
	Ranges []Range `json:"ranges"`
	// Losses lists what forwarders declared as lost, by node and source. It may
	// be all that the object has.
	Losses []Loss `json:"losses,omitempty"`
}

// FormatInfo is one format of an object.
type FormatInfo struct {
	Name string `json:"name"`
	// Spec is the log-format string.
	Spec string `json:"spec"`
	// Captures are the headers that the frontend captures, nil if that was not
	// known to the writer.
	Captures *CaptureInfo `json:"captures,omitempty"`
	// MaxLens are the lengths at which lines are cut, as far as the writer knew:
	// a reader that reads a kept line again has to see what the writer saw.
	MaxLens []int `json:"max_lens,omitempty"`
}

// CaptureInfo is the captured headers of a format, in the order of their
// slots. A slot whose header is not known has the name "".
type CaptureInfo struct {
	Request  []string `json:"request"`
	Response []string `json:"response"`
}

func newFormatInfo(f *parser.Format) FormatInfo {
	info := FormatInfo{Name: f.Name(), Spec: f.Spec(), MaxLens: f.MaxLens()}
	if c := f.Captures(); c != nil {
		// Not null: what was written must read back the same.
		info.Captures = &CaptureInfo{append([]string{}, c.Request...), append([]string{}, c.Response...)}
	}
	return info
}

// same reports whether no reader could tell a from b.
func (a FormatInfo) same(b FormatInfo) bool {
	if a.Name != b.Name || (a.Captures == nil) != (b.Captures == nil) {
		return false
	}
	return a.Captures == nil ||
		slices.Equal(a.Captures.Request, b.Captures.Request) && slices.Equal(a.Captures.Response, b.Captures.Response)
}

// compile gives the format again. A well-known name may have come to stand for
// another string since; then the string counts.
func (a FormatInfo) compile() (*parser.Format, error) {
	o := parser.Options{MaxLens: a.MaxLens}
	if a.Captures != nil {
		o.Captures = &parser.Captures{Request: a.Captures.Request, Response: a.Captures.Response}
	}
	compiled, err := parser.CompileWith(a.Name, o)
	if err == nil && compiled.Spec() == a.Spec {
		return compiled, nil
	}
	if compiled, err = parser.CompileWith(a.Spec, o); err != nil {
		return nil, corrupt("metadata", "", -1, "format %q: %w", a.Name, err)
	}
	return compiled, nil
}

func (m *Meta) encode() (string, error) {
	b, err := json.Marshal(m)
	if err != nil {
		return "", fmt.Errorf("encoding the object's metadata: %w", err)
	}
	return string(b), nil
}

func decodeMeta(s string) (Meta, error) {
	var m Meta
	if err := json.Unmarshal([]byte(s), &m); err != nil {
		return Meta{}, corrupt("metadata", "", -1, "%w", err)
	}
	if m.Version > Version {
		return Meta{}, fmt.Errorf("%w: %d, this build reads up to %d; use a newer loghaul", ErrVersion, m.Version, Version)
	}
	if m.Version < 1 || m.Lines < 0 || m.Lines > MaxLines || m.RawBytes < 0 || m.RawBytes > MaxRawBytes || m.Lines == 0 && len(m.Losses) == 0 {
		return Meta{}, corrupt("metadata", "", -1, "version %d, %d lines of %d bytes, %d losses", m.Version, m.Lines, m.RawBytes, len(m.Losses))
	}
	if (m.Version >= 4) != isHex(m.RawSHA256, 2*sha256.Size) {
		return Meta{}, corrupt("metadata", "", -1, "raw_sha256 %.80q in version %d", m.RawSHA256, m.Version)
	}
	for i := range m.Losses {
		if err := m.Losses[i].check(); err != nil {
			return Meta{}, corrupt("metadata", "", -1, "%w", err)
		}
	}
	return m, nil
}
