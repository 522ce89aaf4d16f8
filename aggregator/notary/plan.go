package notary

import (
	"cmp"
	"crypto/sha256"
	"slices"
	"strings"
	"time"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/archive/manifest"
)

// Memory is about what a Notary takes: objects that wait, and the manifest that
// is made of them.
const Memory = 2 * maxWeight

const (
	// maxItems and maxWeight close a manifest before its hour is over.
	maxItems  = 256
	maxWeight = 8 << 20
	// rangeWeight, itemWeight and keyWeight are about what a range of a source,
	// the rest of an entry, and an object without its entry take in memory;
	// usualWeight is what an entry takes that was not made yet.
	rangeWeight, itemWeight, keyWeight = 200, 4 << 10, 256
	usualWeight                        = 64 << 10
)

// item is a stored object that waits for its manifest.
type item struct {
	key    string
	size   int64
	sum    [sha256.Size]byte
	sealed time.Time // to the millisecond
	// entry is nil while the object waits as key and checksum alone: then it is
	// read again.
	entry *manifest.Entry
	// weight is about what the entry takes in memory.
	weight int
	// recovered means that the checksum is not the writer's word.
	recovered bool
}

// enter makes the entry; s is nil for what was quarantined.
func (it *item) enter(s *archive.Summary) {
	it.entry = manifest.NewEntry(it.key, it.size, it.sum, s)
	it.entry.Recovered = it.recovered
	it.weight = itemWeight + it.entry.FilterBytes()
	if s != nil {
		it.weight += rangeWeight * (len(s.Meta.Ranges) + len(s.Meta.Losses))
	}
}

func sortItems(items []*item) {
	slices.SortFunc(items, func(a, b *item) int { return cmp.Or(a.sealed.Compare(b.sealed), strings.Compare(a.key, b.key)) })
}

// draft is a manifest to be written.
type draft struct {
	from, to time.Time
	end      bool
	items    []*item
}

// plan gives the manifest behind a chain that ends at `at`, on the way to one
// that ends at `to` or later and has all items. They are sorted, and `to` is
// behind the last one. ok is false when there is nothing left to do.
func plan(at, to time.Time, items []*item) (d draft, ok bool) {
	if len(items) == 0 {
		return draft{from: at, to: to}, at.Before(to)
	}
	first := items[0].sealed
	if first.Before(at) { // late: a supplement
		return draft{from: at, to: at, items: items[:fit(items[:before(items, at)])]}, true
	}
	hour := first.Truncate(time.Hour)
	if at.Before(hour) { // a bridge to the hour of the first object
		return draft{from: at, to: hour}, true
	}
	end := hour.Add(time.Hour)
	if to.Before(end) {
		end = to
	}
	n := before(items, end)
	if most := fit(items[:n]); most < n {
		end = items[most].sealed
		if n = before(items, end); n == 0 { // too many in one millisecond: those that are left will be late
			n, end = most, end.Add(time.Millisecond)
		}
	}
	return draft{from: at, to: end, items: items[:n]}, true
}

// fit counts the items from the first on that one manifest may have.
func fit(items []*item) int {
	weight := 0
	for i, it := range items {
		if weight += it.weight; i == maxItems || i > 0 && weight > maxWeight {
			return i
		}
	}
	return len(items)
}

// before counts the items that were sealed before t.
func before(items []*item, t time.Time) int {
	n, _ := slices.BinarySearchFunc(items, t, func(it *item, t time.Time) int { return it.sealed.Compare(t) })
	return n
}
