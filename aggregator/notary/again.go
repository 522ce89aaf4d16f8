package notary

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/loghaul/loghaul/archive"
)

// secondLook is for what a killed process had sent and the store took only
// after its successor had looked: a request may outlive who made it.
type secondLook struct {
	from, to time.Time // of those that were sealed before this run
	listed   known
	due      time.Time
}

// lookAgain lists what turned up of an earlier run.
func (n *Notary) lookAgain(ctx context.Context) error {
	var found []Info
	for hour := n.again.from.Truncate(time.Hour); hour.Before(n.again.to); hour = hour.Add(time.Hour) {
		err := n.clerk.store.List(ctx, archive.HourPrefix(hour)+n.clerk.name+"-", func(o Info) error {
			key, err := archive.ParseKey(o.Key)
			if err != nil || key.Writer != n.clerk.name || key.Sealed.Before(n.again.from) || !key.Sealed.Before(n.again.to) {
				return nil //nolint:nilerr // not an object of ours
			}
			if _, ok := n.again.listed[idOf(key)]; !ok {
				found = append(found, o)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, o := range n.notMine(found) {
		it, err := n.clerk.adopt(ctx, o.Key)
		if damaged := (*damagedError)(nil); errors.As(err, &damaged) {
			n.refuse(err)
			continue
		}
		if err != nil {
			return err
		}
		n.count.own.Inc()
		n.note(it)
	}
	n.again = nil
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mine = nil
	return nil
}

// notMine leaves out what this run has stored, or is storing.
func (n *Notary) notMine(found []Info) []Info {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.DeleteFunc(found, func(o Info) bool { _, ok := n.mine[o.Key]; return ok })
}

// refusedKey gives the key of an object that was damaged.
func refusedKey(err error) string {
	if damaged := (*damagedError)(nil); errors.As(err, &damaged) {
		return damaged.key
	}
	return ""
}
