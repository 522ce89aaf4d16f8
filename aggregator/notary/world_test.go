package notary

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/archive/manifest"
	"github.com/loghaul/loghaul/internal/metrics"
	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/sinks"
	"github.com/loghaul/loghaul/sinks/archivetest"
)

// bucket is a create-only store in memory that fails on request.
type bucket struct {
	mu      sync.Mutex
	objects map[string]*stored
	// fail is asked before each call; after a Write that is let through lost is
	// asked whether its answer gets lost.
	fail func(op, key string) error
	lost func() bool
	// reads counts what was read whole.
	reads map[string]int
	// lists are the prefixes that were listed.
	lists []string
}

type stored struct {
	body []byte
	at   time.Time
}

func newBucket() *bucket { return &bucket{objects: map[string]*stored{}, reads: map[string]int{}} }

func (b *bucket) asked(ctx context.Context, op, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if b.fail != nil {
		return b.fail(op, key)
	}
	return nil
}

func (b *bucket) Write(ctx context.Context, g *sinks.Group) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.asked(ctx, "write", g.Key); err != nil {
		return err
	}
	if sha256.Sum256(g.Body) != g.SHA256 {
		return sinks.ErrCorrupt
	}
	if old, ok := b.objects[g.Key]; ok && !bytes.Equal(old.body, g.Body) {
		return sinks.ErrConflict
	} else if !ok {
		b.objects[g.Key] = &stored{bytes.Clone(g.Body), time.Now()}
	}
	if b.lost != nil && b.lost() {
		return errors.New("the answer got lost")
	}
	return nil
}

func (b *bucket) keys(prefix string) (keys []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, k := range slices.Sorted(maps.Keys(b.objects)) {
		if strings.HasPrefix(k, prefix) {
			keys = append(keys, k)
		}
	}
	return keys
}

func (b *bucket) List(ctx context.Context, prefix string, fn func(Info) error) error {
	b.mu.Lock()
	b.lists = append(b.lists, prefix)
	err := b.asked(ctx, "list", prefix)
	b.mu.Unlock()
	if err != nil {
		return err
	}
	for _, k := range b.keys(prefix) {
		o := b.object(k)
		if err := fn(Info{Key: k, Size: int64(len(o.body)), Modified: o.at, ETag: etag(o.body)}); err != nil {
			return err
		}
	}
	return nil
}

func etag(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[16:])
}

func (b *bucket) object(key string) *stored {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.objects[key]
}

func (b *bucket) Get(ctx context.Context, key string) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.asked(ctx, "get", key); err != nil {
		return nil, err
	}
	b.reads[key]++
	if o, ok := b.objects[key]; ok {
		return bytes.Clone(o.body), nil
	}
	return nil, fmt.Errorf("%s: %w", key, sinks.ErrNotFound)
}

func (b *bucket) ReadAt(ctx context.Context, key string, p []byte, off int64) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.asked(ctx, "get", key); err != nil {
		return 0, err
	}
	if o, ok := b.objects[key]; ok {
		return bytes.NewReader(o.body).ReadAt(p, off)
	}
	return 0, fmt.Errorf("%s: %w", key, sinks.ErrNotFound)
}

// put stores something that nobody lists.
func (b *bucket) put(key string, body []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.objects[key] = &stored{body, time.Now()}
}

// objectOf makes an object of a few real lines; n makes it unlike others.
func objectOf(t testing.TB, writer string, sealed time.Time, n int) *sinks.Group {
	t.Helper()
	raw := fmt.Appendf(nil, "10.0.0.%d:%d [26/Nov/2026:04:00:01.000] fe be/s1 0/0/0/1/1 200 %d - - ---- 1/1/0/0/0 0/0 \"GET /%d HTTP/1.1\"\n", n%250, 1000+n%60000, n, n)
	return archivetest.Group(t, archive.Options{Formats: archivetest.Formats(t, "httplog"), Writer: writer}, sealed, archive.Batch{Raw: raw, Header: wire.Header{
		Source: wire.Source{ID: strings.Repeat("a", 24), Node: "web-1", Path: "/var/log/haproxy.log"},
		From:   int64(n) * 1000, To: int64(n)*1000 + int64(len(raw)), Records: 1, ReadAt: sealed,
	}})
}

func newKey(t testing.TB) (text string, ring *manifest.Keyring) {
	t.Helper()
	private, public, err := manifest.Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if ring, err = manifest.ParseKeyring(public); err != nil {
		t.Fatal(err)
	}
	return string(private), ring
}

// process is a notary that runs, with its own clock and its own way to the store.
type process struct {
	t        testing.TB
	name     string
	bucket   *bucket
	notary   *Notary
	offset   atomic.Int64 // of its clock
	log      bytes.Buffer
	cancel   context.CancelFunc
	done     chan struct{}
	dead     atomic.Bool // every call to the store fails
	n        int
	registry *metrics.Registry
}

// link is a process's way to the store.
type link struct {
	*bucket
	p *process
}

var errDead = errors.New("the process is dead")

func (l link) Write(ctx context.Context, g *sinks.Group) error {
	if l.p.dead.Load() {
		return errDead
	}
	return l.bucket.Write(ctx, g)
}

func (l link) Get(ctx context.Context, key string) ([]byte, error) {
	if l.p.dead.Load() {
		return nil, errDead
	}
	return l.bucket.Get(ctx, key)
}

func (l link) List(ctx context.Context, prefix string, fn func(Info) error) error {
	if l.p.dead.Load() {
		return errDead
	}
	return l.bucket.List(ctx, prefix, fn)
}

func newProcess(t testing.TB, b *bucket, name, key string, change func(*Timing)) *process {
	t.Helper()
	p := &process{t: t, name: name, bucket: b, registry: metrics.New(Metrics()...)}
	timing := DefaultTiming()
	timing.Delay = 0
	if change != nil {
		change(&timing)
	}
	n, err := New(Config{Key: key, Timing: timing}, Deps{
		Store: link{b, p}, Name: name, Logger: slog.New(slog.NewTextHandler(&p.log, nil)), Now: p.now, Metrics: p.registry,
	})
	if err != nil {
		t.Fatal(err)
	}
	p.notary = n
	return p
}

func (p *process) now() time.Time { return time.Now().Add(time.Duration(p.offset.Load())) }

func (p *process) start() *process {
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel, p.done = cancel, make(chan struct{})
	go func() {
		defer close(p.done)
		p.notary.Run(ctx)
	}()
	return p
}

// stop is SIGTERM.
func (p *process) stop() {
	p.cancel()
	<-p.done
	ctx, cancel := context.WithTimeout(context.Background(), 25*time.Second)
	defer cancel()
	p.notary.Finish(ctx)
	p.dead.Store(true)
}

// kill is SIGKILL.
func (p *process) kill() {
	p.dead.Store(true)
	p.cancel()
	<-p.done
}

// store stores an object as an aggregator does.
func (p *process) store() *sinks.Group {
	p.t.Helper()
	p.n++
	return p.put(objectOf(p.t, p.name, p.now(), p.n))
}

// storeSmall stores something that is made faster than an object.
func (p *process) storeSmall() {
	p.t.Helper()
	p.n++
	p.put(quarantinedGroup(p.now(), fmt.Sprintf("%s: message %d", p.name, p.n)))
}

func (p *process) put(g *sinks.Group) *sinks.Group {
	p.t.Helper()
	w := p.notary.Open(p.now())
	defer w.Close()
	w.Storing(g)
	if err := (link{p.bucket, p}).Write(context.Background(), g); err != nil {
		p.t.Fatal(err)
	}
	w.Stored(g)
	return g
}

// chains reads all manifests, by writer in the order of their numbers. Every
// chain must be whole.
func (b *bucket) chains(t testing.TB, ring *manifest.Keyring) map[string][]*manifest.Manifest {
	t.Helper()
	files := map[string][]*manifest.File{}
	for _, key := range b.keys(manifest.Prefix) {
		f, err := manifest.Decode(b.object(key).body)
		if err != nil || f.Manifest.Key() != key {
			t.Fatalf("%s: %v", key, err)
		}
		if ring != nil {
			if err := ring.Check(f); err != nil {
				t.Errorf("%s: %v", key, err)
			}
		}
		files[f.Manifest.Writer] = append(files[f.Manifest.Writer], f)
	}
	all := map[string][]*manifest.Manifest{}
	for writer, list := range files {
		slices.SortFunc(list, func(a, b *manifest.File) int { return int(a.Manifest.Sequence - b.Manifest.Sequence) })
		for i, f := range list {
			m := f.Manifest
			all[writer] = append(all[writer], m)
			if m.Sequence != int64(i+1) {
				t.Fatalf("%s: number %d where %d should be:\n%s", writer, m.Sequence, i+1, describe(list))
			}
			if i > 0 && (*m.Previous != list[i-1].Link() || !m.From.Equal(list[i-1].Manifest.To)) {
				t.Fatalf("%s: number %d does not continue the one before:\n%s", writer, m.Sequence, describe(list))
			}
			for j := range m.Objects {
				at := sealed(m.Objects[j].Key)
				late := m.From.Equal(m.To)
				if !strings.HasPrefix(m.Objects[j].Key, archive.QuarantinePrefix) && (!at.Before(m.To) || at.Before(m.From) != late) {
					t.Errorf("%s: number %d covers [%s, %s) and has an object of %s", writer, m.Sequence, m.From, m.To, at)
				}
			}
		}
	}
	return all
}

func describe(list []*manifest.File) string {
	var b strings.Builder
	for _, f := range list {
		m := f.Manifest
		fmt.Fprintf(&b, "  %d [%s, %s) made %s by %q, end %v, %d objects\n", m.Sequence, m.From.Format(time.DateTime), m.To.Format(time.DateTime),
			m.Made.Format(time.DateTime), m.MadeBy, m.End, len(m.Objects))
	}
	return b.String()
}

// complete fails unless each object of the store is in exactly one manifest, as
// it is.
func (b *bucket) complete(t testing.TB, ring *manifest.Keyring) map[string]*manifest.Object {
	t.Helper()
	listed := map[string]*manifest.Object{}
	for writer, list := range b.chains(t, ring) {
		for _, m := range list {
			for i := range m.Objects {
				o := &m.Objects[i]
				if listed[o.Key] != nil {
					t.Errorf("%s is listed twice, the second time in number %d of %s", o.Key, m.Sequence, writer)
				}
				listed[o.Key] = o
				s := b.object(o.Key)
				if s == nil {
					t.Errorf("%s is listed and not there", o.Key)
					continue
				}
				sum := sha256.Sum256(s.body)
				if o.SHA256 != hex.EncodeToString(sum[:]) || o.Size != int64(len(s.body)) || o.ETag != etag(s.body) {
					t.Errorf("%s is listed with %d bytes of %s, ETag %q", o.Key, o.Size, o.SHA256, o.ETag)
				}
				if k, err := archive.ParseKey(o.Key); err == nil && (k.Writer != writer || o.Lines != 1 || o.RawSHA256 == "" || len(o.Ranges) != 1) {
					t.Errorf("%s is listed by %s as %+v", o.Key, writer, o)
				}
			}
		}
	}
	for _, key := range append(b.keys("dt="), b.keys(archive.QuarantinePrefix)...) {
		if listed[key] == nil {
			t.Errorf("%s is in no manifest", key)
		}
	}
	return listed
}

func must(t testing.TB, key string) *manifest.Signer {
	t.Helper()
	s, err := manifest.ParseSigner([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return s
}
