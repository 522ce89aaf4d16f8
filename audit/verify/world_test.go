package verify_test

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/archive/manifest"
	"github.com/loghaul/loghaul/audit/verify"
	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/sinks"
	"github.com/loghaul/loghaul/sinks/archivetest"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

var (
	start = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	now   = start.Add(48 * time.Hour)
)

// world is an archive with its manifests.
type world struct {
	t       testing.TB
	dir     string // "" for a store that is no folder
	store   objectstore.Store
	signer  *manifest.Signer
	keys    *manifest.Keyring
	writers map[string]*writer
}

// writer is an aggregator.
type writer struct {
	w        *world
	name     string
	enc      *archive.Encoder
	sequence int64
	from     time.Time
	previous *manifest.Link
	waiting  []*manifest.Entry
	// manifests are the keys of those written, made of documents.
	manifests []string
	documents map[string]document
}

type document struct {
	m       manifest.Manifest
	entries []*manifest.Entry
}

func newSigner(t testing.TB) *manifest.Signer {
	t.Helper()
	private, _, err := manifest.Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := manifest.ParseSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func keyring(t testing.TB, signers ...*manifest.Signer) *manifest.Keyring {
	t.Helper()
	var text []byte
	for _, s := range signers {
		text = append(text, s.Public()...)
	}
	k, err := manifest.ParseKeyring(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newWorld(t testing.TB) *world {
	t.Helper()
	return newWorldAt(t, t.TempDir())
}

func newWorldAt(t testing.TB, dir string) *world {
	t.Helper()
	store, err := objectstore.Open(t.Context(), "file://"+dir, objectstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorldIn(t, store)
	w.dir = dir
	return w
}

func newWorldIn(t testing.TB, store objectstore.Store) *world {
	t.Helper()
	s := newSigner(t)
	return &world{t: t, store: store, signer: s, keys: keyring(t, s), writers: map[string]*writer{}}
}

// writer gives the writer of a name; its chain begins at start.
func (w *world) writer(name string) *writer {
	w.t.Helper()
	if x := w.writers[name]; x != nil {
		return x
	}
	x := &writer{w: w, name: name, from: start, documents: map[string]document{}}
	w.writers[name] = x
	return x
}

func source(letter rune) wire.Source {
	return wire.Source{ID: fmt.Sprintf("%024x", letter), Node: "web-1", Path: "/var/log/" + string(letter) + ".log"}
}

// lines gives n lines of 100 bytes each.
func lines(n int) string {
	var b strings.Builder
	for i := range n {
		line := fmt.Sprintf("203.0.113.%d:4000 [01/Mar/2026:10:00:%02d.000] www api/s1 0/0/1/2/3 200 99 - - ---- 1/1/0/0/0 0/0 \"GET /", i%250, i%60)
		b.WriteString(line + strings.Repeat("x", 138-len(line)) + " HTTP/1.1\"\n")
	}
	return b.String()
}

// lineSize is the length of one of lines.
const lineSize = 149

func batch(src wire.Source, from int64, raw string) archive.Batch {
	return archive.Batch{
		Header: wire.Header{Source: src, From: from, To: from + int64(len(raw)), Records: strings.Count(raw, "\n"), ReadAt: start},
		Raw:    []byte(raw),
	}
}

func lost(src wire.Source, from, to int64, reason string) archive.Batch {
	return archive.Batch{Header: wire.Header{Source: src, From: from, To: to, Lost: reason, Encoding: wire.Plain, ReadAt: start}}
}

// encode makes an object without storing it.
func (x *writer) encode(sealed time.Time, batches ...archive.Batch) *archive.Object {
	x.w.t.Helper()
	if x.enc == nil { // a copy of a writer makes its own
		enc, err := archive.NewEncoder(archive.Options{Formats: archivetest.Formats(x.w.t, "httplog"), Writer: x.name, CreatedBy: "test"})
		if err != nil {
			x.w.t.Fatal(err)
		}
		x.enc = enc
	}
	o, err := x.enc.Encode(batches, sealed)
	if err != nil {
		x.w.t.Fatal(err)
	}
	return o
}

// entry makes the entry of an object.
func (w *world) entry(o *archive.Object) *manifest.Entry { return w.entryOfBody(o.Key, o.Body) }

func (w *world) entryOfBody(key string, body []byte) *manifest.Entry {
	w.t.Helper()
	s, err := archive.NewSummarizer()
	if err != nil {
		w.t.Fatal(err)
	}
	sum, err := s.Summarize(body)
	if err != nil {
		w.t.Fatal(err)
	}
	return manifest.NewEntry(key, int64(len(body)), sha256.Sum256(body), sum)
}

// put stores an object, which waits for its manifest, and gives its key.
func (x *writer) put(sealed time.Time, batches ...archive.Batch) string {
	x.w.t.Helper()
	o := x.encode(sealed, batches...)
	x.w.create(o.Key, o.Body)
	x.waiting = append(x.waiting, x.w.entry(o))
	return o.Key
}

// seal writes the manifest of what waits, up to a time, and gives its key.
func (x *writer) seal(to time.Time, edit ...func(*manifest.Manifest)) string {
	x.w.t.Helper()
	m, entries := x.next(to)
	for _, e := range edit {
		e(m)
	}
	return x.publish(m, entries)
}

// next is the manifest that comes.
func (x *writer) next(to time.Time) (*manifest.Manifest, []*manifest.Entry) {
	m := &manifest.Manifest{Writer: x.name, Sequence: x.sequence + 1, From: x.from, To: to, Made: to, Previous: x.previous}
	entries := x.waiting
	x.waiting = nil
	return m, entries
}

func (x *writer) publish(m *manifest.Manifest, entries []*manifest.Entry) string {
	x.w.t.Helper()
	b, f, err := manifest.Encode(m, entries, x.w.signer)
	if err != nil {
		x.w.t.Fatal(err)
	}
	key := m.Key()
	x.w.create(key, b)
	link := f.Link()
	x.sequence, x.from, x.previous = m.Sequence, m.To, &link
	x.manifests = append(x.manifests, key)
	x.documents[key] = document{*m, entries}
	return key
}

// rewrite writes a manifest again, edited, in the place of itself. The signature
// is that of signer, or that of the old one if it is nil.
func (x *writer) rewrite(key string, signer *manifest.Signer, edit func(*document)) {
	x.w.t.Helper()
	d := x.documents[key]
	d.entries = slices.Clone(d.entries)
	edit(&d)
	b, _, err := manifest.Encode(&d.m, d.entries, signer)
	if err != nil {
		x.w.t.Fatal(err)
	}
	if signer == nil {
		old := x.w.read(key)
		copy(b[len(b)-sealed:], old[len(old)-sealed:])
	}
	x.w.overwrite(key, b)
}

// sealed is the bytes of key and signature at the end of a manifest.
const sealed = 96

// head is what another chain says about the newest manifest.
func (x *writer) head() manifest.Head { return manifest.Head{Writer: x.name, Link: *x.previous} }

func (w *world) create(key string, body []byte) {
	w.t.Helper()
	if w.dir != "" { // without the fsyncs of the store
		w.overwrite(key, body)
		return
	}
	if err := w.store.Write(w.t.Context(), &sinks.Group{Key: key, Body: body, SHA256: sha256.Sum256(body)}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) path(key string) string { return filepath.Join(w.dir, filepath.FromSlash(key)) }

// edit does what nobody should be able to: it changes a stored file.
func (w *world) edit(key string, fn func([]byte) []byte) {
	w.t.Helper()
	b, err := os.ReadFile(w.path(key))
	if err != nil {
		w.t.Fatal(err)
	}
	w.overwrite(key, fn(b))
}

func (w *world) overwrite(key string, b []byte) {
	w.t.Helper()
	if err := os.MkdirAll(filepath.Dir(w.path(key)), 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(w.path(key), b, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) remove(key string) {
	w.t.Helper()
	if err := os.Remove(w.path(key)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) read(key string) []byte {
	w.t.Helper()
	b, err := w.store.Get(w.t.Context(), key)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// result is what a run said.
type result struct {
	objects []verify.Object
	chains  []verify.Chain
	sources []verify.Source
	total   *verify.Total
	warned  []error
}

func (w *world) verify(o verify.Options) *result {
	w.t.Helper()
	r := &result{}
	if o.Now.IsZero() {
		o.Now = now
	}
	o.Grace = 2 * time.Hour
	o.OnObject = func(x verify.Object) error { r.objects = append(r.objects, x); return nil }
	o.OnChain = func(x verify.Chain) error { r.chains = append(r.chains, x); return nil }
	o.OnSource = func(x verify.Source) error { r.sources = append(r.sources, x); return nil }
	o.Warn = func(err error) { r.warned = append(r.warned, err) }
	var err error
	if r.total, err = verify.Run(w.t.Context(), w.store, o); err != nil {
		w.t.Fatal(err)
	}
	return r
}

// differences names everything that is not as it should be, in a form that
// tests compare.
func (r *result) differences() (all []string) {
	for _, o := range r.objects {
		if o.Verdict.Difference() || o.Verdict == verify.Unread {
			all = append(all, fmt.Sprintf("%s %s", o.Verdict, o.Key))
		}
	}
	for _, c := range r.chains {
		for _, b := range c.Breaks {
			s := fmt.Sprintf("%s %d", c.Writer, b.Sequence)
			if b.Through > 0 {
				s += fmt.Sprintf("-%d", b.Through)
			}
			all = append(all, s+" "+string(b.Kind))
		}
	}
	for _, s := range r.sources {
		for _, g := range s.Gaps {
			if g.Reason == "" && !g.Pending {
				all = append(all, fmt.Sprintf("gap %s %d-%d", s.ID[22:], g.From, g.To))
			}
		}
	}
	slices.Sort(all)
	return all
}

// reasons gives what was said about a difference.
func (r *result) reasons(about string) string {
	var all []string
	for _, o := range r.objects {
		if o.Key == about {
			all = append(all, o.Why)
		}
	}
	for _, c := range r.chains {
		for _, b := range c.Breaks {
			if c.Writer == about {
				all = append(all, b.Why)
			}
		}
	}
	return strings.Join(all, "; ")
}

// sample is an archive of two writers and three hours, with everything a sound
// one can have.
//
//	agg-1: 1 (hour 10, two objects), 2 (hour 11), 3 (a supplement), 4 (hour 12), 5 (a day without anything, the end)
//	agg-2: 1 (hour 10), 2 (hour 11), 3 (hour 12, the end)
type sample struct {
	*world
	one, two *writer
	// objects of agg-1 by hour, the second of hour 10, and the late one of hour
	// 11; those of agg-2 by hour.
	o10, o10b, o11, late, o12, p10, p11, p12, quarantined string
}

func newSample(t testing.TB) *sample {
	t.Helper()
	return fillSample(newWorld(t))
}

func at(hour, minute int) time.Time {
	return start.Add(time.Duration(hour-10)*time.Hour + time.Duration(minute)*time.Minute)
}

const size5 = 5 * lineSize

func fillSample(w *world) *sample {
	w.t.Helper()
	s := &sample{world: w, one: w.writer("agg-1"), two: w.writer("agg-2")}
	a, b, c := source('a'), source('b'), source('c')
	s.o10 = s.one.put(at(10, 5), batch(a, 0, lines(5)), batch(b, 0, lines(5)))
	s.o10b = s.one.put(at(10, 20), batch(a, 2*size5, lines(5)))
	s.p10 = s.two.put(at(10, 10), batch(a, size5, lines(5)), lost(b, size5, size5+100, "truncated"))
	body := []byte("Quarantine-Reason: a test\r\n\r\nx")
	sum := sha256.Sum256(body)
	s.quarantined = fmt.Sprintf("_quarantine/%sRAW-00-7-%x.bin", archive.HourPrefix(at(10, 30)), sum[:6])
	w.create(s.quarantined, body)
	s.one.waiting = append(s.one.waiting, manifest.NewEntry(s.quarantined, int64(len(body)), sum, nil))
	s.one.seal(at(11, 0))
	s.two.seal(at(11, 0), func(m *manifest.Manifest) { m.Heads = []manifest.Head{s.one.head()} })

	s.late = s.one.put(at(11, 50), batch(b, size5+100, lines(5)))
	late := s.one.waiting
	s.one.waiting = nil
	s.o11 = s.one.put(at(11, 10), batch(a, 3*size5, lines(5)), lost(c, 0, 500, "joined"))
	s.p11 = s.two.put(at(11, 20), batch(c, 500, lines(5)))
	s.one.seal(at(12, 0), func(m *manifest.Manifest) { m.Heads = []manifest.Head{s.two.head()} })
	s.two.seal(at(12, 0))
	s.one.waiting = late
	s.one.seal(at(12, 0))

	s.o12 = s.one.put(at(12, 10), batch(a, 4*size5, lines(5)))
	s.p12 = s.two.put(at(12, 20), batch(c, 500+size5, lines(5)))
	s.one.seal(at(13, 0), func(m *manifest.Manifest) { m.Heads = []manifest.Head{s.two.head()} })
	s.two.seal(at(13, 0), func(m *manifest.Manifest) { m.End, m.Heads = true, []manifest.Head{s.one.head()} })
	s.one.seal(at(37, 0), func(m *manifest.Manifest) { m.End, m.Heads, m.MadeBy = true, []manifest.Head{s.two.head()}, "agg-2" })
	return s
}
