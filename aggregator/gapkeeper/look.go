package gapkeeper

import (
	"context"
	"slices"
	"time"

	"github.com/loghaul/loghaul/archive/gaps"
)

// look lists the ledger: it counts, makes gaps of dead heartbeats, and merges.
func (k *Keeper) look(ctx context.Context) error {
	s, err := k.ledger.Survey(ctx)
	if err != nil {
		return err
	}
	k.looked = time.Now()
	k.mu.Lock()
	k.lines, k.rejected, k.files = s.Lines, s.Rejected, int64(len(s.Files))
	k.mu.Unlock()
	for _, key := range s.Foreign {
		if !k.foreign[key] && len(k.foreign) < 1000 {
			k.foreign[key] = true
			k.log.Error("there is something in the gap ledger that no gap ledger has; it is left alone: take it away", "key", key)
		}
	}
	if err := k.bury(ctx, s.Beats); err != nil {
		return err
	}
	if k.stuck {
		return nil // merged files would come on top
	}
	return k.merge(ctx, s.Files)
}

// bury makes gaps of the heartbeats of the dead: own ones of before at once, those
// of others when nobody renews them.
func (k *Keeper) bury(ctx context.Context, beats []gaps.SeenBeat) error {
	now, seen := time.Now(), map[string]time.Time{}
	for _, b := range beats {
		until := k.now()
		switch {
		case b.Writer == k.name && b.Run == k.run:
			if !slices.Contains(k.beats, b.Beat) { // stored, though that failed
				if err := k.ledger.Forget(ctx, b.Beat); err != nil {
					return err
				}
			}
			continue
		case b.Writer == k.name && !k.began:
			until = k.started
		default:
			id := b.Writer + " " + b.Run + " " + b.At.String()
			first, ok := k.seen[id]
			if !ok {
				first = now
			}
			if now.Sub(first) < k.timing.Dead {
				seen[id] = first
				continue
			}
		}
		lines, err := k.ledger.Adopt(ctx, b.Beat, until, k.now())
		if err != nil {
			return err
		}
		k.count.adopted.Inc()
		k.log.Info("an aggregator ended without a word; what it archived since the index was last known to be complete is noted as a gap",
			"aggregator", b.Writer, "since", b.Since, "lines", lines)
		k.mu.Lock()
		k.again = true
		k.mu.Unlock()
	}
	k.seen, k.began = seen, true
	return nil
}

// merge makes one file of many: of the own ones, and of those that nobody else
// looks after.
func (k *Keeper) merge(ctx context.Context, files []gaps.File) error {
	bySlot := map[gaps.Slot][]gaps.File{}
	for _, f := range files {
		bySlot[f.Slot] = append(bySlot[f.Slot], f)
	}
	for slot, files := range bySlot {
		if len(files) < mergeAt || slot.Writer != k.name && slices.ContainsFunc(files, func(f gaps.File) bool { return k.now().Sub(f.Made) < old }) {
			continue
		}
		k.stuck = true
		_, err := k.ledger.Merge(ctx, files, k.now(), func(err error) {
			k.log.Error("a gap file is damaged; everything that its aggregator archived in its hour is taken for missing in the index", "error", err)
		})
		if err != nil {
			return err
		}
		k.stuck = false
		k.mu.Lock()
		k.again = true
		k.mu.Unlock()
	}
	return nil
}
