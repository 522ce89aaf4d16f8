package verify_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/archive/manifest"
	"github.com/loghaul/loghaul/audit/verify"
)

// model is what a random archive has, and what was done to it. expect tells from
// that alone what has to be found.
type model struct {
	*world
	rng       *rand.Rand
	now       time.Time
	objects   []*object
	manifests []*written
	undo      []func()
	// keyed says that signatures count.
	keyed bool
}

type object struct {
	key, writer string
	sealed      time.Time
	size        int64
	pieces      []piece
	// in are the manifests that name it.
	in        []*written
	bad, gone bool
	// same says that it has its size still.
	same bool
}

type written struct {
	key      string
	writer   string
	sequence int64
	to       time.Time
	end      bool
	heads    []manifest.Head
	// state is what was done to it: "" nothing, gone, forged, unreadable,
	// misplaced; filters says that only these were edited.
	state   string
	filters bool
}

// piece is a stretch of a source, of lines or of none.
type piece struct {
	source   rune
	from, to int64
	reason   string
}

func (p piece) batch() archive.Batch {
	if p.reason != "" {
		return lost(source(p.source), p.from, p.to, p.reason)
	}
	return batch(source(p.source), p.from, lines(int(p.to-p.from)/lineSize))
}

// newModel makes a sound archive: several writers, some of which end, are ended
// by others, or begin again; late objects, losses, repeats, and what is too
// young for a manifest.
func newModel(t *testing.T, seed uint64) *model {
	t.Helper()
	m := &model{world: newWorld(t), rng: rand.New(rand.NewPCG(seed, 1))}
	hours := 3 + m.rng.IntN(2)
	names := []string{"a", "a-0", "b.c", "a-00-1"}[:2+m.rng.IntN(3)]
	offsets := map[rune]int64{}
	late := map[string][]*object{}
	waiting := map[string][]*object{}
	ended := map[string]bool{}
	end := start.Add(time.Duration(hours) * time.Hour)
	m.now = end.Add(time.Duration(m.rng.IntN(100)) * time.Minute)
	if m.rng.IntN(2) == 0 {
		m.now = end.Add(24 * time.Hour)
	}
	alive := m.now.Sub(end) < 2*time.Hour
	for h := range hours + 1 {
		began := start.Add(time.Duration(h) * time.Hour)
		last := h == hours
		if last && !alive {
			break
		}
		for _, name := range names {
			x := m.writer(name)
			if ended[name] {
				if last || m.rng.IntN(3) > 0 {
					continue
				}
				ended[name] = false // it begins again
				m.write(x, began, nil, func(d *manifest.Manifest) { d.End = false })
			}
			for range m.rng.IntN(3) {
				var pieces []piece
				for range 1 + m.rng.IntN(2) {
					pieces = append(pieces, m.piece(offsets))
				}
				if m.rng.IntN(4) == 0 && len(m.objects) > 0 { // delivered twice
					pieces = append(pieces, m.objects[m.rng.IntN(len(m.objects))].pieces[0])
				}
				window := time.Hour
				if last {
					window = m.now.Sub(began) + time.Millisecond
				}
				o := m.store1(x, began.Add(time.Duration(m.rng.Int64N(int64(window/time.Millisecond)))*time.Millisecond), pieces)
				if o == nil {
					continue
				}
				if m.rng.IntN(5) == 0 {
					late[name] = append(late[name], o)
				} else {
					waiting[name] = append(waiting[name], o)
				}
			}
			if last {
				continue
			}
			ends := h == hours-1 && !alive || m.rng.IntN(6) == 0
			finish := func(d *manifest.Manifest) {
				d.End = ends
				if ends && m.rng.IntN(2) == 0 {
					d.MadeBy = "another"
				}
				for _, other := range names {
					if y := m.writers[other]; y != nil && other != name && y.previous != nil && m.rng.IntN(2) == 0 {
						d.Heads = append(d.Heads, y.head())
					}
				}
			}
			m.write(x, began.Add(time.Hour), waiting[name], func(d *manifest.Manifest) {
				finish(d)
				d.End = d.End && len(late[name]) == 0
			})
			waiting[name] = nil
			if len(late[name]) > 0 && (ends || m.rng.IntN(2) == 0 || h == hours-1) {
				m.write(x, began.Add(time.Hour), late[name], finish)
				late[name] = nil
			}
			ended[name] = ends && len(late[name]) == 0
		}
	}
	return m
}

// piece gives the next stretch of some source.
func (m *model) piece(offsets map[rune]int64) piece {
	p := piece{source: rune('a' + m.rng.IntN(4))}
	p.from = offsets[p.source]
	p.to = p.from + int64(1+m.rng.IntN(3))*lineSize
	switch m.rng.IntN(8) {
	case 0:
		p.reason = "truncated"
	case 1:
		p.reason = "joined"
	}
	offsets[p.source] = p.to
	return p
}

// store1 stores an object, unless there is one of that key.
func (m *model) store1(x *writer, sealed time.Time, pieces []piece) *object {
	var batches []archive.Batch
	for _, p := range pieces {
		batches = append(batches, p.batch())
	}
	key := x.put(sealed, batches...)
	x.waiting = nil
	o := &object{key: key, writer: x.name, sealed: sealed, pieces: pieces, size: int64(len(m.read(key)))}
	m.objects = append(m.objects, o)
	return o
}

func (m *model) write(x *writer, to time.Time, objects []*object, edit func(*manifest.Manifest)) {
	d, _ := x.next(to)
	edit(d)
	var entries []*manifest.Entry
	for _, o := range objects {
		entries = append(entries, m.entryOf(o.key))
	}
	key := x.publish(d, entries)
	w := &written{key: key, writer: x.name, sequence: d.Sequence, to: to, end: d.End, heads: d.Heads}
	m.manifests = append(m.manifests, w)
	for _, o := range objects {
		o.in = append(o.in, w)
	}
}

func (m *model) entryOf(key string) *manifest.Entry {
	b := m.read(key)
	return m.entryOfBody(key, b)
}

// tamper does one thing at random, and says which.
func (m *model) tamper() string {
	o := m.objects[m.rng.IntN(len(m.objects))]
	w := m.manifests[m.rng.IntN(len(m.manifests))]
	if o.bad || o.gone || w.state != "" || w.filters {
		return ""
	}
	switch m.rng.IntN(9) {
	case 0:
		m.change(o.key, func(b []byte) []byte { return flip(m.rng.IntN(len(b)))(b) })
		o.bad, o.same = true, true
		return "flipped " + o.key
	case 1:
		m.change(o.key, func(b []byte) []byte { return b[:m.rng.IntN(len(b))] })
		o.bad = true
		return "cut " + o.key
	case 2:
		m.change(o.key, func([]byte) []byte { return nil })
		o.gone = true
		return "deleted " + o.key
	case 3:
		p := m.objects[m.rng.IntN(len(m.objects))]
		if p == o || p.bad || p.gone || p.size == o.size {
			return ""
		}
		a, b := m.read(o.key), m.read(p.key)
		m.change(o.key, func([]byte) []byte { return b })
		m.change(p.key, func([]byte) []byte { return a })
		o.bad, p.bad = true, true
		return "swapped " + o.key + " and " + p.key
	case 4:
		k, err := archive.ParseKey(o.key)
		if err != nil {
			m.t.Fatal(err)
		}
		k.Hash = fmt.Sprintf("%012x", m.rng.Uint64()>>16)
		m.overwrite(k.Key(), []byte("foreign"))
		m.undo = append(m.undo, func() { m.remove(k.Key()) })
		m.objects = append(m.objects, &object{key: k.Key(), writer: o.writer, sealed: o.sealed, bad: true})
		return "added " + k.Key()
	case 5:
		m.change(w.key, func([]byte) []byte { return nil })
		w.state = "gone"
	case 6:
		m.change(w.key, flip(-1))
		w.state = "forged"
	case 7:
		m.change(w.key, func(b []byte) []byte { return flip(len(b) - 112 - 1 - m.rng.IntN(20))(b) })
		w.state = "unreadable"
	case 8:
		other := m.manifests[m.rng.IntN(len(m.manifests))]
		if other == w || other.state != "" {
			return ""
		}
		b := m.read(other.key)
		m.change(w.key, func([]byte) []byte { return b })
		w.state = "misplaced"
	}
	return w.state + " " + w.key
}

// change edits a file, or removes it, until restore.
func (m *model) change(key string, fn func([]byte) []byte) {
	before := m.read(key)
	m.undo = append(m.undo, func() { m.overwrite(key, before) })
	if after := fn(slices.Clone(before)); after != nil {
		m.overwrite(key, after)
	} else {
		m.remove(key)
	}
}

func (m *model) restore() {
	slices.Reverse(m.undo)
	for _, fn := range m.undo {
		fn()
	}
	m.undo = nil
	m.objects = slices.DeleteFunc(m.objects, func(o *object) bool { return o.size == 0 })
	for _, o := range m.objects {
		o.bad, o.gone, o.same = false, false, false
	}
	for _, w := range m.manifests {
		w.state, w.filters = "", false
	}
}

// stateOf is what was done to a manifest, as far as it can be seen.
func (m *model) stateOf(w *written) string {
	if w.state == "forged" && !m.keyed {
		return ""
	}
	return w.state
}

// expect tells what a run has to find.
func (m *model) expect(deep bool) (all []string) {
	young := m.now.Add(-2 * time.Hour)
	present := map[string][]*written{}
	for _, w := range m.manifests {
		if w.state != "gone" {
			present[w.writer] = append(present[w.writer], w)
		}
	}
	all = append(all, m.expectChains(present, young)...)
	covered, claimed, settled := map[rune]map[int64]bool{}, map[rune]int64{}, map[rune]int64{}
	cover := func(o *object, there bool) {
		for _, p := range o.pieces {
			if covered[p.source] == nil {
				covered[p.source] = map[int64]bool{}
			}
			for b := p.from; there && b < p.to; b++ {
				covered[p.source][b] = true
			}
			if !there || !o.sealed.Before(young) {
				claimed[p.source] = max(claimed[p.source], 0)
			}
			if !there {
				claimed[p.source] = max(claimed[p.source], p.to)
			}
			if o.sealed.Before(young) {
				settled[p.source] = max(settled[p.source], p.to)
			}
		}
	}
	for _, o := range m.objects {
		vouched, named := false, false
		for _, w := range o.in {
			vouched = vouched || m.stateOf(w) == ""
			named = named || w.state == "" || w.state == "forged"
		}
		bad := o.bad && (deep || !o.same || !vouched)
		switch {
		case o.gone && named:
			all = append(all, "missing "+o.key)
			if vouched {
				cover(o, false)
			}
		case o.gone:
		case vouched && bad:
			all = append(all, "changed "+o.key)
			cover(o, false)
		case vouched:
			cover(o, true)
		case named && bad:
			all = append(all, "changed "+o.key)
		case named:
			all = append(all, "unsigned "+o.key)
			cover(o, true)
		case !o.sealed.Before(young):
			if bad {
				all = append(all, "changed "+o.key)
			} else {
				cover(o, true)
			}
		default:
			if len(present[o.writer]) > 0 {
				all = append(all, "extra "+o.key)
			} else if bad {
				all = append(all, "changed "+o.key)
			} else if m.keyed {
				all = append(all, "unsigned "+o.key)
			}
			if !bad {
				cover(o, true)
			}
		}
	}
	all = append(all, m.expectGaps(covered, claimed, settled)...)
	slices.Sort(all)
	return all
}

// expectGaps goes from byte to byte.
func (*model) expectGaps(covered map[rune]map[int64]bool, claimed, settled map[rune]int64) (all []string) {
	for s, bytes := range covered {
		end := claimed[s]
		for b := range bytes {
			end = max(end, b+1)
		}
		// What a manifest that counts names is missing at once; what nobody names
		// once old bytes follow.
		for b := int64(0); b < end; {
			if bytes[b] {
				b++
				continue
			}
			from := b
			for b < end && !bytes[b] {
				b++
			}
			if from < settled[s] || from < claimed[s] {
				all = append(all, fmt.Sprintf("gap %s %d-%d", source(s).ID[22:], from, b))
			}
		}
	}
	return all
}

func (m *model) expectChains(present map[string][]*written, young time.Time) (all []string) {
	knew := map[string]int64{}
	last := map[string]int64{}
	for _, w := range m.manifests {
		last[w.writer] = max(last[w.writer], w.sequence)
		if m.stateOf(w) != "" {
			continue
		}
		for _, h := range w.heads {
			knew[h.Writer] = max(knew[h.Writer], h.Sequence)
		}
	}
	for writer, n := range last {
		kinds := map[int64]string{}
		newest := int64(0)
		var newestOf *written
		for _, w := range present[writer] {
			kinds[w.sequence] = m.stateOf(w)
			if w.sequence > newest {
				newest, newestOf = w.sequence, w
			}
		}
		// Holes in a row are told at once.
		for i := int64(1); i <= newest; i++ {
			state, ok := kinds[i]
			if ok {
				if state != "" {
					all = append(all, fmt.Sprintf("%s %d %s", writer, i, state))
				}
				continue
			}
			j := i
			for _, ok := kinds[j+1]; !ok; _, ok = kinds[j+1] {
				j++
			}
			all = append(all, hole(writer, i, j, "missing"))
			i = j
		}
		switch {
		case knew[writer] > newest:
			all = append(all, hole(writer, newest+1, knew[writer], "dropped"))
		case newest > 0 && newestOf.state != "unreadable" && newestOf.state != "misplaced" && !newestOf.end && newestOf.to.Before(young):
			all = append(all, fmt.Sprintf("%s %d stops", writer, newest))
		}
		_ = n
	}
	return all
}

func hole(writer string, from, to int64, kind string) string {
	if from == to {
		return fmt.Sprintf("%s %d %s", writer, from, kind)
	}
	return fmt.Sprintf("%s %d-%d %s", writer, from, to, kind)
}

// seeds is how many random archives are made.
func seeds() uint64 {
	if testing.Short() {
		return 2
	}
	return 8
}

// TestRandomTampering makes random archives, in which nothing is to be found,
// and falsifies each several times: what was done is found, and nothing else.
func TestRandomTampering(t *testing.T) {
	for seed := range seeds() {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			m := newModel(t, seed)
			for round := range 16 {
				var done []string
				for range round % 4 {
					if what := m.tamper(); what != "" {
						done = append(done, what)
					}
				}
				deep := round >= 12
				o := verify.Options{Now: m.now, Deep: deep}
				if m.keyed = round%5 != 4; m.keyed {
					o.Keys = m.keys
				}
				r := m.verify(o)
				if d := cmp.Diff(m.expect(deep), r.differences()); d != "" {
					t.Errorf("round %d, deep %v, keyed %v, after %q (-want +got):\n%s", round, deep, m.keyed, done, d)
				}
				m.restore()
			}
		})
	}
}

// TestRandomSelection looks at parts of sound archives: nothing is to be found,
// wherever a part begins and ends.
func TestRandomSelection(t *testing.T) {
	for seed := range seeds() {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			m := newModel(t, 100+seed)
			for round := range 16 {
				o := verify.Options{Now: m.now, Keys: m.keys, Deep: round == 0}
				hours := m.now.Sub(start)
				if m.rng.IntN(4) > 0 {
					o.From = start.Add(time.Duration(m.rng.Int64N(int64(min(hours, 6*time.Hour)))))
				}
				if m.rng.IntN(4) > 0 {
					o.To = start.Add(time.Duration(m.rng.Int64N(int64(min(hours, 6*time.Hour)))))
				}
				if m.rng.IntN(2) > 0 {
					o.Source = source(rune('a' + m.rng.IntN(4))).ID
				}
				if r := m.verify(o); len(r.differences()) > 0 || r.total.Unread > 0 {
					t.Errorf("from %s to %s: %q, %+v", o.From, o.To, r.differences(), r.total)
				}
			}
		})
	}
}
