package live

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/klauspost/compress/s2"
)

// Version is what this build speaks.
const Version = 1

// Subjects: a reader speaks to all aggregators on tail.ask.READER and to one of
// them on tail.ask.READER.AGGREGATOR; all of them answer on tail.lines.READER.
// READER and AGGREGATOR are drawn at random when they start.
const (
	askSubject   = "tail.ask."
	linesSubject = "tail.lines."
)

// Bounds of messages: of an Ask, of the text of one line, of a message's lines
// together unless it has a single one.
const (
	maxAsk     = 64 << 10
	maxEntry   = 256 << 10
	maxLines   = 32 << 10
	maxMessage = maxEntry + maxLines
)

// Ask is what a reader says to all aggregators, again and again for as long as
// he reads.
type Ask struct {
	Version int `json:"v"`
	// Filter is an expression of docs/filter.md; "" is passed by every line.
	Filter string `json:"filter,omitempty"`
	// JSON and Raw say what he wants of each line: its object, its bytes.
	JSON bool `json:"json,omitempty"`
	Raw  bool `json:"raw,omitempty"`
	// End says that he reads no more.
	End bool `json:"end,omitempty"`
}

// took is what a reader says to one aggregator about what it sent.
type took struct {
	Lease int64 `json:"lease"`
	// Sent is that of the last message of which he has done all lines.
	Sent int64 `json:"sent"`
}

// status stands before the lines of each message of an aggregator.
type status struct {
	Version int `json:"v"`
	// Aggregator is its name, ID that of its process.
	Aggregator string `json:"aggregator"`
	ID         string `json:"id"`
	// Lease numbers the times that the process began to serve somebody. What
	// follows is counted from there.
	Lease int64 `json:"lease"`
	// Sent is the size of all lines up to and including this message's, Lines
	// their number.
	Sent  int64 `json:"sent"`
	Lines int64 `json:"lines"`
	// Skipped lines passed the filter and were not sent, because the reader took
	// no more. Unread ones nobody looked at.
	Skipped int64 `json:"skipped,omitempty"`
	Unread  int64 `json:"unread,omitempty"`
	// Missing are fields of the filter that no line here can have.
	Missing []string `json:"missing,omitempty"`
	// Refused, if not empty, says why this aggregator does not serve him.
	Refused string `json:"refused,omitempty"`
}

// Line is one line as a reader gets it.
type Line struct {
	// Source and Offset are its identity.
	Source string
	Offset int64
	// JSON is its object with an LF, Raw what HAProxy wrote, with its LF if it
	// had one: each nil unless it was asked for.
	JSON, Raw []byte
}

// errMessage is wrapped by errors about a message of an aggregator.
var errMessage = errors.New("not a message of an aggregator's live view")

// appendLine appends a line. source has 24 hexadecimal digits.
func appendLine(dst []byte, source string, offset int64, object, raw []byte) []byte {
	var id [12]byte
	_, _ = hex.Decode(id[:], []byte(source)) // wire has checked it
	dst = append(dst, id[:]...)
	dst = binary.AppendUvarint(dst, uint64(offset)) //nolint:gosec // not negative
	for _, text := range [...][]byte{object, raw} {
		dst = binary.AppendUvarint(dst, uint64(len(text)))
		dst = append(dst, text...)
	}
	return dst
}

// nextLine takes the first line off b.
func nextLine(b []byte) (l Line, rest []byte, err error) {
	const id = 12
	if len(b) < id {
		return l, nil, fmt.Errorf("%w: %d bytes where a line begins", errMessage, len(b))
	}
	l.Source, b = hex.EncodeToString(b[:id]), b[id:]
	offset, n := binary.Uvarint(b)
	if n <= 0 || offset > 1<<63-1 {
		return l, nil, fmt.Errorf("%w: no offset", errMessage)
	}
	l.Offset, b = int64(offset), b[n:] //nolint:gosec // checked
	for _, text := range [...]*[]byte{&l.JSON, &l.Raw} {
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			return l, nil, fmt.Errorf("%w: a text of %d bytes in %d", errMessage, size, len(b))
		}
		if size > 0 {
			*text = b[n : n+int(size)] //nolint:gosec // checked
		}
		b = b[n+int(size):] //nolint:gosec // checked
	}
	return l, b, nil
}

// appendMessage appends a message: a status and the lines behind it.
func appendMessage(dst []byte, s *status, lines []byte) ([]byte, error) {
	head, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("say what is sent: %w", err)
	}
	dst = append(append(dst, head...), '\n')
	if len(lines) > 0 {
		dst = append(dst, s2.Encode(nil, lines)...)
	}
	return dst, nil
}

// readMessage reads a message. lines may be given to nextLine. s is right, with
// an ID, also when only the lines are wrong.
func readMessage(b []byte) (s status, lines []byte, err error) {
	head, body, ok := bytes.Cut(b, []byte{'\n'})
	if !ok {
		return s, nil, fmt.Errorf("%w: no status", errMessage)
	}
	if err := json.Unmarshal(head, &s); err != nil {
		return status{}, nil, fmt.Errorf("%w: its status: %w", errMessage, err)
	}
	if s.Version != Version {
		return status{}, nil, fmt.Errorf("%w: aggregator %q speaks version %d, this build %d", errMessage, s.Aggregator, s.Version, Version)
	}
	if !isToken(s.ID) {
		return status{}, nil, fmt.Errorf("%w: %q is no id", errMessage, s.ID)
	}
	if len(body) == 0 {
		return s, nil, nil
	}
	if n, err := s2.DecodedLen(body); err != nil || n > maxMessage {
		return s, nil, fmt.Errorf("%w: %d bytes of lines, the limit is %d", errMessage, n, maxMessage)
	}
	if lines, err = s2.Decode(nil, body); err != nil {
		return s, nil, fmt.Errorf("%w: its lines: %w", errMessage, err)
	}
	return s, lines, nil
}

// isToken tells what stands for a reader or an aggregator in a subject.
func isToken(s string) bool {
	if s == "" || len(s) > 32 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}
