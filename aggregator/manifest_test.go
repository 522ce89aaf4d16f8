package aggregator_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/loghaul/loghaul/aggregator"
	"github.com/loghaul/loghaul/aggregator/notary"
	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/archive/manifest"
	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/sinks"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// vault is a real store as aggregators see it. When it is dead it does nothing
// any more: what a killed process can do.
type vault struct {
	objectstore.Store
	dead atomic.Bool
	// manifests is asked before anything is done below _manifests/.
	manifests func(context.Context) error
}

var errKilled = errors.New("killed")

func (v *vault) ask(ctx context.Context, key string) error {
	if v.dead.Load() {
		return errKilled
	}
	if v.manifests != nil && strings.HasPrefix(key, manifest.Prefix) {
		return v.manifests(ctx)
	}
	return nil
}

func (v *vault) Write(ctx context.Context, g *sinks.Group) error {
	if err := v.ask(ctx, g.Key); err != nil {
		return err
	}
	return v.Store.Write(ctx, g)
}

func (v *vault) Get(ctx context.Context, key string) ([]byte, error) {
	if err := v.ask(ctx, key); err != nil {
		return nil, err
	}
	return v.Store.Get(ctx, key)
}

// notaries gives it as a notary sees it.
func (v *vault) notaries() notary.Store { return forNotary{v} }

type forNotary struct{ *vault }

func (v forNotary) List(ctx context.Context, prefix string, fn func(notary.Info) error) error {
	if err := v.ask(ctx, prefix); err != nil {
		return err
	}
	return v.Store.List(ctx, prefix, func(o objectstore.Info) error {
		return fn(notary.Info{Key: o.Key, Size: o.Size, Modified: o.Modified, ETag: o.ETag})
	})
}

// onStores runs a test on a folder and on an S3 server.
func onStores(t *testing.T, test func(t *testing.T, open func() *vault)) {
	t.Helper()
	run := func(name, url string, o objectstore.Options) {
		t.Run(name, func(t *testing.T) {
			test(t, func() *vault {
				s, err := objectstore.Open(t.Context(), url, o)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = s.Close() })
				return &vault{Store: s}
			})
		})
	}
	run("folder", "file://"+t.TempDir(), objectstore.Options{})
	s3 := testenv.S3(t)
	run("s3", s3.URL("logs"), objectstore.Options{AccessKey: s3.AccessKey, SecretKey: s3.SecretKey})
}

// signed is a key for manifests, and who can check it.
func signed(t *testing.T) (notary.Config, *manifest.Keyring) {
	t.Helper()
	private, public, err := manifest.Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := manifest.ParseKeyring(public)
	if err != nil {
		t.Fatal(err)
	}
	c := notary.DefaultConfig()
	c.Key = string(private)
	c.Timing.Check, c.Timing.First, c.Timing.Max = 20*time.Millisecond, 10*time.Millisecond, 100*time.Millisecond
	return c, ring
}

// listed reads all manifests: signed, chains without a fork or a hole, every
// object of the store in exactly one of them. It gives the objects by key, and
// the newest manifest of each writer.
func listed(t *testing.T, s objectstore.Store, ring *manifest.Keyring) (map[string]*manifest.Object, map[string]*manifest.Manifest) {
	t.Helper()
	return inManifests(t, s, ring, false)
}

// inManifests is listed, where an object may be in two manifests that say the
// same of it.
func inManifests(t *testing.T, s objectstore.Store, ring *manifest.Keyring, twice bool) (map[string]*manifest.Object, map[string]*manifest.Manifest) {
	t.Helper()
	chains := map[string]map[int64]*manifest.File{}
	objects, sizes := map[string]*manifest.Object{}, map[string]int64{}
	err := s.List(t.Context(), "", func(o objectstore.Info) error {
		if !strings.HasPrefix(o.Key, manifest.Prefix) {
			sizes[o.Key] = o.Size
			return nil
		}
		b, err := s.Get(t.Context(), o.Key)
		if err != nil {
			return err
		}
		f, err := manifest.Decode(b)
		if err != nil {
			return err
		}
		m := f.Manifest
		if chains[m.Writer] == nil {
			chains[m.Writer] = map[int64]*manifest.File{}
		}
		if chains[m.Writer][m.Sequence] != nil || m.Key() != o.Key {
			t.Errorf("%s: number %d of %s is there twice, or is %s", o.Key, m.Sequence, m.Writer, m.Key())
		}
		chains[m.Writer][m.Sequence] = f
		for i := range m.Objects {
			if o := objects[m.Objects[i].Key]; o != nil && (!twice || o.SHA256 != m.Objects[i].SHA256) {
				t.Errorf("%s is listed twice", m.Objects[i].Key)
			}
			objects[m.Objects[i].Key] = &m.Objects[i]
		}
		return ring.Check(f)
	})
	if err != nil {
		t.Fatal(err)
	}
	last := map[string]*manifest.Manifest{}
	for writer, chain := range chains {
		for n := int64(1); n <= int64(len(chain)); n++ {
			f := chain[n]
			if f == nil || n > 1 && (*f.Manifest.Previous != chain[n-1].Link() || !f.Manifest.From.Equal(chain[n-1].Manifest.To)) {
				t.Fatalf("the chain of %s is broken at %d", writer, n)
			}
			last[writer] = f.Manifest
		}
	}
	for key, size := range sizes {
		o := objects[key]
		if o == nil || o.Size != size {
			t.Errorf("%s of %d bytes is listed as %+v", key, size, o)
			continue
		}
		b, err := s.Get(t.Context(), key)
		if sum := sha256.Sum256(b); err != nil || hex.EncodeToString(sum[:]) != o.SHA256 {
			t.Errorf("%s is listed with another checksum (%v)", key, err)
		}
	}
	if len(objects) != len(sizes) {
		t.Errorf("%d objects are listed, %d are there", len(objects), len(sizes))
	}
	return objects, last
}

// TestManifestsListEverything: objects of halves, of losses alone, what is no
// batch and what could not be encoded.
func TestManifestsListEverything(t *testing.T) {
	onStores(t, func(t *testing.T, open func() *vault) {
		r := newRig(t, 1, nil)
		cfg, ring := signed(t)
		enc, err := archive.NewEncoder(archive.Options{Writer: "a1"})
		if err != nil {
			t.Fatal(err)
		}
		c := r.config("a1")
		c.Manifest = cfg
		s := open()
		run := r.run(c, aggregator.Deps{Archive: s, Manifests: s.notaries(), Encoder: picky{enc}})
		lossHeader := lost("a", 1_000_000, 1_000_100, 3, "spool_full")
		r.publish("a", lossHeader.Encode(), nil)
		eventually(t, "the loss is archived", func() bool { return r.messages() == 0 })
		r.send([]string{"a", "b"}, 5, 3)
		h, payload := batch("bad", 0, "one\ntwo\n")
		r.publish("bad", h.Encode(), payload)
		r.publish("a", nil, []byte("no batch"))
		eventually(t, "everything is archived", func() bool { return r.messages() == 0 })
		run.stop()
		objects, last := listed(t, s, ring)
		kinds := map[string]int{}
		for key, o := range objects {
			switch {
			case o.Recovered:
				t.Errorf("%s is marked as recovered", key)
			case strings.HasPrefix(key, "_quarantine/"):
				kinds["quarantined"]++
			case o.Lines == 0 && len(o.Losses) == 1:
				kinds["losses"]++
			case o.Lines > 0 && o.RawSHA256 != "" && len(o.Columns) > 0:
				kinds["lines"]++
			}
			if o.ETag == "" && strings.HasPrefix(s.String(), "s3:") {
				t.Errorf("%s is listed without an ETag", key)
			}
		}
		if kinds["quarantined"] != 2 || kinds["losses"] != 1 || kinds["lines"] < 2 {
			t.Errorf("%v", kinds)
		}
		if !last["a1"].End {
			t.Error("the chain is not ended")
		}
	})
}

// TestKilledAggregatorsManifests: one is killed with objects that it has not
// listed and comes back, another is killed and does not. A third one closes the
// chain of the latter.
func TestKilledAggregatorsManifests(t *testing.T) {
	onStores(t, func(t *testing.T, open func() *vault) {
		r := newRig(t, 2, func(s *broker.Streams) { s.AckWait = time.Second })
		cfg, ring := signed(t)
		run := func(name string, change func(*notary.Timing)) (*running, *vault) {
			c := r.config(name)
			c.Manifest, c.DrainTimeout = cfg, 100*time.Millisecond
			if change != nil {
				change(&c.Manifest.Timing)
				c.DrainTimeout = 10 * time.Second
			}
			s := open()
			return r.run(c, aggregator.Deps{Archive: s, Manifests: s.notaries()}), s
		}
		for _, name := range []string{"back", "gone"} {
			one, s := run(name, nil)
			r.send([]string{name}, 2, 3)
			eventually(t, "it is archived", func() bool { return r.messages() == 0 })
			s.dead.Store(true)
			one.stop()
		}
		quick := func(c *notary.Timing) { c.Round, c.Dead = 300*time.Millisecond, 3*time.Second }
		back, s := run("back", quick)
		from := int64(0)
		eventually(t, "the chain of the other is closed", func() bool {
			// The store's time goes on with what is stored.
			h, payload := batch("alive", from, "line\n")
			from = h.To
			r.publish("alive", h.Encode(), payload)
			ended := false
			err := s.List(t.Context(), manifest.Prefix, func(o objectstore.Info) error {
				if k, err := manifest.ParseKey(o.Key); err != nil || k.Writer != "gone" {
					return err
				}
				b, err := s.Get(t.Context(), o.Key)
				if err != nil {
					return err
				}
				f, err := manifest.Decode(b)
				ended = err == nil && f.Manifest.End && f.Manifest.MadeBy == "back"
				return err
			})
			return err == nil && ended
		})
		back.stop()
		objects, last := listed(t, s, ring)
		recovered := 0
		for key, o := range objects {
			if o.Recovered {
				recovered++
			} else if strings.Contains(key, "/gone-") {
				t.Errorf("%s is not marked as recovered", key)
			}
		}
		if recovered < 2 || !last["back"].End || !last["gone"].End {
			t.Errorf("%d objects, the chains are ended: %v, %v", len(objects), last["back"].End, last["gone"].End)
		}
	})
}

// TestTwoOfOneName must not be, and do no harm: they make one chain.
func TestTwoOfOneName(t *testing.T) {
	onStores(t, func(t *testing.T, open func() *vault) {
		r := newRig(t, 4, nil)
		cfg, ring := signed(t)
		c := r.config("same")
		c.Manifest = cfg
		c.Window.Lines = 20
		s := open()
		one := r.run(c, aggregator.Deps{Archive: s, Manifests: s.notaries()})
		two := r.run(c, aggregator.Deps{Archive: open(), Manifests: open().notaries()})
		eventually(t, "both are ready", func() bool { return one.Ready() == nil && two.Ready() == nil })
		r.send([]string{"a", "b", "c", "d", "e"}, 10, 10)
		eventually(t, "everything is archived", func() bool { return r.messages() == 0 })
		two.cancel()
		one.stop()
		two.stop()
		if one.Status().Objects == 0 || two.Status().Objects == 0 {
			t.Fatal("one of them did nothing")
		}
		// The one that looked for its chain later may have found, as after a crash,
		// what the other one was about to list.
		inManifests(t, s, ring, true)
	})
}

// TestManifestsHoldNothingUp: lines are stored and acknowledged though nothing
// can be done with manifests, and the end is bounded.
func TestManifestsHoldNothingUp(t *testing.T) {
	r := newRig(t, 2, nil)
	cfg, ring := signed(t)
	s, err := objectstore.Open(t.Context(), "file://"+t.TempDir(), objectstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	v := &vault{Store: s, manifests: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
	c := r.config("a1")
	c.Manifest, c.DrainTimeout = cfg, time.Second
	run := r.run(c, aggregator.Deps{Archive: v, Manifests: v.notaries()})
	r.send([]string{"a", "b"}, 10, 5)
	eventually(t, "everything is archived", func() bool { return r.messages() == 0 })
	if err := run.Ready(); err != nil {
		t.Error(err)
	}
	run.stop()
	v.manifests = nil
	r.run(c, aggregator.Deps{Archive: v, Manifests: v.notaries()}).stop()
	objects, _ := listed(t, s, ring)
	if len(objects) == 0 {
		t.Error("nothing is listed")
	}
}

// TestManifestWhenTheBrokerIsNotThere: an aggregator that never got a message
// has a chain all the same, and ends it.
func TestManifestWhenTheBrokerIsNotThere(t *testing.T) {
	r := newRig(t, 1, nil)
	cfg, ring := signed(t)
	s, err := objectstore.Open(t.Context(), "file://"+t.TempDir(), objectstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	v := &vault{Store: s}
	c := r.config("a1")
	c.Manifest = cfg
	run := r.run(c, aggregator.Deps{Archive: v, Manifests: v.notaries(), Broker: broker.Options{InProcess: &cuttable{server: r.server, cut: true}}})
	run.stop()
	if _, last := listed(t, s, ring); last["a1"] == nil || !last["a1"].End {
		t.Errorf("%+v", last)
	}
}

func TestWrongManifestKeyIsAConfigurationError(t *testing.T) {
	c := aggregator.DefaultConfig()
	c.Manifest.KeyFile = t.TempDir() + "/none"
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "manifest.key_file: read the key that signs manifests") {
		t.Errorf("%v", err)
	}
}
