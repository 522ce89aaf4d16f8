package notary

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/archive/manifest"
	"github.com/loghaul/loghaul/sinks"
)

func quarantinedGroup(at time.Time, text string) *sinks.Group {
	sum := sha256.Sum256([]byte(text))
	return &sinks.Group{Key: archive.QuarantinePrefix + archive.HourPrefix(at) + "RAW-00-7-" + hex.EncodeToString(sum[:6]) + ".bin", Body: []byte(text), SHA256: sum}
}

// TestDeadOneIsClosed: an aggregator that died is closed by another, once, and
// only if nothing was stored of it for long.
func TestDeadOneIsClosed(t *testing.T) {
	world(t, func(t *testing.T, b *bucket) {
		key, ring := newKey(t)
		a, one, two := newProcess(t, b, "a", key, nil).start(), newProcess(t, b, "one", key, nil).start(), newProcess(t, b, "two", key, nil).start()
		pass(70 * time.Minute)
		lost := a.store()
		pass(time.Minute)
		a.kill()
		pass(110 * time.Minute)
		if n := len(b.chains(t, ring)["a"]); n != 2 {
			t.Fatalf("it was closed too early: %d manifests", n)
		}
		pass(8 * time.Hour)
		b.mu.Lock()
		b.lists = nil
		b.mu.Unlock()
		pass(3 * time.Hour)
		b.mu.Lock()
		for _, prefix := range b.lists {
			if strings.HasSuffix(prefix, "/a-") {
				t.Errorf("%s is listed, though all of a is settled", prefix)
			}
		}
		b.mu.Unlock()
		one.stop()
		two.stop()
		if !b.complete(t, ring)[lost.Key].Recovered {
			t.Error("what another found is not marked")
		}
		list := b.chains(t, ring)["a"]
		last := list[len(list)-1]
		if len(list) != 3 || !last.End || last.MadeBy == "" || len(last.Objects) != 1 {
			t.Errorf("%v", spans(list))
		}
	})
}

// TestBackAfterItWasClosed: a writer that was taken for dead, as it was frozen,
// goes on behind what was written for it, and lists what the other did not.
func TestBackAfterItWasClosed(t *testing.T) {
	world(t, func(t *testing.T, b *bucket) {
		key, ring := newKey(t)
		a, other := newProcess(t, b, "a", key, nil).start(), newProcess(t, b, "other", key, nil).start()
		pass(5 * time.Minute)
		before := a.store()
		a.dead.Store(true) // nothing of it reaches the store
		pass(6 * time.Hour)
		a.dead.Store(false)
		after := a.store()
		pass(90 * time.Minute)
		a.stop()
		other.stop()
		listed := b.complete(t, ring)
		if !listed[before.Key].Recovered || listed[after.Key].Recovered {
			t.Errorf("recovered %v and %v", listed[before.Key].Recovered, listed[after.Key].Recovered)
		}
		if !strings.Contains(a.log.String(), "somebody else continued the chain") {
			t.Error("the log does not say it")
		}
		list := b.chains(t, ring)["a"]
		if !list[len(list)-1].End {
			t.Errorf("%v", spans(list))
		}
	})
}

// TestTwoContinueAtOnce: of two that have read the same end of a chain one
// writes the next manifest, and the other one reads it.
func TestTwoContinueAtOnce(t *testing.T) {
	world(t, func(t *testing.T, b *bucket) {
		key, ring := newKey(t)
		a := newProcess(t, b, "a", key, nil).start()
		pass(time.Minute)
		a.store()
		a.store()
		a.kill()
		one, two, again := newProcess(t, b, "one", key, nil), newProcess(t, b, "two", key, nil), newProcess(t, b, "a", key, nil)
		var views []*remains
		all := []*process{one, two, again}
		for _, p := range all {
			k := &p.notary.clerk
			s, err := k.survey(t.Context(), p.now().Add(-headsBack))
			if err != nil {
				t.Fatal(err)
			}
			r, err := k.remains(t.Context(), s, "a", p.now(), time.Time{}, ignore)
			if err != nil || len(r.found) != 2 {
				t.Fatalf("%+v, %v", r, err)
			}
			views = append(views, r)
		}
		for i, p := range all {
			_, err := p.notary.clerk.list(t.Context(), views[i].chain, listing{
				found: views[i].found, end: i < 2, always: i == 2, to: p.now(), insist: i == 2, seen: ignore,
				adopted: func(*item) {}, refused: func(err error) { t.Error(err) },
			})
			if want := i == 1; errors.Is(err, errTaken) != want || !want && err != nil {
				t.Errorf("%s: %v", p.name, err)
			}
		}
		b.complete(t, ring)
		if list := b.chains(t, ring)["a"]; len(list) != 3 || list[1].MadeBy != "one" || list[2].MadeBy != "" || list[2].End {
			t.Errorf("%v", spans(list))
		}
	})
}

// TestObjectsOfOneWithoutAChain: it crashed before its first manifest.
func TestObjectsOfOneWithoutAChain(t *testing.T) {
	world(t, func(t *testing.T, b *bucket) {
		other := newProcess(t, b, "other", "", nil).start()
		pass(10 * time.Minute)
		g := objectOf(t, "gone", time.Now(), 1)
		b.put(g.Key, g.Body)
		q := quarantinedGroup(time.Now(), "malformed")
		b.put(q.Key, q.Body)
		pass(5 * time.Hour)
		other.stop()
		listed := b.complete(t, nil)
		if !listed[g.Key].Recovered || !listed[q.Key].Recovered {
			t.Error("not marked")
		}
		b.want(t, "gone", "10:00:00-10:10:30 o by other end")
	})
}

// TestNobodyIsClosedAfterAnOutage: all were silent, so nobody is dead.
func TestNobodyIsClosedAfterAnOutage(t *testing.T) {
	world(t, func(t *testing.T, b *bucket) {
		a, other := newProcess(t, b, "a", "", nil).start(), newProcess(t, b, "other", "", nil).start()
		pass(4 * time.Hour)
		b.mu.Lock()
		b.fail = func(string, string) error { return errors.New("away") }
		b.mu.Unlock()
		pass(7 * time.Hour)
		b.mu.Lock()
		b.fail = nil
		b.mu.Unlock()
		pass(5 * time.Hour)
		a.stop()
		other.stop()
		for writer, list := range b.chains(t, nil) {
			for _, m := range list {
				if m.MadeBy != "" {
					t.Errorf("%s closed %s", m.MadeBy, writer)
				}
			}
		}
	})
}

// TestHeads: each names the newest manifests of the others.
func TestHeads(t *testing.T) {
	world(t, func(t *testing.T, b *bucket) {
		one, two := newProcess(t, b, "one", "", nil).start(), newProcess(t, b, "two", "", nil).start()
		pass(4 * time.Hour)
		one.stop()
		two.stop()
		chains := b.chains(t, nil)
		for writer, other := range map[string]string{"one": "two", "two": "one"} {
			last := chains[writer][len(chains[writer])-1]
			if len(last.Heads) != 1 || last.Heads[0].Writer != other || last.Heads[0].Sequence < 2 {
				t.Fatalf("%s has the heads %+v", writer, last.Heads)
			}
			head := last.Heads[0]
			for _, m := range chains[other] {
				if m.Sequence == head.Sequence+1 && *m.Previous != head.Link {
					t.Errorf("%s names number %d with another hash", writer, head.Sequence)
				}
			}
		}
	})
}

// TestDamagedObjects are named and not listed, by their writer and by others.
func TestDamagedObjects(t *testing.T) {
	damages := map[string]func(t *testing.T, at time.Time) (string, []byte){
		"bit flipped": func(t *testing.T, at time.Time) (string, []byte) {
			g := objectOf(t, "a", at, 1)
			b := bytes.Clone(g.Body)
			b[len(b)/2] ^= 1
			return g.Key, b
		},
		"cut": func(t *testing.T, at time.Time) (string, []byte) {
			g := objectOf(t, "a", at, 2)
			return g.Key, g.Body[:len(g.Body)-9]
		},
		"another content": func(t *testing.T, at time.Time) (string, []byte) {
			return objectOf(t, "a", at, 5).Key, objectOf(t, "a", at, 6).Body
		},
		"another's": func(t *testing.T, at time.Time) (string, []byte) {
			g := objectOf(t, "b", at, 3)
			return strings.Replace(g.Key, "/b-", "/a-", 1), g.Body
		},
		"of another time": func(t *testing.T, at time.Time) (string, []byte) {
			g := objectOf(t, "a", at, 4)
			return archive.KeyInfo{Writer: "a", Sealed: at.Add(time.Second), Hash: hex.EncodeToString(g.SHA256[:6])}.Key(), g.Body
		},
		"no Parquet": func(_ *testing.T, at time.Time) (string, []byte) {
			sum := sha256.Sum256([]byte("text"))
			return archive.KeyInfo{Writer: "a", Sealed: at, Hash: hex.EncodeToString(sum[:6])}.Key(), []byte("text")
		},
	}
	for name, damage := range damages {
		for _, by := range []string{"a", "other"} {
			t.Run(fmt.Sprintf("%s, met by %s", name, by), func(t *testing.T) {
				world(t, func(t *testing.T, b *bucket) {
					p := newProcess(t, b, "a", "", nil).start()
					pass(time.Minute)
					good := p.store()
					p.kill()
					pass(time.Second)
					key, body := damage(t, time.Now())
					b.put(key, body)
					pass(time.Minute)
					p = newProcess(t, b, by, "", nil).start()
					pass(8 * time.Hour)
					p.stop()
					if n := strings.Count(p.log.String(), key+" is in no manifest"); n != 1 {
						t.Errorf("named %d times", n)
					}
					listed := map[string]bool{}
					for _, m := range b.chains(t, nil)["a"] {
						for _, o := range m.Objects {
							listed[o.Key] = true
						}
					}
					if !listed[good.Key] || listed[key] {
						t.Errorf("the good one is listed: %v, the damaged one: %v", listed[good.Key], listed[key])
					}
					if n := b.reads[key]; n > 2 {
						t.Errorf("it was read %d times", n)
					}
				})
			})
		}
	}
}

// TestSeal lists an archive from before there were manifests.
func TestSeal(t *testing.T) {
	world(t, func(t *testing.T, b *bucket) {
		key, ring := newKey(t)
		for i := range 40 {
			g := objectOf(t, []string{"a", "b"}[i%2], time.Now(), i)
			b.put(g.Key, g.Body)
			pass(47 * time.Minute)
		}
		q := quarantinedGroup(time.Now(), "malformed")
		b.put(q.Key, q.Body)
		pass(3 * time.Hour)
		// b runs and has a chain by now.
		p := newProcess(t, b, "b", key, nil).start()
		pass(time.Minute)
		young := objectOf(t, "c", time.Now(), 99)
		b.put(young.Key, young.Body)

		var got []Sealed
		o := SealOptions{
			By: "hand", Signer: must(t, key), OlderThan: 2 * time.Hour, DryRun: true,
			Report:  func(s Sealed) error { got = append(got, s); return nil },
			Refused: func(err error) { t.Error(err) },
		}
		before := len(b.keys(manifest.Prefix))
		if err := Seal(t.Context(), b, o); err != nil {
			t.Fatal(err)
		}
		if len(b.keys(manifest.Prefix)) != before || len(got) != 3 || got[0].Objects != 20 || got[1].Objects < 17 || got[2].Writer != "hand" {
			t.Errorf("a dry run wrote, or reports %+v", got)
		}
		got, o.DryRun = nil, false
		if err := Seal(t.Context(), b, o); err != nil {
			t.Fatal(err)
		}
		if len(got) != 3 || got[0].Objects != 20 || !got[0].Ended || got[1].Ended || got[2].Objects != 1 {
			t.Errorf("%+v", got)
		}
		p.stop()
		o.OlderThan = 0
		if err := Seal(t.Context(), b, o); err != nil {
			t.Fatal(err)
		}
		b.complete(t, ring)
		got = nil
		if err := Seal(t.Context(), b, o); err != nil || len(got) != 0 {
			t.Errorf("nothing is left, but %+v, %v", got, err)
		}
	})
}
