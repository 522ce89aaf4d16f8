package objectstore

import (
	"testing"

	"github.com/loghaul/loghaul/archive/gaps"
	"github.com/loghaul/loghaul/archive/manifest"
)

// TestPrefixesAreThoseOfTheArchive: they are said twice, as a store is to link no
// Parquet.
func TestPrefixesAreThoseOfTheArchive(t *testing.T) {
	if ManifestPrefix != manifest.Prefix || GapPrefix != gaps.Prefix {
		t.Errorf("%q and %q, want %q and %q", ManifestPrefix, GapPrefix, manifest.Prefix, gaps.Prefix)
	}
}

// TestGapFilesAreNeverLocked: they go when the index has what they name.
func TestGapFilesAreNeverLocked(t *testing.T) {
	all := Lock{Mode: Compliance, Days: 400}
	l := Locks{Lock: all, Manifests: all}
	for key, want := range map[string]Lock{GapPrefix + "stream/x": {}, ManifestPrefix + "x": all, "dt=2026-11-26/hour=00/x": all} {
		if got := l.of(key); got != want {
			t.Errorf("%s gets the lock %+v, want %+v", key, got, want)
		}
	}
}
