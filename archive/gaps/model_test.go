package gaps_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/loghaul/loghaul/archive/gaps"
)

// model knows which rows of which objects are missing; the ledger must say of each
// of them that it is, at any moment.
type model struct {
	t       *testing.T
	rand    *rand.Rand
	store   *memory
	ledger  *gaps.Ledger
	pending gaps.Set // known, not written
	// missing are the rows that are known to be missing and not indexed since.
	missing map[row]bool
	read    map[gaps.File][]gaps.Entry // what check has seen; files never change
	keys    []string
	now     time.Time
}

type row struct {
	key string
	row int
}

// TestRandomLedgers adds, writes, merges, heals and dies, at random.
func TestRandomLedgers(t *testing.T) {
	runs := 60
	if testing.Short() {
		runs = 20
	}
	for seed := range runs {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			m := &model{
				t: t, rand: rand.New(rand.NewPCG(uint64(seed), 7)), store: newMemory(), missing: map[row]bool{}, read: map[gaps.File][]gaps.Entry{}, now: noon,
			}
			m.ledger = gaps.New(m.store, stream)
			for i := range 6 {
				m.keys = append(m.keys, key([]string{"a", "b-1"}[i%2], noon.Add(time.Duration(i)*25*time.Minute)))
			}
			for range 60 {
				m.step()
				m.check()
			}
			m.flush()
			for range 200 {
				if s := m.survey(); len(s.Files) == 0 {
					break
				}
				m.heal(1)
				m.check()
			}
			if s := m.survey(); len(m.missing) > 0 || s.Lines != 0 || len(s.Files) > 0 {
				t.Errorf("%d rows are missing in the end, the ledger has %d lines in %d files", len(m.missing), s.Lines, len(s.Files))
			}
		})
	}
}

func (m *model) step() {
	m.now = m.now.Add(time.Duration(m.rand.IntN(3)) * time.Millisecond)
	if m.rand.IntN(4) == 0 { // the process that does this dies within it
		m.store.steps, m.store.late = m.rand.IntN(4), m.rand.IntN(2) == 0
		defer func() { m.store.steps = -1 }()
	}
	switch m.rand.IntN(6) {
	case 0, 1, 2:
		k, first := m.keys[m.rand.IntN(len(m.keys))], m.rand.IntN(40)
		last := first + m.rand.IntN(6)
		add(m.t, &m.pending, k, first, last, []string{"queue_full", "unreachable", gaps.Rejected}[m.rand.IntN(3)])
		for r := first; r <= last; r++ {
			m.missing[row{k, r}] = true
		}
	case 3:
		m.flush()
	case 4:
		m.merge()
	case 5:
		m.heal(m.rand.Float64())
	}
}

// flush writes what is pending. What cannot be written stays pending.
func (m *model) flush() {
	for _, slot := range m.pending.Slots() {
		entries := m.pending.Entries(slot)
		if _, err := m.ledger.Write(m.t.Context(), slot, entries, m.now); err != nil {
			if !errors.Is(err, errDead) {
				m.t.Fatal(err)
			}
			return
		}
		m.pending.Remove(slot)
	}
}

func (m *model) survey() *gaps.Survey {
	s, err := m.ledger.Survey(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	return s
}

func (m *model) slot() (files []gaps.File) {
	all := m.survey().Files
	if len(all) == 0 {
		return nil
	}
	slot := all[m.rand.IntN(len(all))].Slot
	for _, f := range all {
		if f.Slot == slot && m.rand.IntN(4) > 0 {
			files = append(files, f)
		}
	}
	return files
}

func (m *model) merge() {
	if _, err := m.ledger.Merge(m.t.Context(), m.slot(), m.now, func(err error) { m.t.Error(err) }); err != nil && !errors.Is(err, errDead) {
		m.t.Fatal(err)
	}
}

// heal indexes a part of what some files name, and takes it off the ledger.
func (m *model) heal(part float64) {
	files := m.slot()
	var all, left gaps.Set
	for _, f := range files {
		entries, err := m.ledger.Read(m.t.Context(), f)
		if err != nil {
			m.t.Fatal(err)
		}
		for _, e := range entries {
			all.AddEntry(f.Slot, e)
		}
	}
	if len(files) == 0 {
		return
	}
	slot := files[0].Slot
	for _, e := range all.Entries(slot) {
		if m.rand.Float64() >= part {
			left.AddEntry(slot, e)
			continue
		}
		for _, s := range e.Rows {
			for r := s.First; r <= s.Last; r++ {
				delete(m.missing, row{e.Key, r})
			}
		}
	}
	if _, err := m.ledger.Replace(m.t.Context(), files, slot, left.Entries(slot), m.now); err != nil && !errors.Is(err, errDead) {
		m.t.Fatal(err)
	}
}

// check compares the ledger, and what waits to be written, with the model, and the
// names of the files with what is in them.
func (m *model) check() {
	m.t.Helper()
	named := map[row]bool{}
	note := func(entries []gaps.Entry) {
		for _, e := range entries {
			for _, s := range e.Rows {
				for r := s.First; r <= s.Last; r++ {
					named[row{e.Key, r}] = true
				}
			}
		}
	}
	var lines int64
	s := m.survey()
	for _, f := range s.Files {
		entries, ok := m.read[f]
		if !ok {
			var err error
			if entries, err = m.ledger.Read(m.t.Context(), f); err != nil {
				m.t.Fatal(err)
			}
			m.read[f] = entries
		}
		if n := gaps.Lines(entries); n != f.Lines || n == 0 {
			m.t.Errorf("%s has %d lines", m.ledger.Key(f), n)
		}
		lines += f.Lines
		note(entries)
	}
	if lines != s.Lines || len(s.Foreign) > 0 {
		m.t.Errorf("%d lines in the files, %d in the survey, foreign: %q", lines, s.Lines, s.Foreign)
	}
	for _, slot := range m.pending.Slots() {
		note(m.pending.Entries(slot))
	}
	for r := range m.missing {
		if !named[r] {
			m.t.Fatalf("row %d of %s is missing in the index, and the ledger does not say so", r.row, r.key)
		}
	}
}
