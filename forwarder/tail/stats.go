package tail

import (
	"sync"
	"sync/atomic"
)

// maxPaths bounds the paths that are counted one by one. Those beyond it are
// counted together under "(others)".
const maxPaths = 1000

// Reasons for which bytes are lost. Each is counted per path.
const (
	// LostTruncated: a file was cut short before its last bytes were read.
	LostTruncated = "truncated"
	// LostGone: a file went away, while nobody held it open, with bytes
	// unread. Only those seen before are counted; more may have followed.
	LostGone = "gone"
)

// Stats counts, per path. Bytes read = acked + in flight + lost.
type Stats struct {
	mu    sync.Mutex
	paths map[string]*PathStats

	// Truncations counts files that were cut short or written anew.
	Truncations atomic.Int64
	// Files is the number of files known and not gone; Open of those held open.
	Files, Open atomic.Int64
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

// PathStats counts what happened to one path, all generations together.
type PathStats struct {
	// Path is the path the input named.
	Path string
	// ReadBytes and ReadLines count what was taken charge of: read into a
	// batch or, for bytes, known to be lost before they could be read.
	ReadBytes, ReadLines atomic.Int64
	// AckedBytes and AckedLines count what the broker has.
	AckedBytes, AckedLines atomic.Int64
	// LostTruncated and LostGone count bytes by reason.
	LostTruncated, LostGone atomic.Int64
	// CutLines counts lines that were longer than the bound.
	CutLines atomic.Int64
	// LagBytes is what is written and not acked; LagSince when the oldest of
	// that was seen, in nanoseconds since 1970, 0 when there is none.
	LagBytes, LagSince atomic.Int64
}

func newStats() *Stats { return &Stats{paths: map[string]*PathStats{}} }

func (s *Stats) path(p string) *PathStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.paths) >= maxPaths && s.paths[p] == nil {
		p = "(others)"
	}
	if s.paths[p] == nil {
		s.paths[p] = &PathStats{Path: p}
	}
	return s.paths[p]
}

// Each calls fn for every path.
func (s *Stats) Each(fn func(*PathStats)) {
	s.mu.Lock()
	all := make([]*PathStats, 0, len(s.paths))
	for _, p := range s.paths {
		all = append(all, p)
	}
	s.mu.Unlock()
	for _, p := range all {
		fn(p)
	}
}

// Lost gives the bytes lost, for all reasons.
func (p *PathStats) Lost() int64 { return p.LostTruncated.Load() + p.LostGone.Load() }

func (t *Tailer) lost(f *File, reason string, n int64) {
	if n <= 0 {
		return
	}
	f.stats.ReadBytes.Add(n)
	if reason == LostTruncated {
		f.stats.LostTruncated.Add(n)
	} else {
		f.stats.LostGone.Add(n)
	}
}

// UpdateLag refreshes LagBytes and LagSince of every path.
func (t *Tailer) UpdateLag() {
	type lag struct{ bytes, since int64 }
	lags := map[*PathStats]lag{}
	for f := range t.files {
		l := lags[f.stats]
		if n := f.size - f.acked; n > 0 && !f.done {
			l.bytes += n
			if s := f.unacked.UnixNano(); !f.unacked.IsZero() && (l.since == 0 || s < l.since) {
				l.since = s
			}
		}
		lags[f.stats] = l
	}
	for p, l := range lags {
		p.LagBytes.Store(l.bytes)
		p.LagSince.Store(l.since)
	}
	t.stats.Open.Store(int64(t.open))
	t.stats.Files.Store(int64(len(t.byLoc)))
}

// InFlight gives the bytes that are read and not confirmed.
func (p *PathStats) InFlight() int64 {
	acked, lost := p.AckedBytes.Load(), p.Lost()
	return p.ReadBytes.Load() - acked - lost
}
