package verify

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/loghaul/loghaul/archive/manifest"
)

// maxBreaks bounds what is kept of what is wrong with one chain.
const maxBreaks = 1000

func (c *chain) add(b Break) {
	if len(c.breaks) >= maxBreaks {
		c.more++
		return
	}
	c.breaks = append(c.breaks, b)
}

// judgeChains gives the verdict about each chain.
func (r *run) judgeChains(context.Context) error {
	r.followHeads()
	for _, writer := range slices.Sorted(maps.Keys(r.chains)) {
		c := r.chains[writer]
		c.follow(r)
		v := c.verdict()
		r.total.Chains[v.Verdict]++
		for _, b := range c.breaks {
			if b.Kind.unread() {
				r.total.Unread++
			} else {
				r.total.Differences++
			}
		}
		r.total.Differences += int64(c.more)
		if r.OnChain != nil {
			if err := r.OnChain(v); err != nil {
				return err
			}
		}
	}
	return nil
}

// followHeads looks for the manifests that others knew of. Of a number in the
// middle follow finds that it is missing.
func (r *run) followHeads() {
	newest := map[string]head{}
	for h, w := range r.heads {
		c := r.chains[h.writer]
		if c == nil || len(c.all) == 0 || c.all[len(c.all)-1].Sequence < h.sequence {
			if h.sequence > newest[h.writer].sequence {
				newest[h.writer] = h
			}
			continue
		}
		i, ok := slices.BinarySearchFunc(c.links, h.sequence, func(l *link, n int64) int { return int(l.sequence - n) })
		if !ok || i+1 < len(c.links) && c.links[i+1].sequence == h.sequence { // missing or a fork, which follow finds
			continue
		}
		if l := c.links[i]; l.read && l.problem == nil && l.hash != w.sha256 {
			c.add(Break{Sequence: l.sequence, Kind: Replaced, Key: l.key, Why: "it is not the one that " + w.by + " knew of"})
		}
	}
	if r.blind != nil {
		return
	}
	for writer, h := range newest {
		c := r.chain(writer)
		b := Break{Sequence: 1, Kind: Dropped, Why: fmt.Sprintf("%s knew of number %d", r.heads[h].by, h.sequence)}
		if n := len(c.all); n > 0 {
			b.Sequence = c.all[n-1].Sequence + 1
		} else if !r.From.IsZero() {
			b.Sequence = h.sequence
		}
		if b.Sequence < h.sequence {
			b.Through = h.sequence
		}
		c.add(b)
	}
}

// follow goes from manifest to manifest.
func (c *chain) follow(r *run) {
	next := c.first
	var last *link // the one before, nil at the start and behind a hole
	for i := 0; i < len(c.links); {
		n := i + 1
		for n < len(c.links) && c.links[n].sequence == c.links[i].sequence {
			n++
		}
		l := c.links[i]
		if l.sequence < next { // read for what is near only
			last, i = l, n
			continue
		}
		if last != nil && last.sequence != l.sequence-1 {
			last = nil
		}
		if l.sequence > next {
			c.hole(next, l.sequence-1)
		}
		if n > i+1 {
			l = c.fork(c.links[i:n], last)
		}
		c.join(last, l)
		last, next, i = l, l.sequence+1, n
	}
	c.stops(r, last)
	slices.SortStableFunc(c.breaks, func(a, b Break) int { return int(a.Sequence - b.Sequence) })
}

func (c *chain) hole(from, to int64) {
	b := Break{Sequence: from, Kind: NumberMissing, Why: "there is no such manifest"}
	if to > from {
		b.Through = to
	}
	c.add(b)
}

// fork chooses one of several manifests of one number to go on from: one that
// continues the last one, and is right by itself.
func (c *chain) fork(all []*link, last *link) *link {
	keys := make([]string, 0, len(all))
	best, rank := all[0], -1
	for _, l := range all {
		keys = append(keys, l.key)
		n := 0
		if l.read && l.problem == nil {
			n += 2
		}
		if l.read && (last == nil || l.previous == last.hash && l.from.Equal(last.to)) {
			n++
		}
		if n > rank {
			best, rank = l, n
		}
	}
	c.add(Break{Sequence: best.sequence, Kind: Fork, Key: best.key, Why: "there are several: " + strings.Join(keys, ", ")})
	for _, l := range all {
		if l != best && l.problem != nil {
			c.add(*l.problem)
		}
	}
	return best
}

// join compares a manifest with the one before. If that is wrong by itself,
// what does not fit is its fault.
func (c *chain) join(last, l *link) {
	if l.problem != nil {
		c.add(*l.problem)
		return
	}
	if last == nil || !last.read || last.problem != nil {
		return
	}
	switch {
	case l.previous != last.hash:
		c.add(Break{
			Sequence: l.sequence, Kind: WrongPrevious, Key: l.key,
			Why: fmt.Sprintf("it continues a number %d of SHA-256 %.12s…, the one that is there has %.12s…", last.sequence, l.previous, last.hash),
		})
	case !l.from.Equal(last.to):
		c.add(Break{
			Sequence: l.sequence, Kind: TimesDoNotJoin, Key: l.key,
			Why: fmt.Sprintf("it begins at %s, number %d ends at %s", stamp(l.from), last.sequence, stamp(last.to)),
		})
	}
}

// stops finds a chain that should go on.
func (c *chain) stops(r *run, last *link) {
	if last == nil || !last.read || last.end || slices.ContainsFunc(c.breaks, func(b Break) bool { return b.Kind == Dropped }) {
		return
	}
	until := r.young
	if !r.To.IsZero() && r.To.Before(until) {
		until = r.To
	}
	if last.to.Before(until) {
		c.add(Break{
			Sequence: last.sequence, Kind: Stops, Key: last.key,
			Why: fmt.Sprintf("it ends at %s and does not say that its writer stopped; the next one is missing", stamp(last.to)),
		})
	}
}

func (c *chain) verdict() Chain {
	v := Chain{Verdict: Intact, Writer: c.writer, Breaks: c.breaks, More: c.more}
	keys := map[string]bool{}
	for _, l := range c.links {
		if l.sequence < c.first {
			continue
		}
		v.Manifests++
		if v.First == 0 {
			v.First = l.sequence
		}
		v.Last = l.sequence
		if !l.read {
			continue
		}
		if v.From.IsZero() {
			v.From = l.from
		}
		v.To, v.Ended, v.Head = l.to, l.end, &manifest.Link{Sequence: l.sequence, SHA256: l.hash}
		if l.signedBy != "" {
			keys[l.signedBy] = true
		}
	}
	v.Keys = slices.Sorted(maps.Keys(keys))
	for _, b := range c.breaks {
		if !b.Kind.unread() {
			v.Verdict = Broken
		} else if v.Verdict == Intact {
			v.Verdict = Unread
		}
	}
	return v
}

// stamp writes a time for people.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
