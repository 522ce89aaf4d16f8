package verify

import (
	_ "embed" // the template
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// maxListed bounds what a report lists of one kind; totals count all.
const maxListed = 10_000

// Report collects what an auditor is handed: one page of HTML that needs nothing
// else. Begin it with what was verified, pass it the verdicts, end it with the
// total.
type Report struct {
	// Archive is the archive's URL without secrets, Program who verified it,
	// SignedBy names the key the report will be signed with, "" for none.
	Archive, Program, SignedBy string
	Took                       time.Duration
	Grace                      time.Duration
	Total                      *Total
	// Objects are the differences and what could not be read, Chains all, Sources
	// those that are not complete.
	Objects []Object
	Chains  []Chain
	Sources []Source
	// MoreObjects, MoreChains and MoreSources were left out.
	MoreObjects, MoreChains, MoreSources int
}

// AddObject takes in a verdict, if the report lists such.
func (r *Report) AddObject(o Object) {
	if o.Verdict.Difference() || o.Verdict == Unread {
		r.Objects, r.MoreObjects = bounded(r.Objects, o, r.MoreObjects)
	}
}

// AddChain takes in a verdict.
func (r *Report) AddChain(c Chain) { r.Chains, r.MoreChains = bounded(r.Chains, c, r.MoreChains) }

// AddSource takes in a verdict, if the report lists such.
func (r *Report) AddSource(s Source) {
	if s.Verdict != Complete {
		r.Sources, r.MoreSources = bounded(r.Sources, s, r.MoreSources)
	}
}

func bounded[T any](all []T, v T, more int) ([]T, int) {
	if len(all) >= maxListed {
		return all, more + 1
	}
	return append(all, v), more
}

//go:embed report.html
var reportHTML string

// WriteHTML writes the page. The error is of w.
func (r *Report) WriteHTML(w io.Writer) error {
	t, err := template.New("report").Funcs(template.FuncMap{"counts": Counts, "stamp": stampTime, "join": strings.Join}).Parse(reportHTML)
	if err != nil {
		return fmt.Errorf("the report's template: %w", err)
	}
	return t.Execute(w, r)
}

func stampTime(v any) string {
	switch t := v.(type) {
	case time.Time:
		return stamp(t)
	case *time.Time:
		if t != nil {
			return stamp(*t)
		}
	}
	return ""
}

// Counts writes how many there are of each verdict, for people.
func Counts(m map[Verdict]int64) string {
	var parts []string
	n := int64(0)
	for _, v := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%d %s", m[v], v))
		n += m[v]
	}
	if len(parts) == 0 {
		return "0"
	}
	return fmt.Sprintf("%d: %s", n, strings.Join(parts, ", "))
}

// Result says in a sentence how a run ended.
func (t *Total) Result() string {
	switch {
	case t.Differences > 0 && t.Unread > 0:
		return fmt.Sprintf("%s, and %d could not be checked", differences(t.Differences), t.Unread)
	case t.Differences > 0:
		return differences(t.Differences)
	case t.Unread > 0:
		return fmt.Sprintf("no difference found, but %d could not be checked", t.Unread)
	case t.Objects[OK] == 0 && t.Objects[Unlisted] == 0 && t.Manifests == 0:
		return "no difference found, but there is nothing to verify"
	case t.Objects[Unlisted] > 0:
		return fmt.Sprintf("no difference found, but no manifest names %d objects: nobody can tell whether others are missing", t.Objects[Unlisted])
	}
	return "no difference"
}

func differences(n int64) string {
	if n == 1 {
		return "1 difference"
	}
	return fmt.Sprintf("%d differences", n)
}

// Limits says what the run did not look at, a sentence each.
func (t *Total) Limits() (all []string) {
	if !t.Signatures {
		all = append(all, "Signatures were not checked, as no public key was given: whoever can write to the archive could have made the manifests.")
	}
	if !t.Deep {
		all = append(all, "Objects were not read but for those that no manifest vouches for, or that were touched since: sizes and ETags (of files: times) were compared. A deep run compares every byte.")
	}
	if t.From != nil || t.To != nil {
		all = append(all, "Only objects that were sealed in the given time were looked at.")
	}
	return all
}
