// Package checkpoint keeps, in the forwarder's state folder, how far every
// source has been acknowledged by the broker.
//
// All positions live in one small file that is replaced atomically, so after a
// crash there is the old content or the new one. Old content is harmless: the
// bytes after an old position are read and sent again under the same
// identities. The format is described in docs/formats/checkpoint.md.
package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Version is the format this build writes and the only one it reads.
const Version = 1

// ErrDamaged is wrapped by the error for a state file whose bytes are not what
// was written.
var ErrDamaged = errors.New("damaged state file")

// ErrVersion is wrapped by the error for a state file of another version.
var ErrVersion = errors.New("state file of another version")

// State is everything a forwarder remembers between two runs.
type State struct {
	// Patterns holds, for each input pattern, when it was watched for the
	// first time, in nanoseconds since 1970. A rotated file that was last
	// written before that is none of ours.
	Patterns map[string]int64
	// Entries holds one entry per generation of a file.
	Entries []Entry
	// Streams holds one entry per source that is not a file, each id once.
	Streams []Stream
	// Rebuilt is not in the file: the file was there and could not be used, so
	// this State is empty though it is not the first.
	Rebuilt bool
}

// Stream is what is remembered about a source that is not a file: a spool, or a
// counter of lines that somebody else lost.
type Stream struct {
	// ID is the source's identity.
	ID string `json:"id"`
	// Path is what the source is called: a listener's URL.
	Path Text `json:"path"`
	// Pos is the acknowledged position.
	Pos int64 `json:"pos"`
	// Mark is whatever the input wants to remember together with that, such as
	// a journal's cursor.
	Mark Text `json:"mark,omitempty"`
}

// Entry is what is remembered about one source: one generation of a file.
type Entry struct {
	// ID is the source's identity as it travels with every batch. It is empty
	// while the file has no complete head: nothing of it was shipped then.
	ID string `json:"id,omitempty"`
	// Path is the path the input named; Name is where the file lay last.
	Path Text `json:"path"`
	Name Text `json:"name,omitempty"`
	// Target is what Path points to, if it is a symbolic link.
	Target Text `json:"target,omitempty"`
	// Dev and Ino are the numbers the ID was derived from.
	Dev uint64 `json:"dev"`
	Ino uint64 `json:"ino"`
	// AtDev and AtIno say where the bytes are now, when that is another file:
	// the copy that copytruncate made. Both are 0 otherwise.
	AtDev uint64 `json:"at_dev,omitempty"`
	AtIno uint64 `json:"at_ino,omitempty"`
	// Head is the hash of the first HeadLen bytes.
	Head    string `json:"head,omitempty"`
	HeadLen int    `json:"head_len,omitempty"`
	// Gen counts the generations that share Dev, Ino and Head.
	Gen int `json:"gen,omitempty"`
	// Born is the inode's birth time in nanoseconds, 0 where unknown.
	Born int64 `json:"born,omitempty"`
	// Pos is the acknowledged position: every byte before it is durable at the
	// broker.
	Pos int64 `json:"pos"`
	// Guard is the CRC-32 of the GuardLen bytes that end at Pos, or at GuardAt
	// if what lies between is lost and GuardAt therefore not 0.
	Guard    uint32 `json:"guard,omitempty"`
	GuardLen int    `json:"guard_len,omitempty"`
	GuardAt  int64  `json:"guard_at,omitempty"`
	// Size and Mtime (nanoseconds) are those seen last.
	Size  int64 `json:"size"`
	Mtime int64 `json:"mtime,omitempty"`
	// Seen is when the file was seen last, in seconds since 1970.
	Seen int64 `json:"seen,omitempty"`
	// Done means that no further byte can come: the generation was truncated
	// away or deleted. The entry is kept for a while so that the next file
	// with the same numbers and head gets another generation.
	Done bool `json:"done,omitempty"`
	// Final means that the rotated file was read to its end when no writer was
	// left: what it is compressed to has nothing more.
	Final bool `json:"final,omitempty"`
	// Lost, if not empty, is the reason for which the bytes from LostFrom to
	// LostTo are not to be had. They are counted, and the broker does not
	// know it of all of them yet.
	Lost     string `json:"lost,omitempty"`
	LostFrom int64  `json:"lost_from,omitempty"`
	LostTo   int64  `json:"lost_to,omitempty"`
	// Joined is how many bytes at the beginning are the rest of a line of the
	// generation before, which has them as its own.
	Joined int64 `json:"joined,omitempty"`
	// JointLen bytes, lying at the beginning of the file JointDev, JointIno and
	// having the CRC-32 JointSum, belong to this source at JointAt.
	JointAt  int64  `json:"joint_at,omitempty"`
	JointLen int64  `json:"joint_len,omitempty"`
	JointDev uint64 `json:"joint_dev,omitempty"`
	JointIno uint64 `json:"joint_ino,omitempty"`
	JointSum uint32 `json:"joint_sum,omitempty"`
}

// Text is a string that survives JSON even when it is not valid UTF-8, as a
// path may be: bytes that are not, and "%", are written as %XX.
type Text string

// MarshalText escapes what JSON would replace.
func (t Text) MarshalText() ([]byte, error) {
	if utf8.ValidString(string(t)) && !strings.ContainsRune(string(t), '%') {
		return []byte(t), nil
	}
	var b []byte
	for s := string(t); s != ""; {
		r, n := utf8.DecodeRuneInString(s)
		if (r == utf8.RuneError && n == 1) || r == '%' {
			b = fmt.Appendf(b, "%%%02X", s[0])
		} else {
			b = append(b, s[:n]...)
		}
		s = s[n:]
	}
	return b, nil
}

// UnmarshalText undoes MarshalText.
func (t *Text) UnmarshalText(p []byte) error {
	b := make([]byte, 0, len(p))
	for i := 0; i < len(p); i++ {
		if p[i] != '%' {
			b = append(b, p[i])
			continue
		}
		if i+2 >= len(p) {
			return fmt.Errorf("broken escape in %q", p)
		}
		n, err := strconv.ParseUint(string(p[i+1:i+3]), 16, 8)
		if err != nil {
			return fmt.Errorf("broken escape in %q", p)
		}
		b = append(b, byte(n))
		i += 2
	}
	*t = Text(b)
	return nil
}

type fileHeader struct {
	Format   string           `json:"format"`
	Version  int              `json:"version"`
	Patterns map[string]int64 `json:"patterns"` // escaped as Text: JSON does not ask keys
	// Streams are here and not on lines of their own because builds that do not
	// know them skip what they do not know in a header, and nothing else.
	Streams []Stream `json:"streams,omitempty"`
}

const formatName = "loghaul-forwarder-state"

// Encode gives the bytes of the state file.
func Encode(st *State) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(256 * (len(st.Entries) + 1))
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	h := fileHeader{Format: formatName, Version: Version, Patterns: map[string]int64{}, Streams: st.Streams}
	for p, since := range st.Patterns {
		key, err := Text(p).MarshalText()
		if err != nil {
			return nil, err
		}
		h.Patterns[string(key)] = since
	}
	if err := enc.Encode(h); err != nil {
		return nil, err
	}
	for i := range st.Entries {
		if err := enc.Encode(&st.Entries[i]); err != nil {
			return nil, err
		}
	}
	sum := crc32.ChecksumIEEE(b.Bytes())
	fmt.Fprintf(&b, "end %d %08x\n", len(st.Entries), sum)
	return b.Bytes(), nil
}

// Decode reads what Encode gave. Its errors wrap ErrDamaged or ErrVersion.
func Decode(p []byte) (State, error) {
	st := State{Patterns: map[string]int64{}}
	// The version comes first: a newer build may have anything else behind it.
	first, _, _ := bytes.Cut(p, []byte{'\n'})
	var h fileHeader
	switch v, ok := versionOf(first); {
	case !ok:
		return st, fmt.Errorf("%w: it does not begin as one", ErrDamaged)
	case v != Version:
		return st, fmt.Errorf("%w: it has version %d, this build reads version %d", ErrVersion, v, Version)
	case json.Unmarshal(first, &h) != nil:
		return st, fmt.Errorf("%w: its header can't be read", ErrDamaged)
	}
	if len(p) == 0 || p[len(p)-1] != '\n' {
		return st, fmt.Errorf("%w: it is cut short", ErrDamaged)
	}
	cut := bytes.LastIndexByte(p[:len(p)-1], '\n') + 1
	body, last := p[:cut], string(p[cut:])
	var n int
	var sum uint32
	if _, err := fmt.Sscanf(last, "end %d %08x\n", &n, &sum); err != nil {
		return st, fmt.Errorf("%w: it is cut short", ErrDamaged)
	}
	if got := crc32.ChecksumIEEE(body); got != sum || last != fmt.Sprintf("end %d %08x\n", n, sum) {
		return st, fmt.Errorf("%w: its checksum is %08x, %08x was written", ErrDamaged, got, sum)
	}
	for key, since := range h.Patterns {
		var p Text
		if err := p.UnmarshalText([]byte(key)); err != nil {
			return st, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		st.Patterns[string(p)] = since
	}
	ids := map[string]bool{}
	for i := range h.Streams {
		err := h.Streams[i].valid()
		if err == nil && ids[h.Streams[i].ID] {
			err = errors.New("its id is there twice")
		}
		if err != nil {
			return st, fmt.Errorf("%w: stream %d: %w", ErrDamaged, i+1, err)
		}
		ids[h.Streams[i].ID] = true
	}
	st.Streams = h.Streams
	dec := json.NewDecoder(bytes.NewReader(body[len(first)+1:]))
	for dec.More() {
		var e Entry
		if err := dec.Decode(&e); err != nil {
			return st, fmt.Errorf("%w: entry %d: %w", ErrDamaged, len(st.Entries)+1, err)
		}
		if err := e.valid(); err != nil {
			return st, fmt.Errorf("%w: entry %d: %w", ErrDamaged, len(st.Entries)+1, err)
		}
		st.Entries = append(st.Entries, e)
	}
	if len(st.Entries) != n {
		return st, fmt.Errorf("%w: it holds %d entries and declares %d", ErrDamaged, len(st.Entries), n)
	}
	return st, nil
}

// versionOf gives the version that the header line declares.
func versionOf(header []byte) (version int, ok bool) {
	var h struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
	}
	err := json.Unmarshal(header, &h)
	return h.Version, err == nil && h.Format == formatName
}

func (s *Stream) valid() error {
	if len(s.ID) != 24 {
		return fmt.Errorf("id %q is not 24 hexadecimal digits", s.ID)
	}
	if s.Pos < 0 {
		return errors.New("a number is out of range")
	}
	return nil
}

func (e *Entry) valid() error {
	switch {
	case e.ID == "" && e.Pos == 0 && e.HeadLen == 0:
		return nil
	case len(e.ID) != 24:
		return fmt.Errorf("id %q is not 24 hexadecimal digits", e.ID)
	case e.Pos < 0 || e.Gen < 0 || e.HeadLen < 0 || e.GuardLen < 0 || int64(e.GuardLen) > e.Pos,
		e.GuardAt < 0 || e.GuardAt > e.Pos || e.LostFrom < 0 || e.LostTo < e.LostFrom,
		e.Joined < 0 || e.JointAt < 0 || e.JointLen < 0:
		return errors.New("a number is out of range")
	}
	return nil
}
