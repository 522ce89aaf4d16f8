package notary

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/archive/manifest"
)

// ref is a manifest as the listing shows it.
type ref struct {
	manifest.KeyInfo
	size     int64
	modified time.Time
}

// survey is the manifests of a stretch of time, by writer, in the order of
// their numbers.
type survey struct {
	refs map[string][]ref
	// latest is when the newest of them was stored: about the store's time.
	latest time.Time
	// from is since when they are there, zero for all; then all is nil, or has
	// them all if that was needed.
	from time.Time
	all  *survey
}

// survey lists the manifests that begin on the day of from or later. The zero
// time lists all.
func (k *clerk) survey(ctx context.Context, from time.Time) (*survey, error) {
	s := &survey{refs: map[string][]ref{}, from: from}
	for _, day := range daysFrom(from) {
		err := k.store.List(ctx, manifest.Prefix+"dt="+day, func(o Info) error {
			key, err := manifest.ParseKey(o.Key)
			if err != nil {
				return nil //nolint:nilerr // what is no manifest does not concern us; verify names it
			}
			s.refs[key.Writer] = append(s.refs[key.Writer], ref{key, o.Size, o.Modified})
			if o.Modified.After(s.latest) {
				s.latest = o.Modified
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	for _, refs := range s.refs {
		slices.SortFunc(refs, func(a, b ref) int { return cmp.Or(cmp.Compare(a.Sequence, b.Sequence), a.From.Compare(b.From)) })
	}
	return s, nil
}

// daysFrom gives the beginnings of all days, as YYYY-MM-DD, from that of t on,
// the far future included: a clock may have been there. The zero time gives all
// days.
func daysFrom(t time.Time) []string {
	if t.IsZero() {
		return []string{""}
	}
	day := t.UTC().Format(time.DateOnly)
	all := []string{day}
	for i := len(day) - 1; i >= 0; i-- {
		last := byte('9')
		switch {
		case i == 8:
			last = '3'
		case i == 5:
			last = '1'
		case day[i] == '-':
			continue
		}
		for c := day[i] + 1; c <= last; c++ {
			all = append(all, day[:i]+string(c))
		}
	}
	return all
}

// objectID is what tells an object of a writer from its others: what its key
// says.
type objectID struct {
	sealed int64
	hash   [12]byte
}

func idOf(k archive.KeyInfo) (id objectID) {
	id.sealed = k.Sealed.UnixMilli()
	copy(id.hash[:], k.Hash)
	return id
}

// known is the objects of one writer that manifests list.
type known map[objectID]struct{}

func (n known) add(f *manifest.File) {
	for i := range f.Manifest.Objects {
		n.addKey(f.Manifest.Objects[i].Key)
	}
}

func (n known) addKey(key string) {
	if k, err := archive.ParseKey(key); err == nil {
		n[idOf(k)] = struct{}{}
	}
}

// load reads the end of a writer's chain, and what manifests list of the
// objects sealed from the given time on. refs are the writer's manifests since
// an hour before that. seen is called for each that is read.
func (k *clerk) load(ctx context.Context, writer string, refs []ref, from time.Time, seen func(*manifest.File)) (*chain, known, error) {
	c, listed := &chain{writer: writer}, known{}
	note := func(f *manifest.File) { listed.add(f); seen(f) }
	for i, r := range refs {
		newest := i == len(refs)-1
		if !newest && r.From.Before(from.Add(-time.Hour)) {
			continue
		}
		f, err := manifest.Open(readerAt{ctx, k.store, r.Key()}, r.size)
		if errors.Is(err, manifest.ErrCorrupt) && !newest {
			continue // verify names it; what it listed is listed again
		}
		if err != nil {
			return nil, nil, &chainError{r.Key(), err}
		}
		note(f)
		if newest {
			c.advance(f)
		}
	}
	if c.head == nil {
		return c, listed, nil
	}
	_, err := k.follow(ctx, c, note)
	return c, listed, err
}

// objects lists the objects of a writer, or of all if it is "", that were
// sealed from the given time on. now is about the time.
func (k *clerk) objects(ctx context.Context, writer string, from, now time.Time, fn func(Info, archive.KeyInfo) error) error {
	list := func(prefix string) error {
		return k.store.List(ctx, prefix, func(o Info) error {
			key, err := archive.ParseKey(o.Key)
			if err != nil || writer != "" && key.Writer != writer {
				return nil //nolint:nilerr // not an object of ours; verify names it
			}
			return fn(o, key)
		})
	}
	if from.IsZero() {
		return list("dt=")
	}
	of := ""
	if writer != "" {
		of = writer + "-"
	}
	tomorrow := now.UTC().Truncate(24*time.Hour).AddDate(0, 0, 1)
	hour := from.UTC().Truncate(time.Hour)
	for ; hour.Before(tomorrow); hour = hour.Add(time.Hour) {
		if err := list(archive.HourPrefix(hour) + of); err != nil {
			return err
		}
	}
	for _, day := range daysFrom(hour) {
		if err := list("dt=" + day); err != nil {
			return err
		}
	}
	return nil
}

// remains is what is left to do for a writer.
type remains struct {
	chain *chain
	// since is from when on objects were looked for, listed what manifests list
	// of them, and found those that none lists, oldest first.
	since  time.Time
	listed known
	found  []Info
}

// remains gives the chain of a writer, and its objects that no manifest lists.
// Of a chain that is ended these are those sealed since then; of another those
// since a day before its newest manifest, or before now, as clocks may have stepped; of a
// writer without a chain those since the given time. seen is called for each
// manifest that is read.
func (k *clerk) remains(ctx context.Context, s *survey, writer string, now, since time.Time, seen func(*manifest.File)) (*remains, error) {
	refs, err := k.refs(ctx, s, writer)
	if err != nil {
		return nil, err
	}
	if n := len(refs); n > 0 {
		if since = refs[n-1].From; now.Before(since) { // the clock was ahead
			since = now
		}
		since = since.Add(-day)
	}
	r := &remains{since: since}
	if r.chain, r.listed, err = k.load(ctx, writer, refs, since, seen); err != nil {
		return nil, err
	}
	if r.chain.ended {
		r.since = r.chain.to
	}
	err = k.objects(ctx, writer, r.since, now, func(o Info, key archive.KeyInfo) error {
		if _, ok := r.listed[idOf(key)]; !ok && !key.Sealed.Before(r.since) {
			r.found = append(r.found, o)
		}
		return nil
	})
	sortInfos(r.found)
	return r, err
}

func sortInfos(all []Info) {
	slices.SortStableFunc(all, func(a, b Info) int { return sealed(a.Key).Compare(sealed(b.Key)) })
}

// sealed gives when an object was sealed: of what was quarantined the beginning
// of its hour.
func sealed(key string) time.Time {
	if k, err := archive.ParseKey(key); err == nil {
		return k.Sealed
	}
	hour := strings.TrimPrefix(key, archive.QuarantinePrefix)
	t, err := time.Parse("dt=2006-01-02/hour=15", hour[:max(strings.LastIndexByte(hour, '/'), 0)])
	if err != nil {
		return time.Time{}
	}
	return t
}

// refs gives the manifests of a writer since a day before the newest, all if
// the survey may not have them.
func (k *clerk) refs(ctx context.Context, s *survey, writer string) ([]ref, error) {
	refs := s.refs[writer]
	if s.from.IsZero() || len(refs) > 0 && refs[len(refs)-1].From.Add(-day-time.Hour).After(s.from) {
		return refs, nil
	}
	if s.all == nil {
		all, err := k.survey(ctx, time.Time{})
		if err != nil {
			return nil, err
		}
		s.all = all
	}
	return s.all.refs[writer], nil
}

// quarantined lists what was quarantined from the given hour on, all if it is
// zero.
func (k *clerk) quarantined(ctx context.Context, from, now time.Time) (found []Info, err error) {
	prefixes := []string{""}
	if !from.IsZero() {
		prefixes = nil
		for hour := from.UTC().Truncate(time.Hour); !hour.After(now); hour = hour.Add(time.Hour) {
			prefixes = append(prefixes, archive.HourPrefix(hour))
		}
	}
	for _, prefix := range prefixes {
		err := k.store.List(ctx, archive.QuarantinePrefix+prefix, func(o Info) error {
			found = append(found, o)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// listedQuarantined gives the keys below _quarantine/ that manifests of any
// writer list which begin an hour before from or later.
func (k *clerk) listedQuarantined(ctx context.Context, s *survey, from time.Time) (map[string]bool, error) {
	listed := map[string]bool{}
	for _, refs := range s.refs {
		for i, r := range refs {
			if i < len(refs)-1 && r.From.Before(from.Add(-time.Hour)) {
				continue
			}
			f, err := manifest.Open(readerAt{ctx, k.store, r.Key()}, r.size)
			if errors.Is(err, manifest.ErrCorrupt) || errors.Is(err, manifest.ErrVersion) {
				continue // verify names it; at worst something is listed twice
			}
			if err != nil {
				return nil, err
			}
			for j := range f.Manifest.Objects {
				if key := f.Manifest.Objects[j].Key; strings.HasPrefix(key, archive.QuarantinePrefix) {
					listed[key] = true
				}
			}
		}
	}
	return listed, nil
}

// ignore is for callers to whom it does not matter which manifests are read.
func ignore(*manifest.File) {}
