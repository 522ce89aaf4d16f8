package journald

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
)

const (
	// maxMessage bounds what is kept of a message; other fields are short.
	maxMessage = 1 << 20
	maxField   = 1024
	// maxName is journald's own bound of a field's name.
	maxName = 64
	// maxOut is when records go to the spool though more entries are there.
	maxOut = 256 << 10
	// What an entry that does not say so gets: info, as journald does, and daemon.
	defaultPriority, defaultFacility = 6, 3
)

// errExport is wrapped by the error for what is not in the export format.
var errExport = errors.New("not in the journal's export format")

// entry is what is used of one entry. Its memory is used again for the next.
type entry struct {
	cursor, realtime, priority, facility, host []byte
	identifier, command, syslogPID, pid        []byte
	message                                    []byte
	head                                       []byte // of its records
	skipped                                    int64  // bytes of a message beyond maxMessage
}

// field gives where a field goes; nil: it is not used.
func (e *entry) field(name string) *[]byte {
	switch name {
	case "__CURSOR":
		return &e.cursor
	case "__REALTIME_TIMESTAMP":
		return &e.realtime
	case "MESSAGE":
		return &e.message
	case "PRIORITY":
		return &e.priority
	case "SYSLOG_FACILITY":
		return &e.facility
	case "SYSLOG_IDENTIFIER":
		return &e.identifier
	case "_COMM":
		return &e.command
	case "SYSLOG_PID":
		return &e.syslogPID
	case "_PID":
		return &e.pid
	case "_HOSTNAME":
		return &e.host
	}
	return nil
}

func (e *entry) reset() {
	for _, f := range []*[]byte{
		&e.cursor, &e.realtime, &e.priority, &e.facility, &e.host, &e.identifier, &e.command, &e.syslogPID, &e.pid, &e.message,
	} {
		*f = (*f)[:0]
	}
	e.skipped = 0
}

// exportReader reads the journal's export format
// (systemd, docs/JOURNAL_EXPORT_FORMATS.md).
type exportReader struct{ r *bufio.Reader }

func newExportReader(r io.Reader) *exportReader {
	return &exportReader{bufio.NewReaderSize(r, pipe)}
}

// next reads one entry. io.EOF: there are no more; an entry that ends too early
// gives io.ErrUnexpectedEOF.
func (x *exportReader) next(e *entry) error {
	e.reset()
	for fields := 0; ; {
		name, text, err := x.name()
		switch {
		case err == nil && name == "" && fields == 0:
			continue // more than one empty line between entries
		case err == nil && name == "":
			if !isCursor(string(e.cursor)) {
				return fmt.Errorf("%w: an entry without a cursor", errExport)
			}
			return nil
		case err == nil:
			fields++
			err = x.value(e, name, text)
		}
		if errors.Is(err, io.EOF) && (fields > 0 || name != "") {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
	}
}

// name reads up to = (text: the value follows up to LF) or LF (it is binary).
// An empty line is the end of an entry.
func (x *exportReader) name() (name string, text bool, err error) {
	var b [maxName]byte
	for n := 0; ; n++ {
		c, err := x.r.ReadByte()
		switch {
		case err != nil:
			return string(b[:n]), false, err
		case c == '\n':
			return string(b[:n]), false, nil
		case c == '=' && n > 0:
			return string(b[:n]), true, nil
		case n == maxName || (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_':
			return "", false, fmt.Errorf("%w: %q in the name of a field", errExport, append(b[:n:n], c))
		}
		b[n] = c
	}
}

func (x *exportReader) value(e *entry, name string, text bool) error {
	to, limit := e.field(name), maxField
	if name == "MESSAGE" {
		limit = maxMessage
	}
	keep := func(p []byte) {
		if to == nil {
			return
		}
		n := min(len(p), limit-len(*to))
		*to = append(*to, p[:n]...)
		if name == "MESSAGE" {
			e.skipped += int64(len(p) - n)
		}
	}
	if text {
		for {
			p, err := x.r.ReadSlice('\n')
			if err == nil {
				keep(p[:len(p)-1])
				return nil
			}
			if !errors.Is(err, bufio.ErrBufferFull) {
				return err
			}
			keep(p)
		}
	}
	var size [8]byte
	if _, err := io.ReadFull(x.r, size[:]); err != nil {
		return early(err)
	}
	left := binary.LittleEndian.Uint64(size[:])
	if left > 1<<40 {
		return fmt.Errorf("%w: a field of %d bytes", errExport, left)
	}
	for left > 0 {
		p, err := x.r.Peek(int(min(left, uint64(x.r.Size())))) //nolint:gosec // at most the buffer
		if len(p) == 0 {
			return early(err)
		}
		keep(p)
		n, err := x.r.Discard(len(p))
		if err != nil {
			return early(err)
		}
		left -= uint64(n) //nolint:gosec // not negative
	}
	if c, err := x.r.ReadByte(); err != nil {
		return early(err)
	} else if c != '\n' {
		return fmt.Errorf("%w: no LF behind a binary field", errExport)
	}
	return nil
}

func early(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// records calls put with the parts of each record of an entry: a header of
// RFC 5424, made from the fields, and a line of the message, or a piece of one
// that is longer than max. It ends with put's first error. cut counts the lines
// that were too long.
func (e *entry) records(max int, put func(head, line []byte) error) (cut int64, err error) {
	e.head = e.appendHead(e.head[:0])
	head := e.head
	for rest, more := bytes.TrimSuffix(e.message, []byte{'\n'}), true; more; {
		var line []byte
		line, rest, more = bytes.Cut(rest, []byte{'\n'})
		if len(line) > max {
			cut++
		}
		for ; len(line) > max; line = line[max:] {
			if err := put(head, line[:max]); err != nil {
				return cut, err
			}
		}
		if err := put(head, line); err != nil {
			return cut, err
		}
	}
	return cut, nil
}

func (e *entry) appendHead(out []byte) []byte {
	out = append(out, '<')
	out = strconv.AppendUint(out, number(e.facility, 23, defaultFacility)*8+number(e.priority, 7, defaultPriority), 10)
	out = append(out, ">1 "...)
	if us, err := strconv.ParseInt(string(e.realtime), 10, 64); err == nil && us >= 0 && us < 1<<53 {
		out = time.UnixMicro(us).UTC().AppendFormat(out, "2006-01-02T15:04:05.000000Z ")
	} else {
		out = append(out, "- "...)
	}
	out = word(out, e.host)
	out = word(out, e.identifier, e.command)
	out = word(out, e.syslogPID, e.pid)
	return append(out, "- - "...)
}

// number reads a number up to limit.
func number(b []byte, limit, otherwise uint64) uint64 {
	if n, err := strconv.ParseUint(string(b), 10, 8); err == nil && n <= limit {
		return n
	}
	return otherwise
}

// word adds the first value that there is, and a blank; - if there is none.
func word(out []byte, values ...[]byte) []byte {
	const longest = 255
	for _, v := range values {
		if len(v) == 0 {
			continue
		}
		for _, c := range v[:min(len(v), longest)] {
			if c <= ' ' || c >= 0x7f {
				c = '_'
			}
			out = append(out, c)
		}
		return append(out, ' ')
	}
	return append(out, "- "...)
}
