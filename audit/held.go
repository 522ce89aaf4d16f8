package audit

import (
	"encoding/binary"
	"hash/maphash"
	"sync"

	"github.com/loghaul/loghaul/archive"
)

// rowKey stands for a line, its identity and whether its end is known: two that
// are equal are duplicates. The seeds are random, so nobody can make two lines
// with one key.
type rowKey [2]uint64

// holder remembers which lines candidates have that others may have, too, until
// the last of these has been asked. What does not fit the limit is forgotten and
// read again when it is asked for.
type holder struct {
	seeds [2]maphash.Seed
	limit int // keys

	mu   sync.Mutex
	sets map[*candidate]*keySet
	keys int // in all sets
}

type keySet struct {
	ready chan struct{}
	keys  map[rowKey]struct{} // once ready
	err   error
}

// keyCost is what a key takes in memory, about.
const keyCost = 48

func newHolder(memory int64) *holder {
	return &holder{
		seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		limit: int(max(1, memory/keyCost)),
		sets:  map[*candidate]*keySet{},
	}
}

func (h *holder) key(source int32, r *archive.Row) (k rowKey) {
	var head [13]byte
	binary.LittleEndian.PutUint32(head[:], uint32(source))    //nolint:gosec // bit pattern
	binary.LittleEndian.PutUint64(head[4:], uint64(r.Offset)) //nolint:gosec // bit pattern
	if r.Ends() {
		head[12] = 1
	}
	for i := range k {
		var m maphash.Hash
		m.SetSeed(h.seeds[i])
		m.Write(head[:])   //nolint:errcheck // never fails
		m.Write(r.Message) //nolint:errcheck // never fails
		k[i] = m.Sum64()
	}
	return k
}

// begin says that the caller makes the set of c, and must call end. It is false
// if somebody else did or does.
func (h *holder) begin(c *candidate) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sets[c] != nil {
		return false
	}
	h.sets[c] = &keySet{ready: make(chan struct{})}
	return true
}

// end gives the set of c to those who wait for it.
func (h *holder) end(c *candidate, keys map[rowKey]struct{}, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	set := h.sets[c]
	set.keys, set.err = keys, err
	h.keys += len(keys)
	close(set.ready)
	for h.keys > h.limit {
		if !h.forgetFirst(c) {
			return
		}
	}
}

// forgetFirst forgets the first set but that of keep.
func (h *holder) forgetFirst(keep *candidate) bool {
	var first *candidate
	for c, set := range h.sets {
		if c != keep && set.keys != nil && (first == nil || c.order < first.order) {
			first = c
		}
	}
	if first != nil {
		h.forget(first)
	}
	return first != nil
}

func (h *holder) forget(c *candidate) {
	h.keys -= len(h.sets[c].keys)
	delete(h.sets, c)
}

// get gives the set of c, which make makes if it is not there.
func (h *holder) get(c *candidate, make func() (map[rowKey]struct{}, error)) (map[rowKey]struct{}, error) {
	if h.begin(c) {
		keys, err := make()
		h.end(c, keys, err)
		return keys, err
	}
	h.mu.Lock()
	set := h.sets[c]
	h.mu.Unlock()
	<-set.ready
	return set.keys, set.err
}
