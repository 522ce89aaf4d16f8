package archive

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/wrapper"
)

// Scanner reads the lines of batches as an Encoder reads them, and makes no
// object: for who wants to see lines before they are archived. Each batch is
// read by itself, so that a line whose reading depends on others of its source
// may be read from fewer of them. One goroutine may use it at a time.
type Scanner struct {
	options   Options
	lines     *wrapper.Parser
	contained *wrapper.Splitter
	join      joiner
	record    parser.Record
	row       Row
	before    Batch // its header alone
}

// NewScanner makes a Scanner for what an Encoder with the options o encodes. Of
// o it uses Formats, Wrapper and Zone.
func NewScanner(o Options) (*Scanner, error) {
	if o.Zone == nil {
		o.Zone = parser.NewZone(nil)
	}
	if o.Wrapper == wrapper.Journald {
		return nil, errors.New("batches have lines, not entries of the journal")
	}
	o.Formats = parser.Complete(o.Formats)
	s := &Scanner{options: o}
	s.renew()
	return s, nil
}

// renew makes anew what reads lines.
func (s *Scanner) renew() {
	s.lines = wrapper.NewParser(parser.NewSet(s.options.Formats...), s.options.Wrapper, s.options.Zone)
	s.contained = wrapper.NewSplitter(wrapper.Auto, nil)
	s.record, s.row, s.before = parser.Record{}, Row{}, Batch{}
}

// Scan calls fn for each line of b, in order, until fn returns an error, which
// it then returns as it is. Row.Index counts the lines of the batch. Rows are
// valid until fn returns, as long as b.Raw does not change. A batch that is a
// loss has no lines. An error of another kind is a defect of the parser: the
// rest of the batch was not read.
func (s *Scanner) Scan(b *Batch, fn func(*Row) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			s.renew()
			err = fmt.Errorf("reading lines failed: %v\n%s", r, debug.Stack())
		}
	}()
	if b.Header.Lost != "" {
		return nil
	}
	s.begin(b)
	for at, rest := int64(0), b.Raw; len(rest) > 0; {
		line, after, noLF := nextRecord(rest)
		here := at
		at += int64(len(rest) - len(after))
		rest = after
		if s.join.skips(here) {
			continue
		}
		s.row.Offset, s.row.NoLF = b.Header.From+here, noLF
		s.row.Parts, s.row.Rest = nil, b.Header.Rest && here == 0
		if s.lines.OpensLine(line) && !s.row.Rest && s.join.find(&s.lines.Splitter, here) {
			s.joined(b.Header.From)
		} else {
			s.one(line)
		}
		if err := fn(&s.row); err != nil {
			return err
		}
		s.row.Index++
	}
	return nil
}

// begin readies everything for a batch.
func (s *Scanner) begin(b *Batch) {
	h, zone := &b.Header, s.options.Zone
	if !sameSource(&h.Source, &s.before.Header.Source) {
		probe(s.lines, b.Raw, &s.record, &s.row.Header)
	}
	if !follows(b, &s.before) {
		zone.Restart()
	}
	s.before.Header = *h
	zone.Received(h.ReadAt.UnixMilli())
	s.lines.Received(h.ReadAt.UnixMilli())
	s.join.begin(b.Raw)
	s.row = Row{Source: h.Source, ReadAt: h.ReadAt.UnixMilli()}
	for _, o := range originOf(h) {
		switch o.col {
		case colLabels:
			s.row.Labels = o.text
		case colNamespace:
			s.row.Namespace = o.text
		case colPod:
			s.row.Pod = o.text
		case colContainer:
			s.row.Container = o.text
		case colContainerID:
			s.row.ContainerID = o.text
		}
	}
}

// one reads a line that is one record.
func (s *Scanner) one(line []byte) {
	r := &s.row
	r.Raw, r.Message, r.Record, r.Format = line, line, nil, ""
	r.Header.Kind = wrapper.None
	if r.Rest {
		s.time(false)
		return
	}
	message, i := s.lines.Parse(line, &s.record, &r.Header)
	s.parsed(message, i)
	if r.Header.Kind.Container() {
		if message, ok := s.contained.Message(line); ok {
			r.Message = message
		}
	}
}

// joined reads the line that s.join found.
func (s *Scanner) joined(from int64) {
	r := &s.row
	r.Raw, r.NoLF, r.Record, r.Format = s.join.kept, s.join.noLF(), nil, ""
	for _, p := range s.join.parts {
		r.Parts = append(r.Parts, Part{from + p.from, s.join.raw[p.from:p.to]})
	}
	r.Header.Kind = wrapper.None
	message, i := s.lines.ParseJoined(s.join.lines, &s.record, &r.Header)
	s.parsed(message, i)
	if r.Message = r.Raw; len(s.join.lines) > 0 {
		if message, ok := s.contained.Message(s.join.lines...); ok {
			r.Message = message
		}
	}
}

// parsed takes a line over that was read with format i.
func (s *Scanner) parsed(message []byte, i int) {
	r := &s.row
	if i < 0 {
		i = s.lines.ParseCut(message, &s.record)
	}
	if i >= 0 {
		r.Record, r.Format = &s.record, s.options.Formats[i].Name()
	}
	s.time(i >= 0)
}

// time sets the event's time: that of the message, or else of its header.
func (s *Scanner) time(parsed bool) {
	r := &s.row
	r.Time, r.UTCOffset, r.TimeOK, r.TimeUnsure = 0, 0, false, false
	if parsed {
		r.Time, r.UTCOffset, r.TimeOK = s.record.Time(s.options.Zone)
		r.TimeUnsure = r.TimeOK && s.record.TimeUnsure
	}
	if h := &r.Header; !r.TimeOK && h.Kind != wrapper.None && h.TimeOK {
		r.Time, r.UTCOffset, r.TimeOK = h.Time.UnixMilli(), h.Time.UTCOffset, true
	}
}
