package verify_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/archive/manifest"
	"github.com/loghaul/loghaul/audit/verify"
)

// printed is what a run prints as lines of JSON.
func printed(t testing.TB, r *result) []byte {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	line := func(kind string, v any) {
		if err := e.Encode(map[string]any{kind: v}); err != nil {
			t.Fatal(err)
		}
	}
	for _, o := range r.objects {
		line("object", o)
	}
	for _, c := range r.chains {
		line("chain", c)
	}
	for _, s := range r.sources {
		line("source", s)
	}
	line("total", r.total)
	return b.Bytes()
}

// TestEarlier finds what is gone with everything that knew of it, as an earlier
// run knew of it.
func TestEarlier(t *testing.T) {
	s := newSample(t)
	text := printed(t, s.verify(verify.Options{Keys: s.keys}))
	heads, err := verify.ReadHeads(bytes.NewReader(text))
	want := []manifest.Head{s.one.head(), s.two.head()}
	if d := cmp.Diff(want, heads); d != "" || err != nil {
		t.Fatalf("%v (-want +got):\n%s", err, d)
	}
	same(t, "unchanged", s.verify(verify.Options{Heads: heads}).differences())
	s.remove(s.one.manifests[4])
	same(t, "the newest of all", s.verify(verify.Options{Heads: heads, Now: at(14, 0)}).differences(), "agg-1 5 dropped")
	s.one.rewrite(s.two.manifests[2], nil, func(d *document) { *d = s.two.documents[s.two.manifests[2]]; d.entries = nil })
	same(t, "another one", s.verify(verify.Options{Heads: heads}).differences(), "agg-1 5 dropped", "agg-2 3 replaced", "extra "+s.p12)
	if _, err := verify.ReadHeads(bytes.NewReader(text[:len(text)-len(text)/4])); err == nil {
		t.Error("a part is taken for all")
	}
}

func FuzzReadHeads(f *testing.F) {
	f.Add(`{"chain":{"writer":"a","head":{"sequence":1,"sha256":"00"}}}` + "\n" + `{"total":{}}`)
	f.Add(`{"total":{}}{"chain":null}`)
	f.Add("[]")
	f.Fuzz(func(t *testing.T, text string) {
		heads, err := verify.ReadHeads(strings.NewReader(text))
		if err != nil && heads != nil {
			t.Errorf("%v with %v", heads, err)
		}
	})
}
