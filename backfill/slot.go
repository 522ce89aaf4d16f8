package backfill

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/archive/gaps"
)

// work is the healing of one slot: of the files in which it is, and of what is
// missing according to them.
type work struct {
	e     *Engine
	slot  gaps.Slot
	files []gaps.File // that say what is missing now

	missing gaps.Set // objects, as they are in the files
	times   []*stretch
	jobs    []*job // in the order of time
	refused gaps.Set
	changed bool // the files say too much
}

// stretch is everything of a time.
type stretch struct {
	gaps.Entry
	open map[string]bool // its objects that are not done
	kept bool            // for another time
}

// remains reports whether something of s is still missing, or may be.
func (s *stretch) remains() bool { return s.kept || len(s.open) > 0 }

// slot heals one slot. The error says that no other one should be tried.
func (e *Engine) slot(ctx context.Context, slot gaps.Slot, files []gaps.File) error {
	w := &work{e: e, slot: slot}
	if err := w.read(ctx, files); err != nil || len(w.files) == 0 {
		return err
	}
	if err := w.resolve(ctx); err != nil {
		return err
	}
	err := w.run(ctx)
	if err == nil {
		err = w.lookAgain(ctx)
	}
	// What was done counts, also at the end of ctx.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	err = errors.Join(err, w.save(last))
	for _, s := range w.times {
		if s.kept {
			e.left("too young: objects may still turn up", max(s.Lines, 1))
		} else if s.remains() {
			e.left("not delivered", max(s.Lines, 1))
		}
	}
	e.left("not delivered", gaps.Lines(w.missing.Entries(w.slot)))
	return err
}

// read reads the files.
func (w *work) read(ctx context.Context, files []gaps.File) error {
	var all gaps.Set
	for _, f := range files {
		entries, err := w.e.o.Ledger.Read(ctx, f)
		switch {
		case errors.Is(err, gaps.ErrGone): // somebody else was faster
			w.e.o.Progress.Lines.Add(-f.Lines)
			continue
		case errors.Is(err, gaps.ErrVersion):
			w.e.o.Warn(err)
			w.e.left("in a file of a newer version", max(f.Lines, 1))
			continue
		case errors.Is(err, gaps.ErrDamaged):
			w.e.report.DamagedFiles++
			w.e.o.Warn(fmt.Errorf("%w; everything that %s archived in that hour is taken for missing", err, f.Writer))
		case err != nil:
			return err
		}
		w.files = append(w.files, f)
		w.e.report.Gaps += len(entries)
		for _, entry := range entries {
			all.AddEntry(w.slot, entry)
		}
	}
	for _, entry := range all.Entries(w.slot) {
		if entry.Key == "" {
			w.times = append(w.times, &stretch{Entry: entry})
		} else {
			w.missing.AddEntry(w.slot, entry)
		}
	}
	w.changed = len(w.files) > 1
	return nil
}

// resolve makes jobs of what is missing.
func (w *work) resolve(ctx context.Context) error {
	jobs := map[string]*job{}
	var noted time.Time // whatever is missing was sealed before that
	for _, f := range w.files {
		if f.Made.After(noted) {
			noted = f.Made
		}
	}
	for _, s := range w.times {
		end := time.UnixMilli(min(s.To, noted.UnixMilli()))
		if s.kept = w.e.o.Settle > 0 && time.Since(end) < w.e.o.Settle; s.kept {
			continue
		}
		objects, err := w.e.o.Ledger.Objects(ctx, w.slot.Writer, time.UnixMilli(s.From), time.UnixMilli(s.To))
		if err != nil {
			return err
		}
		s.open = map[string]bool{}
		for _, o := range objects {
			s.open[o.Key] = true
			name, err := archive.ParseKey(o.Key)
			if err != nil {
				return err
			}
			jobs[o.Key] = &job{key: o.Key, name: name}
		}
	}
	for _, entry := range w.missing.Entries(w.slot) {
		name, err := archive.ParseKey(entry.Key)
		if err != nil {
			return err
		}
		j := jobs[entry.Key]
		if j == nil {
			jobs[entry.Key] = &job{key: entry.Key, name: name, rows: entry.Rows}
		} else {
			j.rows = gaps.Union(j.rows, entry.Rows)
		}
	}
	for _, j := range jobs {
		w.jobs = append(w.jobs, j)
	}
	slices.SortFunc(w.jobs, func(a, b *job) int { return a.name.Sealed.Compare(b.name.Sealed) })
	return nil
}

// run does the jobs, and saves what is done now and then.
func (w *work) run(ctx context.Context) error {
	saved := time.Now()
	var failed error
	err := w.e.all(ctx, w.jobs, func(d *done) {
		w.take(d)
		if failed == nil && time.Since(saved) >= w.e.o.Checkpoint {
			failed = w.save(ctx)
			saved = time.Now()
		}
	})
	if err == nil {
		err = failed
	}
	return err
}

// take notes what became of a job.
func (w *work) take(d *done) {
	if d.untouched {
		return
	}
	w.changed = true
	at := time.Now().UnixMilli()
	var lines int64
	for _, entry := range w.missing.TakeObject(w.slot, d.key) {
		lines, at = lines+entry.Lines, min(at, entry.At)
	}
	w.e.count(d, lines)
	for _, g := range d.left {
		w.missing.AddEntry(w.slot, entryOf(g, at))
	}
	for _, g := range d.refused {
		if g.Reason == unreadable { // nobody has counted them
			g.Lines = int(min(lines, int64(g.Rows.Last-g.Rows.First+1)))
			lines -= int64(g.Lines)
		}
		w.refused.AddEntry(gaps.SlotOf(d.name, g.Reason), entryOf(g, at))
		w.e.left(g.Reason, int64(max(g.Lines, 1)))
	}
	f := &d.filled
	for _, s := range w.times {
		if s.open[d.key] && len(d.left) == 0 {
			delete(s.open, d.key)
			s.Lines = max(s.Lines-int64(f.Indexed+f.Exists+f.Excluded+f.Rejected), 0)
		}
	}
}

func entryOf(g gaps.Gap, at int64) gaps.Entry {
	return gaps.Entry{Key: g.Key, Rows: []gaps.Span{g.Rows}, Lines: int64(g.Lines), Reason: g.Reason, At: at}
}

// lookAgain makes sure that no object has turned up in a stretch of time meanwhile.
func (w *work) lookAgain(ctx context.Context) error {
	for _, s := range w.times {
		if s.remains() {
			continue
		}
		w.changed = true
		objects, err := w.e.o.Ledger.Objects(ctx, w.slot.Writer, time.UnixMilli(s.From), time.UnixMilli(s.To))
		if err != nil {
			return err
		}
		for _, o := range objects {
			if !slices.ContainsFunc(w.jobs, func(j *job) bool { return j.key == o.Key }) {
				s.kept = true // for the next time
			}
		}
	}
	return nil
}

// remainder gives what is still missing.
func (w *work) remainder() []gaps.Entry {
	var out []gaps.Entry
	for _, s := range w.times {
		if s.remains() {
			out = append(out, s.Entry)
		}
	}
	return append(out, w.missing.Entries(w.slot)...)
}

// save writes what is still missing, and then removes the files that say more.
func (w *work) save(ctx context.Context) error {
	if !w.changed {
		return nil
	}
	now := time.Now()
	var left gaps.Set
	for _, entry := range w.remainder() {
		left.AddEntry(w.slot, entry)
	}
	for _, slot := range w.refused.Slots() {
		entries := w.refused.Entries(slot)
		if slot == w.slot {
			for _, entry := range entries {
				left.AddEntry(slot, entry)
			}
			continue
		}
		if _, err := w.e.o.Ledger.Write(ctx, slot, entries, now); err != nil {
			return err
		}
		w.refused.Remove(slot)
	}
	f, err := w.e.o.Ledger.Replace(ctx, w.files, w.slot, left.Entries(w.slot), now)
	if err != nil {
		return err
	}
	w.changed, w.files = false, nil
	if f.Hash != "" {
		w.files = []gaps.File{f}
	}
	return nil
}
