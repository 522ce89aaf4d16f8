package notary

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/loghaul/loghaul/archive/manifest"
	"github.com/loghaul/loghaul/sinks"
)

// world runs a test in a bubble of time that begins at 10:00:30.
func world(t *testing.T, fn func(t *testing.T, b *bucket)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		pass(10*time.Hour + 30*time.Second)
		fn(t, newBucket())
	})
}

// pass lets time pass and everything happen that is due.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// spans gives the manifests of a writer as "[from, to) objects end".
func spans(list []*manifest.Manifest) (out []string) {
	for _, m := range list {
		s := m.From.Format("15:04:05-") + m.To.Format("15:04:05")
		if len(m.Objects) > 0 {
			s += " " + strings.Repeat("o", min(len(m.Objects), 9))
		}
		if m.MadeBy != "" {
			s += " by " + m.MadeBy
		}
		if m.End {
			s += " end"
		}
		out = append(out, s)
	}
	return out
}

func (b *bucket) want(t *testing.T, writer string, want ...string) []*manifest.Manifest {
	t.Helper()
	list := b.chains(t, nil)[writer]
	if got := strings.Join(spans(list), "\n"); got != strings.Join(want, "\n") {
		t.Errorf("manifests of %s:\n%s\nwant\n%s", writer, got, strings.Join(want, "\n"))
	}
	return list
}

func TestHours(t *testing.T) {
	world(t, func(t *testing.T, b *bucket) {
		key, ring := newKey(t)
		p := newProcess(t, b, "a", key, nil).start()
		pass(10 * time.Minute)
		p.store()
		p.store()
		pass(2 * time.Hour) // an hour without objects
		p.store()
		pass(time.Minute)
		p.stop()
		b.want(t, "a", "10:00:00-10:00:30", "10:00:30-11:00:00 oo", "11:00:00-12:00:00", "12:00:00-12:11:30 o end")
		for key, o := range b.complete(t, ring) {
			if o.Recovered {
				t.Errorf("%s is marked as recovered", key)
			}
		}
		// The next start goes on behind a bridge.
		pass(100 * time.Minute)
		newProcess(t, b, "a", key, nil).start().stop()
		list := b.chains(t, ring)["a"]
		if got := spans(list[4:]); got[0] != "12:11:30-13:51:30" || got[1] != "13:51:30-13:51:30 end" {
			t.Errorf("after a restart: %v", got)
		}
	})
}

// TestHourWaitsForWhatIsBeingStored: what was sealed in an hour is listed in
// it, though the store took it later.
func TestHourWaitsForWhatIsBeingStored(t *testing.T) {
	world(t, func(t *testing.T, b *bucket) {
		p := newProcess(t, b, "a", "", nil).start()
		pass(59 * time.Minute)
		w := p.notary.Open(p.now())
		g := objectOf(t, "a", p.now(), 1)
		pass(10 * time.Minute)
		b.want(t, "a", "10:00:00-10:00:30")
		w.Storing(g)
		b.put(g.Key, g.Body)
		w.Stored(g)
		w.Close()
		pass(10 * time.Second)
		p.stop()
		b.want(t, "a", "10:00:00-10:00:30", "10:00:30-11:00:00 o", "11:00:00-11:09:40 end")
		b.complete(t, nil)
	})
}

// TestOutageOverTheHour: manifests follow when the store is back; nothing is
// lost of what was stored before.
func TestOutageOverTheHour(t *testing.T) {
	world(t, func(t *testing.T, b *bucket) {
		p := newProcess(t, b, "a", "", nil).start()
		pass(50 * time.Minute)
		p.store()
		away := errors.New("the store is away")
		b.mu.Lock()
		b.fail = func(string, string) error { return away }
		b.mu.Unlock()
		pass(3 * time.Hour)
		if n := strings.Count(p.log.String(), "manifests cannot be written"); n != 1 {
			t.Errorf("the failure is logged %d times", n)
		}
		if p.notary.Waiting() != 1 {
			t.Errorf("%d objects wait", p.notary.Waiting())
		}
		b.mu.Lock()
		b.fail = nil
		b.mu.Unlock()
		pass(2 * time.Minute)
		p.store()
		p.stop()
		b.want(t, "a", "10:00:00-10:00:30", "10:00:30-11:00:00 o", "11:00:00-13:00:00", "13:00:00-13:52:30 o end")
		b.complete(t, nil)
		if !strings.Contains(p.log.String(), "manifests are written again") {
			t.Error("the end of the failure is not logged")
		}
	})
}

// TestManyObjects: a manifest has so many objects and no more, and when none can be
// written memory stays bounded.
func TestManyObjects(t *testing.T) {
	world(t, func(t *testing.T, b *bucket) {
		p := newProcess(t, b, "a", "", nil).start()
		pass(time.Minute)
		b.mu.Lock()
		b.fail = func(op, key string) error {
			if op == "write" && strings.HasPrefix(key, manifest.Prefix) {
				return sinks.ErrPermanent
			}
			return nil
		}
		b.mu.Unlock()
		for range maxEntries {
			p.storeSmall()
			pass(time.Second)
		}
		for range 100 {
			p.store()
			pass(time.Second)
		}
		light := 0
		for _, it := range p.notary.waiting {
			if it.entry == nil {
				light++
			}
		}
		if light != 100 || p.notary.Waiting() != maxEntries+100 {
			t.Errorf("%d objects wait, %d as their keys", p.notary.Waiting(), light)
		}
		b.mu.Lock()
		b.fail = nil
		b.mu.Unlock()
		pass(2 * time.Minute)
		p.stop()
		for _, m := range b.chains(t, nil)["a"] {
			if len(m.Objects) > maxItems {
				t.Errorf("number %d has %d objects", m.Sequence, len(m.Objects))
			}
		}
		for key, o := range b.complete(t, nil) {
			if o.Recovered {
				t.Fatalf("%s is marked as recovered: the writer knows its checksum", key)
			}
		}
	})
}

// TestManifestBeforeTheHourIsOver: memory is bounded when all works, too.
func TestManifestBeforeTheHourIsOver(t *testing.T) {
	world(t, func(t *testing.T, b *bucket) {
		p := newProcess(t, b, "a", "", nil).start()
		pass(time.Minute)
		for range 2*maxItems + 10 {
			p.storeSmall()
			pass(time.Second)
			if n := p.notary.Waiting(); n > maxItems {
				t.Fatalf("%d objects wait", n)
			}
		}
		p.stop()
		b.want(t, "a", "10:00:00-10:00:30", "10:00:30-10:05:45 ooooooooo", "10:05:45-10:10:01 ooooooooo", "10:10:01-10:10:12 ooooooooo end")
		b.complete(t, nil)
	})
}

// TestManyInOneMillisecond: a window in halves may make more objects than a
// manifest takes, all sealed at once. Those that are left go into a supplement.
func TestManyInOneMillisecond(t *testing.T) {
	world(t, func(t *testing.T, b *bucket) {
		p := newProcess(t, b, "a", "", nil).start()
		pass(time.Minute)
		for range maxItems + 5 {
			p.storeSmall()
		}
		p.stop()
		list := b.chains(t, nil)["a"]
		if n := len(list); n != 3 || len(list[1].Objects) != maxItems || len(list[2].Objects) != 5 || !list[2].From.Equal(list[2].To) {
			t.Errorf("%v", spans(list))
		}
		b.complete(t, nil)
	})
}

// TestAfterACrash: the next start lists what the crash left, marked; what it
// has listed itself is not.
func TestAfterACrash(t *testing.T) {
	world(t, func(t *testing.T, b *bucket) {
		key, ring := newKey(t)
		p := newProcess(t, b, "a", key, nil).start()
		pass(70 * time.Minute)
		lost := p.store()
		pass(time.Minute)
		p.kill()
		pass(30 * time.Minute)
		p = newProcess(t, b, "a", key, nil).start()
		pass(time.Minute)
		own := p.store()
		p.stop()
		listed := b.complete(t, ring)
		if !listed[lost.Key].Recovered || listed[own.Key].Recovered {
			t.Errorf("recovered %v and %v", listed[lost.Key].Recovered, listed[own.Key].Recovered)
		}
		b.want(t, "a", "10:00:00-10:00:30", "10:00:30-11:00:00", "11:00:00-11:41:30 o", "11:41:30-11:42:30 o end")
	})
}

// TestObjectsStoredWhileTheChainIsLookedFor are the writer's own, though it
// meets them in the listing.
func TestObjectsStoredWhileTheChainIsLookedFor(t *testing.T) {
	world(t, func(t *testing.T, b *bucket) {
		b.fail = func(op, _ string) error {
			if op == "list" {
				return errors.New("no listings yet")
			}
			return nil
		}
		p := newProcess(t, b, "a", "", nil).start()
		pass(time.Minute)
		p.store()
		w := p.notary.Open(p.now())
		g := objectOf(t, "a", p.now(), 77)
		w.Storing(g)
		b.put(g.Key, g.Body) // the answer is still under way
		pass(time.Minute)
		b.mu.Lock()
		b.fail = nil
		b.mu.Unlock()
		pass(3 * time.Minute)
		w.Stored(g)
		w.Close()
		p.stop()
		for key, o := range b.complete(t, nil) {
			if o.Recovered {
				t.Errorf("%s is marked as recovered", key)
			}
		}
	})
}

// TestForeignObjectIsNotListed: what appears under the name of a writer that
// runs, and that it did not store, is nobody's.
func TestForeignObjectIsNotListed(t *testing.T) {
	world(t, func(t *testing.T, b *bucket) {
		a, other := newProcess(t, b, "a", "", nil).start(), newProcess(t, b, "b", "", nil).start()
		pass(time.Hour)
		g := objectOf(t, "a", time.Now(), 5)
		b.put(g.Key, g.Body)
		pass(6 * time.Hour)
		a.stop()
		pass(6 * time.Hour)
		newProcess(t, b, "a", "", nil).start().stop()
		pass(6 * time.Hour)
		other.stop()
		for writer, list := range b.chains(t, nil) {
			for _, m := range list {
				if len(m.Objects) > 0 {
					t.Errorf("%s lists %s", writer, m.Objects[0].Key)
				}
			}
		}
	})
}

// TestGivenUpObject: an object that was given up at the end, and was stored all
// the same, is found by the next start.
func TestGivenUpObject(t *testing.T) {
	world(t, func(t *testing.T, b *bucket) {
		p := newProcess(t, b, "a", "", nil).start()
		pass(time.Minute)
		w := p.notary.Open(p.now())
		g := objectOf(t, "a", p.now(), 5)
		w.Storing(g)
		w.Close()
		pass(time.Second)
		p.stop()
		b.put(g.Key, g.Body)
		b.want(t, "a", "10:00:00-10:00:30", "10:00:30-10:01:31")
		pass(time.Minute)
		newProcess(t, b, "a", "", nil).start().stop()
		b.want(t, "a", "10:00:00-10:00:30", "10:00:30-10:01:31", "10:01:31-10:01:31 o", "10:01:31-10:02:31", "10:02:31-10:02:31 end")
		b.complete(t, nil)
	})
}

// TestRequestThatOutlivesItsProcess: the store takes an object of a process that
// was killed after the next one has looked.
func TestRequestThatOutlivesItsProcess(t *testing.T) {
	for _, stay := range []time.Duration{time.Hour, 2 * time.Second} {
		world(t, func(t *testing.T, b *bucket) {
			p := newProcess(t, b, "a", "", nil).start()
			pass(time.Minute)
			g := objectOf(t, "a", p.now(), 5)
			p.kill()
			pass(time.Second)
			p = newProcess(t, b, "a", "", nil).start()
			pass(time.Second)
			b.put(g.Key, g.Body)
			own := p.store()
			pass(stay)
			if stay == time.Hour {
				b.complete(t, nil)
			}
			p.stop()
			listed := b.complete(t, nil)
			if o := listed[g.Key]; o == nil || !o.Recovered || listed[own.Key].Recovered {
				t.Errorf("%+v", listed)
			}
		})
	}
}

// TestKeys: the file is read for each manifest; a wrong one holds manifests up
// and nothing else.
func TestKeys(t *testing.T) {
	world(t, func(t *testing.T, b *bucket) {
		path := filepath.Join(t.TempDir(), "manifest.key")
		write := func(text string) {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		first, oldRing := newKey(t)
		second, newRing := newKey(t)
		write(first)
		p := &process{t: t, name: "a", bucket: b}
		timing := DefaultTiming()
		timing.Delay = 0
		n, err := New(Config{KeyFile: path, Timing: timing}, Deps{Store: link{b, p}, Name: "a", Now: p.now})
		if err != nil {
			t.Fatal(err)
		}
		p.notary = n
		p.start()
		pass(time.Minute)
		write("no key")
		p.store()
		pass(2 * time.Hour)
		if p.notary.Waiting() != 1 {
			t.Errorf("%d objects wait", p.notary.Waiting())
		}
		write(second)
		pass(2 * time.Minute)
		p.stop()
		b.complete(t, nil)
		for i, key := range b.keys(manifest.Prefix) {
			f, err := manifest.Decode(b.object(key).body)
			if err != nil {
				t.Fatal(err)
			}
			ring := newRing
			if i == 0 {
				ring = oldRing
			}
			if err := ring.Check(f); err != nil {
				t.Errorf("number %d: %v", i+1, err)
			}
		}
	})
}

func TestConfig(t *testing.T) {
	dir := t.TempDir()
	key, _ := newKey(t)
	public := filepath.Join(dir, "public")
	if err := os.WriteFile(public, must(t, key).Public(), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		config Config
		want   string
	}{
		"missing":    {Config{KeyFile: filepath.Join(dir, "none")}, "no such file or directory; `loghaul audit keygen` makes one"},
		"public":     {Config{KeyFile: public}, "this is a public key"},
		"both":       {Config{KeyFile: public, Key: key}, "LOGHAUL_MANIFEST_KEY is set, too"},
		"no PEM":     {Config{Key: "secret"}, "LOGHAUL_MANIFEST_KEY: no PEM block"},
		"none":       {Config{}, ""},
		"in the env": {Config{Key: key}, ""},
	} {
		err := tc.config.Validate()
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}

func TestUnsignedIsSaidOnce(t *testing.T) {
	world(t, func(t *testing.T, b *bucket) {
		p := newProcess(t, b, "a", "", nil).start()
		pass(5 * time.Hour)
		p.stop()
		if n := strings.Count(p.log.String(), "manifests are not signed"); n != 1 {
			t.Errorf("said %d times", n)
		}
	})
}

// TestUnusableManifestInTheWay: what lies where the chain goes on and is not its
// continuation is named; lines are not concerned.
func TestUnusableManifestInTheWay(t *testing.T) {
	world(t, func(t *testing.T, b *bucket) {
		p := newProcess(t, b, "a", "", nil).start()
		pass(time.Minute)
		next := p.notary.chain.next().Key()
		b.put(next, []byte("garbage"))
		p.store()
		pass(2 * time.Hour)
		if !strings.Contains(p.log.String(), "cannot go on behind "+next) || p.notary.Waiting() != 1 {
			t.Errorf("%d objects wait; the log says\n%s", p.notary.Waiting(), p.log.String())
		}
		b.mu.Lock()
		delete(b.objects, next)
		b.mu.Unlock()
		pass(2 * time.Minute)
		p.stop()
		b.complete(t, nil)
	})
}

// TestStopIsBounded: a store that is away at the end does not hold it up.
func TestStopIsBounded(t *testing.T) {
	world(t, func(t *testing.T, b *bucket) {
		p := newProcess(t, b, "a", "", nil).start()
		pass(time.Minute)
		p.store()
		b.mu.Lock()
		b.fail = func(string, string) error { return errors.New("away") }
		b.mu.Unlock()
		start := time.Now()
		p.stop()
		if d := time.Since(start); d > 25*time.Second {
			t.Errorf("it took %v", d)
		}
		if !strings.Contains(p.log.String(), "not all manifests were written before the end") {
			t.Error("the log does not say it")
		}
		b.fail = nil
		pass(time.Minute)
		newProcess(t, b, "a", "", nil).start().stop()
		b.complete(t, nil)
	})
}

// TestBeforeTheFirstManifest: it may stop before it has found its chain.
func TestBeforeTheFirstManifest(t *testing.T) {
	world(t, func(t *testing.T, b *bucket) {
		p := newProcess(t, b, "a", "", nil)
		p.store()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		p.notary.Run(ctx)
		p.notary.Finish(t.Context())
		b.complete(t, nil)
		list := b.chains(t, nil)["a"]
		if !list[len(list)-1].End {
			t.Errorf("%v", spans(list))
		}
	})
}

func TestQuarantinedIsListed(t *testing.T) {
	world(t, func(t *testing.T, b *bucket) {
		p := newProcess(t, b, "a", "", nil).start()
		pass(time.Minute)
		q := quarantinedGroup(p.now(), "x")
		w := p.notary.Open(p.now())
		w.Storing(q)
		b.put(q.Key, q.Body)
		w.Stored(q)
		w.Stored(q) // the same message again
		w.Close()
		p.stop()
		o := b.complete(t, nil)[q.Key]
		if o.Recovered || o.Lines != 0 || o.Size != int64(len(q.Body)) {
			t.Errorf("%+v", o)
		}
	})
}

func TestMetricsAndAge(t *testing.T) {
	world(t, func(t *testing.T, b *bucket) {
		p := newProcess(t, b, "a", "", nil).start()
		defer p.kill()
		pass(time.Minute)
		p.store()
		var out bytes.Buffer
		if err := p.registry.WritePrometheus(&out); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"loghaul_manifest_waiting_objects 1\n", "loghaul_manifest_age_seconds 60\n", "loghaul_manifest_written_total 1\n"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("no %q in\n%s", want, out.String())
			}
		}
	})
}
