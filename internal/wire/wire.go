// Package wire is where the tiers meet: the batch of raw log lines that a
// forwarder publishes and an aggregator receives. It knows the headers, the
// payload encodings and the names of streams and subjects, and nothing about
// NATS itself, so both tiers, their tests and the archive can import it.
//
// The format is described in docs/formats/wire.md.
package wire

import (
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"time"
)

// Version is the batch format this build writes. Messages that declare a loss
// are of lossVersion, because a reader that does not know them would take them
// for broken batches. This build reads both.
const (
	Version     = "1"
	lossVersion = "2"
)

// Header names of a batch. They are few and short because each is stored with
// every message. HeaderMsgID is the name JetStream de-duplicates by.
const (
	HeaderMsgID    = "Nats-Msg-Id"
	headerVersion  = "Lh-V"
	headerSource   = "Lh-Source"
	headerNode     = "Lh-Node"
	headerPath     = "Lh-Path"
	headerFrom     = "Lh-From"
	headerTo       = "Lh-To"
	headerRecords  = "Lh-Records"
	headerCRC      = "Lh-Crc"
	headerEncoding = "Lh-Enc"
	headerReadAt   = "Lh-Read"
	headerLabels   = "Lh-Labels"
	headerRest     = "Lh-Rest"
	headerLost     = "Lh-Lost"
)

// MaxBatch is the most raw bytes one batch may declare. A reader refuses
// larger declarations before it allocates anything.
const MaxBatch = 16 << 20

// ErrMalformed is wrapped by every error that means "these bytes are not a
// batch as its header declares it". Such a message never becomes right by
// delivering it again: its receiver must keep it aside, not drop it.
var ErrMalformed = errors.New("malformed batch")

// Source names one byte stream on one node: a generation of a file, or a
// spool. ID is derived from the stream itself (see forwarder), so reading the
// same file again after all state was lost gives the same ID.
type Source struct {
	// ID is 24 lower-case hexadecimal digits.
	ID string
	// Node is the name of the machine the bytes were read on.
	Node string
	// Path is where the bytes lay when they were read. It is for people: the
	// same source may carry several paths over time, as a rotation renames it.
	Path string
}

// Header describes a batch: a run of consecutive whole records of one source.
// A record ends with LF. Only the last record of a source that will never grow
// again may lack it.
type Header struct {
	Source Source
	// From and To are the byte range [From, To) of the batch in its source.
	From, To int64
	// Records is the number of records in the range.
	Records int
	// CRC is the CRC-32 (IEEE polynomial) of the raw bytes.
	CRC uint32
	// Encoding says how the payload holds the raw bytes.
	Encoding Encoding
	// ReadAt is when the forwarder read the bytes, to the millisecond.
	ReadAt time.Time
	// Labels are those of the forwarder and of its input.
	Labels Labels
	// Rest means that the first record is not a line but the rest of one that
	// ended the batch before this one without LF: it was longer than the
	// forwarder's bound.
	Rest bool
	// Lost, if not empty, says why the bytes of the range are not to be had,
	// in lower-case letters and _. There is no payload then, and Records is
	// how many lines they were, 0 if nobody knows. A stream that counts lost
	// lines only has no bytes: each line counts as one, so that Records is the
	// length of the range. See Joined.
	Lost string
}

// MsgID is the identity of the batch for JetStream's de-duplication. It holds
// the whole range, because a forwarder that restarts may cut the same source
// at other places: a longer batch from the same start is another message.
func (h *Header) MsgID() string {
	b := make([]byte, 0, 48)
	b = append(b, h.Source.ID...)
	b = append(b, ':')
	b = strconv.AppendInt(b, h.From, 36)
	b = append(b, '-')
	b = strconv.AppendInt(b, h.To, 36)
	if h.Lost != "" { // its bytes may turn up after all
		b = append(b, '!')
	}
	return string(b)
}

// Encode gives the message headers, the message id among them.
func (h *Header) Encode() map[string][]string {
	one := func(s string) []string { return []string{s} }
	m := map[string][]string{
		HeaderMsgID:    one(h.MsgID()),
		headerVersion:  one(Version),
		headerSource:   one(h.Source.ID),
		headerNode:     one(escape(h.Source.Node)),
		headerPath:     one(escape(h.Source.Path)),
		headerFrom:     one(strconv.FormatInt(h.From, 10)),
		headerTo:       one(strconv.FormatInt(h.To, 10)),
		headerRecords:  one(strconv.Itoa(h.Records)),
		headerCRC:      one(strconv.FormatUint(uint64(h.CRC), 16)),
		headerEncoding: one(h.Encoding.String()),
		headerReadAt:   one(strconv.FormatInt(h.ReadAt.UnixMilli(), 10)),
	}
	if len(h.Labels) > 0 {
		m[headerLabels] = one(h.Labels.encode())
	}
	if h.Rest {
		m[headerRest] = one("1")
	}
	if h.Lost != "" {
		m[headerVersion], m[headerLost] = one(lossVersion), one(h.Lost)
	}
	return m
}

// DecodeHeader reads the headers of a message. Every error wraps ErrMalformed.
func DecodeHeader(m map[string][]string) (Header, error) {
	d := decoder{m: m}
	version := d.text(headerVersion)
	if d.err == nil && version != Version && version != lossVersion {
		return Header{}, fmt.Errorf("%w: version %q, this build reads %q and %q", ErrMalformed, version, Version, lossVersion)
	}
	h := Header{
		Source: Source{
			ID:   d.text(headerSource),
			Node: d.escaped(headerNode),
			Path: d.escaped(headerPath),
		},
		From:     d.int(headerFrom, 10),
		To:       d.int(headerTo, 10),
		Records:  int(d.int(headerRecords, 10)),
		CRC:      uint32(d.int(headerCRC, 16)), //nolint:gosec // range is checked in valid
		Encoding: d.encoding(headerEncoding),
		ReadAt:   time.UnixMilli(d.int(headerReadAt, 10)).UTC(),
		Labels:   d.labels(headerLabels),
		Rest:     d.flag(headerRest),
		Lost:     d.optional(headerLost),
	}
	if d.err == nil && (h.Lost != "") != (version == lossVersion) {
		d.err = fmt.Errorf("%w: version %q with %s %q", ErrMalformed, version, headerLost, h.Lost)
	}
	if d.err != nil {
		return Header{}, d.err
	}
	return h, h.valid()
}

func (h *Header) valid() error {
	switch {
	case !isID(h.Source.ID):
		return fmt.Errorf("%w: source %q is not 24 hexadecimal digits", ErrMalformed, h.Source.ID)
	case h.From < 0 || h.To <= h.From:
		return fmt.Errorf("%w: range [%d, %d) is empty or negative", ErrMalformed, h.From, h.To)
	case h.Lost != "":
		if !IsReason(h.Lost) || h.Records < 0 || int64(h.Records) > h.To-h.From || h.CRC != 0 || h.Encoding != Plain || h.Rest {
			return fmt.Errorf("%w: [%d, %d) of %d lines is not a loss", ErrMalformed, h.From, h.To, h.Records)
		}
	case h.To-h.From > MaxBatch:
		return fmt.Errorf("%w: %d raw bytes, the limit is %d", ErrMalformed, h.To-h.From, MaxBatch)
	case h.Records < 1 || int64(h.Records) > h.To-h.From:
		return fmt.Errorf("%w: %d records in %d bytes", ErrMalformed, h.Records, h.To-h.From)
	}
	return nil
}

// Checksum is the checksum a header declares for raw.
func Checksum(raw []byte) uint32 { return crc32.ChecksumIEEE(raw) }

type decoder struct {
	m   map[string][]string
	err error
}

func (d *decoder) text(name string) string {
	v := d.m[name]
	if len(v) != 1 && d.err == nil {
		d.err = fmt.Errorf("%w: header %s is given %d times, want once", ErrMalformed, name, len(v))
	}
	if len(v) == 0 {
		return ""
	}
	return v[0]
}

// optional gives the value of a header that may be missing.
func (d *decoder) optional(name string) string {
	if len(d.m[name]) == 0 {
		return ""
	}
	return d.text(name)
}

// flag reads a header that is "1" or missing.
func (d *decoder) flag(name string) bool {
	if len(d.m[name]) == 0 {
		return false
	}
	s := d.text(name)
	if s != "1" && d.err == nil {
		d.err = fmt.Errorf("%w: header %s: %q is not 1", ErrMalformed, name, s)
	}
	return s == "1"
}

func (d *decoder) labels(name string) Labels {
	l, err := parseLabels(d.optional(name))
	if err != nil && d.err == nil {
		d.err = fmt.Errorf("%w: header %s: %w", ErrMalformed, name, err)
	}
	return l
}

func (d *decoder) escaped(name string) string {
	s, ok := unescape(d.text(name))
	if !ok && d.err == nil {
		d.err = fmt.Errorf("%w: header %s has a broken escape: %q", ErrMalformed, name, s)
	}
	return s
}

func (d *decoder) int(name string, base int) int64 {
	s := d.text(name)
	n, err := strconv.ParseInt(s, base, 64)
	if err != nil && d.err == nil {
		d.err = fmt.Errorf("%w: header %s: %q is not a number", ErrMalformed, name, s)
	}
	if base == 16 && (n < 0 || n > 1<<32-1) && d.err == nil {
		d.err = fmt.Errorf("%w: header %s: %q is not a CRC-32", ErrMalformed, name, s)
	}
	return n
}

func (d *decoder) encoding(name string) Encoding {
	s := d.text(name)
	e, err := ParseEncoding(s)
	if err != nil && d.err == nil {
		d.err = fmt.Errorf("%w: header %s: %w", ErrMalformed, name, err)
	}
	return e
}

// IsReason tells what Header.Lost may be: it may become a value of a metric's
// label.
func IsReason(s string) bool { return len(s) <= 32 && isLabelKey(s) }

func isID(s string) bool {
	if len(s) != 24 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// A header value may hold neither CR nor LF, and blanks around it are lost on
// the way. A path can hold anything but NUL, so bytes outside the printable
// ASCII range, blanks and the percent sign travel as %XX.
func escape(s string) string {
	const hex = "0123456789ABCDEF"
	var b []byte
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || c == '%' {
			if b == nil {
				b = append(make([]byte, 0, len(s)+8), s[:i]...)
			}
			b = append(b, '%', hex[c>>4], hex[c&15])
		} else if b != nil {
			b = append(b, c)
		}
	}
	if b == nil {
		return s
	}
	return string(b)
}

func unescape(s string) (string, bool) {
	var b []byte
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			if b != nil {
				b = append(b, s[i])
			}
			continue
		}
		if i+2 >= len(s) {
			return s, false
		}
		n, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil {
			return s, false
		}
		if b == nil {
			b = append(make([]byte, 0, len(s)), s[:i]...)
		}
		b = append(b, byte(n))
		i += 2
	}
	if b == nil {
		return s, true
	}
	return string(b), true
}
