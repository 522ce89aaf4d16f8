package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/loghaul/loghaul/audit"
)

// maxSpans bounds the ranges that a table shows for one source; JSON has all.
const maxSpans = 5

func printSources(w io.Writer, sources []audit.Source, output string) error {
	if output == "json" {
		if sources == nil {
			sources = []audit.Source{}
		}
		return json.NewEncoder(w).Encode(sources)
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "NODE\tSOURCE\tLINES\tBYTES\tARCHIVED\tLOST\tMISSING\tPATH") //nolint:errcheck // Flush reports it
	for _, s := range sources {
		missing := "-"
		if s.Missing == nil {
			missing = "?"
		} else if len(s.Missing) > 0 {
			missing = spans(s.Missing)
		}
		lines := strconv.FormatInt(s.Lines, 10)
		if s.Overlaps > 0 {
			lines = "≤" + lines
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n", //nolint:errcheck // Flush reports it
			printable(s.Node), s.ID, lines, s.Bytes, orDash(spans(s.Archived)), orDash(losses(&s)), missing, printable(s.Path))
	}
	return t.Flush()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// losses lists ranges of bytes with their reasons. Where lines were counted,
// there are no bytes: their number is told, by reason.
func losses(s *audit.Source) string {
	var all []string
	counted := map[string]int64{}
	for _, l := range s.Lost {
		switch {
		case l.Bytes() == 0:
			counted[l.Reason] += l.Lines
		case l.Lines > 0:
			all = append(all, fmt.Sprintf("%d-%d %s (%s)", l.From, l.To, l.Reason, countLines(l.Lines)))
		default:
			all = append(all, fmt.Sprintf("%d-%d %s", l.From, l.To, l.Reason))
		}
	}
	if n := len(all); n > maxSpans {
		all = append(all[:maxSpans], fmt.Sprintf("… %d more", n-maxSpans))
	}
	for _, reason := range slices.Sorted(maps.Keys(counted)) {
		all = append(all, fmt.Sprintf("%s %s", countLines(counted[reason]), reason))
	}
	return strings.Join(all, ", ")
}

func countLines(n int64) string {
	if n == 1 {
		return "1 line"
	}
	return fmt.Sprintf("%d lines", n)
}

func spans(l []audit.Span) string {
	var b strings.Builder
	for i, s := range l {
		if i == maxSpans {
			fmt.Fprintf(&b, ",… %d more", len(l)-i)
			break
		}
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%d-%d", s.From, s.To)
	}
	return b.String()
}

// printable keeps names that came over the network from steering a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}

// objectTable prints objects as they come: there may be many.
type objectTable struct {
	out     *bufio.Writer
	json    *json.Encoder
	objects int
	total   audit.Object
}

const objectRow = "%-20s  %-20s  %9s  %11s  %11s  %6s  %-12s  %s\n"

func newObjectTable(w io.Writer, output string) *objectTable {
	t := &objectTable{out: bufio.NewWriter(w)}
	if output == "json" {
		t.json = json.NewEncoder(t.out)
	}
	return t
}

func (t *objectTable) add(o audit.Object) error {
	if t.json != nil {
		return t.json.Encode(o)
	}
	if t.objects == 0 {
		if _, err := fmt.Fprintf(t.out, objectRow, "FIRST EVENT", "LAST EVENT", "LINES", "RAW", "STORED", "RATIO", "WRITER", "KEY"); err != nil {
			return err
		}
	}
	t.objects++
	t.total.Lines += o.Lines
	t.total.RawBytes += o.RawBytes
	t.total.Stored += o.Stored
	if o.From != nil && (t.total.From == nil || o.From.Before(*t.total.From)) {
		t.total.From = o.From
	}
	if o.To != nil && (t.total.To == nil || o.To.After(*t.total.To)) {
		t.total.To = o.To
	}
	return t.row(o)
}

func (t *objectTable) row(o audit.Object) error {
	_, err := fmt.Fprintf(t.out, objectRow, second(o.From), second(o.To), strconv.Itoa(o.Lines), strconv.FormatInt(o.RawBytes, 10),
		strconv.FormatInt(o.Stored, 10), ratio(o.RawBytes, o.Stored), o.Writer, o.Key)
	return err
}

func (t *objectTable) end() error {
	if t.json == nil && t.objects > 0 {
		t.total.Writer, t.total.Key = "total", fmt.Sprintf("%d objects", t.objects)
		if err := t.row(t.total); err != nil {
			return err
		}
	}
	return t.out.Flush()
}

func second(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

// ratio says how many times smaller the stored form is.
func ratio(raw, stored int64) string {
	if stored == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1fx", float64(raw)/float64(stored))
}
