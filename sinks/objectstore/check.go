package objectstore

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/loghaul/loghaul/sinks"
)

// CheckPrefix begins the keys of the objects that Probe makes.
const CheckPrefix = "_check/"

// Verdicts of a Finding.
const (
	// OK means that it was tried and holds.
	OK = "OK"
	// Weak means that the archive works without it and is less safe.
	Weak = "weak"
	// Missing means that what loghaul relies on does not hold.
	Missing = "missing"
)

// Finding is what a probe found out about one property of an archive.
type Finding struct {
	// Name is the property: "create-only".
	Name string `json:"name"`
	// Verdict is OK, Weak or Missing.
	Verdict string `json:"verdict"`
	// Says is what was tried and seen, Do what to do about it, "" for nothing.
	Says string `json:"says"`
	Do   string `json:"do,omitempty"`
}

// Prober is a Store that can try what it really enforces. Both are.
type Prober interface {
	// Probe makes a few small objects below CheckPrefix, tries what a writer, a
	// reader and an attacker would do, calls found for each property, and takes
	// away what it can. An error means that it could not go on; it is no
	// verdict. One Probe at a time should run with one prefix.
	Probe(ctx context.Context, found func(Finding)) error
}

// probing is the state of one Probe.
type probing struct {
	dir   string // of the keys, with a slash at its end
	found func(Finding)
}

func newProbing(found func(Finding)) probing {
	return probing{dir: CheckPrefix + strings.ToLower(rand.Text()[:10]) + "/", found: found}
}

func (p *probing) is(name, verdict, says, do string) {
	p.found(Finding{Name: name, Verdict: verdict, Says: says, Do: do})
}

// group makes a small object.
func (p *probing) group(name, content string) *sinks.Group {
	body := []byte(content)
	return &sinks.Group{Key: p.dir + name, Body: body, SHA256: sha256.Sum256(body)}
}

// probeRanges reads parts of an object of the content that it must have.
func (p *probing) probeRanges(ctx context.Context, s Store, key, content string) {
	for _, r := range []struct{ off, n int }{{0, 1}, {3, 5}, {len(content) - 1, 1}, {len(content) - 4, 10}, {len(content) + 5, 3}} {
		b := make([]byte, r.n)
		n, err := s.ReadAt(ctx, key, b, int64(r.off))
		want := content[min(r.off, len(content)):min(r.off+r.n, len(content))]
		short := len(want) < r.n
		if string(b[:n]) != want || (err != nil) != short {
			p.is("ranges", Missing, fmt.Sprintf("asked for %d bytes at %d of %d, it gave %q (%v)", r.n, r.off, len(content), b[:n], err),
				"use a store that answers GET with Range; every reader of the archive needs it")
			return
		}
	}
	p.is("ranges", OK, "parts of an object come back as they were asked for", "")
}

// probeListing compares a listing with what was written, order included.
func (p *probing) probeListing(ctx context.Context, s Store, want []string, seen map[string]bool) {
	var got []string
	err := s.List(ctx, p.dir, func(i Info) error {
		got = append(got, i.Key)
		return nil
	})
	const do = "use a store whose listing shows an object as soon as it is stored, in the order of keys: readers would pass over the others"
	if err != nil {
		p.is("listing", Missing, err.Error(), do)
		return
	}
	var known []string // what other probes made does not count
	for _, k := range got {
		if !seen[k] {
			known = append(known, strings.TrimPrefix(k, p.dir))
		}
	}
	if fmt.Sprint(known) != fmt.Sprint(want) {
		p.is("listing", Missing, fmt.Sprintf("right after storing %q it lists %q", want, known), do)
		return
	}
	p.is("listing", OK, fmt.Sprintf("%d new objects were listed at once, all, and in the order of their keys", len(want)), "")
}

// listedNames are keys whose order shows whether a listing goes by bytes.
func listedNames() []string {
	return []string{"list/a-b", "list/a.b", "list/a/b", "list/a0", "list/b"}
}
