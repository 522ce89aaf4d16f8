package archive

import (
	"encoding/json"
	"fmt"
	"time"
)

// Version is the format version this build writes, and the newest it reads.
// Version 2 brought the columns of wrapped lines.
const Version = 2

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
	// format holds their names.
	Formats []FormatInfo `json:"formats"`
	// Lines counts the rows; Unparsed those that matched no format; RawKept
	// those that matched but keep their bytes.
	Lines    int `json:"lines"`
	Unparsed int `json:"unparsed"`
	RawKept  int `json:"raw_kept"`
	// RawBytes counts the bytes of all lines, LFs included.
	RawBytes int64 `json:"raw_bytes"`
	// MinTime and MaxTime bound the column time in Unix milliseconds; both
	// are 0 when it is all null.
	MinTime int64 `json:"min_time"`
	MaxTime int64 `json:"max_time"`
	// Timed counts the rows with a time. Only when it equals Lines may a reader
	// leave the object out because of MinTime and MaxTime: see audit.
	Timed int `json:"timed"`
	// Ranges lists which bytes of which sources are here, in row order.
	Ranges []Range `json:"ranges"`
}

// FormatInfo is one format of an object.
type FormatInfo struct {
	Name string `json:"name"`
	// Spec is the log-format string.
	Spec string `json:"spec"`
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
	if m.Version < 1 || m.Lines < 1 || m.Lines > MaxLines || m.RawBytes < 0 || m.RawBytes > MaxRawBytes {
		return Meta{}, corrupt("metadata", "", -1, "version %d, %d lines of %d bytes", m.Version, m.Lines, m.RawBytes)
	}
	return m, nil
}
