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
	if err := k.bury(ctx, s); err != nil {
		return err
	}
	if k.stuck {
		return nil // merged files would come on top
	}
	return k.merge(ctx, s.Files)
}

// bury makes gaps of what the dead left open: own runs of before at once, those of
// others when nobody renews their heartbeats.
func (k *Keeper) bury(ctx context.Context, s *gaps.Survey) error {
	now, seen := time.Now(), map[gaps.Beat]time.Time{}
	for _, run := range s.Runs() {
		var beats []gaps.Beat
		dead := true
		for _, b := range run {
			first, ok := k.seen[b.Beat]
			if !ok {
				first = now
			}
			seen[b.Beat] = first
			dead = dead && now.Sub(first) >= k.timing.Dead
			beats = append(beats, b.Beat)
		}
		writer, until, gone := beats[0].Writer, k.now(), false
		switch {
		case writer == k.name && beats[0].Run == k.run:
			if err := k.stray(ctx, beats); err != nil {
				return err
			}
			continue
		case writer == k.name && !k.began:
			until, gone = k.started, true
		case !dead:
			continue
		}
		lines, err := k.ledger.Adopt(ctx, beats, until, k.now(), gone)
		if err != nil {
			return err
		}
		k.count.adopted.Inc()
		if gone || lines > 0 {
			k.log.Info("an aggregator ended without a word; what it archived since the index was last known to be complete is noted as a gap",
				"aggregator", writer, "since", beats[0].Since, "lines", lines)
		}
		k.mu.Lock()
		k.again = true
		k.mu.Unlock()
	}
	k.seen, k.began = seen, true
	return nil
}

// stray removes heartbeats of this run that are none of its own: one that was stored
// though that failed, or one that another aggregator left when it took this one for
// dead. The own one has to be there.
func (k *Keeper) stray(ctx context.Context, beats []gaps.Beat) error {
	if !k.beating {
		return nil
	}
	for _, b := range beats {
		if slices.Contains(k.beats, b) {
			continue
		}
		if err := k.ledger.Forget(ctx, b); err != nil {
			return err
		}
	}
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
