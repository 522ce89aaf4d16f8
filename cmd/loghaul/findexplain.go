package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/loghaul/loghaul/audit"
	"github.com/loghaul/loghaul/parser/filter"
)

// findPlan is how a filter is answered.
type findPlan struct {
	Filter string `json:"filter,omitempty"`
	// Columns are read of each object that is asked; Bloom are those of them whose
	// bloom filters are asked first. Lines says that whole lines are looked at.
	Columns []string `json:"columns,omitempty"`
	Bloom   []string `json:"bloom_filters,omitempty"`
	Lines   bool     `json:"whole_lines,omitempty"`
}

func planOf(where *filter.Filter) (p findPlan) {
	if where == nil {
		return p
	}
	p.Filter = where.String()
	add := func(list *[]string, name string) {
		if !slices.Contains(*list, name) {
			*list = append(*list, name)
		}
	}
	for t := range where.Tree().Tests {
		switch f := t.Field; f.Place {
		case filter.InLine:
			p.Lines = true
		case filter.InHeader, filter.InFormat:
			add(&p.Columns, "that of "+f.Name)
		case filter.InColumn, filter.InFlags, filter.InLabel:
			add(&p.Columns, f.Column)
			if (f.Column == "client_ip" || f.Column == "unique_id") && t.Equals() != nil {
				add(&p.Bloom, f.Column)
			}
		}
	}
	return p
}

// explainFind says how a search went.
func explainFind(w io.Writer, r *audit.FindReport, where *filter.Filter, took time.Duration, output string) {
	plan := planOf(where)
	if output == "json" {
		b, err := json.Marshal(struct {
			Plan findPlan `json:"plan"`
			*audit.FindReport
			Seconds float64 `json:"seconds"`
		}{plan, r, took.Seconds()})
		if err == nil {
			fmt.Fprintln(w, string(b)) //nolint:errcheck // nowhere left to report
		}
		return
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	if plan.Filter != "" {
		line("filter    %s", plan.Filter)
	}
	if len(plan.Columns) > 0 {
		line("columns   %s are read of each object that is asked", strings.Join(plan.Columns, ", "))
	}
	if len(plan.Bloom) > 0 {
		line("filters   bloom filters of %s are asked first", strings.Join(plan.Bloom, ", "))
	}
	if plan.Lines {
		line("lines     are rendered and looked at whole, as far as the rest of the filter leaves any")
	}
	line("listed    %d objects, %s; %d manifests read", r.Listed, bytesText(r.ListedBytes), r.Manifests)
	for _, by := range slices.Sorted(maps.Keys(r.Pruned)) {
		line("left out  %d by %s", r.Pruned[by], by)
	}
	line("asked     %d objects with %d lines of %s; %d had wanted lines", r.Scanned, r.ScannedLines, bytesText(r.ScannedBytes), r.Matched)
	share := 0.0
	if r.ListedBytes > 0 {
		share = 100 * float64(r.BytesRead) / float64(r.ListedBytes)
	}
	line("read      %s (%.2f %% of the archive) in %d requests", bytesText(r.BytesRead), share, r.Requests)
	line("found     %d lines; %d duplicates were left out", r.Lines, r.Duplicates)
	line("took      %.2f s, %s of lines a second", took.Seconds(), bytesText(int64(float64(r.ScannedBytes)/max(took.Seconds(), 1e-3))))
	io.WriteString(w, b.String()) //nolint:errcheck // nowhere left to report
}

func printCount(w io.Writer, r *audit.FindReport, output string) error {
	var err error
	if output == "json" {
		_, err = fmt.Fprintf(w, "{\"lines\":%d,\"duplicates\":%d}\n", r.Lines, r.Duplicates)
	} else {
		_, err = fmt.Fprintln(w, r.Lines)
	}
	if err != nil {
		return fmt.Errorf("writing to stdout: %w", err)
	}
	return nil
}

// findProgress shows on a terminal how far a search is.
type findProgress struct {
	w       io.Writer // nil: no terminal
	started time.Time
	last    time.Time
	shown   bool
}

// progressEvery is how often a terminal is told.
const progressEvery = 300 * time.Millisecond

func newFindProgress(w io.Writer, now time.Time) *findProgress {
	p := &findProgress{started: now, last: now}
	if isTerminal(w) {
		p.w = w
	}
	return p
}

// show is FindOptions.Progress.
func (p *findProgress) show(r *audit.FindReport) {
	now := time.Now()
	if p.w == nil || now.Sub(p.last) < progressEvery {
		return
	}
	p.last, p.shown = now, true
	rate := float64(r.ScannedBytes) / now.Sub(p.started).Seconds()
	left := ""
	if r.Done > 0 && r.Done < r.Candidates {
		left = ", " + (now.Sub(p.started) * time.Duration(r.Candidates-r.Done) / time.Duration(r.Done)).Round(time.Second).String() + " left"
	}
	fmt.Fprintf(p.w, "\r\x1b[K%d of %d objects, %s of lines, %s/s, %s read%s", //nolint:errcheck // nowhere left to report
		r.Done, r.Candidates, bytesText(r.ScannedBytes), bytesText(int64(rate)), bytesText(r.BytesRead), left)
}

// clear takes the last line away.
func (p *findProgress) clear() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K") //nolint:errcheck // nowhere left to report
	}
}
