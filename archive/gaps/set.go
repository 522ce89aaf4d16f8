package gaps

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/loghaul/loghaul/archive"
)

// maxSetEntries bounds a Set: about 10 MiB.
const maxSetEntries = 1 << 15

// Set collects gaps and merges what belongs together. It is bounded: where there
// is too much it stands for more than was put in, never for less. The zero value
// is ready.
type Set struct {
	slots   map[Slot]*slotSet
	entries int
}

// slotSet is what a Set knows of one slot.
type slotSet struct {
	objects map[objectReason]*Entry
	times   []Entry // without a key, in the order of their beginnings
	spans   int
}

type objectReason struct{ key, reason string }

// Add notes a gap that was seen at the given time. The error is about its key.
func (s *Set) Add(g Gap, at time.Time) error {
	k, err := archive.ParseKey(g.Key)
	if err != nil {
		return err
	}
	s.AddEntry(SlotOf(k, g.Reason), Entry{Key: g.Key, Rows: []Span{g.Rows}, Lines: int64(g.Lines), Reason: g.Reason, At: at.UnixMilli()})
	return nil
}

// AddEntry notes an entry of a slot, which must be one that a file about it may
// have. It keeps a copy.
func (s *Set) AddEntry(slot Slot, e Entry) {
	if s.slots == nil {
		s.slots = map[Slot]*slotSet{}
	}
	o := s.slots[slot]
	if o == nil {
		o = &slotSet{objects: map[objectReason]*Entry{}}
		s.slots[slot] = o
	}
	before := o.size()
	e.Rows = slices.Clone(e.Rows)
	if e.Key == "" {
		o.addTime(e)
	} else {
		o.addObject(slot, e)
	}
	s.entries += o.size() - before
	if s.entries > maxSetEntries {
		s.coarsen()
	}
}

func (o *slotSet) size() int { return len(o.objects) + len(o.times) }

// addTime merges stretches of one reason that overlap or touch.
func (o *slotSet) addTime(e Entry) {
	o.times = slices.DeleteFunc(o.times, func(x Entry) bool {
		if x.Reason != e.Reason || x.To < e.From || e.To < x.From {
			return false
		}
		if x.From == e.From && x.To == e.To {
			e.Lines = max(e.Lines, x.Lines) // noted twice
		} else {
			e.Lines = min(e.Lines+x.Lines, maxLines)
		}
		e.From, e.To, e.At = min(e.From, x.From), max(e.To, x.To), min(e.At, x.At)
		return true
	})
	o.times = append(o.times, e)
	slices.SortFunc(o.times, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), cmp.Compare(a.Reason, b.Reason))
	})
}

func (o *slotSet) addObject(slot Slot, e Entry) {
	from, to := slot.bounds()
	if i := slices.IndexFunc(o.times, func(x Entry) bool { return x.From == from && x.To == to }); i >= 0 {
		x := &o.times[i] // everything is missing already
		x.Lines, x.At = min(x.Lines+e.Lines, maxLines), min(x.At, e.At)
		return
	}
	if e.Rows != nil {
		e.Lines = min(e.Lines, rows(e.Rows))
	}
	k := objectReason{e.Key, e.Reason}
	old := o.objects[k]
	if old == nil {
		o.objects[k], old = &e, &e
	} else {
		o.spans -= len(old.Rows)
		union := Union(old.Rows, e.Rows)
		switch {
		case old.Rows == nil && e.Rows == nil:
			old.Lines = max(old.Lines, e.Lines) // noted twice
		default:
			old.Lines = min(old.Lines+e.Lines, maxLines)
		}
		if old.Rows = union; union != nil {
			old.Lines = min(old.Lines, rows(union))
		}
		old.At = min(old.At, e.At)
	}
	if len(old.Rows) > maxSpans {
		old.Rows = nil
	}
	if o.spans += len(old.Rows); o.spans > maxSlotSpans {
		o.spans = 0
		for _, e := range o.objects {
			if len(e.Rows) > fewSpans {
				e.Rows = nil
			}
			o.spans += len(e.Rows)
		}
	}
	if o.size() > maxEntries {
		o.whole(slot)
	}
}

// whole makes one entry of all, for everything in the hour.
func (o *slotSet) whole(slot Slot) {
	if o.size() <= 1 {
		return
	}
	all := slot.everything(0, "", 0)
	take := func(e *Entry) {
		all.Lines = min(all.Lines+e.Lines, maxLines)
		if all.Reason == "" || e.At < all.At {
			all.Reason, all.At = e.Reason, e.At
		}
	}
	for _, e := range o.entries() {
		take(&e)
	}
	o.objects, o.times, o.spans = map[objectReason]*Entry{}, []Entry{all}, 0
}

// entries gives all of them, in the order of keys and reasons; stretches of time
// come first.
func (o *slotSet) entries() []Entry {
	out := slices.Clone(o.times)
	for _, k := range slices.SortedFunc(maps.Keys(o.objects), func(a, b objectReason) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.reason, b.reason))
	}) {
		out = append(out, *o.objects[k])
	}
	return out
}

// coarsen takes the slots with the most entries for wholly missing, until there
// is room again. What is left then is an entry for each hour; a hundred years of
// them take less than the bound.
func (s *Set) coarsen() {
	for s.entries > maxSetEntries/2 {
		var most Slot
		size := 1
		for slot, o := range s.slots {
			if n := o.size(); n > size {
				most, size = slot, n
			}
		}
		if size == 1 {
			return
		}
		s.slots[most].whole(most)
		s.entries -= size - 1
	}
}

// Slots gives those about which there is something, in the order of their hours.
func (s *Set) Slots() []Slot {
	return slices.SortedFunc(maps.Keys(s.slots), func(a, b Slot) int {
		r := 0
		if a.Rejected != b.Rejected {
			if r = -1; a.Rejected {
				r = 1
			}
		}
		return cmp.Or(cmp.Compare(a.Hour, b.Hour), cmp.Compare(a.Writer, b.Writer), r)
	})
}

// Entries gives those of a slot. The caller must not change them.
func (s *Set) Entries(slot Slot) []Entry {
	if o := s.slots[slot]; o != nil {
		return o.entries()
	}
	return nil
}

// TakeObject removes the entries of an object and gives them.
func (s *Set) TakeObject(slot Slot, key string) (out []Entry) {
	o := s.slots[slot]
	if o == nil {
		return nil
	}
	for k, e := range o.objects {
		if k.key == key {
			out = append(out, *e)
			o.spans -= len(e.Rows)
			delete(o.objects, k)
		}
	}
	s.entries -= len(out)
	return out
}

// Remove forgets a slot.
func (s *Set) Remove(slot Slot) {
	if o := s.slots[slot]; o != nil {
		s.entries -= o.size()
		delete(s.slots, slot)
	}
}

// Len counts the entries.
func (s *Set) Len() int { return s.entries }

// Lines sums up what is missing, and how much of that was rejected.
func (s *Set) Lines() (all, refused int64) {
	for slot, o := range s.slots {
		n := Lines(o.entries())
		all += n
		if slot.Rejected {
			refused += n
		}
	}
	return all, refused
}

// Oldest gives when the first object was sealed about which there is something;
// zero if there is nothing.
func (s *Set) Oldest() (t time.Time) {
	for slot, o := range s.slots {
		for i := range o.times {
			t = earlier(t, time.UnixMilli(o.times[i].From))
		}
		for k := range o.objects {
			if info, err := archive.ParseKey(k.key); err == nil {
				t = earlier(t, info.Sealed)
			} else {
				t = earlier(t, slot.Start())
			}
		}
	}
	return t
}

// earlier gives the earlier one of two times; zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// Lines sums up entries.
func Lines(entries []Entry) (n int64) {
	for i := range entries {
		n = min(n+entries[i].Lines, maxLines)
	}
	return n
}
