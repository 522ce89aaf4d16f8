package verify_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/archive/manifest"
	"github.com/loghaul/loghaul/audit/verify"
	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/sinks"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// TestWrongManifest has manifests that were signed and say what is not so: a
// reader that believes them would pass over lines.
func TestWrongManifest(t *testing.T) {
	number := func(n int64) *int64 { return &n }
	for name, c := range map[string]struct {
		edit func(e *manifest.Entry, w *world) *manifest.Entry
		why  string
	}{
		"lines":        {func(e *manifest.Entry, _ *world) *manifest.Entry { e.Lines++; return e }, "it says 6 lines, the object has 5"},
		"last time":    {func(e *manifest.Entry, _ *world) *manifest.Entry { e.MaxTime--; return e }, "as the last time"},
		"timed":        {func(e *manifest.Entry, _ *world) *manifest.Entry { e.Timed--; return e }, "lines with a time"},
		"sha256":       {func(e *manifest.Entry, _ *world) *manifest.Entry { e.RawSHA256 = strings.Repeat("0", 64); return e }, "it says that the lines have the SHA-256 0000"},
		"bound":        {column("status", archive.ColumnSummary{Min: number(201), Max: number(201)}), "what it says of column status"},
		"values":       {column("backend", archive.ColumnSummary{Values: []string{"other"}}), "what it says of column backend"},
		"column gone":  {func(e *manifest.Entry, _ *world) *manifest.Entry { delete(e.Columns, "server"); return e }, "what it says of column server"},
		"column added": {column("unique_id", archive.ColumnSummary{}), "it tells of columns that the object has not"},
		"ranges": {func(e *manifest.Entry, w *world) *manifest.Entry {
			other := w.entry(w.writer("x").encode(at(10, 1), batch(source('a'), 7, lines(5)), lost(source('b'), 0, 9, "gone")))
			other.Object = e.Object
			return other
		}, "it says [7, 752) of source"},
		"losses": {func(e *manifest.Entry, w *world) *manifest.Entry {
			other := w.entry(w.writer("x").encode(at(10, 1), batch(source('a'), 0, lines(5)), lost(source('b'), 0, 8, "gone")))
			other.Object = e.Object
			return other
		}, "it says that [0, 8) of source"},
		"filter": {func(e *manifest.Entry, w *world) *manifest.Entry {
			raw := strings.ReplaceAll(lines(5), "203.0.113.", "198.51.100")
			other := w.entry(w.writer("x").encode(at(10, 1), batch(source('a'), 0, raw), lost(source('b'), 0, 9, "gone")))
			other.Object = e.Object
			return other
		}, "the filter of column client_ip"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			x := w.writer("agg-1")
			key := x.put(at(10, 1), batch(source('a'), 0, lines(5)), lost(source('b'), 0, 9, "gone"))
			x.waiting[0] = c.edit(x.waiting[0], w)
			x.seal(at(11, 0), func(m *manifest.Manifest) { m.End = true })
			r := w.verify(verify.Options{Keys: w.keys, Deep: true})
			same(t, "deep", r.differences(), "agg-1 1 wrong content")
			if why := r.reasons("agg-1"); !strings.Contains(why, c.why) || !strings.Contains(why, key) {
				t.Errorf("it says %s, want %s", why, c.why)
			}
		})
	}
}

func column(name string, c archive.ColumnSummary) func(*manifest.Entry, *world) *manifest.Entry {
	return func(e *manifest.Entry, _ *world) *manifest.Entry {
		e.Columns[name] = c
		return e
	}
}

// TestChains has chains that are wrong though their manifests are signed.
func TestChains(t *testing.T) {
	for name, c := range map[string]struct {
		second func(*manifest.Manifest)
		now    time.Time
		want   []string
	}{
		"sound":         {func(m *manifest.Manifest) { m.End = true }, now, nil},
		"runs":          {func(*manifest.Manifest) {}, at(14, 0), nil},
		"stops":         {func(*manifest.Manifest) {}, at(14, 1), []string{"agg-1 2 stops"}},
		"a gap in time": {func(m *manifest.Manifest) { m.From, m.End = m.From.Add(time.Second), true }, now, []string{"agg-1 2 times"}},
		"times overlap": {func(m *manifest.Manifest) { m.From, m.End = m.From.Add(-time.Second), true }, now, []string{"agg-1 2 times"}},
		"another previous": {func(m *manifest.Manifest) {
			m.Previous = &manifest.Link{Sequence: 1, SHA256: strings.Repeat("0", 64)}
			m.End = true
		}, now, []string{"agg-1 2 previous"}},
		"a head that never was": {func(m *manifest.Manifest) {
			m.Heads, m.End = []manifest.Head{{Writer: "agg-7", Link: manifest.Link{Sequence: 3, SHA256: strings.Repeat("0", 64)}}}, true
		}, now, []string{"agg-7 1-3 dropped"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			x := w.writer("agg-1")
			x.put(at(10, 1), batch(source('a'), 0, lines(1)))
			x.seal(at(11, 0))
			x.seal(at(12, 0), c.second)
			same(t, name, w.verify(verify.Options{Keys: w.keys, Now: c.now}).differences(), c.want...)
		})
	}
}

// TestYoung has what no manifest can name yet.
func TestYoung(t *testing.T) {
	w := newWorld(t)
	x := w.writer("agg-1")
	x.put(at(10, 1), batch(source('a'), 0, lines(1)))
	x.seal(at(11, 0))
	right := x.put(at(11, 30), batch(source('a'), 2*lineSize, lines(1)))
	wrong := x.put(at(11, 40), batch(source('b'), 0, lines(1)))
	other := w.writer("agg-2").put(at(11, 50), batch(source('c'), 0, lines(1))) // its first hour
	future := x.put(at(14, 0), batch(source('d'), 0, lines(1)))
	w.edit(wrong, flip(1000))

	r := w.verify(verify.Options{Keys: w.keys, Now: at(12, 30)})
	same(t, "young", r.differences(), "changed "+wrong, "extra "+future)
	if r.total.Objects[verify.Pending] != 2 || r.total.Sources[verify.Pending] != 1 || r.total.Sources[verify.Complete] != 1 {
		t.Errorf("%+v, %+v", r.total, r.sources)
	}
	// Two hours later somebody should have named them.
	r = w.verify(verify.Options{Keys: w.keys, Now: at(14, 30)})
	same(t, "old", r.differences(), "agg-1 1 stops", "extra "+wrong, "extra "+right, "unsigned "+other, "gap 61 149-298")
}

// TestUnlisted has an archive of before there were manifests.
func TestUnlisted(t *testing.T) {
	w := newWorld(t)
	a := w.writer("agg-1").put(at(10, 1), batch(source('a'), 0, lines(2)))
	b := w.writer("agg-1").put(at(10, 2), batch(source('a'), 4*lineSize, lines(2)))
	r := w.verify(verify.Options{})
	same(t, "open", r.differences(), "gap 61 298-596")
	if r.total.Objects[verify.Unlisted] != 2 || !strings.Contains(r.reasons(a), "audit seal") || len(r.chains) > 0 {
		t.Errorf("%+v, %s", r.total, r.reasons(a))
	}
	same(t, "keyed", w.verify(verify.Options{Keys: w.keys}).differences(), "gap 61 298-596", "unsigned "+a, "unsigned "+b)
	w.edit(a, flip(900))
	same(t, "changed", w.verify(verify.Options{}).differences(), "changed "+a, "gap 61 0-596")
	// Its writer has manifests from some day on.
	x := w.writer("agg-1")
	x.waiting, x.from = nil, at(11, 0)
	x.put(at(11, 1), batch(source('a'), 2*lineSize, lines(2)))
	x.seal(at(12, 0), func(m *manifest.Manifest) { m.End = true })
	same(t, "later", w.verify(verify.Options{}).differences(), "changed "+a, "gap 61 0-298")
}

// TestSelection verifies a part of an archive.
func TestSelection(t *testing.T) {
	s := newSample(t)
	r := s.verify(verify.Options{From: at(11, 0), To: at(12, 0), Keys: s.keys})
	if r.total.Objects[verify.OK] != 3 || len(r.differences()) > 0 { // o11, p11 and the late one
		t.Errorf("%+v, %q", r.total, r.differences())
	}
	s.remove(s.o10)
	s.remove(s.p12)
	same(t, "what is before and behind", s.verify(verify.Options{From: at(11, 0), To: at(12, 0)}).differences())
	s.remove(s.o11)
	same(t, "an object", s.verify(verify.Options{From: at(11, 0), To: at(12, 0)}).differences(), "missing "+s.o11, "gap 61 2235-2980", "gap 63 0-500")
	same(t, "another source", s.verify(verify.Options{From: at(11, 0), To: at(12, 0), Source: source('b').ID}).differences())
	same(t, "the source", s.verify(verify.Options{From: at(11, 0), To: at(12, 0), Source: source('a').ID}).differences(), "missing "+s.o11, "gap 61 2235-2980")
	same(t, "another node", s.verify(verify.Options{Node: "web-2"}).differences())
	// What began before the selection is not its business; what covers it is.
	s = newSample(t)
	s.remove(s.one.manifests[0])
	same(t, "a manifest before", s.verify(verify.Options{From: at(11, 30)}).differences())
	s.remove(s.one.manifests[1])
	same(t, "several before", s.verify(verify.Options{From: at(13, 30)}).differences())
	same(t, "the manifest", s.verify(verify.Options{From: at(11, 0), To: at(11, 40)}).differences(), "agg-1 2 missing", "extra "+s.o11)
}

// TestInterleaved has batches of one source in objects of two writers that were
// sealed on both sides of the bounds of a selection.
func TestInterleaved(t *testing.T) {
	w := newWorld(t)
	one, two := w.writer("agg-1"), w.writer("agg-2")
	a := source('a')
	one.put(at(10, 50), batch(a, 0, lines(1)))
	one.put(at(10, 59), batch(a, 2*lineSize, lines(1)))
	one.seal(at(11, 0))
	two.seal(at(11, 0))
	two.put(at(11, 1), batch(a, lineSize, lines(1)))
	two.put(at(11, 2), batch(a, 3*lineSize, lines(1)))
	two.put(at(11, 58), batch(a, 5*lineSize, lines(1)))
	two.seal(at(12, 0))
	one.seal(at(12, 0))
	one.put(at(12, 1), batch(a, 4*lineSize, lines(1)))
	for _, x := range []*writer{one, two} {
		x.seal(at(13, 0), func(m *manifest.Manifest) { m.End = true })
	}
	for _, deep := range []bool{false, true} {
		same(t, "hour 11", w.verify(verify.Options{From: at(11, 0), To: at(12, 0), Deep: deep}).differences())
		same(t, "hour 11, of one source", w.verify(verify.Options{From: at(11, 0), To: at(12, 0), Source: a.ID[:10], Deep: deep}).differences())
	}
}

// TestDeliveredAgain has an old batch among what is selected: what follows it is
// in objects of long before.
func TestDeliveredAgain(t *testing.T) {
	w := newWorld(t)
	x := w.writer("agg-1")
	a := source('a')
	x.put(at(10, 1), batch(a, 0, lines(1)))
	middle := x.put(at(10, 2), batch(a, lineSize, lines(2)))
	x.seal(at(11, 0))
	x.seal(at(20, 0))
	x.put(at(20, 1), batch(a, 0, lines(1)))
	x.put(at(20, 2), batch(a, 3*lineSize, lines(1)))
	x.seal(at(21, 0), func(m *manifest.Manifest) { m.End = true })
	o := verify.Options{From: at(20, 0), Keys: w.keys}
	same(t, "from hour 20 on", w.verify(o).differences())
	w.remove(middle) // which is not selected
	same(t, "all", w.verify(verify.Options{}).differences(), "missing "+middle, "gap 61 149-447")
	w.remove(x.manifests[0])
	same(t, "without a manifest of before", w.verify(o).differences(), "gap 61 149-447")
}

// denied refuses what begins with one of its prefixes, as a bucket's policy does.
type denied struct {
	objectstore.Store
	list, read string
	// late hides an object from listings.
	late string
	// etag is what listings say of every object.
	etag string
	// cut is how often listings end in the middle.
	cut int
}

var errDenied = fmt.Errorf("403: %w", sinks.ErrPermanent)

func (d *denied) List(ctx context.Context, prefix string, fn func(objectstore.Info) error) error {
	if d.list != "" && strings.HasPrefix(prefix, d.list) {
		return errDenied
	}
	n := 0
	return d.Store.List(ctx, prefix, func(i objectstore.Info) error {
		if n++; n == 3 && d.cut > 0 {
			d.cut--
			return errors.New("503")
		}
		if i.Key == d.late {
			return nil
		}
		i.ETag = d.etag
		return fn(i)
	})
}

func (d *denied) Get(ctx context.Context, key string) ([]byte, error) {
	if d.read != "" && strings.HasPrefix(key, d.read) {
		return nil, errDenied
	}
	return d.Store.Get(ctx, key)
}

func (d *denied) ReadAt(ctx context.Context, key string, p []byte, off int64) (int, error) {
	if d.read != "" && strings.HasPrefix(key, d.read) {
		return 0, errDenied
	}
	return d.Store.ReadAt(ctx, key, p, off)
}

// TestNoPermission goes on where it may.
func TestNoPermission(t *testing.T) {
	base := newSample(t)
	all := []string{base.o10, base.o10b, base.o11, base.late, base.o12, base.p10, base.p11, base.p12, base.quarantined}
	unread := func(keys ...string) (out []string) {
		for _, k := range keys {
			out = append(out, "unread "+k)
		}
		return out
	}
	for name, c := range map[string]struct {
		store denied
		deep  bool
		do    func(*sample)
		want  []string
	}{
		"manifests not listed": {store: denied{list: "_manifests/"}, want: unread(all...)},
		"manifests not listed, an object changed": {
			store: denied{list: "_manifests/"}, do: func(s *sample) { s.edit(s.o12, flip(700)) },
			want: append(unread(slices.DeleteFunc(slices.Clone(all), func(k string) bool { return k == base.o12 })...), "changed "+base.o12),
		},
		"a manifest not read":      {store: denied{read: base.two.manifests[1]}, want: append(unread(base.p11), "agg-2 2 not read")},
		"objects not listed":       {store: denied{list: "dt="}, want: append(unread(slices.DeleteFunc(slices.Clone(all), func(k string) bool { return k == base.quarantined })...), "unread dt=")},
		"an object not read":       {store: denied{read: base.o12}, deep: true, want: unread(base.o12)},
		"not needed":               {store: denied{read: "dt="}},
		"and a difference":         {store: denied{read: base.o12}, deep: true, do: func(s *sample) { s.remove(s.quarantined) }, want: append(unread(base.o12), "missing "+base.quarantined)},
		"a listing that is late":   {store: denied{late: base.o12}},
		"listings that end twice":  {store: denied{cut: 2}},
		"listings that always end": {store: denied{cut: 3}, want: unread(all...)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := base.copied(t)
			if c.do != nil {
				c.do(s)
			}
			c.store.Store = s.store
			s.store = &c.store
			r := s.verify(verify.Options{Keys: s.keys, Deep: c.deep})
			same(t, name, r.differences(), c.want...)
			if wantUnread := slices.ContainsFunc(c.want, func(w string) bool { return strings.Contains(w, "unread") || strings.Contains(w, "not read") }); wantUnread != (r.total.Unread > 0) {
				t.Errorf("%d unread", r.total.Unread)
			}
		})
	}
}

// TestETag reads what has another ETag: an archive that was copied elsewhere is
// not changed.
func TestETag(t *testing.T) {
	w := newWorld(t)
	x := w.writer("agg-1")
	a := x.put(at(10, 1), batch(source('a'), 0, lines(5)))
	x.put(at(10, 2), batch(source('a'), size5, lines(5)))
	x.waiting[0].ETag, x.waiting[1].ETag = "one", "two"
	x.seal(at(11, 0), func(m *manifest.Manifest) { m.End = true })
	w.store = &denied{Store: w.store, etag: "two"}
	r := w.verify(verify.Options{})
	same(t, "copied", r.differences())
	if r.total.Read == 0 || r.total.Read > r.total.Bytes*2/3 {
		t.Errorf("%d of %d bytes were read", r.total.Read, r.total.Bytes)
	}
	w.edit(a, flip(2000))
	same(t, "changed", w.verify(verify.Options{}).differences(), "changed "+a, "gap 61 0-745")
}

// TestRunEnds passes errors of its caller on, and the end of the context.
func TestRunEnds(t *testing.T) {
	s := newSample(t)
	errStop := errors.New("stop")
	for name, o := range map[string]verify.Options{
		"object": {OnObject: func(verify.Object) error { return errStop }},
		"chain":  {OnChain: func(verify.Chain) error { return errStop }},
		"source": {OnSource: func(verify.Source) error { return errStop }, Deep: true},
	} {
		if _, err := verify.Run(t.Context(), s.store, o); !errors.Is(err, errStop) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := verify.Run(ctx, s.store, verify.Options{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestS3 finds the same in a bucket of a real server, where it is told ETags.
func TestS3(t *testing.T) {
	s3 := testenv.S3(t)
	store, err := objectstore.Open(t.Context(), s3.URL("some/prefix"), objectstore.Options{AccessKey: s3.AccessKey, SecretKey: s3.SecretKey})
	if err != nil {
		t.Fatal(err)
	}
	s := fillSample(newWorldIn(t, store))
	s.dir = s3.Dir + "/" + s3.Bucket + "/some/prefix"
	for _, deep := range []bool{false, true} {
		if r := s.verify(verify.Options{Keys: s.keys, Deep: deep}); len(r.differences()) > 0 || r.total.Objects[verify.OK] != 9 || r.total.Chains[verify.Intact] != 2 {
			t.Errorf("deep %v: %q, %+v", deep, r.differences(), r.total)
		}
	}
	s.remove(s.o12)
	s.edit(s.p12, func(b []byte) []byte { return b[:len(b)-7] })
	s.remove(s.two.manifests[2])
	same(t, "S3", s.verify(verify.Options{Keys: s.keys}).differences(), "agg-2 3 dropped", "missing "+s.o12, "extra "+s.p12, "gap 61 2980-3725")
}
