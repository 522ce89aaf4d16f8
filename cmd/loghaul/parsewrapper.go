package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/loghaul/loghaul/parser/wrapper"
)

// wrapperHelp explains what --wrapper does, for --help.
const wrapperHelp = `
Headers of syslog, of the files of rsyslog, syslog-ng and journalctl, and of container runtimes are found
by themselves: "wrapper":{"kind":…,"facility":…,"severity":…,"host":…,"tag":…,"pid":…,"stream":…,"time":…},
and the fields are those of the message. KIND is auto, none, local, rfc3164, rfc5424, priority, short,
timed, iso, file, cri, docker, or journald for the output of journalctl -o export. Formats that begin
with free text need it.
`

// wrapperOptions are the flags that concern what lines are wrapped in.
type wrapperOptions struct {
	kind, received string
}

// parse gives the kind and, unless it is now, when the lines were received.
func (o *wrapperOptions) parse(loc *time.Location, now time.Time) (kind wrapper.Kind, received time.Time, err error) {
	kind, ok := wrapper.ParseKind(o.kind)
	if !ok {
		return kind, received, usagef("--wrapper: there is no %q; want %s", o.kind, strings.Join(wrapperKinds(), ", "))
	}
	// Of a date the whole day: what was logged in the evening is not of last year.
	if day, err := time.ParseInLocation(time.DateOnly, o.received, loc); err == nil {
		return kind, day.AddDate(0, 0, 1), nil
	}
	received, err = parseTime("received", o.received, now)
	return kind, received, err
}

// wrapperKinds are the values of --wrapper, the usual ones first.
func wrapperKinds() []string {
	names := wrapper.Kinds()
	last := len(names) - 1
	return slices.Concat(names[last:], names[:last])
}

// receive tells when the lines that follow were received, unless a flag said it.
func (p *lineParser) receive(now time.Time) {
	if !p.received {
		p.lines.Received(now.UnixMilli())
		p.zone.Received(now.UnixMilli())
	}
}

// parseJournal reads a journal export, whose entries count as lines.
func parseJournal(ctx context.Context, in io.Reader, out *bufio.Writer, p *lineParser, label string) error {
	sc := bufio.NewScanner(in)
	sc.Buffer(nil, maxParseLine)
	sc.Split(wrapper.ScanEntries)
	for sc.Scan() {
		if _, err := out.Write(p.entry(sc.Bytes())); err != nil {
			return fmt.Errorf("writing to stdout: %w", err)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("reading %s: %w", label, ctx.Err())
		}
	}
	err := sc.Err()
	if errors.Is(err, bufio.ErrTooLong) {
		err = fmt.Errorf("longer than %d bytes", maxParseLine)
	}
	if err != nil {
		return fmt.Errorf("reading %s: entry %d: %w", label, p.line+1, err)
	}
	return nil
}

// entry is record for an entry of the journal, the line of which is its message.
func (p *lineParser) entry(entry []byte) []byte {
	p.begin()
	message, format, ok := p.lines.ParseEntry(entry, &p.rec, &p.header)
	if !ok {
		p.header, message = wrapper.Header{}, entry
	}
	switch {
	case !p.only.has(p, message, format >= 0):
		return nil
	case !ok:
		p.unparsed(entry, "no MESSAGE in the journal's entry")
	case format < 0:
		p.unparsed(message, "no format matches")
	default:
		p.parsed(&p.formats[format])
	}
	p.wrapper(nil)
	return p.end()
}

// wrapper prints the header, if there is one. message is what no format matched, nil otherwise.
func (p *lineParser) wrapper(message []byte) {
	h := &p.header
	if h.Kind == wrapper.None {
		return
	}
	if message != nil {
		p.out = appendText(append(p.out, `,"message":`...), message)
	}
	p.out = append(append(append(p.out, `,"wrapper":{"kind":"`...), h.Kind.String()...), '"')
	if h.Inner != wrapper.None {
		p.out = append(append(append(p.out, `,"inner":"`...), h.Inner.String()...), '"')
	}
	if h.Facility >= 0 {
		p.out = strconv.AppendInt(append(p.out, `,"facility":`...), int64(h.Facility), 10)
	}
	if h.Severity >= 0 {
		p.out = strconv.AppendInt(append(p.out, `,"severity":`...), int64(h.Severity), 10)
	}
	p.headerText(`,"host":`, h.Host)
	p.headerText(`,"tag":`, h.Tag)
	if isNumber(h.PID) {
		p.out = append(append(p.out, `,"pid":`...), h.PID...)
	} else {
		p.headerText(`,"pid":`, h.PID)
	}
	p.headerText(`,"msgid":`, h.MsgID)
	p.headerText(`,"structured_data":`, h.StructuredData)
	p.headerText(`,"stream":`, h.Stream)
	if h.Partial {
		p.out = append(p.out, `,"partial":true`...)
	}
	if h.TimeOK {
		p.out = append(h.Time.Append(append(p.out, `,"time":"`...)), '"')
	}
	p.out = append(p.out, '}')
}

func (p *lineParser) headerText(key string, text []byte) {
	if text != nil {
		p.out = appendText(append(p.out, key...), text)
	}
}

// isNumber tells what JSON can have as a number and gives back digit by digit.
func isNumber(text []byte) bool {
	if len(text) == 0 || len(text) > 15 || text[0] == '0' && len(text) > 1 {
		return false
	}
	for _, c := range text {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
