package wrapper

import "github.com/loghaul/loghaul/parser"

// Splitter finds the ways in which a line can be a header and a message. It remembers dates, so one goroutine may use it
// at a time.
type Splitter struct {
	kind  Kind
	clock clock

	outer Header // what all cuts share: that of a container, or of a bare line
	text  []byte // what the cuts are positions in
	pri   int    // of the syslog header in text
	time  Timestamp
	timed bool // time is known
	cuts  [maxCuts]cut
	n     int
	buf   []byte // text, if it is not in the line
	// joined is the text of a line that a container runtime wrote as several records.
	joined []byte
}

// cut is one way to end a header.
type cut struct {
	kind                  Kind
	hasPRI, dated         bool
	open                  bool // text[at:] is more than the message, which begins nobody knows where
	at                    int  // where the message begins in text
	host, tag, pid        []byte
	msgID, structuredData []byte
}

// maxCuts is how many ways there are for one line: see Splitter.syslog, and one more for a container.
const maxCuts = 8

// NewSplitter returns a Splitter for wrappers of one kind, or of any with Auto. Dates without a zone are of zone; nil is
// UTC. It uses zone alone.
func NewSplitter(kind Kind, zone *parser.Zone) *Splitter {
	if zone == nil {
		zone = parser.NewZone(nil)
	}
	return &Splitter{kind: kind, clock: clock{zone: zone}}
}

// Received tells when the next lines were received, in Unix milliseconds: from that follows the year of a date without
// one. Until it is called such dates are not known.
func (s *Splitter) Received(unixMilli int64) {
	if at := unixMilli / 1000; !s.clock.known || at != s.clock.received {
		s.clock.received, s.clock.known = at, true
		s.clock.legacyText = [legacyLen]byte{}
	}
}

// Cuts reads line and gives the number of ways in which it can be wrapped, 0 for a bare line. Cut gives them; the line
// must not be changed in between.
func (s *Splitter) Cuts(line []byte) int {
	s.n = 0
	if s.begins(line) {
		s.scan(line)
	}
	return s.n
}

// Cut fills h with the way i of the line that was given to Cuts, and gives its message. Earlier ones have more in the
// header.
func (s *Splitter) Cut(i int, h *Header) (message []byte) {
	c := &s.cuts[i]
	*h = s.outer
	if h.Kind == None {
		h.Kind = c.kind
	} else {
		h.Inner = c.kind
	}
	if c.hasPRI {
		h.Severity = int8(s.pri & 7) //nolint:gosec // 0 to 7
		if c.kind != Short && c.kind != Timed {
			h.Facility = int8(s.pri >> 3) //nolint:gosec // 0 to 23
		}
	}
	if c.dated && s.timed {
		h.Time, h.TimeOK = s.time, true
	}
	if c.host != nil {
		h.Host = c.host
	}
	if c.tag != nil {
		h.Tag = c.tag
	}
	if c.pid != nil {
		h.PID = c.pid
	}
	h.MsgID, h.StructuredData = c.msgID, c.structuredData
	return s.text[c.at:]
}

// HeaderLen gives how many bytes stand before the message of the way i, in what a container wrapped if one did.
func (s *Splitter) HeaderLen(i int) int { return s.cuts[i].at }

// SwapMemory gives s other memory for messages that are not in their line, and gives back the one that has the last of
// them: that stays as it is.
func (s *Splitter) SwapMemory(b []byte) []byte {
	old := s.buf
	s.buf = b[:0]
	return old
}

// Split gives the message of a line and fills h, in the way that has most in the header. ok is false for a bare line,
// which is its own message.
func (s *Splitter) Split(line []byte, h *Header) (message []byte, ok bool) {
	if s.Cuts(line) == 0 {
		h.reset()
		return line, false
	}
	return s.Cut(0, h), true
}

// begins tells lines that are not wrapped from their first bytes. It has to be cheap: it is all that bare lines pay.
func (s *Splitter) begins(line []byte) bool {
	if len(line) < 3 || s.kind == None || s.kind == Journald {
		return false
	}
	switch c := line[0]; {
	case c == '<' || c == '{':
		return true
	case c >= '0' && c <= '9':
		return len(line) > isoLen && line[4] == '-'
	case c >= 'A' && c <= 'S':
		return len(line) > legacyLen && line[3] == ' ' && line[6] == ' '
	}
	return false
}

// wants reports whether wrappers of a kind are looked for.
func (s *Splitter) wants(k Kind) bool { return s.kind == Auto || s.kind == k || s.outer.Kind != None }

func (s *Splitter) scan(line []byte) {
	if at, ok := s.container(line); ok {
		s.contained(at)
		return
	}
	s.syslog(line, 0)
}

// contained adds the ways in which the message of a container, s.text[at:], can be read: with a header of its own, or
// as it is.
func (s *Splitter) contained(at int) {
	s.syslog(s.text, at)
	s.add(None, at, false, false)
}

// add adds a way to end the header, to be filled in.
func (s *Splitter) add(kind Kind, at int, hasPRI, dated bool) *cut {
	c := &s.cuts[s.n]
	s.n++
	*c = cut{kind: kind, hasPRI: hasPRI, dated: dated, at: at}
	return c
}
