package wrapper

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// The journal export format (systemd.io/JOURNAL_EXPORT_FORMATS): an entry is fields and an empty line. A field is
// NAME=value and LF, or NAME, LF, the size of the value as 64 bits, least first, the value, and LF.

// errEntry means that a stream is no journal export, or one that was cut.
var errEntry = errors.New("not in the journal export format: want the output of journalctl -o export") //nolint:gochecknoglobals // an error

// ScanEntries is a bufio.SplitFunc that gives the entries of a journal export, each without the empty line behind it.
func ScanEntries(data []byte, atEOF bool) (advance int, token []byte, err error) {
	start := 0
	for start < len(data) && data[start] == '\n' {
		start++
	}
	for at := start; at < len(data); {
		if data[at] == '\n' {
			return at + 1, data[start:at], nil
		}
		_, _, size, ok := field(data[at:])
		switch {
		case !ok:
			return 0, nil, errEntry
		case size == 0 && atEOF && bytes.IndexByte(data[at:], '\n') < 0 && bytes.IndexByte(data[at:], '=') > 0:
			return len(data), data[start:], nil // no LF at the end of the stream
		case size == 0 && atEOF:
			return 0, nil, errEntry
		case size == 0:
			return start, nil, nil // more is needed
		}
		at += size
	}
	if atEOF && start < len(data) {
		return len(data), data[start:], nil
	}
	return start, nil, nil
}

// field reads the field that b begins with, of size bytes with its LF. size is 0 if b ends within it; ok is false if it
// is none.
func field(b []byte) (name, value []byte, size int, ok bool) {
	const maxField = 64 // systemd's own limit for names
	n := bytes.IndexAny(b[:min(len(b), maxField+1)], "=\n")
	if n < 0 {
		return nil, nil, 0, len(b) <= maxField
	}
	name = b[:n]
	for _, c := range name {
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' {
			return nil, nil, 0, false
		}
	}
	if n == 0 {
		return nil, nil, 0, false
	}
	if b[n] == '=' {
		end := bytes.IndexByte(b[n:], '\n')
		if end < 0 {
			return nil, nil, 0, true
		}
		return name, b[n+1 : n+end], n + end + 1, true
	}
	rest := b[n+1:]
	if len(rest) < 8 {
		return nil, nil, 0, true
	}
	length := binary.LittleEndian.Uint64(rest)
	if length > 1<<40 {
		return nil, nil, 0, false
	}
	if uint64(len(rest)) < 8+length+1 {
		return nil, nil, 0, true
	}
	value = rest[8 : 8+length]
	return name, value, n + 1 + 8 + len(value) + 1, rest[8+length] == '\n'
}

// journal reads an entry into s.outer and its message into s.text.
func (s *Splitter) journal(entry []byte) bool {
	s.n, s.text, s.pri, s.timed = 0, nil, 0, false
	s.outer.reset()
	h := &s.outer
	h.Kind = Journald
	found, syslogPID := false, false
	for rest := entry; len(rest) > 0; {
		name, value, size, ok := field(rest)
		if ok && size == 0 { // the last one lost its LF
			name, value, ok = bytes.Cut(rest, []byte{'='})
			size = len(rest)
		}
		if !ok {
			return false
		}
		rest = rest[size:]
		switch string(name) {
		case "MESSAGE":
			s.text, found = bytes.TrimSuffix(value, []byte{'\n'}), true
		case "PRIORITY":
			if n, ok := number(value); ok && n < 8 {
				h.Severity = int8(n) //nolint:gosec // 0 to 7
			}
		case "SYSLOG_FACILITY":
			if n, ok := number(value); ok && n < 24 {
				h.Facility = int8(n) //nolint:gosec // 0 to 23
			}
		case "SYSLOG_IDENTIFIER":
			h.Tag = value
		case "_HOSTNAME":
			h.Host = value
		case "SYSLOG_PID":
			h.PID, syslogPID = value, true
		case "_PID":
			if !syslogPID {
				h.PID = value
			}
		case "__REALTIME_TIMESTAMP":
			if n, ok := number(value); ok {
				h.Time = Timestamp{Seconds: n / 1e6, Nanos: int32(n%1e6) * 1e3, Digits: 6} //nolint:gosec // below a second
				h.TimeOK = true
			}
		}
	}
	if found {
		s.contained(0)
	}
	return found
}

// number reads up to 18 digits.
func number(text []byte) (n int64, ok bool) {
	for _, c := range text {
		if c < '0' || c > '9' || len(text) > 18 {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, len(text) > 0
}
