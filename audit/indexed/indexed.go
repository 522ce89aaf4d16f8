// Package indexed holds the index against the archive: how many lines of which
// source the archive has for each hour, and how many documents the index has. It
// names each difference, and says what is known of its cause.
package indexed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/audit"
	"github.com/loghaul/loghaul/sinks/elastic"
)

// Index gives the documents by hour, node and source, in that order, and io.EOF
// at the end; see elastic.Counts.
type Index interface {
	Next(ctx context.Context) (elastic.HourCount, error)
}

// Options says what is compared. Index must have the same bounds of time as
// From and To.
type Options struct {
	Archive  audit.Store
	Index    Index
	From, To time.Time
	// Leave says which lines rules leave out of the index, see
	// audit.HoursOptions; nil is none.
	Leave func() func(row *archive.Row, key string) bool
	// Ledger knows what the index is known to lack; nil is nothing.
	Ledger *Ledger
	// Memory bounds what is held of the archive; 0 is audit.DefaultMemory.
	Memory int64
	// Difference is told of each difference, in the order of hour, node and
	// source. Its error ends the call.
	Difference func(Difference) error
	// Warn gets each thing that is wrong and does not end the call. It must be
	// safe for concurrent use.
	Warn func(error)
	// Progress is called now and then, from one goroutine at a time.
	Progress func(*audit.FindReport)
}

// Difference is a source and an hour of which the index has not what the archive
// has.
type Difference struct {
	// Hour is its beginning, in UTC.
	Hour   time.Time `json:"hour"`
	Node   string    `json:"node"`
	Source string    `json:"source"`
	Path   string    `json:"path,omitempty"`
	// Archived are the lines that should be in the index, Indexed the documents
	// in it; Missing or Extra is what lies between.
	Archived int64 `json:"archived"`
	Indexed  int64 `json:"indexed"`
	Missing  int64 `json:"missing"`
	Extra    int64 `json:"extra"`
	// Known are those of Archived that the gap ledger names, Excluded the lines
	// that rules leave out.
	Known    int64 `json:"in_ledger"`
	Excluded int64 `json:"excluded"`
	// Why says what is known of the cause, and what to do.
	Why string `json:"why"`
}

// Report sums up.
type Report struct {
	// Archived and Indexed count lines and documents, Excluded lines that rules
	// leave out.
	Archived int64 `json:"archived"`
	Indexed  int64 `json:"indexed"`
	Excluded int64 `json:"excluded"`
	// Missing and Extra sum up differences, Known what of Missing the gap
	// ledger names.
	Missing int64 `json:"missing"`
	Extra   int64 `json:"extra"`
	Known   int64 `json:"in_ledger"`
	// Compared counts pairs of an hour and a source, Differences those that
	// differ.
	Compared    int `json:"compared"`
	Differences int `json:"differences"`
	// Read is what was read of the archive.
	Read audit.FindReport `json:"-"`
}

// Verify compares. It goes through hours in their order and holds those that are
// open, so memory does not grow with the archive. An audit.IncompleteError says
// that objects could not be read: then some documents look as if they were extra.
func Verify(ctx context.Context, o Options) (Report, error) {
	v := &verifier{o: o}
	h := audit.HoursOptions{
		Filter: audit.Filter{From: o.From, To: o.To}, Leave: o.Leave, Memory: o.Memory, Warn: o.Warn, Progress: o.Progress,
	}
	if o.Ledger != nil {
		h.Known = o.Ledger.Known
	}
	if err := v.next(ctx); err != nil {
		return v.report, err
	}
	var err error
	v.report.Read, err = audit.Hours(ctx, o.Archive, h, func(n audit.HourCount) error { return v.archived(ctx, n) })
	var incomplete *audit.IncompleteError
	if err != nil && !errors.As(err, &incomplete) {
		return v.report, err
	}
	for !v.end && ctx.Err() == nil {
		if err := v.compare(audit.HourCount{}, v.at); err != nil {
			return v.report, err
		}
		if err := v.next(ctx); err != nil {
			return v.report, err
		}
	}
	return v.report, cmp.Or(ctx.Err(), err)
}

// verifier merges what archive and index count.
type verifier struct {
	o      Options
	at     elastic.HourCount // the next of the index
	end    bool              // there is none
	report Report
}

func (v *verifier) next(ctx context.Context) (err error) {
	v.at, err = v.o.Index.Next(ctx)
	if errors.Is(err, io.EOF) {
		v.end, err = true, nil
	}
	return err
}

// archived takes in the next count of the archive.
func (v *verifier) archived(ctx context.Context, n audit.HourCount) error {
	for !v.end {
		switch order(v.at, n) {
		case -1: // the archive has nothing of it
			if err := v.compare(audit.HourCount{}, v.at); err != nil {
				return err
			}
		case 0:
			if err := v.compare(n, v.at); err != nil {
				return err
			}
			return v.next(ctx)
		default:
			return v.compare(n, elastic.HourCount{})
		}
		if err := v.next(ctx); err != nil {
			return err
		}
	}
	return v.compare(n, elastic.HourCount{})
}

func order(i elastic.HourCount, a audit.HourCount) int {
	return cmp.Or(i.Hour.Compare(a.Hour), strings.Compare(i.Node, a.Node), strings.Compare(i.Source, a.Source))
}

// compare holds one count against the other; either may be the zero value.
func (v *verifier) compare(a audit.HourCount, i elastic.HourCount) error {
	r := &v.report
	r.Compared++
	r.Archived += a.Lines
	r.Excluded += a.Without
	r.Indexed += i.Documents
	if a.Lines == i.Documents {
		return nil
	}
	d := Difference{
		Hour: a.Hour, Node: a.Node, Source: a.Source, Path: a.Path, Archived: a.Lines, Indexed: i.Documents, Known: a.Known, Excluded: a.Without,
		Missing: max(0, a.Lines-i.Documents), Extra: max(0, i.Documents-a.Lines),
	}
	if a.Hour.IsZero() {
		d.Hour, d.Node, d.Source = i.Hour, i.Node, i.Source
	}
	d.Why = d.why()
	r.Differences++
	r.Missing += d.Missing
	r.Extra += d.Extra
	r.Known += min(d.Missing, d.Known)
	return v.o.Difference(d)
}

// why says what is known of the cause.
func (d *Difference) why() string {
	switch {
	case d.Missing > 0 && d.Known >= d.Missing:
		return "in the gap ledger: loghaul backfill indexes them"
	case d.Missing > 0 && d.Known > 0:
		return fmt.Sprintf("%d are in the gap ledger, the others not: on their way, deleted or expired", d.Known)
	case d.Missing > 0:
		return "not in the gap ledger: on their way, deleted or expired; loghaul backfill --from --to indexes them"
	case d.Source == "":
		return "loghaul has not written them"
	case d.Archived == 0 && d.Excluded == 0:
		return "the archive has nothing of it: expired there, or of another archive"
	case d.Excluded >= d.Extra:
		return "rules leave lines out now that they did not when they were indexed"
	}
	return "the archive has fewer: expired there, or of another archive"
}
