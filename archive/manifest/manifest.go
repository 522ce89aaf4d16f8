package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/internal/wire"
)

// Version is the format version this build writes, and the newest it reads.
const Version = 1

const (
	// MaxObjects bounds the objects of one manifest. Writers stay far below: a
	// stretch of time may have several manifests.
	MaxObjects = 1 << 14
	// maxSpan bounds the time of a manifest that has objects.
	maxSpan = time.Hour
)

var (
	// ErrCorrupt is wrapped by every error about the bytes of a manifest.
	ErrCorrupt = errors.New("corrupt manifest")
	// ErrVersion means that a newer program made the manifest.
	ErrVersion = errors.New("unknown version of a manifest")
)

// Manifest lists what one writer stored in a stretch of time.
type Manifest struct {
	Version int `json:"version"`
	// Writer is the aggregator whose objects these are, see archive.KeyInfo.
	Writer string `json:"writer"`
	// Sequence numbers the manifests of a writer from 1 on.
	Sequence int64 `json:"sequence"`
	// From and To are the time that is covered, [From, To), to the millisecond,
	// UTC: that in which the objects were sealed. If there are objects it lies
	// within one hour, and if From is To the manifest is a supplement: it has
	// late objects alone.
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Made is when, and MadeBy by whom, "" being the writer itself: another
	// aggregator closes the chain of one that died from what lies in the store.
	Made   time.Time `json:"made"`
	MadeBy string    `json:"made_by,omitempty"`
	// End says that the writer stopped, or is taken for dead: the chain need not
	// go on.
	End bool `json:"end,omitempty"`
	// Previous is the manifest before, nil in the first.
	Previous *Link `json:"previous,omitempty"`
	// Heads are the newest manifests of other writers that this one knew of, by
	// writer: they cannot vanish without a trace.
	Heads []Head `json:"heads,omitempty"`
	// Objects are in the order of their keys.
	Objects []Object `json:"objects"`
	// Sources are what ranges and losses of objects refer to by number.
	Sources []wire.Source `json:"sources,omitempty"`
	// Filters describes the bloom filters, nil without any.
	Filters *Filters `json:"filters,omitempty"`
}

// Link refers to a manifest of the same chain.
type Link struct {
	Sequence int64 `json:"sequence"`
	// SHA256 is File.Hash in hexadecimal digits.
	SHA256 string `json:"sha256"`
}

// Head refers to the newest manifest known of another chain.
type Head struct {
	Writer string `json:"writer"`
	Link
}

// Object is one object of the archive.
type Object struct {
	Key  string `json:"key"`
	Size int64  `json:"size"`
	// SHA256 is that of the object, in hexadecimal digits.
	SHA256 string `json:"sha256"`
	// ETag is what the store calls this content, "" if it was not known.
	ETag string `json:"etag,omitempty"`
	// Recovered says that the writer's word is missing: whoever made the
	// manifest took the object from the store, when it had the key's checksum.
	Recovered bool `json:"recovered,omitempty"`
	// RawSHA256, RawBytes, Lines, Unparsed, RawKept, Rests, MinTime, MaxTime and
	// Timed are as in archive.Meta. All are zero in what was quarantined.
	RawSHA256 string `json:"raw_sha256,omitempty"`
	RawBytes  int64  `json:"raw_bytes,omitempty"`
	Lines     int    `json:"lines,omitempty"`
	Unparsed  int    `json:"unparsed,omitempty"`
	RawKept   int    `json:"raw_kept,omitempty"`
	Rests     int    `json:"rests,omitempty"`
	MinTime   int64  `json:"min_time,omitempty"`
	MaxTime   int64  `json:"max_time,omitempty"`
	Timed     int    `json:"timed,omitempty"`
	// Masks are those of archive.Meta: what was overwritten before the lines
	// were archived. RawSHA256 is that of the masked bytes.
	Masks []archive.Mask `json:"masks,omitempty"`
	// Ranges and Losses are those of archive.Meta.
	Ranges Ranges `json:"ranges,omitempty"`
	Losses []Loss `json:"losses,omitempty"`
	// Columns is that of archive.Summary: a column that is not there is null in
	// all rows.
	Columns map[string]archive.ColumnSummary `json:"columns,omitempty"`
}

// Range is a range of a source: number in Manifest.Sources, from, to, lines.
type Range [4]int64

// Source gives the number of the source.
func (r Range) Source() int { return int(r[0]) }

// From is the first byte.
func (r Range) From() int64 { return r[1] }

// To is the byte behind the last one.
func (r Range) To() int64 { return r[2] }

// Lines is the number of rows.
func (r Range) Lines() int { return int(r[3]) }

// Ranges are most of a document, so they are read without reflection.
type Ranges []Range

// UnmarshalJSON reads arrays of four numbers. b is valid JSON.
func (r *Ranges) UnmarshalJSON(b []byte) error {
	out := make(Ranges, 0, bytes.Count(b, []byte{','})/4+1)
	b = bytes.TrimSuffix(bytes.TrimPrefix(b, []byte{'['}), []byte{']'})
	for len(b) > 0 {
		item, rest, ok := bytes.Cut(b, []byte{']'})
		if !ok || len(item) == 0 || item[0] != '[' {
			return fmt.Errorf("ranges have %.20q, want an array of four numbers", b)
		}
		var n Range
		item = item[1:]
		for i := range n {
			number, after, more := bytes.Cut(item, []byte{','})
			v, err := strconv.ParseInt(string(number), 10, 64)
			if err != nil || more != (i < len(n)-1) {
				return fmt.Errorf("a range of %.40q, want four numbers", item)
			}
			n[i], item = v, after
		}
		out = append(out, n)
		if b = rest; len(b) > 0 && b[0] == ',' {
			b = b[1:]
		}
	}
	*r = out
	return nil
}

// Loss is a loss as in archive.Loss, with the number of its source.
type Loss struct {
	Source int       `json:"source"`
	From   int64     `json:"from"`
	To     int64     `json:"to"`
	Lines  int64     `json:"lines,omitempty"`
	Reason string    `json:"reason"`
	Read   time.Time `json:"read"`
}

// Meta gives what a reader of the archive needs of an object in the terms of
// its footer: times, counts, ranges without rows, and losses without labels.
func (m *Manifest) Meta(o *Object) *archive.Meta {
	out := &archive.Meta{
		Lines: o.Lines, Unparsed: o.Unparsed, RawKept: o.RawKept, Rests: o.Rests, RawBytes: o.RawBytes, RawSHA256: o.RawSHA256,
		MinTime: o.MinTime, MaxTime: o.MaxTime, Timed: o.Timed, Masks: o.Masks,
	}
	if k, err := archive.ParseKey(o.Key); err == nil {
		out.Writer, out.Sealed = k.Writer, k.Sealed
	}
	row := 0
	for _, r := range o.Ranges {
		out.Ranges = append(out.Ranges, archive.Range{Source: m.Sources[r.Source()], From: r.From(), To: r.To(), Lines: r.Lines(), Row: row})
		row += r.Lines()
	}
	for _, l := range o.Losses {
		out.Losses = append(out.Losses, archive.Loss{Source: m.Sources[l.Source], From: l.From, To: l.To, Lines: l.Lines, Reason: l.Reason, Read: l.Read})
	}
	return out
}

// Next gives the place of the manifest that follows: sequence and From.
func (m *Manifest) Next() (sequence int64, from time.Time) { return m.Sequence + 1, m.To }

// check holds what must be true of a manifest by itself.
func (m *Manifest) check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{ErrCorrupt}, args...)...)
	}
	span := m.To.Sub(m.From)
	switch {
	case m.Sequence < 1 || (m.Sequence == 1) != (m.Previous == nil) || m.Previous != nil && m.Previous.Sequence != m.Sequence-1:
		return bad("number %d, and the one before it is %v", m.Sequence, m.Previous)
	case span < 0 || len(m.Objects) > 0 && span > maxSpan:
		return bad("it covers %v", span)
	case len(m.Objects) > MaxObjects:
		return bad("%d objects", len(m.Objects))
	case archive.KeyInfo{Writer: m.Writer}.Check() != nil:
		return bad("writer %q", m.Writer)
	}
	for i := range m.Objects {
		o := &m.Objects[i]
		if i > 0 && o.Key <= m.Objects[i-1].Key {
			return bad("objects out of order at %q", o.Key)
		}
		if o.Size < 0 || !isSHA256(o.SHA256) {
			return bad("%s has %d bytes of SHA-256 %.80q", o.Key, o.Size, o.SHA256)
		}
		for _, r := range o.Ranges {
			if r[0] < 0 || r[0] >= int64(len(m.Sources)) || r[1] < 0 || r[2] <= r[1] || r[3] < 1 || r[3] > r[2]-r[1] {
				return bad("%s has the range %v", o.Key, r)
			}
		}
		for _, l := range o.Losses {
			if l.Source < 0 || l.Source >= len(m.Sources) || l.From < 0 || l.To <= l.From || l.Lines < 0 || l.Lines > l.To-l.From || !wire.IsReason(l.Reason) {
				return bad("%s has the loss %+v", o.Key, l)
			}
		}
	}
	return m.Filters.check(len(m.Objects))
}

func isSHA256(s string) bool {
	if len(s) != 64 {
		return false
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
