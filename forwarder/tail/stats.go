package tail

import (
	"sync/atomic"

	"github.com/loghaul/loghaul/forwarder/ledger"
)

// Stats counts what the ledger does not. It may be read by anybody.
type Stats struct {
	// Truncations counts files that were cut short or written anew.
	Truncations atomic.Int64
	// Files is the number of files known and not gone; Open of those held open.
	Files, Open atomic.Int64
	// LinksRefused counts rotated files that could not be linked.
	LinksRefused atomic.Int64
	// Scans counts looks through the folders.
	Scans atomic.Int64

	trouble atomic.Pointer[string]
}

// Trouble names a file or folder that should be read and cannot be, and why;
// "" if there is none.
func (s *Stats) Trouble() string {
	if p := s.trouble.Load(); p != nil {
		return *p
	}
	return ""
}

// UpdateLag refreshes LagBytes and LagSince of every path, and the gauges.
func (t *Tailer) UpdateLag() {
	type lag struct{ bytes, since int64 }
	lags := map[*ledger.Account]lag{}
	for f := range t.files {
		l := lags[f.account]
		if n := f.size - f.acked; n > 0 && !f.done && (!f.missing || t.wanted(f.path)) {
			l.bytes += n
			if s := f.unacked.UnixNano(); !f.unacked.IsZero() && (l.since == 0 || s < l.since) {
				l.since = s
			}
		}
		lags[f.account] = l
	}
	for a, l := range lags {
		a.LagBytes.Store(l.bytes)
		a.LagSince.Store(l.since)
	}
	t.stats.Open.Store(int64(t.open))
	t.stats.Files.Store(int64(len(t.byLoc)))
}
