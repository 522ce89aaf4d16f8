package audit_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/audit"
	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/sinks"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// The same archive gives the same answers from a real S3 server as from a folder.
func TestCatLsSourcesOverS3(t *testing.T) {
	s3 := testenv.S3(t)
	folder, remote := newWorld(t), &world{t: t}
	var err error
	remote.store, err = objectstore.Open(t.Context(),
		fmt.Sprintf("s3://%s/some/prefix?endpoint=%s&region=%s", s3.Bucket, url.QueryEscape(s3.Endpoint), s3.Region),
		objectstore.Options{AccessKey: s3.AccessKey, SecretKey: s3.SecretKey})
	if err != nil {
		t.Fatal(err)
	}
	lines := realLines(t)
	a, b := source("web-1", 'a'), source("web-2", 'b')
	for _, w := range []*world{folder, remote} {
		from := int64(0)
		for i := range 6 {
			raw := string(bytes.Join(lines[i*100:(i+1)*100], nil))
			at := day.Add(time.Duration(i) * time.Hour)
			w.add("agg", at, batch(a, from, raw, at), batch(b, 2*from, raw, at))
			from += int64(len(raw))
		}
	}
	for name, filter := range map[string]audit.Filter{"all": {}, "node": {Node: "web-2"}, "from": {From: day.Add(150 * time.Minute)}} {
		want, _, _, err := folder.cat(filter)
		if err != nil {
			t.Fatal(err)
		}
		got, _, warnings, err := remote.cat(filter)
		if err != nil || len(warnings) > 0 || got != want {
			t.Errorf("%s: %v, %q, %d bytes, want %d", name, err, warnings, len(got), len(want))
		}
		var all [2]struct {
			Objects []audit.Object
			Sources []audit.Source
		}
		for i, w := range []*world{folder, remote} {
			fail := func(err error) { t.Error(err) }
			if err := audit.Ls(t.Context(), w.store, filter, fail, func(o audit.Object) error {
				all[i].Objects = append(all[i].Objects, o)
				return nil
			}); err != nil {
				t.Error(err)
			}
			if all[i].Sources, err = audit.Sources(t.Context(), w.store, filter, fail); err != nil {
				t.Error(err)
			}
		}
		if diff := cmp.Diff(all[0], all[1]); diff != "" || len(all[0].Sources) == 0 {
			t.Errorf("%s: (-folder +S3)\n%s", name, diff)
		}
	}
}

// What Find gives over S3 is what it gives from a folder.
func TestFindOverS3(t *testing.T) {
	s3 := testenv.S3(t)
	folder := newWorld(t)
	keys := tangle(folder, rand.New(rand.NewPCG(9, 1)), 6) //nolint:gosec // repeatable
	folder.sign(nil, keys[:4]...)
	store, err := objectstore.Open(t.Context(),
		fmt.Sprintf("s3://%s/find?endpoint=%s&region=%s", s3.Bucket, url.QueryEscape(s3.Endpoint), s3.Region),
		objectstore.Options{AccessKey: s3.AccessKey, SecretKey: s3.SecretKey})
	if err != nil {
		t.Fatal(err)
	}
	if err := folder.store.List(t.Context(), "", func(i objectstore.Info) error {
		b, err := folder.store.Get(t.Context(), i.Key)
		if err != nil {
			return err
		}
		return store.Write(t.Context(), &sinks.Group{Key: i.Key, Body: b, SHA256: sha256.Sum256(b)})
	}); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "ST=200 HP~7", "raw~DOWN", "ci=192.0.2.1"} {
		o := audit.FindOptions{Where: parse(t, text)}
		want, _ := find(t, folder.store, o)
		got, report := find(t, store, o)
		if got != want || report.Manifests == 0 {
			t.Errorf("%q: %s, %d manifests", text, differs(got, want), report.Manifests)
		}
	}
}
