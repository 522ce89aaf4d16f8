package gaps

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/loghaul/loghaul/archive"
)

// Span is a stretch of rows of an object, both ends inclusive. In JSON it is an
// array of two numbers.
type Span struct{ First, Last int }

// MarshalJSON gives [first,last].
func (s Span) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "[%d,%d]", s.First, s.Last), nil
}

// UnmarshalJSON reads what MarshalJSON gives, and nothing else.
func (s *Span) UnmarshalJSON(b []byte) error {
	var two []int
	if err := json.Unmarshal(b, &two); err != nil {
		return err
	}
	if len(two) != 2 || two[0] < 0 || two[1] < two[0] || two[1] >= archive.MaxLines {
		return fmt.Errorf("%s is no stretch of rows", b)
	}
	s.First, s.Last = two[0], two[1]
	return nil
}

// Gap is a stretch of rows of an archived object that is not in the index.
type Gap struct {
	// Key is the object, Rows the stretch.
	Key  string
	Rows Span
	// Lines is how many rows of the stretch are missing.
	Lines int
	// Reason is why, a word: see the metric of dropped lines.
	Reason string
}

// Entry is what is missing, of one object or of a stretch of time.
type Entry struct {
	// Key is an object, Rows are its missing rows in order; nil is all of them.
	Key  string `json:"key,omitempty"`
	Rows []Span `json:"rows,omitempty"`
	// From and To are set without a Key: everything that the writer sealed
	// within [From, To), in Unix milliseconds, is missing or may be.
	From int64 `json:"from,omitempty"`
	To   int64 `json:"to,omitempty"`
	// Lines is how many lines are missing, as far as that is known. It may be 0
	// for a stretch of time.
	Lines int64 `json:"lines"`
	// Reason is why, At when that was first noted, in Unix milliseconds.
	Reason string `json:"reason"`
	At     int64  `json:"at"`
}

// Slot is what one file is about: the objects of one writer that were sealed in
// one hour, and whether trying again may help.
type Slot struct {
	// Writer made the objects.
	Writer string
	// Hour counts from 1970-01-01, UTC.
	Hour int64
	// Rejected says that the same documents would be refused again.
	Rejected bool
}

// SlotOf gives the slot of an object about which there is something for a reason.
func SlotOf(k archive.KeyInfo, reason string) Slot {
	return Slot{k.Writer, hourOf(k.Sealed), rejected(reason)}
}

// Start is when the hour began.
func (s Slot) Start() time.Time { return time.Unix(s.Hour*3600, 0).UTC() }

// bounds are those of the hour in Unix milliseconds, [from, to).
func (s Slot) bounds() (from, to int64) { return s.Hour * hourMillis, (s.Hour + 1) * hourMillis }

const hourMillis = 3600 * 1000

func hourOf(t time.Time) int64 { return floorHour(t.UnixMilli()) }

func floorHour(ms int64) int64 {
	h := ms / hourMillis
	if ms%hourMillis < 0 {
		h--
	}
	return h
}

// rejected reports whether a reason is one that no repetition cures.
func rejected(reason string) bool {
	return reason == Rejected || reason == "too_large" || reason == "unreadable"
}

// everything gives the entry for all that was sealed in the slot's hour.
func (s Slot) everything(lines int64, reason string, at int64) Entry {
	from, to := s.bounds()
	return Entry{From: from, To: to, Lines: lines, Reason: reason, At: at}
}

// Bounds of an entry and a file. Rather than have more, an entry stands for all
// rows of its object, and a file for all objects of its hour.
const (
	maxSpans     = 256
	maxSlotSpans = 1 << 16
	fewSpans     = maxSlotSpans / maxEntries
	maxEntries   = 4096
	maxReason    = 64
	maxLines     = 1 << 50
)

// check says what is wrong with an entry in a file about s.
func (e *Entry) check(s Slot) error {
	switch {
	case e.Lines < 0 || e.Lines > maxLines:
		return fmt.Errorf("%d lines", e.Lines)
	case e.Reason == "" || len(e.Reason) > maxReason:
		return fmt.Errorf("reason %.70q", e.Reason)
	case rejected(e.Reason) && !s.Rejected:
		return fmt.Errorf("reason %q in a file of lines that were not rejected", e.Reason)
	case e.Key == "":
		from, to := s.bounds()
		if e.From < from || e.To > to || e.From >= e.To || e.Rows != nil {
			return fmt.Errorf("[%d, %d) is no stretch of the hour", e.From, e.To)
		}
		return nil
	case e.From != 0 || e.To != 0:
		return errors.New("an object and a stretch of time")
	}
	k, err := archive.ParseKey(e.Key)
	if err != nil {
		return err
	}
	if k.Writer != s.Writer || hourOf(k.Sealed) != s.Hour {
		return fmt.Errorf("%s is of another writer or hour", e.Key)
	}
	if len(e.Rows) > maxSpans {
		return fmt.Errorf("%d stretches of rows", len(e.Rows))
	}
	for i, r := range e.Rows {
		if i > 0 && r.First <= e.Rows[i-1].Last+1 {
			return fmt.Errorf("rows %v are not in order", e.Rows[max(0, i-2):i+1])
		}
	}
	if e.Rows != nil && (len(e.Rows) == 0 || e.Lines > rows(e.Rows)) {
		return fmt.Errorf("%d lines in rows %v", e.Lines, e.Rows)
	}
	return nil
}

// rows counts the rows of stretches that do not overlap.
func rows(spans []Span) (n int64) {
	for _, s := range spans {
		n += int64(s.Last - s.First + 1)
	}
	return n
}

// Union gives the rows of either, in order, without overlaps or neighbours. nil
// stands for all rows.
func Union(a, b []Span) []Span {
	if a == nil || b == nil {
		return nil
	}
	all := slices.Concat(a, b)
	slices.SortFunc(all, func(a, b Span) int { return cmp.Compare(a.First, b.First) })
	out := all[:0]
	for _, s := range all {
		if n := len(out); n > 0 && s.First <= out[n-1].Last+1 {
			out[n-1].Last = max(out[n-1].Last, s.Last)
			continue
		}
		out = append(out, s)
	}
	return out
}
