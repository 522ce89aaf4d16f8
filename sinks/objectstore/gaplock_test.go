package objectstore

import "testing"

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
