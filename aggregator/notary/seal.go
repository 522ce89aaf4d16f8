package notary

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/archive/manifest"
)

// SealOptions says what Seal does.
type SealOptions struct {
	// By is who seals: MadeBy of the manifests, and the writer of those that list
	// what was quarantined, whose keys name nobody.
	By string
	// Signer signs; nil does not sign.
	Signer *manifest.Signer
	// From and To bound the times at which objects were sealed, [From, To); zero
	// is no bound.
	From, To time.Time
	// OlderThan leaves out what was stored more recently: the aggregator that
	// stored it may be about to list it. A writer of which nothing was stored for
	// that long is taken for gone, and its chain is ended.
	OlderThan time.Duration
	// DryRun writes nothing.
	DryRun bool
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Report gets what was done for each writer, or would be, by its name.
	Report func(Sealed) error
	// Refused gets what was not listed and why: objects that are damaged, chains
	// that cannot go on.
	Refused func(error)
}

// Sealed is what Seal did for one writer.
type Sealed struct {
	Writer string `json:"writer"`
	// Objects were listed, Bytes is their size. With DryRun they are those that
	// would be read.
	Objects int   `json:"objects"`
	Bytes   int64 `json:"bytes"`
	// From and To are when the first and the last of them was sealed.
	From *time.Time `json:"from,omitempty"`
	To   *time.Time `json:"to,omitempty"`
	// Refused were not listed.
	Refused int `json:"refused"`
	// Manifests were written.
	Manifests int `json:"manifests"`
	// Ended says that the chain is ended.
	Ended bool `json:"ended"`
}

// Seal lists every object of an archive that no manifest lists: of aggregators
// that are gone, and what was stored before there were manifests. It reads each
// of them whole. It keeps about 30 bytes for each object of the archive that is
// listed, and 200 for each that is not.
func Seal(ctx context.Context, store Store, o SealOptions) error {
	if o.Now == nil {
		o.Now = time.Now
	}
	k, err := newClerk(store, o.By, o.Now, func() (*manifest.Signer, error) { return o.Signer, nil })
	if err != nil {
		return err
	}
	s, err := k.survey(ctx, time.Time{})
	if err != nil {
		return err
	}
	chains, listed := map[string]*chain{}, map[string]known{}
	for writer, refs := range s.refs {
		if chains[writer], listed[writer], err = k.load(ctx, writer, refs, time.Time{}, ignore); err != nil {
			unusable := (*chainError)(nil)
			if !errors.As(err, &unusable) {
				return err
			}
			o.Refused(err)
			delete(chains, writer)
		}
	}
	now := k.now()
	last, found := map[string]time.Time{}, map[string][]Info{}
	for writer, refs := range s.refs {
		last[writer] = refs[len(refs)-1].modified
	}
	err = k.objects(ctx, "", o.From, now, func(i Info, key archive.KeyInfo) error {
		last[key.Writer] = later(last[key.Writer], i.Modified)
		_, have := listed[key.Writer][idOf(key)]
		if !have && o.selects(i, key.Sealed, now) {
			found[key.Writer] = append(found[key.Writer], i)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := o.addQuarantined(ctx, k, s, found, now); err != nil {
		return err
	}
	if _, ok := last[o.By]; !ok && len(found[o.By]) > 0 {
		last[o.By] = time.Time{}
	}
	for _, writer := range slices.Sorted(maps.Keys(last)) {
		c := chains[writer]
		if c == nil {
			if len(s.refs[writer]) > 0 {
				continue // refused above
			}
			c = &chain{writer: writer}
		}
		if err := o.seal(ctx, k, c, found[writer], !last[writer].After(now.Add(-o.OlderThan))); err != nil {
			return err
		}
	}
	return nil
}

// selects reports whether an object is old enough, and of the wanted time.
func (o *SealOptions) selects(i Info, sealed, now time.Time) bool {
	return !i.Modified.After(now.Add(-o.OlderThan)) && !sealed.Before(o.From) && (o.To.IsZero() || sealed.Before(o.To))
}

// addQuarantined adds what was quarantined and no manifest lists to what was
// found of By.
func (o *SealOptions) addQuarantined(ctx context.Context, k *clerk, s *survey, found map[string][]Info, now time.Time) error {
	all, err := k.quarantined(ctx, o.From, now)
	if err != nil || len(all) == 0 {
		return err
	}
	listed, err := k.listedQuarantined(ctx, s, o.From)
	if err != nil {
		return err
	}
	for _, i := range all {
		if !listed[i.Key] && o.selects(i, sealed(i.Key), now) {
			found[o.By] = append(found[o.By], i)
		}
	}
	return nil
}

// seal does what is to be done for one writer.
func (o *SealOptions) seal(ctx context.Context, k *clerk, c *chain, found []Info, gone bool) error {
	if len(found) == 0 && (!gone || c.head == nil || c.ended) {
		return nil
	}
	sortInfos(found)
	r := Sealed{Writer: c.writer, Ended: gone}
	add := func(key string, size int64) {
		at := sealed(key)
		if r.Objects++; r.From == nil || at.Before(*r.From) {
			r.From = &at
		}
		if r.Bytes += size; r.To == nil || at.After(*r.To) {
			r.To = &at
		}
	}
	if o.DryRun {
		for _, i := range found {
			add(i.Key, i.Size)
		}
		return o.Report(r)
	}
	var err error
	r.Manifests, err = k.list(ctx, c, listing{
		found: found, end: gone || c.ended, insist: true, seen: ignore,
		adopted: func(it *item) { add(it.key, it.size) },
		refused: func(err error) { r.Refused++; o.Refused(err) },
	})
	r.Ended = c.ended
	if err != nil {
		return errors.Join(o.Report(r), fmt.Errorf("write the manifests of %s: %w", c.writer, err))
	}
	return o.Report(r)
}
