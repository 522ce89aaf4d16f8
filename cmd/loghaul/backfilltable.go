package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/loghaul/loghaul/archive/gaps"
	"github.com/loghaul/loghaul/audit"
	"github.com/loghaul/loghaul/backfill"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

func printBackfill(w io.Writer, r *backfill.Report, ranged bool, output string) error {
	if output == "json" {
		return json.NewEncoder(w).Encode(r)
	}
	found := fmt.Sprintf("%s lines in %s gaps of %d files", thousands(r.Lines), thousands(int64(r.Gaps)), r.Files)
	if ranged {
		found = fmt.Sprintf("%s lines in the range", thousands(r.Lines))
	}
	for _, name := range r.Adopted {
		fmt.Fprintf(w, "%s ended without a word; what it had archived last was taken for missing\n", name) //nolint:errcheck // the next line reports it
	}
	fmt.Fprintf(w, "%s: %s indexed, %s were there, %s excluded by rules, %s rejected, %s expired with their objects; %d objects read\n", found, //nolint:errcheck // the next line reports it
		thousands(r.Indexed), thousands(r.Exists), thousands(r.Excluded), thousands(r.Rejected), thousands(r.Expired), r.Objects)
	if r.Healed() {
		_, err := fmt.Fprintln(w, "nothing is missing any more")
		return err
	}
	var parts []string
	for _, why := range slices.Sorted(maps.Keys(r.Left)) {
		parts = append(parts, fmt.Sprintf("%s (%s)", thousands(r.Left[why]), why))
	}
	_, err := fmt.Fprintf(w, "still missing: %s\n", strings.Join(parts, ", "))
	return err
}

// ledgerSlot is what the ledger says of one hour and aggregator.
type ledgerSlot struct {
	Hour     time.Time        `json:"hour"`
	Writer   string           `json:"writer"`
	Rejected bool             `json:"rejected"`
	Files    int              `json:"files"`
	Gaps     int              `json:"gaps"`
	Lines    int64            `json:"lines"`
	Reasons  map[string]int64 `json:"reasons"` // lines
	Entries  []gaps.Entry     `json:"entries"`
}

// showLedger prints what is missing according to the ledger.
func showLedger(ctx context.Context, s streams, l *gaps.Ledger, output string) error {
	survey, err := l.Survey(ctx)
	if err != nil {
		return err
	}
	all := []*ledgerSlot{}
	at := map[gaps.Slot]*ledgerSlot{}
	for _, f := range survey.Files {
		entries, err := l.Read(ctx, f)
		if errors.Is(err, gaps.ErrGone) {
			continue
		}
		if errors.Is(err, gaps.ErrDamaged) || errors.Is(err, gaps.ErrVersion) {
			warner(s.err)(err)
		} else if err != nil {
			return err
		}
		x := at[f.Slot]
		if x == nil {
			x = &ledgerSlot{Hour: f.Start(), Writer: f.Writer, Rejected: f.Rejected, Reasons: map[string]int64{}}
			at[f.Slot], all = x, append(all, x)
		}
		x.Files++
		x.Lines += f.Lines
		x.Gaps += len(entries)
		x.Entries = append(x.Entries, entries...)
		for _, e := range entries {
			x.Reasons[e.Reason] += e.Lines
		}
	}
	if output == "json" {
		return json.NewEncoder(s.out).Encode(all)
	}
	t := tabwriter.NewWriter(s.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "HOUR\tAGGREGATOR\tFILES\tGAPS\tLINES\tREASONS") //nolint:errcheck // Flush reports it
	for _, x := range all {
		var reasons []string
		for _, r := range slices.Sorted(maps.Keys(x.Reasons)) {
			reasons = append(reasons, fmt.Sprintf("%s %d", r, x.Reasons[r]))
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%s\n", x.Hour.Format("2006-01-02 15:00"), x.Writer, x.Files, x.Gaps, x.Lines, strings.Join(reasons, ", ")) //nolint:errcheck // Flush reports it
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "%s: %s lines are missing in %d files, %s of them were rejected; %d aggregators have a heartbeat\n",
		l.Stream(), thousands(survey.Lines), len(survey.Files), thousands(survey.Rejected), len(survey.Beats))
	return err
}

// dryRange prints how much a range is, as far as footers tell.
func dryRange(ctx context.Context, s streams, store objectstore.Store, f audit.Filter, output string) error {
	found := struct {
		Objects int   `json:"objects"`
		Lines   int64 `json:"lines"`
	}{}
	err := audit.Ls(ctx, store, f, warner(s.err), func(o audit.Object) error {
		found.Objects++
		found.Lines += int64(o.Lines)
		return nil
	})
	if err != nil {
		return err
	}
	if output == "json" {
		return json.NewEncoder(s.out).Encode(found)
	}
	_, err = fmt.Fprintf(s.out, "%d objects of %s lines may have lines of that time\n", found.Objects, thousands(found.Lines))
	return err
}
