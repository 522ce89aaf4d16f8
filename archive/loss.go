package archive

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/loghaul/loghaul/internal/wire"
)

// Joined is the reason of what is no loss: the forwarder has sent these bytes
// as the end of another source, which they go on with. See wire.Header.Lost.
const Joined = wire.Joined

// Loss is a stretch of a source that its forwarder declared as not to be had.
type Loss struct {
	Source wire.Source `json:"source"`
	// From and To are the range [From, To) in the source: of bytes, or of lines
	// in one that counts lost lines only.
	From int64 `json:"from"`
	To   int64 `json:"to"`
	// Lines is how many lines they were, 0 if nobody knows.
	Lines int64 `json:"lines"`
	// Reason is the forwarder's, in lower-case letters and _.
	Reason string `json:"reason"`
	// Read is when the forwarder declared it, to the millisecond, UTC.
	Read time.Time `json:"read"`
	// Labels are those of the forwarder and of its input.
	Labels map[string]string `json:"labels,omitempty"`
}

// Counted reports whether the range counts lines and not bytes.
func (l *Loss) Counted() bool { return l.Lines == l.To-l.From }

// Bytes is how many bytes were lost, 0 where only lines are counted.
func (l *Loss) Bytes() int64 {
	if l.Counted() {
		return 0
	}
	return l.To - l.From
}

// addLoss takes in the declaration of a loss, once.
func (w *window) addLoss(b *Batch) error {
	h := &b.Header
	if len(b.Raw) > 0 {
		return fmt.Errorf("a loss of source %s at %d has %d bytes", h.Source.ID, h.From, len(b.Raw))
	}
	l := Loss{
		Source: h.Source, From: h.From, To: h.To, Lines: int64(h.Records), Reason: h.Lost,
		Read: h.ReadAt.UTC().Truncate(time.Millisecond), Labels: h.Labels.Map(),
	}
	l.Source.Node, l.Source.Path = string(text(l.Source.Node)), string(text(l.Source.Path))
	if err := l.check(); err != nil {
		return err
	}
	w.losses = append(w.losses, l)
	return nil
}

// sortLosses brings losses into the order of sources and drops those that
// repeat another one.
func (w *window) sortLosses() {
	slices.SortStableFunc(w.losses, func(a, b Loss) int {
		return cmp.Or(
			strings.Compare(a.Source.Node, b.Source.Node), strings.Compare(a.Source.ID, b.Source.ID),
			cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), strings.Compare(a.Reason, b.Reason), cmp.Compare(a.Lines, b.Lines))
	})
	w.losses = slices.CompactFunc(w.losses, func(a, b Loss) bool {
		same := sameSource(&a.Source, &b.Source) && a.From == b.From && a.To == b.To && a.Reason == b.Reason && a.Lines == b.Lines
		if same {
			w.duplicates++
		}
		return same
	})
}

func (l *Loss) check() error {
	if l.From < 0 || l.To <= l.From || l.Lines < 0 || l.Lines > l.To-l.From || !wire.IsReason(l.Reason) {
		return fmt.Errorf("loss %q of %d lines in [%d, %d) of source %s", l.Reason, l.Lines, l.From, l.To, l.Source.ID)
	}
	return nil
}
