package verify

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/audit"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// objectsAhead is how many objects wait for their turn to be told.
const objectsAhead = 64

// finding is a verdict with what else comes of it.
type finding struct {
	Object
	named *named
	// meta is what an object that was read says of itself, nil unless it is right.
	meta *archive.Meta
	// wrong is what the object's manifest says otherwise, "" if nothing.
	wrong string
	there bool
	skip  bool
}

// judgeObjects lists the objects and gives the verdict about each.
func (r *run) judgeObjects(ctx context.Context) error {
	for _, o := range r.sources.strays {
		if err := r.tell(finding{Object: o, there: true}); err != nil {
			return err
		}
	}
	for i := range r.named {
		if !r.named[i].left {
			r.Progress.AllObjects.Add(1)
			r.Progress.AllBytes.Add(r.named[i].size)
		}
	}
	return ordered(ctx, objectsAhead, r.compare, r.tell)
}

// compare goes along the listing and along what is named, both in the order of
// keys.
func (r *run) compare(ctx context.Context, give func(func(context.Context) finding) error) error {
	rest := r.named
	for _, prefix := range []string{archive.QuarantinePrefix, "dt="} {
		err := r.list(ctx, prefix, func(i objectstore.Info) error {
			for len(rest) > 0 && rest[0].key < i.Key {
				if err := give(r.notListed(&rest[0], nil)); err != nil {
					return err
				}
				rest = rest[1:]
			}
			if len(rest) > 0 && rest[0].key == i.Key {
				n := &rest[0]
				rest = rest[1:]
				return give(r.listed(n, i))
			}
			return give(r.unnamed(i))
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			err = fmt.Errorf("objects below %s could not be listed: %w", prefix, err)
			if e := give(func(context.Context) finding {
				return finding{Object: Object{Verdict: Unread, Key: prefix, Why: err.Error()}}
			}); e != nil {
				return e
			}
		}
		for len(rest) > 0 && (strings.HasPrefix(rest[0].key, prefix) || rest[0].key < prefix) {
			if e := give(r.notListed(&rest[0], err)); e != nil {
				return e
			}
			rest = rest[1:]
		}
	}
	for i := range rest { // keys of no prefix of ours
		if err := give(r.notListed(&rest[i], nil)); err != nil {
			return err
		}
	}
	return nil
}

// list lists what was sealed in the selected time, and what has no time.
func (r *run) list(ctx context.Context, prefix string, fn func(objectstore.Info) error) error {
	each := func(i objectstore.Info) error {
		if t, ok := sealedAt(i.Key); ok && !r.inTime(i.Key, t) {
			return nil
		}
		return fn(i)
	}
	last := r.To
	if last.IsZero() {
		last = r.Now.Add(24 * time.Hour)
	}
	days, few := audit.Days(r.From, last)
	if !few {
		return r.listAll(ctx, prefix, each)
	}
	if prefix == "dt=" {
		prefix = ""
	}
	for _, day := range days {
		if err := r.listAll(ctx, prefix+day, each); err != nil {
			return err
		}
	}
	return nil
}

// tell takes in a verdict and passes it on.
func (r *run) tell(f finding) error {
	if f.skip {
		return nil
	}
	r.Progress.Objects.Add(1)
	if f.there {
		r.total.Bytes += f.Size
	}
	r.total.Objects[f.Verdict]++
	if f.Recovered && f.Verdict == OK {
		r.total.Recovered++
	}
	switch {
	case f.Verdict.Difference():
		r.total.Differences++
	case f.Verdict == Unread:
		r.total.Unread++
	}
	if f.named != nil && f.named.vouched && (f.Verdict == Missing || f.Verdict == Changed) {
		r.sources.gone[f.Key] = f.Verdict
	}
	if f.meta != nil {
		if t, ok := sealedAt(f.Key); ok {
			r.sources.addRead(f.meta, t)
		}
	}
	if f.wrong != "" {
		l := r.links[f.named.link]
		r.chains[l.writer].add(Break{Sequence: l.sequence, Kind: WrongContent, Key: l.key, Why: f.wrong})
	}
	if r.OnObject == nil {
		return nil
	}
	return r.OnObject(f.Object)
}

// listed judges an object that a manifest names and that is there.
func (r *run) listed(n *named, i objectstore.Info) func(context.Context) finding {
	if n.left {
		return func(context.Context) finding { return finding{skip: true} }
	}
	f := r.found(n)
	f.Size, f.there = i.Size, true
	switch {
	case i.Size != n.size:
		f.Verdict, f.Why = Changed, fmt.Sprintf("it has %d bytes, want %d", i.Size, n.size)
	case n.conflict:
		f.Verdict, f.Why = Changed, "manifests say different things about it"
	case !n.vouched:
		return func(ctx context.Context) finding { return r.unsigned(ctx, f) }
	case r.Deep, n.bare, n.etag != "" && i.ETag != "" && n.etag != i.ETag:
		// Another ETag need not be another content: the archive may have been copied.
		// And what a manifest does not tell of an object it has to tell itself.
		return func(ctx context.Context) finding { return r.read(ctx, f) }
	}
	return func(context.Context) finding { return f }
}

func (r *run) found(n *named) finding {
	return finding{Object: Object{Verdict: OK, Key: n.key, Size: n.size, Manifest: r.links[n.link].key, Recovered: n.recovered}, named: n}
}

// notListed judges an object that a manifest names and that was not listed, as
// it could not be (err) or is not there. Listings may be late, so it is asked
// for.
func (r *run) notListed(n *named, err error) func(context.Context) finding {
	if n.left {
		return func(context.Context) finding { return finding{skip: true} }
	}
	return func(ctx context.Context) finding {
		f := r.found(n)
		if f.there = true; n.vouched {
			f = r.read(ctx, f)
		} else {
			f = r.unsigned(ctx, f)
		}
		if f.Verdict == Missing {
			f.Why = "a manifest names it, and it is not there"
		} else if err != nil {
			f.Verdict, f.Why = Unread, err.Error()
		}
		return f
	}
}

// unsigned judges an object that is only named where no valid signature is. It
// is read, as nothing else tells what it has of which source.
func (r *run) unsigned(ctx context.Context, f finding) finding {
	f.Verdict, f.Why = Unsigned, "no manifest with a valid signature names it"
	meta, err := r.alone(ctx, f.Key)
	f.meta = meta
	switch bad, failed := whatBad(err); {
	case notFound(failed):
		f.Verdict, f.Why, f.Size, f.there = Missing, "it was listed and is not there any more", 0, false
	case failed != nil:
		f.Why += "; and it could not be read: " + failed.Error()
	case bad != nil:
		f.Verdict, f.Why = Changed, bad.Error()
	}
	return f
}

// unnamed judges what no manifest names.
func (r *run) unnamed(i objectstore.Info) func(context.Context) finding {
	f := finding{Object: Object{Key: i.Key, Size: i.Size}, there: true}
	sealed, ok := sealedAt(i.Key)
	switch {
	case !ok:
		f.Verdict, f.Why = Extra, "not the key of an archive object"
		return func(context.Context) finding { return f }
	case sealed.After(r.Now.Add(audit.ClockSkew)):
		f.Verdict, f.Why = Extra, "it was sealed in the future"
		return func(context.Context) finding { return f }
	}
	f.Verdict, f.Why = r.why(i.Key, sealed)
	return func(ctx context.Context) finding {
		meta, err := r.alone(ctx, f.Key)
		f.meta = meta
		switch bad, failed := whatBad(err); {
		case bad != nil && f.Verdict != Extra:
			f.Verdict, f.Why = Changed, bad.Error()
		case bad != nil:
			f.Why += "; " + bad.Error()
		case failed != nil && f.Verdict.Difference():
			f.Why += "; and it could not be read: " + failed.Error()
		case failed != nil:
			f.Verdict, f.Why = Unread, failed.Error()
		}
		return f
	}
}

// why says what it means that no manifest names an object, if it is right.
func (r *run) why(key string, sealed time.Time) (Verdict, string) {
	young := sealed
	if strings.HasPrefix(key, archive.QuarantinePrefix) {
		young = sealed.Add(time.Hour)
	}
	if !young.Before(r.young) {
		return Pending, "too young for a manifest"
	}
	if r.blind != nil {
		return Unread, "manifests could not be listed"
	}
	unread, covered, reason := false, false, ""
	for _, c := range r.chainsOf(key) {
		u, s := c.passed(sealed)
		unread = unread || u
		if s != "" {
			covered, reason = true, s
		}
	}
	switch {
	case unread:
		return Unread, "a manifest that may name it could not be read"
	case covered && strings.HasPrefix(key, archive.QuarantinePrefix):
		return Extra, "no manifest names it" // nor does its key name a writer
	case covered:
		return Extra, reason
	case r.Keys != nil:
		return Unsigned, "there are no manifests of its time: see loghaul audit seal"
	}
	return Unlisted, "there are no manifests of its time: see loghaul audit seal"
}

// chainsOf gives the chains whose manifests could name an object: that of its
// writer, or any for what was quarantined, whose key tells none.
func (r *run) chainsOf(key string) (all []*chain) {
	if k, err := archive.ParseKey(key); err == nil {
		if c := r.chains[k.Writer]; c != nil {
			all = append(all, c)
		}
		return all
	}
	for _, c := range r.chains {
		all = append(all, c)
	}
	return all
}

// passed says why an object that was sealed then should be named by the chain,
// "" if it should not, and whether a manifest that may name it was not read.
func (c *chain) passed(sealed time.Time) (unread bool, why string) {
	if len(c.all) == 0 || len(c.links) == 0 || c.all[0].Sequence == 1 && sealed.Before(c.all[0].From) {
		return false, ""
	}
	why = "no manifest of its writer names it"
	for i, l := range c.links {
		last := i+1 == len(c.links)
		if l.problem != nil && l.problem.Kind.unread() && (last || c.links[i+1].begin.Equal(l.begin) && !l.begin.Before(sealed) ||
			!sealed.Before(l.begin) && sealed.Before(c.links[i+1].begin)) {
			unread = true
		}
		if l.problem != nil && !l.read && !last && !sealed.Before(l.begin) && sealed.Before(c.links[i+1].begin) {
			why = fmt.Sprintf("number %d of its writer's manifests should name it, and is broken", l.sequence)
		}
		if !last && c.links[i+1].sequence > l.sequence+1 && !sealed.Before(l.to) && sealed.Before(c.links[i+1].begin) {
			why = fmt.Sprintf("number %d of its writer's manifests should name it, and is missing", l.sequence+1)
		}
	}
	return unread, why
}
