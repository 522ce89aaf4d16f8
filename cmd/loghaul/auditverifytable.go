package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/loghaul/loghaul/audit/verify"
)

// verdicts prints what audit verify finds as it comes: there may be many.
type verdicts struct {
	out  *bufio.Writer
	json *json.Encoder
}

func newVerdicts(w io.Writer, output string) *verdicts {
	v := &verdicts{out: bufio.NewWriter(w)}
	if output == "json" {
		v.json = json.NewEncoder(v.out)
		v.json.SetEscapeHTML(false)
	}
	return v
}

// line prints a verdict: as a line of a table, or as an object of one key.
func (v *verdicts) line(kind string, verdict verify.Verdict, value any, name, detail string) error {
	if v.json != nil {
		return v.json.Encode(map[string]any{kind: value})
	}
	row := fmt.Sprintf("%-9s %-7s %s", verdict, kind, printable(name))
	if detail != "" {
		row += "  " + printable(detail)
	}
	_, err := fmt.Fprintln(v.out, row)
	return err
}

func (v *verdicts) object(o *verify.Object) error {
	return v.line("object", o.Verdict, o, o.Key, o.Why)
}

func (v *verdicts) chain(c *verify.Chain) error {
	detail := ""
	if c.Head != nil {
		detail = fmt.Sprintf("%d to %d, %s to %s", c.First, c.Last, second(&c.From), second(&c.To))
		if c.Ended {
			detail += ", ended"
		}
	}
	if err := v.line("chain", c.Verdict, c, c.Writer, detail); err != nil || v.json != nil {
		return err
	}
	for _, b := range c.Breaks {
		numbers := strconv.FormatInt(b.Sequence, 10)
		if b.Through > 0 {
			numbers += fmt.Sprintf("-%d", b.Through)
		}
		if _, err := fmt.Fprintf(v.out, "%-9s %-7s %s  at %s, %s: %s\n", "", "", printable(c.Writer), numbers, b.Kind, printable(b.Why)); err != nil {
			return err
		}
	}
	if c.More > 0 {
		if _, err := fmt.Fprintf(v.out, "%-9s %-7s %s  and %d more\n", "", "", printable(c.Writer), c.More); err != nil {
			return err
		}
	}
	return nil
}

func (v *verdicts) source(s *verify.Source) error {
	var gaps []string
	for i, g := range s.Gaps {
		if i == maxSpans {
			gaps = append(gaps, fmt.Sprintf("… %d more", len(s.Gaps)-i))
			break
		}
		gaps = append(gaps, gapText(&g, s.Counter))
	}
	return v.line("source", s.Verdict, s, fmt.Sprintf("%s %s %s", s.Node, s.ID, s.Path), strings.Join(gaps, "; "))
}

func gapText(g *verify.SourceGap, counter bool) string {
	text := fmt.Sprintf("[%d, %d)", g.From, g.To)
	switch {
	case counter:
		text = countLines(g.To-g.From) + " " + g.Reason
	case g.Reason != "" && g.Lines > 0:
		text += fmt.Sprintf(" %s (%s)", g.Reason, countLines(g.Lines))
	case g.Reason != "":
		text += " " + g.Reason
	case g.Pending:
		text += " may be on its way"
	default:
		text += " missing"
	}
	if g.Object != "" {
		text += " with " + g.Object
	}
	return text
}

// total prints the end.
func (v *verdicts) total(t *verify.Total) error {
	if v.json != nil {
		if err := v.json.Encode(map[string]any{"total": t}); err != nil {
			return err
		}
		return v.flush()
	}
	fmt.Fprintf(v.out, "objects %s; chains %s, of %d manifests; sources %s\n", //nolint:errcheck // flush reports it
		verify.Counts(t.Objects), verify.Counts(t.Chains), t.Manifests, verify.Counts(t.Sources))
	if t.Recovered > 0 {
		fmt.Fprintf(v.out, "%d of the objects were named in manifests by others than their writer, who took them from the archive\n", t.Recovered) //nolint:errcheck // flush reports it
	}
	if t.Signatures {
		fmt.Fprintf(v.out, "signatures checked with %s\n", strings.Join(t.Keys, ", ")) //nolint:errcheck // flush reports it
	}
	for _, l := range t.Limits() {
		fmt.Fprintln(v.out, l) //nolint:errcheck // flush reports it
	}
	fmt.Fprintf(v.out, "result: %s\n", t.Result()) //nolint:errcheck // flush reports it
	return v.flush()
}

func (v *verdicts) flush() error { return v.out.Flush() }

// showProgress draws a line on a terminal until the function it gives is called.
func showProgress(w io.Writer, text func(now time.Time) string) (stop func()) {
	if !isTerminal(w) {
		return func() {}
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				fmt.Fprint(w, "\r"+text(now)+"\x1b[K") //nolint:errcheck // only for show
			case <-quit:
				fmt.Fprint(w, "\r\x1b[K") //nolint:errcheck // only for show
				return
			}
		}
	}()
	return func() { close(quit); <-done }
}

// progressLine knows since when what is going on goes on.
type progressLine struct {
	phase string
	began time.Time
	from  int64
	bytes int64
}

// text says how far a run is, how fast, and how long it will take.
func (l *progressLine) text(p *verify.Progress, deep bool, now time.Time) string {
	phase, done, all := "manifests", p.Manifests.Load(), p.AllManifests.Load()
	if done >= all && all >= 0 && p.Objects.Load()+p.AllObjects.Load() > 0 {
		phase, done, all = "objects", p.Objects.Load(), p.AllObjects.Load()
	}
	read := p.Bytes.Load()
	if l.phase != phase {
		*l = progressLine{phase: phase, began: now, from: done, bytes: read}
	}
	text := fmt.Sprintf("%s %s of %s", phase, thousands(done), thousands(max(all, done)))
	seconds := now.Sub(l.began).Seconds()
	if seconds <= 0 {
		return text
	}
	rate := float64(done-l.from) / seconds
	text += fmt.Sprintf(", %s/s", thousands(int64(rate)))
	left := float64(all-done) / rate
	if phase == "objects" && read > l.bytes {
		perSecond := float64(read-l.bytes) / seconds
		text += fmt.Sprintf(", %s/s", bytesText(int64(perSecond)))
		if deep { // sizes differ
			left = float64(p.AllBytes.Load()-read) / perSecond
		}
	}
	if left > 0 && left < 1e6 {
		text += fmt.Sprintf(", %s left", time.Duration(left*float64(time.Second)).Round(time.Second))
	}
	return text
}
