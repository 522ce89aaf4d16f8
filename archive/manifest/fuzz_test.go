package manifest_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/loghaul/loghaul/archive/manifest"
)

// FuzzManifest reads arbitrary bytes: no panic, no other error than the two
// that are documented, and what opens can be asked for everything.
func FuzzManifest(f *testing.F) {
	m, entries := sample(f)
	signer := newSigner(f)
	b, _, err := manifest.Encode(m, entries, signer)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	for _, c := range corruptions() {
		f.Add(c.file(f, bytes.Clone(b)))
	}
	keys := keyring(f, signer)
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		file, err := manifest.Open(r, int64(len(b)))
		if err != nil {
			if !errors.Is(err, manifest.ErrCorrupt) && !errors.Is(err, manifest.ErrVersion) {
				t.Errorf("error %v is neither ErrCorrupt nor ErrVersion", err)
			}
			return
		}
		read(t, file, r)
		if keys.Check(file) == nil && file.Manifest.Writer != "agg-1" {
			t.Errorf("%+v has a valid signature", file.Manifest)
		}
	})
}

// FuzzDocument reads arbitrary documents in a file that is right otherwise.
func FuzzDocument(f *testing.F) {
	m, entries := sample(f)
	b, _, err := manifest.Encode(m, entries, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(document(f, b))
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 1<<16 {
			return
		}
		broken := withDocument(t, b, text)
		r := bytes.NewReader(broken)
		file, err := manifest.Open(r, int64(len(broken)))
		if err != nil {
			return
		}
		read(t, file, r)
	})
}

// read asks a manifest for all that depends on its numbers.
func read(t *testing.T, file *manifest.File, r *bytes.Reader) {
	t.Helper()
	m := file.Manifest
	for i := range m.Objects {
		m.Meta(&m.Objects[i])
	}
	if _, err := file.MayHold(r, "client_ip", []byte("10.0.0.1")); err != nil {
		t.Error(err)
	}
	filters, err := file.ReadFilters(r)
	if err != nil {
		return
	}
	for i := range m.Objects {
		m.Bloom(filters, i, "client_ip")
	}
	if _, err := manifest.ParseKey(m.Key()); err != nil && m.From.Year() > 0 && m.From.Year() < 9999 {
		t.Error(err)
	}
}
