package audit

import (
	"context"
	"time"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// Object is what Ls tells about one object.
type Object struct {
	Key    string    `json:"key"`
	Writer string    `json:"writer"`
	Sealed time.Time `json:"sealed"`
	// Lines and RawBytes are of the lines as HAProxy wrote them, Unparsed of
	// them matched no format; Stored is the size of the object.
	Lines    int   `json:"lines"`
	Unparsed int   `json:"unparsed"`
	RawBytes int64 `json:"raw_bytes"`
	Stored   int64 `json:"stored_bytes"`
	// From and To bound the event times, nil when no line has one.
	From *time.Time `json:"from,omitempty"`
	To   *time.Time `json:"to,omitempty"`
	// Sources is the number of sources that have lines in the object.
	Sources int `json:"sources"`
}

// Ls calls fn for each object that can hold selected lines, in the order of
// the keys. It reads footers only.
func Ls(ctx context.Context, store Store, filter Filter, warn func(error), fn func(Object) error) error {
	s := &scan{store: store, filter: filter, warn: warn}
	return s.run(ctx, func(o *object) error {
		m := o.reader.Meta()
		out := Object{
			Key: o.key, Writer: m.Writer, Sealed: m.Sealed, Lines: m.Lines, Unparsed: m.Unparsed,
			RawBytes: m.RawBytes, Stored: o.size, Sources: countSources(m.Ranges),
		}
		if m.Timed > 0 {
			from, to := time.UnixMilli(m.MinTime).UTC(), time.UnixMilli(m.MaxTime).UTC()
			out.From, out.To = &from, &to
		}
		return fn(out)
	})
}

func countSources(ranges []archive.Range) int {
	seen := map[sourceKey]struct{}{}
	for _, r := range ranges {
		seen[sourceKey{r.Source.Node, r.Source.ID}] = struct{}{}
	}
	return len(seen)
}

// Quarantined counts the messages that an aggregator kept aside because they
// were not what their headers said. Their lines are in no object.
func Quarantined(ctx context.Context, store Store) (int, error) {
	n := 0
	err := store.List(ctx, archive.QuarantinePrefix, func(objectstore.Info) error {
		n++
		return nil
	})
	return n, err
}
