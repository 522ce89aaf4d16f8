package verify

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/archive/manifest"
	"github.com/loghaul/loghaul/audit"
	"github.com/loghaul/loghaul/sinks"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// manifestsAhead is how many manifests are read at once.
const manifestsAhead = 32

// link is what stays in memory of a manifest.
type link struct {
	key      string
	size     int64
	writer   string
	sequence int64
	// begin is From as the key says it; what follows is the document's, and zero
	// unless read.
	begin    time.Time
	read     bool
	from, to time.Time
	hash     string
	previous string
	end      bool
	signedBy string
	// problem is what is wrong with the manifest by itself. vouches is false if
	// it can't vouch for what it names.
	problem *Break
	vouches bool
}

// chain is the manifests of one writer.
type chain struct {
	writer string
	all    []ref   // as listed
	links  []*link // those that were read
	near   int64   // number of the first of these
	first  int64   // number of the first that is selected
	breaks []Break
	more   int
}

// ref is a manifest as it is listed.
type ref struct {
	manifest.KeyInfo
	size int64
}

// head is a manifest that another one knew of; witness is where, and with which
// content.
type head struct {
	writer   string
	sequence int64
}

type witness struct{ by, sha256 string }

// readManifests lists all manifests, as that is cheap and their keys tell of
// which there should be, and reads those that can name selected objects. If one
// knew of others that were not listed it lists again: they may be newer than the
// listing.
func (r *run) readManifests(ctx context.Context) error {
	for range 2 {
		fresh, err := r.listManifests(ctx)
		if err != nil {
			return err
		}
		if err := r.readAll(ctx, fresh); err != nil {
			return err
		}
		if r.blind != nil || !r.unknownHead() {
			break
		}
	}
	for _, c := range r.chains {
		slices.SortStableFunc(c.links, func(a, b *link) int { return int(a.sequence - b.sequence) })
	}
	return nil
}

// listManifests gives the selected manifests that were not listed before.
func (r *run) listManifests(ctx context.Context) ([]*link, error) {
	var fresh []*link
	err := r.listAll(ctx, manifest.Prefix, func(i objectstore.Info) error {
		if r.seen[i.Key] {
			return nil
		}
		r.seen[i.Key] = true
		k, err := manifest.ParseKey(i.Key)
		if err != nil || k.Sequence < 1 {
			r.sources.strays = append(r.sources.strays, Object{Verdict: Extra, Key: i.Key, Size: i.Size, Why: "not the key of a manifest"})
			return nil //nolint:nilerr // it is named
		}
		c := r.chain(k.Writer)
		c.all = append(c.all, ref{k, i.Size})
		fresh = append(fresh, &link{key: i.Key, size: i.Size, writer: k.Writer, sequence: k.Sequence, begin: k.From})
		return nil
	})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		r.blind = err
		r.warn(fmt.Errorf("manifests could not be listed, so what they do not name is not judged: %w", err))
		if len(r.links) == 0 { // of a part nothing would follow
			clear(r.chains)
			return nil, nil
		}
	}
	for _, c := range r.chains {
		slices.SortFunc(c.all, func(a, b ref) int {
			if a.Sequence != b.Sequence {
				return int(a.Sequence - b.Sequence)
			}
			return a.From.Compare(b.From)
		})
	}
	for _, c := range r.chains {
		c.near, c.first = c.firstFor(r.nearFrom()), c.firstFor(r.From)
	}
	fresh = slices.DeleteFunc(fresh, func(l *link) bool { return l.sequence < r.chains[l.writer].near })
	slices.SortFunc(fresh, func(a, b *link) int {
		if a.writer != b.writer {
			return strings.Compare(a.writer, b.writer)
		}
		if a.sequence != b.sequence {
			return int(a.sequence - b.sequence)
		}
		return a.begin.Compare(b.begin)
	})
	return fresh, nil
}

// listAll lists, and goes on where it was if the store fails. An error of fn ends
// it.
func (r *run) listAll(ctx context.Context, prefix string, fn func(objectstore.Info) error) error {
	last := ""
	var ended error
	err := audit.Retry(ctx, func() error {
		return r.store.List(ctx, prefix, func(i objectstore.Info) error {
			if i.Key <= last || ended != nil {
				return ended
			}
			last = i.Key
			ended = fn(i)
			return ended
		})
	})
	if ended != nil {
		return ended
	}
	return err
}

func (r *run) chain(writer string) *chain {
	c := r.chains[writer]
	if c == nil {
		c = &chain{writer: strings.Clone(writer)}
		r.chains[c.writer] = c
	}
	return c
}

// firstFor gives the number of the last manifest that begins at from or before:
// those before it end there. If there is none it is the one before the first,
// which would.
func (c *chain) firstFor(from time.Time) int64 {
	if from.IsZero() {
		return 1
	}
	first := max(1, c.all[0].Sequence-1)
	for _, k := range c.all {
		if !k.From.After(from) {
			first = k.Sequence
		}
	}
	return first
}

// opened is a manifest on its way.
type opened struct {
	link *link
	file *manifest.File
	err  error
}

// openManifest reads the end of a manifest, by manifest.Open or OpenBrief. An
// error of the store was tried again.
func (r *run) openManifest(ctx context.Context, key string, size int64, open func(io.ReaderAt, int64) (*manifest.File, error)) (*manifest.File, error) {
	var f *manifest.File
	var bad error
	err := audit.Retry(ctx, func() error {
		var err error
		f, err = open(audit.ReaderAt(ctx, r.store, key, size), size)
		if errors.Is(err, manifest.ErrCorrupt) || errors.Is(err, manifest.ErrVersion) {
			bad = err
			return nil
		}
		return err
	})
	return f, errors.Join(err, bad)
}

func (r *run) readAll(ctx context.Context, links []*link) error {
	r.Progress.AllManifests.Add(int64(len(links)))
	err := ordered(ctx, manifestsAhead, func(_ context.Context, give func(func(context.Context) opened) error) error {
		for _, l := range links {
			if err := give(r.opening(l)); err != nil {
				return err
			}
		}
		return nil
	}, func(o opened) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.take(o)
		return nil
	})
	slices.SortFunc(r.named, func(a, b named) int { return strings.Compare(a.key, b.key) })
	r.named = merge(r.named)
	return err
}

// opening reads a manifest without columns.
func (r *run) opening(l *link) func(context.Context) opened {
	return func(ctx context.Context) opened {
		f, err := r.openManifest(ctx, l.key, l.size, manifest.OpenBrief)
		return opened{l, f, err}
	}
}

// take keeps what is needed of a manifest.
func (r *run) take(o opened) {
	l := o.link
	c := r.chains[l.writer]
	c.links = append(c.links, l)
	r.links = append(r.links, l)
	r.Progress.Manifests.Add(1)
	wrong := func(kind Kind, why string) {
		l.problem = &Break{Sequence: l.sequence, Kind: kind, Key: l.key, Why: why}
	}
	switch {
	case errors.Is(o.err, sinks.ErrNotFound):
		wrong(NumberMissing, "it was listed and is not there any more")
		return
	case errors.Is(o.err, manifest.ErrVersion):
		wrong(NewerVersion, o.err.Error())
		return
	case errors.Is(o.err, manifest.ErrCorrupt):
		wrong(Unreadable, o.err.Error())
		return
	case o.err != nil:
		wrong(NotRead, o.err.Error())
		return
	}
	m := o.file.Manifest
	if key := m.Key(); key != l.key {
		wrong(Misplaced, "its content is that of "+key)
		return
	}
	r.total.Manifests++
	l.read, l.from, l.to, l.end, l.hash = true, m.From, m.To, m.End, hex.EncodeToString(o.file.Hash[:])
	if m.Previous != nil {
		l.previous = m.Previous.SHA256
	}
	l.vouches = r.signature(o.file, l, wrong)
	for _, h := range m.Heads {
		key := head{h.Writer, h.Sequence}
		// A valid signature outweighs what anybody could have written.
		if _, ok := r.heads[key]; !ok && l.vouches {
			r.heads[key] = witness{l.key, h.SHA256}
		}
	}
	r.name(m, len(r.links)-1, l.vouches)
}

// signature checks the signature and reports whether the manifest vouches for
// what it names.
func (r *run) signature(f *manifest.File, l *link, wrong func(Kind, string)) bool {
	if id, ok := f.KeyID(); ok {
		l.signedBy = id.String()
	}
	if r.Keys == nil {
		return true
	}
	err := r.Keys.Check(f)
	switch {
	case err == nil:
		return true
	case errors.Is(err, manifest.ErrUnsigned):
		wrong(NotSigned, "it has no signature")
	case errors.Is(err, manifest.ErrUnknownKey):
		wrong(UnknownKey, err.Error())
	default:
		wrong(Forged, err.Error())
	}
	return false
}

// unknownHead reports whether a manifest is known of that was not listed, and
// could be newer than the listing.
func (r *run) unknownHead() bool {
	for h := range r.heads {
		if c := r.chains[h.writer]; c == nil || c.all[len(c.all)-1].Sequence < h.sequence {
			return true
		}
	}
	return false
}

// named is an object that a manifest names.
type named struct {
	key  string
	size int64
	sum  [32]byte // SHA-256
	etag string
	// link and object say where: in links, and in Manifest.Objects.
	link, object int32
	vouched      bool
	// left says that it is not selected; conflict that two manifests that vouch
	// for it say different things.
	left, conflict bool
	// bare says that the manifest tells nothing of the content; recovered is that
	// of Object.
	bare, recovered bool
}

// name keeps the objects of a manifest.
func (r *run) name(m *manifest.Manifest, link int, vouched bool) {
	match := make([]bool, len(m.Sources))
	for i, s := range m.Sources {
		match[i] = (r.Node == "" || r.Node == s.Node) && strings.HasPrefix(s.ID, r.Source)
	}
	anySource := r.Node == "" && r.Source == ""
	var keys strings.Builder
	for i := range m.Objects {
		keys.WriteString(m.Objects[i].Key)
		keys.WriteString(m.Objects[i].ETag)
	}
	text := keys.String() // one for all: small ones would cost more
	for i := range m.Objects {
		o := &m.Objects[i]
		n := named{key: text[:len(o.Key)], size: o.Size, link: int32(link), object: int32(i), vouched: vouched, recovered: o.Recovered} //nolint:gosec // bounded by manifest
		text = text[len(o.Key):]
		n.etag, text = text[:len(o.ETag)], text[len(o.ETag):]
		hex.Decode(n.sum[:], []byte(o.SHA256)) //nolint:errcheck // manifest has checked it
		n.bare = o.RawSHA256 == "" && !strings.HasPrefix(o.Key, archive.QuarantinePrefix)
		if sealed, ok := sealedAt(o.Key); ok && !r.inTime(o.Key, sealed) {
			if vouched && r.near(sealed) {
				r.sources.add(m, o, sealed, false)
			}
			continue
		} else if vouched && !r.Deep {
			r.sources.add(m, o, sealed, true)
		}
		n.left = !anySource && !n.bare && !slices.ContainsFunc(o.Ranges, func(x manifest.Range) bool { return match[x.Source()] }) &&
			!slices.ContainsFunc(o.Losses, func(x manifest.Loss) bool { return match[x.Source] })
		r.named = append(r.named, n)
	}
}

// merge makes one of entries of the same key, which are neighbours: one that is
// vouched for if there is any.
func merge(all []named) []named {
	out := all[:0]
	for _, n := range all {
		last := len(out) - 1
		if last < 0 || out[last].key != n.key {
			out = append(out, n)
			continue
		}
		l := &out[last]
		switch {
		case l.vouched && !n.vouched:
		case !l.vouched && n.vouched:
			*l = n
		case l.sum != n.sum || l.size != n.size:
			l.conflict = true
		}
	}
	return out
}

// sealedAt gives the time of an object by its key: when it was sealed, or the
// start of the hour for what was quarantined.
func sealedAt(key string) (time.Time, bool) {
	if rest, ok := strings.CutPrefix(key, archive.QuarantinePrefix); ok {
		const layout = "dt=2006-01-02/hour=15/"
		if len(rest) < len(layout) {
			return time.Time{}, false
		}
		t, err := time.Parse(layout, rest[:len(layout)])
		return t, err == nil
	}
	k, err := archive.ParseKey(key)
	return k.Sealed, err == nil
}

// inTime reports whether an object is selected by its time.
func (r *run) inTime(key string, t time.Time) bool {
	if strings.HasPrefix(key, archive.QuarantinePrefix) { // it lies anywhere in its hour
		return (r.From.IsZero() || t.Add(time.Hour).After(r.From)) && (r.To.IsZero() || t.Before(r.To))
	}
	return r.selected(t)
}

// nearFrom is so long before the selection that objects sealed since then may
// hold bytes between those selected: batches of one source go to several writers.
// What was sealed behind the selection may, too.
func (r *run) nearFrom() time.Time {
	if r.From.IsZero() {
		return r.From
	}
	return r.From.Add(-r.Grace)
}

func (r *run) near(t time.Time) bool { return !t.Before(r.nearFrom()) }
