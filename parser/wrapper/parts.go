package wrapper

import (
	"bytes"

	"github.com/loghaul/loghaul/parser"
)

// A container runtime writes a line of more than about 16 KiB as several records. Those of the other stream may stand
// between them.

// Part is what a record of a container runtime says about the line that it is of.
type Part struct {
	Kind   Kind // CRI or Docker
	Stderr bool
	// More is set when the line goes on in the next record of the stream.
	More bool
}

// Opens tells by a few bytes that line may be a record of a container runtime with more of its line in the next one.
// That is rare, and all that other lines pay. What it says yes to Part has to be asked.
func (s *Splitter) Opens(line []byte) bool {
	const shortest = len("2026-11-22T16:17:55Z stdout P")
	if len(line) < shortest || line[0] > '9' && line[0] != '{' {
		return false
	}
	return s.opens(line)
}

func (s *Splitter) opens(line []byte) bool {
	if line[0] == '{' {
		if s.kind != Auto && s.kind != Docker {
			return false
		}
		// The usual end of a whole line. Quotes within a string have a backslash before them.
		end := bytes.Index(line, []byte(`\n","stream":"std`))
		return end <= 0 || line[end-1] == '\\'
	}
	if line[4] != '-' || s.kind != Auto && s.kind != CRI {
		return false
	}
	const longest = len("2026-11-22T16:17:55.857123456+01:00")
	blank := bytes.IndexByte(line[:min(longest+1, len(line))], ' ')
	return blank > 0 && len(line) > blank+len(" stdout ") && line[blank+len(" stdout ")] == 'P'
}

// Part reads a record of a container runtime. ok is false for every other line. What Cuts found before is forgotten.
func (s *Splitter) Part(line []byte) (p Part, ok bool) {
	s.n = 0
	if !s.begins(line) {
		return Part{}, false
	}
	if _, ok = s.container(line); !ok {
		return Part{}, false
	}
	return Part{Kind: s.outer.Kind, Stderr: s.outer.Stream[len("std")] == 'e', More: s.outer.Partial}, true
}

// container reads what a container runtime put around or before a line that begins as one. The message is s.text[at:].
func (s *Splitter) container(line []byte) (at int, ok bool) {
	s.outer.reset()
	s.text, s.pri, s.timed = line, 0, false
	switch c := line[0]; {
	case c == '{':
		if s.wants(Docker) {
			ok = s.docker(line)
		}
	case c <= '9':
		if s.wants(CRI) {
			at, ok = s.cri(line)
		}
	}
	return at, ok
}

// Message gives what a container wrote: the messages of the records that a runtime made of it, without their headers
// and the LF at its end. A header of syslog in it stays. ok is false unless all of them are such records. The message is
// valid until the next call.
func (s *Splitter) Message(records ...[]byte) (message []byte, ok bool) {
	s.n, s.joined = 0, s.joined[:0]
	for _, r := range records {
		if !s.begins(r) {
			return nil, false
		}
		at, ok := s.container(r)
		switch {
		case !ok:
			return nil, false
		case len(records) == 1:
			return s.text[at:], true
		}
		s.joined = append(s.joined, s.text[at:]...)
	}
	return s.joined, true
}

// CutsJoined is Cuts for a line that a container runtime wrote as several records, all of which are there. The header is
// that of the first one. The messages that Cut gives are valid until the next call of CutsJoined or Message.
func (s *Splitter) CutsJoined(records [][]byte) int {
	message, ok := s.Message(records...)
	if !ok {
		return 0
	}
	s.container(records[0])
	s.outer.Partial = false
	s.text = message
	s.contained(0)
	return s.n
}

// OpensLine is Opens for a line of the current source: one that has bare lines has no records of a runtime.
func (p *Parser) OpensLine(line []byte) bool { return (!p.bare || p.kind != Auto) && p.Opens(line) }

// ParseJoined is Parse for a line that a container runtime wrote as several records, see Splitter.CutsJoined.
func (p *Parser) ParseJoined(records [][]byte, r *parser.Record, h *Header) (message []byte, format int) {
	n := p.CutsJoined(records)
	if n == 0 { // the caller asked Part
		h.reset()
		return nil, -1
	}
	if message, format = p.parseCuts(n, r, h); format >= 0 {
		return message, format
	}
	return p.Cut(0, h), -1
}
