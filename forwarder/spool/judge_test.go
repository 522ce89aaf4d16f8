package spool

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/loghaul/loghaul/internal/durable/faulty"
	"github.com/loghaul/loghaul/internal/wire"
)

// settle lets everything come to rest, on a disk that works, and judges.
func (w *world) settle() error {
	w.fs.Fail(faulty.Faults{})
	w.fs.CrashIn(0)
	if w.sp == nil {
		w.open()
	}
	if w.sp == nil {
		return errors.New("it can't be opened on a disk that works")
	}
	for range 5 {
		w.now = w.now.Add(2 * time.Minute)
		w.tend()
	}
	w.track()
	for w.sp.read.Load() < w.sp.synced.Load() {
		if err := w.read(1); err != nil {
			return err
		}
	}
	if err := w.confirm(len(w.flights)); err != nil {
		return err
	}
	w.tend()
	if w.sp.synced.Load() < w.sp.end || len(w.sp.pending) > 0 || w.sp.acked < w.sp.end || len(w.sp.segs) != 1 {
		return fmt.Errorf("it does not come to rest: synced %d, acked %d, end %d, pending %v, %d segments",
			w.sp.synced.Load(), w.sp.acked, w.sp.end, w.sp.pending, len(w.sp.segs))
	}
	if n := w.account.InFlight(); n != 0 {
		return fmt.Errorf("the ledger has %d bytes in flight: read %d, acked %d, lost %d",
			n, w.account.ReadBytes.Load(), w.account.AckedBytes.Load(), w.account.LostBytes())
	}
	return w.judge()
}

func (w *world) judge() error {
	if len(w.wrong) > 0 {
		return errors.Join(w.wrong...)
	}
	times := map[string]int{} // how often each line is stored
	var got loss
	damaged := 0
	for id, s := range w.broker {
		var line strings.Builder
		off, end := int64(0), int64(len(s.data))
		for _, l := range s.losses {
			end = max(end, l.To)
		}
		for off < end {
			if l, ok := s.losses[off]; ok {
				if line.Len() > 0 {
					return fmt.Errorf("%s: a loss at %d cuts the line %.40q", id, off, line.String())
				}
				if l.Lost == wire.SpoolDamaged {
					damaged++
					w.reached["damage declared"]++
				} else {
					w.reached["mark"]++
					got.lines += l.LostLines
					got.bytes += l.To - l.From
				}
				for i := l.From; i < l.To; i++ {
					if s.has(i) {
						return fmt.Errorf("%s: offset %d is stored, and lost as %+v", id, i, l)
					}
				}
				off = l.To
				continue
			}
			if !s.has(off) {
				return fmt.Errorf("%s: offset %d is neither stored nor declared lost", id, off)
			}
			c := s.data[off]
			off++
			if line.WriteByte(c); c == '\n' {
				times[line.String()]++
				line.Reset()
			}
		}
		if line.Len() > 0 {
			return fmt.Errorf("%s ends within %.40q", id, line.String())
		}
	}
	missing := 0
	for i, c := range w.chunks {
		lines := strings.SplitAfter(strings.TrimSuffix(c.text, "\n"), "\n")
		lines[len(lines)-1] += "\n"
		n := times[lines[0]]
		for _, l := range lines {
			if times[l] != n {
				return fmt.Errorf("record %d is stored in part", i)
			}
			delete(times, l)
		}
		switch {
		case n > 1:
			return fmt.Errorf("record %d is stored %d times", i, n)
		case n == 0 && c.must:
			return fmt.Errorf("record %d was acknowledged as durable, and is missing", i)
		case n == 0 && !c.refused && !c.may:
			return fmt.Errorf("record %d is missing though power was not lost", i)
		case n == 0 && !c.refused:
			missing++
			w.reached["missing after power loss"]++
		case n == 1 && c.refused && !c.may:
			return fmt.Errorf("record %d was refused, and is stored", i)
		}
	}
	for l := range times {
		return fmt.Errorf("never appended: %.40q", l)
	}
	switch {
	case missing > 0 && damaged == 0:
		return fmt.Errorf("%d records are missing, and nothing was declared", missing)
	case damaged > 0 && !w.trouble:
		return fmt.Errorf("%d losses were declared though nothing happened", damaged)
	case got.lines < w.certain.lines || got.lines > w.declared.lines:
		return fmt.Errorf("%d lines are stored as lost, %d were declared, %d of them for certain", got.lines, w.declared.lines, w.certain.lines)
	}
	return nil
}
