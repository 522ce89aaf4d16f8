package manifest_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/loghaul/loghaul/archive/manifest"
)

// document gives the JSON of a file; withDocument puts another one in its place.
func document(t testing.TB, b []byte) []byte {
	t.Helper()
	z, err := zstd.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var out bytes.Buffer
	if _, err := z.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

const sealFrame = 8 + 4 + 4 + 32 + 64

func withDocument(t testing.TB, b, text []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(1<<17))
	if err != nil {
		t.Fatal(err)
	}
	end := b[len(b)-sealFrame:]
	at := len(b) - sealFrame - int(binary.LittleEndian.Uint32(end[12:]))
	frame := w.EncodeAll(text, nil)
	out := append(bytes.Clone(b[:at]), frame...)
	out = append(out, end...)
	binary.LittleEndian.PutUint32(out[len(out)-sealFrame+12:], uint32(len(frame)))
	return out
}

type corruption struct {
	name  string
	file  func(testing.TB, []byte) []byte
	want  error
	opens bool // only ReadFilters finds it
}

func corruptions() []corruption {
	replace := func(from, to string) func(testing.TB, []byte) []byte {
		return func(t testing.TB, b []byte) []byte {
			text := document(t, b)
			if !bytes.Contains(text, []byte(from)) {
				t.Fatalf("the document has no %s: %s", from, text)
			}
			return withDocument(t, b, bytes.Replace(text, []byte(from), []byte(to), 1))
		}
	}
	edit := func(fn func(map[string]any)) func(testing.TB, []byte) []byte {
		return func(t testing.TB, b []byte) []byte {
			var m map[string]any
			if err := json.Unmarshal(document(t, b), &m); err != nil {
				t.Fatal(err)
			}
			fn(m)
			text, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			return withDocument(t, b, text)
		}
	}
	object := func(m map[string]any, i int) map[string]any {
		return m["objects"].([]any)[i].(map[string]any) //nolint:errcheck // it is one
	}
	filters := func(m map[string]any) map[string]any {
		return m["filters"].(map[string]any) //nolint:errcheck // it is one
	}
	class := func(m map[string]any) map[string]any {
		return filters(m)["columns"].(map[string]any)["client_ip"].([]any)[0].(map[string]any) //nolint:errcheck // it is one
	}
	return []corruption{
		{name: "empty file", file: func(testing.TB, []byte) []byte { return nil }},
		{name: "file cut in the seal", file: func(_ testing.TB, b []byte) []byte { return b[:len(b)-1] }},
		{name: "bytes missing in the middle", file: func(_ testing.TB, b []byte) []byte {
			return append(bytes.Clone(b[:100]), b[200:]...)
		}},
		{name: "document longer than the file", file: func(_ testing.TB, b []byte) []byte {
			binary.LittleEndian.PutUint32(b[len(b)-sealFrame+12:], 1<<25)
			return b
		}},
		{name: "bit flipped in the document", file: func(_ testing.TB, b []byte) []byte {
			b[len(b)-sealFrame-20] ^= 4
			return b
		}},
		{name: "bit flipped in a filter", file: func(_ testing.TB, b []byte) []byte { b[50] ^= 1; return b }, opens: true},
		{name: "other magic before the filters", file: func(_ testing.TB, b []byte) []byte { b[0] ^= 1; return b }, opens: true},
		{name: "seal of a newer format", file: func(_ testing.TB, b []byte) []byte { b[len(b)-sealFrame+8] = 2; return b }, want: manifest.ErrVersion},
		{name: "newer version", file: replace(`"version":1`, `"version":2,"news":true`), want: manifest.ErrVersion},
		{name: "no version", file: replace(`"version":1`, `"version":0`)},
		{name: "unknown member", file: replace(`"version":1`, `"version":1,"news":true`)},
		{name: "document that is no JSON", file: replace(`{"version"`, `["version"`)},
		{name: "no number", file: replace(`"sequence":2`, `"sequence":0`)},
		{name: "first one with a predecessor", file: replace(`"sequence":2`, `"sequence":1`)},
		{name: "predecessor of another number", file: replace(`"previous":{"sequence":1`, `"previous":{"sequence":7`)},
		{name: "ends before it begins", file: replace(`"to":"2026-11-26T05`, `"to":"2026-11-26T03`)},
		{name: "objects of more than an hour", file: replace(`"to":"2026-11-26T05`, `"to":"2026-11-26T06`)},
		{name: "writer that is no name", file: replace(`"writer":"agg-1"`, `"writer":"a/b"`)},
		{name: "objects out of order", file: edit(func(m map[string]any) {
			o := m["objects"].([]any) //nolint:errcheck // it is one
			o[0], o[1] = o[1], o[0]
		})},
		{name: "object twice", file: edit(func(m map[string]any) {
			o := m["objects"].([]any) //nolint:errcheck // it is one
			o[1] = o[0]
		})},
		{name: "no checksum of an object", file: edit(func(m map[string]any) { object(m, 1)["sha256"] = "" })},
		{name: "negative size", file: edit(func(m map[string]any) { object(m, 1)["size"] = -1 })},
		{name: "range of an unknown source", file: edit(func(m map[string]any) {
			object(m, 1)["ranges"] = [][4]int64{{9, 0, 10, 1}}
		})},
		{name: "empty range", file: edit(func(m map[string]any) { object(m, 1)["ranges"] = [][4]int64{{0, 10, 10, 1}} })},
		{name: "range that is no range", file: edit(func(m map[string]any) { object(m, 1)["ranges"] = []any{"x"} })},
		{name: "range of three numbers", file: edit(func(m map[string]any) { object(m, 1)["ranges"] = []any{[]int{0, 0, 1}} })},
		{name: "range of five numbers", file: edit(func(m map[string]any) { object(m, 1)["ranges"] = []any{[]int{0, 0, 10, 1, 1}} })},
		{name: "ranges that are no array", file: edit(func(m map[string]any) { object(m, 1)["ranges"] = map[string]any{"0": 1} })},
		{name: "loss without a reason", file: edit(func(m map[string]any) {
			object(m, 1)["losses"] = []any{map[string]any{"source": 0, "from": 0, "to": 1, "reason": "", "read": "2026-11-26T04:00:00Z"}}
		})},
		{name: "filters of another size", file: edit(func(m map[string]any) { filters(m)["size"] = 64 })},
		{name: "filters gone from the document", file: edit(func(m map[string]any) { delete(m, "filters") })},
		{name: "filter of an unknown object", file: edit(func(m map[string]any) {
			objects := class(m)["objects"].([]any) //nolint:errcheck // it is one
			objects[len(objects)-1] = 99
		})},
		{name: "filter with an odd number of blocks", file: edit(func(m map[string]any) {
			class(m)["blocks"] = 3
		})},
	}
}

func TestCorruptions(t *testing.T) {
	m, entries := sample(t)
	b, _, err := manifest.Encode(m, entries, newSigner(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range corruptions() {
		t.Run(c.name, func(t *testing.T) {
			broken := c.file(t, bytes.Clone(b))
			want := c.want
			if want == nil {
				want = manifest.ErrCorrupt
			}
			if _, err := manifest.Decode(broken); !errors.Is(err, want) {
				t.Errorf("Decode: %v, want %v", err, want)
			}
			if _, err := manifest.Open(bytes.NewReader(broken), int64(len(broken))); (err == nil) != c.opens {
				t.Errorf("Open: %v", err)
			}
		})
	}
}

func TestRefusedKeys(t *testing.T) {
	for _, key := range []string{
		"", "_manifests/", "dt=2026-11-26/hour=04/agg-1764129600000-000000000000.parquet",
		"_manifests/dt=2026-11-26/hour=05/agg-1-1795665600000-1.json.zst", // another hour
		"_manifests/dt=2026-11-26/hour=04/agg-1-1795665600000-01.json.zst",
		"_manifests/dt=2026-11-26/hour=04/-1795665600000-1.json.zst",
		"_manifests/dt=2026-11-26/hour=04/agg-1795665600000.json.zst",
		"_manifests/dt=2026-11-26/hour=04/agg-1-1795665600000-1.json",
	} {
		if k, err := manifest.ParseKey(key); err == nil {
			t.Errorf("%q is taken for %+v", key, k)
		}
	}
	if _, err := manifest.ParseKey("_manifests/dt=2026-11-26/hour=04/agg-1-1795665600000-1.json.zst"); err != nil {
		t.Error(err)
	}
}

func TestKeyFiles(t *testing.T) {
	private, public, err := manifest.Generate(strings.NewReader(strings.Repeat("0123456789abcdef", 8)))
	if err != nil {
		t.Fatal(err)
	}
	s, err := manifest.ParseSigner(private)
	if err != nil || !bytes.Equal(s.Public(), public) {
		t.Fatalf("%v, %s", err, s.Public())
	}
	for name, text := range map[string]string{
		"nothing": "", "no PEM": "secret", "public key": string(public), "two keys": string(private) + string(private),
		"broken": strings.Replace(string(private), "MC4", "MC5", 1),
	} {
		if _, err := manifest.ParseSigner([]byte(text)); err == nil {
			t.Errorf("%s is taken for a private key", name)
		}
	}
	for name, text := range map[string]string{"nothing": "", "private key": string(private), "broken": strings.Replace(string(public), "MCo", "MCp", 1)} {
		if _, err := manifest.ParseKeyring([]byte(text)); err == nil {
			t.Errorf("%s is taken for public keys", name)
		}
	}
	k, err := manifest.ParseKeyring([]byte("the key of 2026\n" + string(public) + "\nand again\n" + string(public)))
	if err != nil || len(k.KeyIDs()) != 1 || k.KeyIDs()[0] != s.KeyID() {
		t.Errorf("%v, %v", k, err)
	}
}
