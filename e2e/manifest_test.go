package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/loghaul/loghaul/archive/gaps"
	"github.com/loghaul/loghaul/archive/manifest"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// makeKeys makes the keys of the manifests as an operator does.
func (c *cluster) makeKeys() {
	c.t.Helper()
	if _, stderr, code := command(c.t, nil, "loghaul", "audit", "keygen", "--out", c.dir); code != 0 {
		c.t.Fatalf("loghaul audit keygen ended with %d:\n%s", code, stderr)
	}
	text, err := os.ReadFile(filepath.Join(c.dir, "manifest.pub"))
	if err != nil {
		c.t.Fatal(err)
	}
	if c.keys, err = manifest.ParseKeyring(text); err != nil {
		c.t.Fatal(err)
	}
}

// checkManifests wants each object that is in the archive in one signed
// manifest, as it is, and the chains of all that were stopped ended. It gives
// how many were recovered.
func (c *cluster) checkManifests() (recovered int) {
	c.t.Helper()
	store := c.open()
	chains := map[string]map[int64]*manifest.File{}
	sums, listed := map[string]string{}, map[string]string{}
	err := store.List(c.t.Context(), "", func(o objectstore.Info) error {
		if strings.HasPrefix(o.Key, gaps.Prefix) {
			return nil
		}
		b, err := store.Get(c.t.Context(), o.Key)
		if err != nil {
			return err
		}
		if !strings.HasPrefix(o.Key, manifest.Prefix) {
			sum := sha256.Sum256(b)
			sums[o.Key] = hex.EncodeToString(sum[:])
			return nil
		}
		f, err := manifest.Decode(b)
		if err != nil {
			return err
		}
		m := f.Manifest
		if chains[m.Writer] == nil {
			chains[m.Writer] = map[int64]*manifest.File{}
		}
		if chains[m.Writer][m.Sequence] != nil {
			c.t.Errorf("%s: there is another number %d", o.Key, m.Sequence)
		}
		chains[m.Writer][m.Sequence] = f
		for _, object := range m.Objects {
			if listed[object.Key] != "" {
				c.t.Errorf("%s is listed twice", object.Key)
			}
			if listed[object.Key] = object.SHA256; object.Recovered {
				recovered++
			}
		}
		return c.keys.Check(f)
	})
	if err != nil {
		c.t.Fatal(err)
	}
	for writer, chain := range chains {
		for n := int64(1); n <= int64(len(chain)); n++ {
			f := chain[n]
			if f == nil || n > 1 && (*f.Manifest.Previous != chain[n-1].Link() || !f.Manifest.From.Equal(chain[n-1].Manifest.To)) {
				c.t.Fatalf("the chain of %s is broken at %d of %d", writer, n, len(chain))
			}
			if n == int64(len(chain)) && !f.Manifest.End {
				c.t.Errorf("the chain of %s is not ended", writer)
			}
		}
	}
	for key, sum := range sums {
		if listed[key] != sum {
			c.t.Errorf("%s is listed with the checksum %q, and has %s", key, listed[key], sum)
		}
	}
	if len(listed) != len(sums) || len(sums) == 0 {
		c.t.Errorf("%d objects are listed, %d are there", len(listed), len(sums))
	}
	public := filepath.Join(c.dir, "manifest.pub")
	if out, stderr, code := command(c.t, c.s3.Env(), "loghaul", "audit", "verify", "--archive", c.url, "--public-key", public); code != 0 {
		c.t.Errorf("loghaul audit verify ended with %d:\n%s%s", code, out, stderr)
	}
	return recovered
}

// TestManifestsAfterKills: aggregators are killed with objects that they have
// not listed, again and again. In the end every object is in one signed
// manifest, and what a successor found is marked.
func TestManifestsAfterKills(t *testing.T) {
	random := newChaos(t)
	c := newCluster(t, settings{})
	c.start()
	l := startLoad(t, c.input, fullRate)
	random.times(2, func() {
		eventually(t, arrivalLimit, "an object that waits for its manifest", func() bool {
			return c.agg[0].metric("loghaul_manifest_waiting_objects") > 0
		})
		c.agg[0].Kill()
	}, c.agg[0].Start)
	c.finish(l, arrivalLimit)
	if n := c.checkManifests(); n == 0 {
		t.Error("nothing was recovered: the test proves nothing")
	}
}
