package spool

import "time"

// Lose declares that lines were lost at this place of the stream, for a reason
// of package ledger. It counts them at once; the mark is written by Run, at once
// for the first loss and then together with those of the next second, or, while
// Append is refused, of up to a minute. It waits for nothing but a lock that is
// never held during I/O.
func (s *Spool) Lose(reason string, lines, bytes int64) {
	lines, bytes = max(lines, 0), max(bytes, 0)
	s.account.Lose(reason, bytes, lines)
	s.declare(loss{reason: reason, lines: lines, bytes: bytes})
}

// declare has a loss that is counted already written as a mark.
func (s *Spool) declare(l loss) {
	s.lossMu.Lock()
	first := len(s.pending) == 0
	s.pending = merge(s.pending, l)
	s.lossMu.Unlock()
	if first {
		signal(s.work)
	}
}

func merge(all []loss, l loss) []loss {
	for i := range all {
		if all[i].reason == l.reason {
			all[i].lines += l.lines
			all[i].bytes += l.bytes
			return all
		}
	}
	return append(all, l)
}

// mark writes the marks that are due and says when others are.
func (s *Spool) mark(now time.Time) (next time.Time) {
	s.mu.Lock()
	gap := markEvery
	if s.atBound || s.refusal.Load() != nil {
		gap = s.markGap
	}
	s.mu.Unlock()

	s.lossMu.Lock()
	defer s.lossMu.Unlock()
	if len(s.pending) == 0 {
		return time.Time{}
	}
	if due := s.marked.Add(gap); now.Before(due) {
		return due
	}
	all := s.pending
	s.pending, s.marking = nil, true
	s.lossMu.Unlock()
	left := s.write(all)
	s.lossMu.Lock()
	s.marking = false
	for _, l := range left {
		s.pending = merge(s.pending, l)
	}
	s.marked = now
	s.markGap = min(2*gap, markMost)
	if len(s.pending) == 0 {
		return time.Time{}
	}
	return now.Add(gap)
}

// markNow has mark write everything.
func (s *Spool) markNow() {
	s.lossMu.Lock()
	defer s.lossMu.Unlock()
	s.marked = time.Time{}
}

// write writes marks and gives those that could not be written. They may use
// what Append leaves free.
func (s *Spool) write(all []loss) (left []loss) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, l := range all {
		p := l.encode()
		if s.refusal.Load() != nil || s.closed || s.used+headSize+int64(len(p)) > s.cfg.Bytes {
			return all[i:]
		}
		h := head{kind: kindLoss, size: int64(len(p)), off: s.end, lines: l.lines}
		if s.put(&h, p) != nil {
			return all[i:]
		}
		s.marks = append(s.marks, placed{loss: l, off: h.off})
	}
	return nil
}
