package tail

import (
	"bytes"
	"os"
	"slices"

	"github.com/loghaul/loghaul/forwarder/ledger"
	"github.com/loghaul/loghaul/forwarder/source"
)

// broker is what a test knows to be durable: every batch that was stored.
type broker struct {
	t       failer
	streams map[string]*stream // by source
}

type stream struct {
	bytes []byte
	have  []state // of each byte
}

type state uint8

const (
	missing state = iota
	archived
	declared // lost
	joined
)

func newBroker(t failer) *broker { return &broker{t: t, streams: map[string]*stream{}} }

func (b *broker) store(id string, run source.Run, raw []byte) {
	debugf("stored %s %+v", id, run)
	s := b.streams[id]
	if s == nil {
		s = &stream{}
		b.streams[id] = s
	}
	for int64(len(s.have)) < run.To {
		s.have, s.bytes = append(s.have, missing), append(s.bytes, 0)
	}
	for off := run.From; off < run.To; off++ {
		switch {
		case run.Lost == "joined":
			s.have[off] = joined
		case run.Lost != "":
			if s.have[off] == missing {
				s.have[off] = declared
			}
		default:
			c := raw[off-run.From]
			if s.have[off] == archived && s.bytes[off] != c {
				b.t.Fatalf("source %s holds %q and then %q at offset %d: two streams share an identity", id, s.bytes[off], c, off)
			}
			s.have[off], s.bytes[off] = archived, c
		}
	}
}

// lines gives each archived line and how often it is there.
func (b *broker) lines() map[string]int {
	out := map[string]int{}
	for id, s := range b.streams {
		var raw []byte
		for off, h := range s.have {
			switch h {
			case missing:
				b.t.Fatalf("source %s has a gap at %d", id, off)
			case archived:
				raw = append(raw, s.bytes[off])
			case declared, joined:
			}
		}
		for line := range bytes.Lines(raw) {
			out[string(bytes.TrimSuffix(line, []byte{'\n'}))]++
		}
	}
	return out
}

// check compares what is archived with what was written. settle comes before it.
func (w *world) check() {
	w.t.Helper()
	owner := map[*generation]string{}
	w.joints = map[*generation]int{}
	var losses []int64        // of streams that declare nothing but a loss
	whole := map[int]string{} // streams that have nothing but the rest of a line, by its length
	for id, s := range w.broker.streams {
		if n := bytes.Count(asBytes(s.have), []byte{byte(joined)}); n > 0 && n == len(s.have) {
			whole[n] = id
			continue
		}
		if !w.checkStream(id, s, owner) {
			losses = append(losses, int64(len(s.have)))
		}
	}
	for g, k := range w.joints {
		if k == len(g.bytes) && owner[g] == "" {
			owner[g] = whole[k]
		}
		if s := w.broker.streams[owner[g]]; s == nil && !g.dead || s != nil && bytes.Count(asBytes(s.have), []byte{byte(joined)}) != k {
			w.t.Errorf("%d bytes of generation %d are archived with another one, and it does not say so", k, g.n)
		}
	}
	gens := slices.Clone(w.gens) // those that must have a loss choose first
	slices.SortStableFunc(gens, func(a, b *generation) int { return int(b.seen - a.seen) })
	for _, g := range gens {
		if owner[g] != "" || len(g.bytes) == 0 {
			continue
		}
		if i := slices.IndexFunc(losses, func(n int64) bool {
			end := int64(len(g.bytes))
			if w.mode&inParts != 0 {
				end += 1024 // the rest of its last line is lost with it
			}
			return g.dead && n >= g.seen && n <= end
		}); i >= 0 {
			losses = slices.Delete(losses, i, i+1)
			continue
		}
		if g.seen == 0 && (g.dead || w.setBack) { // set back: nobody saw it, and its date says that it is older than what was seen
			continue
		}
		w.t.Errorf("generation %d of %d bytes, seen %d, dead %v: nothing is archived", g.n, len(g.bytes), g.seen, g.dead)
	}
	if len(losses) > 0 {
		w.t.Errorf("losses of %d bytes are declared of nothing that was lost", losses)
	}
	if links, err := os.ReadDir(w.cfg.Links); w.cfg.Links != "" && (err != nil || len(links) > 0) {
		w.t.Errorf("links are left: %v, %v", links, err)
	}
	counted := w.lost.counted + w.lostNow()
	if counted != w.lost.declared {
		w.t.Errorf("the ledger counts %d lost bytes, the streams declare %d", counted, w.lost.declared)
	}
	w.ledger.Each(func(a *ledger.Account) {
		if a.InFlight() > 0 {
			w.t.Errorf("ledger: read %d, acked %d, lost %d", a.ReadBytes.Load(), a.AckedBytes.Load(), a.LostBytes())
		}
	})
}

// checkStream finds the generation that a source is of. It says whether any of
// it is archived.
func (w *world) checkStream(id string, s *stream, owner map[*generation]string) bool {
	w.t.Helper()
	first := -1
	for off, h := range s.have {
		if h == archived && first < 0 {
			first = off
		}
	}
	if first < 0 {
		return false
	}
	for _, g := range w.gens {
		if len(g.bytes) <= first || !g.equal(s, first, min(first+64, len(g.bytes), len(s.have))) {
			continue
		}
		if owner[g] != "" {
			w.t.Errorf("generation %d is archived as %s and as %s", g.n, owner[g], id)
		}
		owner[g] = id
		w.checkGeneration(id, s, g)
		return true
	}
	w.t.Errorf("source %s: %.40q was never written at %d", id, s.bytes[first:], first)
	return true
}

func (g *generation) equal(s *stream, from, to int) bool {
	for off := from; off < to; off++ {
		if s.have[off] == archived && (off >= len(g.bytes) || s.bytes[off] != g.bytes[off]) {
			return false
		}
	}
	return true
}

func (w *world) checkGeneration(id string, s *stream, g *generation) {
	w.t.Helper()
	if k := len(s.have) - len(g.bytes); k > 0 && w.mode&inParts != 0 {
		for _, h := range w.gens {
			end := &stream{bytes: s.bytes[len(g.bytes):], have: s.have[len(g.bytes):]}
			if (h.n > g.n || w.setBack && h != g) && len(h.bytes) >= k && w.joints[h] == 0 && h.equal(end, 0, k) {
				w.joints[h] = k
				s = &stream{bytes: s.bytes[:len(g.bytes)], have: s.have[:len(g.bytes)]}
				break
			}
		}
	}
	if len(s.have) > len(g.bytes) || !g.equal(s, 0, len(s.have)) {
		w.t.Errorf("source %s is not what was written into generation %d", id, g.n)
		return
	}
	// A crash can leave a later batch stored and an earlier one not, and what
	// the positions knew of a file that is gone may end before both.
	if gap := slices.Index(s.have, missing); gap >= 0 && (!g.dead || int64(gap) < g.seen) {
		w.t.Errorf("source %s has a gap at %d", id, gap)
	}
	if lost := bytes.Count(asBytes(s.have), []byte{byte(declared)}); lost > 0 && !g.dead {
		w.t.Errorf("source %s declares %d bytes lost that are all there", id, lost)
	}
	whole := !g.dead && (!w.setBack || !g.copied && !g.packed)
	if want := int64(len(g.bytes)); whole && int64(len(s.have)) < want || int64(len(s.have)) < g.seen {
		w.t.Errorf("source %s, generation %d: %d bytes are archived or declared, %d were written and %d seen; dead %v",
			id, g.n, len(s.have), want, g.seen, g.dead)
	}
}

func asBytes(have []state) []byte {
	out := make([]byte, len(have))
	for i, h := range have {
		out[i] = byte(h)
	}
	return out
}
