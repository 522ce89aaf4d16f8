package verify_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/archive/manifest"
	"github.com/loghaul/loghaul/audit/verify"
)

// tampering is one way to falsify the sample archive. These are the rows of the
// table in docs/verify.md.
type tampering struct {
	name string
	do   func(s *sample)
	// keyed is what is found without reading objects, with the public key; deep
	// with reading them, open without the key. nil is the same as keyed.
	keyed, deep, open func(s *sample) []string
	// why must be said about what is named first.
	why, about string
}

func none(*sample) []string { return nil }

func flip(at int) func([]byte) []byte {
	return func(b []byte) []byte {
		if at < 0 {
			at += len(b)
		}
		b[at] ^= 1
		return b
	}
}

// withHash gives the key of other content than the one of o.
func withHash(key string, body []byte) string {
	k, err := archive.ParseKey(key)
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256(body)
	k.Hash = fmt.Sprintf("%x", sum[:6])
	return k.Key()
}

// newer makes a manifest of a version to come.
func newer(b []byte) []byte {
	z, err := zstd.NewReader(bytes.NewReader(b))
	if err != nil {
		panic(err)
	}
	defer z.Close()
	var doc map[string]any
	if err := json.NewDecoder(z).Decode(&doc); err != nil {
		panic(err)
	}
	doc["version"], doc["merkle"] = 99, "?"
	text, _ := json.Marshal(doc)
	w, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err)
	}
	frame := w.EncodeAll(text, nil)
	end := bytes.Clone(b[len(b)-112:])
	binary.LittleEndian.PutUint32(end[12:], uint32(len(frame)))
	return append(frame, end...)
}

func tamperings() []tampering {
	// o10 has the first five lines of sources a and b.
	gone10 := func(verdict string) func(*sample) []string {
		return func(s *sample) []string { return []string{verdict + " " + s.o10, "gap 61 0-745", "gap 62 0-745"} }
	}
	return []tampering{
		{
			name: "a byte of an object flipped", do: func(s *sample) { s.edit(s.o10, flip(2000)) },
			keyed: none, deep: gone10("changed"), why: "SHA-256",
		},
		{name: "an object cut short", do: func(s *sample) { s.edit(s.o10, func(b []byte) []byte { return b[:len(b)-1] }) }, keyed: gone10("changed"), why: "bytes, want"},
		{name: "an object deleted", do: func(s *sample) { s.remove(s.o10) }, keyed: gone10("missing")},
		{
			name: "two objects swapped", do: func(s *sample) {
				a, b := s.read(s.o10), s.read(s.p11)
				s.overwrite(s.o10, b)
				s.overwrite(s.p11, a)
			},
			keyed: func(s *sample) []string { return append(gone10("changed")(s), "changed "+s.p11, "gap 63 500-1245") },
		},
		{
			name: "a foreign object added", do: func(s *sample) { s.create(withHash(s.o11, []byte("PAR1")), []byte("PAR1")) },
			keyed: func(s *sample) []string { return []string{"extra " + withHash(s.o11, []byte("PAR1"))} }, why: "no manifest of its writer names it; corrupt object",
		},
		{
			name: "an object of ours added", do: func(s *sample) { s.one.put(at(11, 11), batch(source('z'), 0, lines(1))) },
			keyed: func(s *sample) []string { return []string{"extra " + s.one.waiting[0].Key} }, why: "no manifest of its writer names it",
		},
		{
			name: "a foreign Parquet file added", do: func(s *sample) { s.overwrite("dt=2026-03-01/hour=11/part-0.parquet", []byte("PAR1")) },
			keyed: func(*sample) []string { return []string{"extra dt=2026-03-01/hour=11/part-0.parquet"} }, why: "not the key of an archive object",
		},
		{
			name: "a foreign file among the manifests", do: func(s *sample) { s.overwrite("_manifests/dt=2026-03-01/notes.txt", []byte("x")) },
			keyed: func(*sample) []string { return []string{"extra _manifests/dt=2026-03-01/notes.txt"} }, why: "not the key of a manifest",
		},
		{
			name: "an old manifest replayed in the place of another", do: func(s *sample) { s.overwrite(s.one.manifests[3], s.read(s.one.manifests[1])) },
			keyed: func(s *sample) []string { return []string{"agg-1 4 misplaced", "extra " + s.o12} }, about: "agg-1", why: "its content is that of _manifests/",
		},
		{
			name: "an old manifest replayed as the newest", do: func(s *sample) {
				s.overwrite(manifest.KeyInfo{Writer: "agg-2", Sequence: 4, From: at(13, 0)}.Key(), s.read(s.two.manifests[0]))
			},
			keyed: func(*sample) []string { return []string{"agg-2 4 misplaced"} },
		},
		{
			name: "the newest manifest dropped", do: func(s *sample) { s.remove(s.two.manifests[2]) },
			keyed: func(s *sample) []string { return []string{"agg-2 3 dropped", "extra " + s.p12} }, about: "agg-2", why: "knew of number 3",
		},
		{
			name: "the newest manifest of all dropped", do: func(s *sample) { s.remove(s.one.manifests[4]) },
			keyed: func(*sample) []string { return []string{"agg-1 4 stops"} },
		},
		{
			name: "an object taken out of a manifest", do: func(s *sample) {
				s.one.rewrite(s.one.manifests[0], nil, func(d *document) { d.entries = slices.Delete(d.entries, 1, 2) })
			},
			keyed: func(s *sample) []string {
				return []string{"agg-1 1 forged", "extra " + s.o10b, "unsigned " + s.o10, "unsigned " + s.quarantined}
			},
			open: func(s *sample) []string { return []string{"agg-1 1 replaced", "agg-1 2 previous", "extra " + s.o10b} },
		},
		{
			name: "an object and its entry in the manifest deleted", do: func(s *sample) {
				s.remove(s.o10b)
				s.one.rewrite(s.one.manifests[0], nil, func(d *document) { d.entries = slices.Delete(d.entries, 1, 2) })
			},
			keyed: func(s *sample) []string {
				return []string{"agg-1 1 forged", "gap 61 1490-2235", "unsigned " + s.o10, "unsigned " + s.quarantined}
			},
			open: func(*sample) []string { return []string{"agg-1 1 replaced", "agg-1 2 previous", "gap 61 1490-2235"} },
		},
		{
			name: "the time of a manifest edited", do: func(s *sample) {
				s.one.rewrite(s.one.manifests[4], nil, func(d *document) { d.m.To = d.m.To.Add(time.Hour) })
			},
			keyed: func(*sample) []string { return []string{"agg-1 5 forged"} },
			open:  none, // nothing knows of the newest manifest but its signature
		},
		{
			name: "a signature forged", do: func(s *sample) { s.edit(s.one.manifests[1], flip(-1)) },
			keyed: func(s *sample) []string { return []string{"agg-1 2 forged", "unsigned " + s.o11} }, open: none,
			about: "agg-1", why: "the signature is wrong",
		},
		{
			name: "a manifest signed with another key", do: func(s *sample) {
				s.one.rewrite(s.one.manifests[1], newSigner(s.t), func(*document) {})
			},
			keyed: func(s *sample) []string { return []string{"agg-1 2 unknown key", "unsigned " + s.o11} }, open: none,
		},
		{
			name: "a signature taken away", do: func(s *sample) {
				s.edit(s.one.manifests[1], func(b []byte) []byte { return append(b[:len(b)-sealed], make([]byte, sealed)...) })
			},
			keyed: func(s *sample) []string { return []string{"agg-1 2 unsigned", "unsigned " + s.o11} }, open: none,
		},
		{
			name: "a line removed, the object encoded again", do: func(s *sample) {
				s.remove(s.o11)
				s.one.put(at(11, 10), batch(source('a'), 3*size5, lines(4)), lost(source('c'), 0, 500, "joined"))
			},
			keyed: func(s *sample) []string {
				return []string{"extra " + s.one.waiting[0].Key, "gap 61 2831-2980", "missing " + s.o11}
			},
		},
		{
			name: "a line removed, the object encoded again under its old key", do: func(s *sample) {
				s.overwrite(s.p11, s.two.encode(at(11, 20), batch(source('c'), 500, lines(4))).Body)
			},
			keyed: func(s *sample) []string { return []string{"changed " + s.p11, "gap 63 500-1245"} },
		},
		{
			name: "a range of an object shifted", do: func(s *sample) {
				o := s.two.encode(at(11, 20), batch(source('c'), 501, lines(5)))
				s.remove(s.p11)
				s.create(o.Key, o.Body)
			},
			keyed: func(s *sample) []string {
				o := s.two.encode(at(11, 20), batch(source('c'), 501, lines(5)))
				return []string{"extra " + o.Key, "gap 63 500-501", "missing " + s.p11}
			},
		},
		{
			name: "a range in a manifest shifted", do: func(s *sample) {
				o := s.two.encode(at(11, 20), batch(source('c'), 501, lines(5)))
				s.two.rewrite(s.two.manifests[1], nil, func(d *document) {
					e := s.entry(o)
					e.Object = d.entries[0].Object
					d.entries[0] = e
				})
			},
			keyed: func(s *sample) []string { return []string{"agg-2 2 forged", "unsigned " + s.p11} },
			open:  func(*sample) []string { return []string{"agg-2 2 replaced", "agg-2 3 previous", "gap 63 500-501"} },
		},
		{
			name: "an object and its manifest deleted", do: func(s *sample) { s.remove(s.o11); s.remove(s.one.manifests[1]) },
			keyed: func(*sample) []string { return []string{"agg-1 2 missing", "gap 61 2235-2980", "gap 63 0-500"} },
		},
		{
			name: "a whole chain deleted", do: func(s *sample) {
				for _, key := range append(s.two.manifests, s.p10, s.p11, s.p12) {
					s.remove(key)
				}
			},
			keyed: func(*sample) []string { return []string{"agg-2 1-3 dropped", "gap 61 745-1490", "gap 62 745-845"} },
		},
		{
			name: "all manifests of a chain deleted", do: func(s *sample) {
				for _, key := range s.two.manifests {
					s.remove(key)
				}
			},
			keyed: func(s *sample) []string {
				return []string{"agg-2 1-3 dropped", "unsigned " + s.p10, "unsigned " + s.p11, "unsigned " + s.p12}
			},
			open: func(*sample) []string { return []string{"agg-2 1-3 dropped"} },
		},
		{
			name: "the first manifests deleted", do: func(s *sample) { s.remove(s.two.manifests[0]); s.remove(s.two.manifests[1]) },
			keyed: func(s *sample) []string { return []string{"agg-2 1-2 missing", "extra " + s.p10, "extra " + s.p11} },
		},
		{
			name: "a supplement dropped", do: func(s *sample) { s.remove(s.one.manifests[2]) },
			keyed: func(s *sample) []string { return []string{"agg-1 3 missing", "extra " + s.late} },
		},
		{
			name: "filters edited", do: func(s *sample) { s.edit(s.two.manifests[1], flip(20)) },
			keyed: none, deep: func(*sample) []string { return []string{"agg-2 2 wrong content"} }, about: "agg-2", why: "the filters have the SHA-256",
		},
		{
			name: "a byte of a manifest flipped", do: func(s *sample) { s.edit(s.two.manifests[1], flip(-200)) },
			keyed: func(s *sample) []string { return []string{"agg-2 2 unreadable", "extra " + s.p11} }, about: "agg-2", why: "corrupt manifest",
		},
		{
			name: "a manifest cut short", do: func(s *sample) { s.edit(s.two.manifests[1], func(b []byte) []byte { return b[:50] }) },
			keyed: func(s *sample) []string { return []string{"agg-2 2 unreadable", "extra " + s.p11} }, why: "number 2 of its writer's manifests should name it, and is broken",
			about: "p11",
		},
		{
			name: "a manifest of a newer version", do: func(s *sample) { s.edit(s.two.manifests[1], newer) },
			keyed: func(s *sample) []string { return []string{"agg-2 2 newer version", "unread " + s.p11} }, about: "agg-2", why: "use a newer loghaul",
		},
		{
			name: "a fork", do: func(s *sample) {
				d := s.two.documents[s.two.manifests[1]]
				d.m.From = d.m.From.Add(time.Minute)
				b, _, err := manifest.Encode(&d.m, nil, s.signer)
				if err != nil {
					s.t.Fatal(err)
				}
				s.create(d.m.Key(), b)
			},
			keyed: func(*sample) []string { return []string{"agg-2 2 fork"} },
		},
		{
			name: "a manifest renamed to another number", do: func(s *sample) {
				from := s.two.manifests[1]
				to := manifest.KeyInfo{Writer: "agg-2", Sequence: 9, From: at(13, 0)}.Key()
				s.overwrite(to, s.read(from))
				s.remove(from)
			},
			keyed: func(s *sample) []string {
				return []string{"agg-2 2 missing", "agg-2 4-8 missing", "agg-2 9 misplaced", "extra " + s.p11}
			},
		},
		{
			name: "something quarantined added", do: func(s *sample) { s.overwrite("_quarantine/dt=2026-03-01/hour=11/RAW-00-9-e3b0c44298fc.bin", nil) },
			keyed: func(*sample) []string {
				return []string{"extra _quarantine/dt=2026-03-01/hour=11/RAW-00-9-e3b0c44298fc.bin"}
			}, why: "no manifest names it",
		},
		{
			name: "what was quarantined changed", do: func(s *sample) { s.edit(s.quarantined, flip(3)) },
			keyed: none, deep: func(s *sample) []string { return []string{"changed " + s.quarantined} },
		},
	}
}

// TestTampering names each, and nothing else.
func TestTampering(t *testing.T) {
	base := newSample(t)
	for _, c := range tamperings() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := base.copied(t)
			c.do(s)
			check := func(how string, o verify.Options, want func(*sample) []string) {
				t.Helper()
				r := s.verify(o)
				w := want(s)
				slices.Sort(w)
				if d := cmp.Diff(w, r.differences()); d != "" {
					t.Errorf("%s (-want +got):\n%s", how, d)
				}
				unread := r.total.Unread > 0
				if differs := r.total.Differences > 0; differs != (len(w) > 0 && !strings.Contains(c.name, "newer version")) || unread != strings.Contains(c.name, "newer version") {
					t.Errorf("%s: %d differences, %d unread", how, r.total.Differences, r.total.Unread)
				}
				about := c.about
				if about == "p11" {
					about = s.p11
				}
				if about == "" && len(w) > 0 {
					about = w[0][strings.IndexByte(w[0], ' ')+1:]
				}
				if len(w) > 0 && how != "open" && !strings.Contains(r.reasons(about), c.why) {
					t.Errorf("%s: %s: %q, want %q", how, about, r.reasons(about), c.why)
				}
			}
			deep, open := c.deep, c.open
			if deep == nil {
				deep = c.keyed
			}
			if open == nil {
				open = c.keyed
			}
			check("keyed", verify.Options{Keys: s.keys}, c.keyed)
			check("deep", verify.Options{Keys: s.keys, Deep: true}, deep)
			check("open", verify.Options{}, open)
		})
	}
}

// copied gives a copy of the sample that may be falsified.
func (s *sample) copied(t *testing.T) *sample {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(s.dir)); err != nil {
		t.Fatal(err)
	}
	c := *s
	w := newWorldAt(t, dir)
	w.signer, w.keys = s.signer, s.keys
	one, two := *s.one, *s.two
	one.w, two.w = w, w
	c.world, c.one, c.two = w, &one, &two
	return &c
}

func TestClean(t *testing.T) {
	s := newSample(t)
	for _, o := range []verify.Options{{}, {Keys: s.keys}, {Deep: true}, {Deep: true, Keys: s.keys}, {From: at(11, 0)}, {From: at(11, 15), To: at(12, 15), Keys: s.keys, Deep: true}} {
		r := s.verify(o)
		if d := r.differences(); len(d) > 0 || r.total.Differences != 0 || r.total.Unread != 0 || len(r.warned) > 0 {
			t.Errorf("%+v: %q, %+v", o, d, r.total)
		}
	}
}
