// Package audit reads the archive and needs nothing else: no broker, no index,
// no state. Cat prints the lines as HAProxy wrote them, each once; Ls lists the
// objects; Sources says which bytes of which source are there, which are
// declared as lost, and which are missing.
//
// Nothing is left out silently. An object that cannot be read is reported and
// the others are still used; the call then ends with an IncompleteError.
package audit

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// Store is what audit needs of an archive, see objectstore.Store. It must be
// safe for concurrent use.
type Store interface {
	List(ctx context.Context, prefix string, fn func(objectstore.Info) error) error
	Get(ctx context.Context, key string) ([]byte, error)
	ReadAt(ctx context.Context, key string, p []byte, off int64) (int, error)
}

// ClockSkew is how far a node's clock may run ahead of an aggregator's. An
// object that was sealed longer than this before Filter.From is not opened.
const ClockSkew = time.Hour

// Filter selects lines. The zero value selects all.
type Filter struct {
	// From and To bound the event time of a line, [From, To); a line without
	// one has the time at which the forwarder read it. Zero is no bound.
	From, To time.Time
	// Node and Source select by exact name; "" is any. Source may be the
	// beginning of an id.
	Node, Source string
}

// timed reports whether the filter looks at times.
func (f *Filter) timed() bool { return !f.From.IsZero() || !f.To.IsZero() }

// all reports whether nothing is filtered.
func (f *Filter) all() bool { return !f.timed() && f.Node == "" && f.Source == "" }

func (f *Filter) source(node, id string) bool {
	return (f.Node == "" || f.Node == node) && strings.HasPrefix(id, f.Source)
}

// at reports whether a line of the given time, in Unix milliseconds, is selected.
func (f *Filter) at(ms int64) bool {
	return (f.From.IsZero() || ms >= f.From.UnixMilli()) && (f.To.IsZero() || ms < f.To.UnixMilli())
}

// row reports whether a line is selected.
func (f *Filter) row(r *archive.Row) bool {
	ms := r.ReadAt
	if r.TimeOK {
		ms = r.Time
	}
	return f.at(ms) && f.source(r.Source.Node, r.Source.ID)
}

// key reports whether an object can hold selected lines, as far as its key says.
func (f *Filter) key(k archive.KeyInfo) bool {
	return f.From.IsZero() || !k.Sealed.Before(f.From.Add(-ClockSkew))
}

// meta reports whether an object can hold selected lines or losses, as far as
// its footer says. Lines without an event time are not in the footer's time range.
func (f *Filter) meta(m *archive.Meta) bool {
	return f.rows(m) || slices.ContainsFunc(m.Losses, func(l archive.Loss) bool { return f.loss(&l) })
}

// rows is meta for lines alone.
func (f *Filter) rows(m *archive.Meta) bool {
	if f.timed() && m.Timed == m.Lines {
		if !f.From.IsZero() && m.MaxTime < f.From.UnixMilli() || !f.To.IsZero() && m.MinTime >= f.To.UnixMilli() {
			return false
		}
	}
	return slices.ContainsFunc(m.Ranges, func(r archive.Range) bool { return f.source(r.Source.Node, r.Source.ID) })
}

// loss reports whether a loss is selected: by the time when it was declared.
func (f *Filter) loss(l *archive.Loss) bool {
	return f.at(l.Read.UnixMilli()) && f.source(l.Source.Node, l.Source.ID)
}

// IncompleteError ends a call that had to leave objects out. Each has been
// reported to the Warn function.
type IncompleteError struct {
	// Objects is the number of objects that could not be read.
	Objects int
}

// Error says how many.
func (e *IncompleteError) Error() string {
	if e.Objects == 1 {
		return "1 object could not be read; its lines are missing from the output"
	}
	return fmt.Sprintf("%d objects could not be read; their lines are missing from the output", e.Objects)
}
