package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/sinks"
)

// Target is where a derived copy is written. See objectstore.Store.
type Target interface {
	Store
	sinks.Durable
}

// Defaults of CompactOptions.
const (
	DefaultCompactLines = 1_000_000
	DefaultCompactBytes = archive.MaxRawBytes
)

// CompactOptions says what Compact copies and with what means.
type CompactOptions struct {
	// From and To bound the days that are copied, [From, To), both at midnight
	// UTC. Zero is no bound.
	From, To time.Time
	// Lines and Bytes, of raw lines, are where a file ends; 0 is the default.
	Lines int
	Bytes int64
	// Memory bounds the bytes that are held for sorting; 0 is DefaultMemory. The
	// original being read and the file being written come on top.
	Memory int64
	// TempDir is where more is spilled, at most about a day; "" is the system's.
	TempDir string
	// Archive names the originals in the copy; CreatedBy is the version of the
	// program.
	Archive, CreatedBy string
	// Warn gets each thing that is wrong and does not end the call; Progress, if
	// not nil, each day that is done. Warn must be safe for concurrent use.
	Warn     func(error)
	Progress func(CompactedDay)
}

// CompactReport says what Compact did.
type CompactReport struct {
	// Days were written, Done were found done.
	Days int `json:"days"`
	Done int `json:"days_done_before"`
	// Originals were copied from, Files written.
	Originals int `json:"originals"`
	Files     int `json:"files"`
	// Lines and RawBytes are of the lines that were written, StoredBytes of the
	// files. Repeats were left out.
	Lines       int64 `json:"lines"`
	RawBytes    int64 `json:"raw_bytes"`
	StoredBytes int64 `json:"stored_bytes"`
	Repeats     int64 `json:"repeats"`
}

// original is an object that is copied from.
type original struct {
	*object
	generation int
	// first and last are the days of its rows as far as the footer tells, or
	// days has them all.
	days []int64
	// repeats are the rows that another original has, in order.
	repeats []int
}

// Compact writes a derived copy of an archive: files of a good size with the
// same columns, by day of the event, sorted by frontend and time, without
// repeats. Every file is read back and compared before it is stored, see
// compaction.day. What is done is in the target, so a call that was interrupted
// goes on where it stopped, and originals that came late are added to days that
// are done. Originals are only read.
//
// Originals that cannot be read are reported; the days that they are known to
// have rows of are not written, and the call ends with an IncompleteError.
func Compact(ctx context.Context, store Store, target Target, o CompactOptions) (*CompactReport, error) {
	c, err := newCompaction(store, target, o)
	if err != nil {
		return nil, err
	}
	if err := c.run(ctx); err != nil {
		return &c.report, err
	}
	if c.broken > 0 {
		return &c.report, &IncompleteError{Objects: c.broken}
	}
	return &c.report, nil
}

// CheckCompactTarget refuses a target that readers of the archive would take for
// a part of it. Both are URLs as objectstore.Store's String gives them.
func CheckCompactTarget(archiveURL, target string) error {
	from, to := strings.TrimSuffix(archiveURL, "/")+"/", strings.TrimSuffix(target, "/")+"/"
	switch below, ok := strings.CutPrefix(to, from); {
	case ok && !strings.HasPrefix(below, "_derived/"):
		return fmt.Errorf("%s lies in the archive %s: use another place, or a prefix of it that begins with _derived/, as %s_derived/days", target, archiveURL, from)
	case strings.HasPrefix(from, to):
		return fmt.Errorf("the archive %s lies in %s: use another place", archiveURL, target)
	}
	return nil
}

type compaction struct {
	CompactOptions
	store  Store
	target Target
	filter Filter
	report CompactReport
	broken int

	originals []*original
	plans     []compactPlan
}

func newCompaction(store Store, target Target, o CompactOptions) (*compaction, error) {
	for _, t := range []time.Time{o.From, o.To} {
		if !t.IsZero() && !t.Equal(t.UTC().Truncate(24*time.Hour)) {
			return nil, fmt.Errorf("%s is not midnight UTC: a derived copy is made of whole days", t.UTC().Format(time.RFC3339))
		}
	}
	o.Lines = cmp.Or(o.Lines, DefaultCompactLines)
	o.Bytes = cmp.Or(o.Bytes, DefaultCompactBytes)
	o.Memory = cmp.Or(o.Memory, DefaultMemory)
	if o.Lines < 1 || o.Bytes < 1 || o.Memory < 1 {
		return nil, errors.New("lines, bytes and memory must be positive")
	}
	return &compaction{CompactOptions: o, store: store, target: target, filter: Filter{From: o.From, To: o.To}}, nil
}

// run plans, and writes what is not written yet.
func (c *compaction) run(ctx context.Context) error {
	found := &ranges{newSorter(c.Memory, c.TempDir)}
	defer found.close() //nolint:errcheck // nothing of it is needed any more
	if err := c.survey(ctx, found); err != nil {
		return err
	}
	if err := c.plan(ctx); err != nil {
		return err
	}
	steps := c.steps()
	todo := steps[:0]
	for _, s := range steps {
		done, err := c.done(ctx, s)
		switch {
		case err != nil:
			return err
		case done:
			c.report.Done++
		default:
			todo = append(todo, s)
		}
	}
	if len(todo) > 0 {
		if err := c.findRepeats(ctx, found); err != nil {
			return err
		}
	}
	for _, s := range todo {
		if err := c.step(ctx, s); err != nil {
			return err
		}
	}
	return c.check(ctx, steps)
}

// survey reads the footers of all objects that may have lines of the days.
func (c *compaction) survey(ctx context.Context, found *ranges) error {
	s := &scan{store: c.store, filter: c.filter, warn: c.Warn}
	err := s.run(ctx, func(obj *object) error {
		days, err := c.daysOf(ctx, obj)
		if err != nil || len(days) == 0 {
			return err
		}
		c.originals = append(c.originals, &original{object: &object{key: strings.Clone(obj.key), size: obj.size, name: obj.name}, days: days})
		return found.add(len(c.originals)-1, obj.reader.Meta().Ranges, &Filter{})
	})
	c.broken = s.broken
	if _, incomplete := errors.AsType[*IncompleteError](err); incomplete {
		return nil
	}
	return err
}

const dayMillis = 24 * 60 * 60 * 1000

// day gives the day of a time, in days since 1970.
func dayOf(ms int64) int64 {
	day := ms / dayMillis
	if ms%dayMillis < 0 {
		day--
	}
	return day
}

// wide is how many days the times of an object may span before it is read to
// see which days it really has: one wrong clock must not have it read for every
// day since.
const wide = 4

// daysOf gives the days of an object's rows, in order, as far as they are asked
// for.
func (c *compaction) daysOf(ctx context.Context, obj *object) (days []int64, err error) {
	lo, hi := obj.reader.Times()
	switch {
	case obj.reader.Meta().Lines == 0:
		return nil, nil
	case dayOf(hi)-dayOf(lo) < wide:
		for day := dayOf(lo); day <= dayOf(hi); day++ {
			days = append(days, day)
		}
	default:
		whole := &object{key: obj.key, size: obj.size, name: obj.name}
		s := &scan{store: c.store, whole: true, warn: c.Warn}
		s.load(ctx, whole)
		if whole.err != nil {
			return nil, whole.err
		}
		if err := whole.reader.Lines(func(r *archive.Row) error {
			at := r.ReadAt
			if r.TimeOK {
				at = r.Time
			}
			if i, ok := slices.BinarySearch(days, dayOf(at)); !ok {
				days = slices.Insert(days, i, dayOf(at))
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(days, func(day int64) bool { return !c.filter.at(day * dayMillis) }), nil
}

// findRepeats notes the rows that an original has and another one before it.
func (c *compaction) findRepeats(ctx context.Context, found *ranges) error {
	over, err := found.overlaps()
	if err != nil || len(over.places) == 0 {
		return err
	}
	// What was copied in an earlier generation stays, whatever its key.
	order := make([]int, len(c.originals))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		x, y := c.originals[a], c.originals[b]
		return cmp.Or(cmp.Compare(x.generation, y.generation), strings.Compare(x.key, y.key))
	})
	lines := &copies{newSorter(c.Memory, c.TempDir)}
	defer lines.close() //nolint:errcheck // nothing of it is needed any more
	s := &scan{store: c.store, whole: true, warn: c.Warn}
	for place, i := range order {
		if shared := over.places[i]; shared != nil {
			if err := s.readWhole(ctx, c.originals[i].object, func(rd *archive.Reader) error { return lines.add(place, rd, shared, &Filter{}) }); err != nil {
				return err
			}
		}
	}
	if err := lines.each(ctx, func(l *copied) {
		if !l.conflict {
			o := c.originals[order[l.place]]
			o.repeats = append(o.repeats, l.row)
		}
	}); err != nil {
		return err
	}
	for _, o := range c.originals {
		slices.Sort(o.repeats)
	}
	return nil
}
