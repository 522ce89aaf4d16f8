package notary

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/archive/manifest"
)

const (
	// headsBack is how far back chains are looked for by day; beyond that all
	// manifests are listed.
	headsBack = 14 * day
	// maxAdopted bounds the objects of others that are read in one round.
	maxAdopted = 512
)

// others is what a notary knows of the other writers.
type others struct {
	next   time.Time // when to look at them again
	looked time.Time // up to when their objects were looked at
	heads  map[string]manifest.Head
	// settled are writers that are gone and have nothing left to list, with the
	// time of the last that was stored of them.
	settled map[string]time.Time
	refused map[string]struct{} // keys of objects that were damaged
}

// round looks at the manifests of the other writers: the newest of each go into
// our own, and the chain of one that died is closed.
func (n *Notary) round(ctx context.Context) error {
	if time.Now().Before(n.others.next) {
		return nil
	}
	s, err := n.clerk.survey(ctx, n.clerk.now().Add(-headsBack))
	if err != nil {
		return err
	}
	if err := n.readHeads(ctx, s); err != nil {
		return err
	}
	// After an outage everybody looks dead. Others get the time that they are
	// given anyway to show up.
	if works := n.tried.Works(); !works.IsZero() && time.Since(works) >= n.timing.Dead {
		if err := n.closeOthers(ctx, s); err != nil {
			return err
		}
	}
	n.others.next = time.Now().Add(n.timing.Round + rand.N(n.timing.Round/2+1))
	return nil
}

// readHeads reads the newest manifest of each other chain that is not old.
func (n *Notary) readHeads(ctx context.Context, s *survey) error {
	heads := map[string]manifest.Head{}
	for writer, refs := range s.refs {
		newest := refs[len(refs)-1]
		if writer == n.clerk.name || s.latest.Sub(newest.modified) > n.timing.Back {
			continue
		}
		if h, ok := n.others.heads[writer]; ok && h.Sequence == newest.Sequence {
			heads[writer] = h
			continue
		}
		f, err := manifest.Open(readerAt{ctx, n.clerk.store, newest.Key()}, newest.size)
		switch {
		case errors.Is(err, manifest.ErrCorrupt), errors.Is(err, manifest.ErrVersion):
			n.log.Error("the newest manifest of another aggregator cannot be read", "error", err, "key", newest.Key())
		case err != nil:
			return err
		default:
			heads[writer] = manifest.Head{Writer: writer, Link: f.Link()}
		}
	}
	n.others.heads, n.clerk.heads = heads, nil
	for _, writer := range slices.Sorted(maps.Keys(heads)) {
		n.clerk.heads = append(n.clerk.heads, heads[writer])
	}
	return nil
}

// closeOthers closes the chains of writers that are gone: of which nothing was
// stored for long, and that left a chain without an end, or objects that no
// manifest lists. Time is that of the store, so that nobody's clock matters.
func (n *Notary) closeOthers(ctx context.Context, s *survey) error {
	now := n.clerk.now()
	from := n.others.looked
	if from.IsZero() {
		from = now.Add(-n.timing.Back)
	}
	last := map[string]time.Time{}
	for writer, refs := range s.refs {
		last[writer] = refs[len(refs)-1].modified
	}
	err := n.clerk.objects(ctx, "", from, now, func(o Info, k archive.KeyInfo) error {
		last[k.Writer] = later(last[k.Writer], o.Modified)
		s.latest = later(s.latest, o.Modified)
		return nil
	})
	if err != nil {
		return err
	}
	dead := s.latest.Add(-n.timing.Dead)
	for _, writer := range slices.Sorted(maps.Keys(last)) {
		if writer == n.clerk.name || last[writer].After(dead) || !last[writer].After(n.others.settled[writer]) {
			continue
		}
		settled, err := n.closeOther(ctx, s, writer, from)
		if err != nil {
			return err
		}
		if settled {
			n.others.settled[writer] = last[writer]
		}
	}
	if err := n.adoptQuarantined(ctx, s, from, dead); err != nil {
		return err
	}
	n.others.looked = now.Add(-n.timing.Dead - 2*n.timing.Round)
	return nil
}

// closeOther closes the chain of one writer. settled means that nothing is left
// to do.
func (n *Notary) closeOther(ctx context.Context, s *survey, writer string, from time.Time) (settled bool, err error) {
	r, err := n.clerk.remains(ctx, s, writer, n.clerk.now(), from, ignore)
	if unusable := (*chainError)(nil); errors.As(err, &unusable) {
		n.log.Error("the manifests of an aggregator that is gone cannot be ended for it", "error", err, "writer", writer)
		return true, nil
	}
	if err != nil {
		return false, err
	}
	c := r.chain
	found := slices.DeleteFunc(r.found, func(o Info) bool { _, ok := n.others.refused[o.Key]; return ok })
	if len(found) == 0 && (c.head == nil || c.ended) {
		return true, nil
	}
	settled = len(found) <= maxAdopted
	adopted := 0
	wrote, err := n.clerk.list(ctx, c, listing{
		found: found[:min(len(found), maxAdopted)], end: settled, seen: ignore,
		adopted: func(*item) { adopted++; n.count.other.Inc() },
		refused: func(err error) {
			if len(n.others.refused) < maxWaiting {
				n.others.refused[refusedKey(err)] = struct{}{}
			}
			n.refuse(err)
		},
	})
	n.count.manifests.Add(wrote)
	switch {
	case errors.Is(err, errTaken): // by another like us, or the writer is back
		return false, nil
	case err != nil:
		return false, err
	case wrote > 0:
		n.log.Warn("an aggregator has stored nothing for long and did not end its manifests; they were ended for it", "writer", writer, "objects", adopted)
	}
	return settled, nil
}

// adoptQuarantined lists what was quarantined and is in no manifest. Its keys
// name no writer, so whoever finds it lists it among its own.
func (n *Notary) adoptQuarantined(ctx context.Context, s *survey, from, dead time.Time) error {
	found, err := n.clerk.quarantined(ctx, from, n.clerk.now())
	if err != nil {
		return err
	}
	found = slices.DeleteFunc(found, func(o Info) bool { _, ok := n.others.refused[o.Key]; return ok || o.Modified.After(dead) })
	if len(found) == 0 {
		return nil
	}
	listed, err := n.clerk.listedQuarantined(ctx, s, from)
	if err != nil {
		return err
	}
	for _, o := range found {
		if listed[o.Key] {
			continue
		}
		it, err := n.clerk.adopt(ctx, o.Key)
		if damaged := (*damagedError)(nil); errors.As(err, &damaged) {
			n.others.refused[o.Key] = struct{}{}
			n.refuse(err)
			continue
		}
		if err != nil {
			return err
		}
		n.count.other.Inc()
		n.note(it)
	}
	return nil
}
