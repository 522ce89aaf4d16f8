// Package storetest is what every adapter of objectstore.Store must do. An
// adapter's own test calls Run with a function that makes empty stores.
package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/sinks"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// Run runs the suite; open makes an empty store for a test.
func Run(t *testing.T, open func(t *testing.T) objectstore.Store) {
	for name, test := range map[string]func(*testing.T, objectstore.Store){
		"CreateOnly":       createOnly,
		"RaceOfEqual":      raceOfEqual,
		"RaceOfDifferent":  raceOfDifferent,
		"DamagedGroup":     damagedGroup,
		"Bodies":           bodies,
		"Keys":             keys,
		"RefusedKeys":      refusedKeys,
		"Ranges":           ranges,
		"NotFound":         notFound,
		"ListOrder":        listOrder,
		"ListMany":         listMany,
		"ListStops":        listStops,
		"ListETag":         listETag,
		"CancelledContext": cancelledContext,
		"Check":            check,
		"RemoveGap":        removeGap,
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			defer func() {
				if err := s.Close(); err != nil {
					t.Errorf("closing: %v", err)
				}
			}()
			test(t, s)
		})
	}
}

// Group makes a group with a right checksum.
func Group(key string, body []byte) *sinks.Group {
	return &sinks.Group{Key: key, Body: body, SHA256: sha256.Sum256(body), Lines: 1}
}

// Random gives n bytes that do not compress, the same for the same seed.
func Random(seed uint64, n int) []byte {
	b := make([]byte, n)
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	_, _ = rand.NewChaCha8(key).Read(b)
	return b
}

func write(t *testing.T, s objectstore.Store, key string, body []byte) {
	t.Helper()
	if err := s.Write(t.Context(), Group(key, body)); err != nil {
		t.Fatalf("Write(%q): %v", key, err)
	}
}

func wantBody(t *testing.T, s objectstore.Store, key string, want []byte) {
	t.Helper()
	got, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatalf("Get(%q): %v", key, err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("Get(%q) gives %d other bytes, want the %d written", key, len(got), len(want))
	}
}

func list(t *testing.T, s objectstore.Store, prefix string) []string {
	t.Helper()
	var keys []string
	err := s.List(t.Context(), prefix, func(i objectstore.Info) error {
		keys = append(keys, i.Key)
		return nil
	})
	if err != nil {
		t.Fatalf("List(%q): %v", prefix, err)
	}
	return keys
}

func createOnly(t *testing.T, s objectstore.Store) {
	const key = "dt=2026-11-23/hour=07/agg-1-abc.parquet"
	write(t, s, key, []byte("first"))
	if err := s.Write(t.Context(), Group(key, []byte("first"))); err != nil {
		t.Errorf("the same content again: %v, want nil: it is stored", err)
	}
	for _, other := range []string{"other", "another length"} {
		if err := s.Write(t.Context(), Group(key, []byte(other))); !errors.Is(err, sinks.ErrConflict) {
			t.Errorf("other content under the same key: %v, want %v", err, sinks.ErrConflict)
		}
	}
	wantBody(t, s, key, []byte("first"))
}

// race lets 16 writers store under one key at once and gives their errors.
func race(t *testing.T, s objectstore.Store, body func(i int) []byte) []error {
	errs := make([]error, 16)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range errs {
		g := Group("new/folder/race", body(i))
		wg.Go(func() {
			<-start
			// A store may ask to try again (409), as sinks.Retry would.
			for range 20 {
				errs[i] = s.Write(t.Context(), g)
				if errs[i] == nil || errors.Is(errs[i], sinks.ErrConflict) {
					return
				}
			}
		})
	}
	close(start)
	wg.Wait()
	return errs
}

func raceOfEqual(t *testing.T, s objectstore.Store) {
	body := Random(1, 300_000)
	for i, err := range race(t, s, func(int) []byte { return body }) {
		if err != nil {
			t.Errorf("writer %d: %v, want nil: the content is stored", i, err)
		}
	}
	wantBody(t, s, "new/folder/race", body)
}

func raceOfDifferent(t *testing.T, s objectstore.Store) {
	body := func(i int) []byte { return Random(uint64(i), 300_000) } //nolint:gosec // small
	winner := -1
	for i, err := range race(t, s, body) {
		switch {
		case err == nil && winner >= 0:
			t.Errorf("writers %d and %d both stored", winner, i)
		case err == nil:
			winner = i
		case !errors.Is(err, sinks.ErrConflict):
			t.Errorf("writer %d: %v, want %v", i, err, sinks.ErrConflict)
		}
	}
	if winner < 0 {
		t.Fatal("nobody stored")
	}
	wantBody(t, s, "new/folder/race", body(winner))
}

func damagedGroup(t *testing.T, s objectstore.Store) {
	g := Group("damaged", []byte("what was verified"))
	g.Body = []byte("what has changed!")
	if err := s.Write(t.Context(), g); !errors.Is(err, sinks.ErrCorrupt) {
		t.Errorf("a body with another checksum: %v, want %v", err, sinks.ErrCorrupt)
	}
	if keys := list(t, s, ""); len(keys) > 0 {
		t.Errorf("it left %q behind", keys)
	}
}

func bodies(t *testing.T, s objectstore.Store) {
	for _, n := range []int{0, 1, 5<<20 + 1, 64 << 20} {
		key := fmt.Sprintf("bodies/%d", n)
		body := Random(7, n)
		write(t, s, key, body)
		wantBody(t, s, key, body)
	}
	err := s.List(t.Context(), "bodies/", func(i objectstore.Info) error {
		if want := "bodies/" + fmt.Sprint(i.Size); i.Key != want { //nolint:perfsprint // plain
			t.Errorf("%s is listed with %d bytes", i.Key, i.Size)
		}
		if i.Modified.IsZero() {
			t.Errorf("%s is listed without a time", i.Key)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func oddKeys() []string {
	return []string{
		"plain", "with blank", "a+b", "50%", "50%25", "per%2Fcent", "q?x=1&y=2", "hash#1", "semi;colon", "com,ma", "equal=s",
		"star*", "quote'", `double"quote`, "ümläut/日本", "tilde~", "at@colon:", "(round)[square]{curly}", "dot.", "..dots..", "$", "<a>",
		strings.Repeat("long", 49) + "/" + strings.Repeat("long", 49),
	}
}

func keys(t *testing.T, s objectstore.Store) {
	want := oddKeys()
	for _, key := range want {
		write(t, s, key, []byte(key))
	}
	for _, key := range want {
		wantBody(t, s, key, []byte(key))
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, list(t, s, "")); diff != "" {
		t.Errorf("List (-want +got):\n%s", diff)
	}
}

func refusedKeys(t *testing.T, s objectstore.Store) {
	for _, key := range []string{
		"", "/a", "a/", "a//b", ".", "..", "a/../b", "a/./b", "../../etc/passwd", "nul\x00", "line\n", "\xff", `back\slash`,
		strings.Repeat("x", 201), strings.Repeat("x/", 500) + "x", ".tmp-x", "a/.tmp-b/c",
	} {
		if err := s.Write(t.Context(), Group(key, nil)); !errors.Is(err, sinks.ErrCorrupt) {
			t.Errorf("Write(%.40q): %v, want %v", key, err, sinks.ErrCorrupt)
		}
		if _, err := s.Get(t.Context(), key); err == nil {
			t.Errorf("Get(%.40q) succeeds", key)
		}
		if _, err := s.ReadAt(t.Context(), key, make([]byte, 1), 0); err == nil {
			t.Errorf("ReadAt(%.40q) succeeds", key)
		}
	}
}

func ranges(t *testing.T, s objectstore.Store) {
	body := Random(3, 1000)
	write(t, s, "r", body)
	for _, c := range []struct {
		off int64
		n   int
		eof bool
	}{{0, 1000, false}, {0, 1, false}, {999, 1, false}, {500, 500, false}, {500, 501, true}, {999, 10, true}, {1000, 1, true}, {5000, 10, true}, {0, 0, false}} {
		p := make([]byte, c.n)
		n, err := s.ReadAt(t.Context(), "r", p, c.off)
		want := body[min(c.off, 1000):min(c.off+int64(c.n), 1000)]
		if !bytes.Equal(p[:n], want) {
			t.Errorf("ReadAt(%d bytes at %d) gives %d bytes, want %d, or other ones", c.n, c.off, n, len(want))
		}
		if (err != nil) != c.eof || (err != nil && !errors.Is(err, io.EOF)) {
			t.Errorf("ReadAt(%d bytes at %d): error %v, want EOF: %v", c.n, c.off, err, c.eof)
		}
	}
	if _, err := s.ReadAt(t.Context(), "r", make([]byte, 1), -1); err == nil {
		t.Error("a negative offset is accepted")
	}
}

func notFound(t *testing.T, s objectstore.Store) {
	write(t, s, "folder/object", []byte("x"))
	for _, key := range []string{"nothing", "folder", "folder/nothing", "folder/object/below"} {
		if _, err := s.Get(t.Context(), key); !errors.Is(err, sinks.ErrNotFound) {
			t.Errorf("Get(%q): %v, want %v", key, err, sinks.ErrNotFound)
		}
		if _, err := s.ReadAt(t.Context(), key, make([]byte, 1), 0); !errors.Is(err, sinks.ErrNotFound) {
			t.Errorf("ReadAt(%q): %v, want %v", key, err, sinks.ErrNotFound)
		}
	}
}

func listOrder(t *testing.T, s objectstore.Store) {
	all := []string{"a/b", "a-b", "a/b-c", "a.b", "ab/c", "a/c/d", "b", "a0", "a/c.d", "dt=2026-11-23/hour=07/x", "dt=2026-11-23/hour=08/x"}
	for _, key := range all {
		write(t, s, key, []byte(key))
	}
	slices.Sort(all)
	for _, prefix := range []string{"", "a", "a/", "a/c", "a/c/", "dt=2026-11-23/hour=0", "dt=2026-11-23/hour=08/", "none", "a/b/c"} {
		var want []string
		for _, key := range all {
			if strings.HasPrefix(key, prefix) {
				want = append(want, key)
			}
		}
		if diff := cmp.Diff(want, list(t, s, prefix)); diff != "" {
			t.Errorf("List(%q) (-want +got):\n%s", prefix, diff)
		}
	}
}

func listMany(t *testing.T, s objectstore.Store) {
	var want []string
	for i := range 1001 { // S3 lists a thousand at a time
		want = append(want, fmt.Sprintf("hour=%02d/%05d", i%3, i))
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := i; j < len(want); j += 8 {
				if err := s.Write(t.Context(), Group(want[j], []byte("x"))); err != nil {
					t.Errorf("Write(%q): %v", want[j], err)
				}
			}
		})
	}
	wg.Wait()
	sorted := slices.Sorted(slices.Values(want))
	if diff := cmp.Diff(sorted, list(t, s, "")); diff != "" {
		t.Errorf("List (-want +got):\n%s", diff)
	}
}

func listStops(t *testing.T, s objectstore.Store) {
	write(t, s, "a", nil)
	write(t, s, "b", nil)
	enough := errors.New("enough")
	calls := 0
	err := s.List(t.Context(), "", func(objectstore.Info) error { calls++; return enough })
	if !errors.Is(err, enough) || calls != 1 {
		t.Errorf("List gives %v after %d calls, want the callback's error after one", err, calls)
	}
}

// listETag: every object has an ETag, the same each time.
func listETag(t *testing.T, s objectstore.Store) {
	write(t, s, "a", []byte("content"))
	write(t, s, "b", []byte("another"))
	var first map[string]string
	for range 2 {
		tags := map[string]string{}
		err := s.List(t.Context(), "", func(i objectstore.Info) error { tags[i.Key] = i.ETag; return nil })
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case tags["a"] == "" || tags["b"] == "" || strings.Contains(tags["a"], `"`):
			t.Errorf("the ETags are %q, want one for each object, without quotes", tags)
		case first != nil && !maps.Equal(first, tags):
			t.Errorf("the ETags are %q, were %q", tags, first)
		}
		first = tags
	}
}

func cancelledContext(t *testing.T, s objectstore.Store) {
	write(t, s, "there", []byte("x"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, getErr := s.Get(ctx, "there")
	_, readErr := s.ReadAt(ctx, "there", make([]byte, 1), 0)
	for name, err := range map[string]error{
		"Write": s.Write(ctx, Group("new", []byte("x"))), "Get": getErr, "ReadAt": readErr,
		"List": s.List(ctx, "", func(objectstore.Info) error { return nil }),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want %v", name, err, context.Canceled)
		}
		if errors.Is(err, sinks.ErrPermanent) {
			t.Errorf("%s: %v wraps %v", name, err, sinks.ErrPermanent)
		}
	}
}

func check(t *testing.T, s objectstore.Store) {
	if err := s.Check(t.Context()); err != nil {
		t.Errorf("Check: %v", err)
	}
	if keys := list(t, s, ""); len(keys) > 0 {
		t.Errorf("Check left %q behind", keys)
	}
}

func removeGap(t *testing.T, s objectstore.Store) {
	const key = objectstore.GapPrefix + "stream/dt=2026-11-23/hour=07/agg-1-gaps"
	write(t, s, key, []byte("gaps"))
	for range 2 { // the second time there is none
		if err := s.RemoveGap(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Get(t.Context(), key); !errors.Is(err, sinks.ErrNotFound) {
		t.Errorf("Get of a removed file: %v", err)
	}
	for _, key := range []string{"dt=2026-11-23/hour=07/agg-1.parquet", "_manifests/m", "_gapsx", objectstore.GapPrefix + "../dt=x/y", objectstore.GapPrefix} {
		if err := s.RemoveGap(t.Context(), key); err == nil {
			t.Errorf("%q can be removed", key)
		}
	}
}
