package verify_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/loghaul/loghaul/aggregator/notary"
	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/archive/manifest"
	"github.com/loghaul/loghaul/audit/verify"
	"github.com/loghaul/loghaul/sinks"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// notaryStore is a store as a notary sees it.
type notaryStore struct{ objectstore.Store }

func (s notaryStore) List(ctx context.Context, prefix string, fn func(notary.Info) error) error {
	return s.Store.List(ctx, prefix, func(i objectstore.Info) error {
		return fn(notary.Info{Key: i.Key, Size: i.Size, Modified: i.Modified, ETag: i.ETag})
	})
}

// TestNotary verifies what a real notary writes: hour by hour, for an
// aggregator that was killed, for objects of before there were manifests, and of
// all versions of the format.
func TestNotary(t *testing.T) {
	w := newWorld(t)
	private, public, err := manifest.Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if w.keys, err = manifest.ParseKeyring(public); err != nil {
		t.Fatal(err)
	}
	if w.signer, err = manifest.ParseSigner(private); err != nil {
		t.Fatal(err)
	}
	clock := start
	life := func(finish bool, seals ...time.Time) {
		t.Helper()
		n, err := notary.New(notary.Config{Key: string(private)}, notary.Deps{Store: notaryStore{w.store}, Name: "agg-1", Now: func() time.Time { return clock }})
		if err != nil {
			t.Fatal(err)
		}
		for i, at := range seals {
			clock = at
			o := w.writer("agg-1").encode(at, batch(source('a'), at.Sub(start).Milliseconds(), lines(1)), lost(source('b'), int64(i), int64(i)+1, "truncated"))
			win := n.Open(at)
			g := &sinks.Group{Key: o.Key, Body: o.Body, SHA256: o.SHA256}
			win.Storing(g)
			w.create(o.Key, o.Body)
			win.Stored(g)
			win.Close()
		}
		if finish {
			n.Finish(t.Context())
		}
	}
	// One line in each, so that there are gaps that are no business of this test.
	check := func(what string, o verify.Options, objects, recovered, manifests int64) {
		t.Helper()
		for _, o.Deep = range []bool{false, true} {
			o.Node, o.Now, o.Keys = "", clock.Add(time.Hour), w.keys
			r := w.verify(o)
			var all []string
			for _, d := range r.differences() {
				if d[:4] != "gap " {
					all = append(all, d)
				}
			}
			same(t, what, all)
			if r.total.Objects[verify.OK] != objects || r.total.Recovered != recovered || r.total.Manifests < manifests || r.total.Unread > 0 {
				t.Errorf("%s: %+v", what, r.total)
			}
		}
	}
	life(true, at(10, 1), at(10, 2), at(12, 30))
	check("three objects", verify.Options{}, 3, 0, 3)
	life(false, at(15, 1), at(15, 2)) // killed
	clock = at(16, 0)
	life(true, at(16, 5))
	check("killed", verify.Options{}, 6, 2, 5)

	// Objects of other writers, of all versions, without manifests.
	versions, err := filepath.Glob("../../testdata/archive/v*/object.parquet")
	if err != nil || len(versions) < 4 {
		t.Fatalf("%d versions, %v", len(versions), err)
	}
	for _, v := range versions {
		body, err := os.ReadFile(v)
		if err != nil {
			t.Fatal(err)
		}
		w.create(keyOf(t, body), body)
	}
	clock = time.Now().Add(24 * time.Hour) // those were sealed when they were made
	r := w.verify(verify.Options{Now: clock})
	if n := int64(len(versions)); r.total.Objects[verify.Unlisted] != n {
		t.Errorf("%+v", r.total)
		for _, o := range r.objects {
			t.Log(o)
		}
	}
	err = notary.Seal(t.Context(), notaryStore{w.store}, notary.SealOptions{
		By: "seal", Signer: w.signer, Now: func() time.Time { return clock }, Report: func(notary.Sealed) error { return nil },
		Refused: func(err error) { t.Error(err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	check("sealed", verify.Options{}, 6+int64(len(versions)), 2+int64(len(versions)), 6)
}

// keyOf gives the key of an object.
func keyOf(t *testing.T, body []byte) string {
	t.Helper()
	r, err := archive.Open(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	k := archive.KeyInfo{Writer: r.Meta().Writer, Sealed: r.Meta().Sealed}
	return withHash(k.Key()[:len(k.Key())-len(".parquet")]+"000000000000.parquet", body)
}
