package audit

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/loghaul/loghaul/sinks"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// compactPrefix is where a derived copy keeps what it knows of itself. SQL
// engines pass names by that begin with _.
const compactPrefix = "_compact/"

// compactVersion is the version of compactPlan and CompactedDay.
const compactVersion = 1

// compactPlan is a generation of originals: those that were there when a call
// began and in no generation before. It is written first, so that a call which
// goes on after an interruption makes the same files, whatever came meanwhile.
type compactPlan struct {
	Version    int    `json:"version"`
	Archive    string `json:"archive"`
	CreatedBy  string `json:"created_by"`
	Generation int    `json:"generation"`
	// Lines and Bytes are where files end.
	Lines     int      `json:"lines"`
	Bytes     int64    `json:"bytes"`
	Originals []string `json:"originals"` // in order
}

func planKey(generation int) string { return fmt.Sprintf("%s%06d.json", compactPrefix, generation) }

// CompactedDay is what the target keeps of one day of one generation, once all
// of its files are stored.
type CompactedDay struct {
	Version    int    `json:"version"`
	Archive    string `json:"archive"`
	CreatedBy  string `json:"created_by"`
	Day        string `json:"day"`
	Generation int    `json:"generation"`
	// Originals are the objects that rows of that day were taken from.
	Originals []CompactFile `json:"originals"`
	// Files are those that were written, in the order of their rows.
	Files []CompactFile `json:"files"`
	// Lines is the number of rows in Files, and of rows of that day in Originals
	// without the Repeats, which are in another original or row. RawBytes are of
	// their lines, LFs included.
	Lines    int64 `json:"lines"`
	RawBytes int64 `json:"raw_bytes"`
	Repeats  int64 `json:"repeats"`
	// Digest is the sum, modulo 2^64 for each eight bytes (big-endian), of the
	// SHA-256 of node, NUL, source, NUL, offset in decimal digits, NUL, and the
	// bytes of the line with its LF, over all lines: the same whatever their order.
	Digest string `json:"digest"`
}

// CompactFile is an object with its checksum.
type CompactFile struct {
	Key    string `json:"key"`
	SHA256 string `json:"sha256"`
	Lines  int64  `json:"lines"`
	Bytes  int64  `json:"bytes"`
}

// step is one day of one generation.
type step struct {
	day        int64
	generation int
	originals  []*original
}

func (s *step) name() string { return time.UnixMilli(s.day * dayMillis).UTC().Format("2006-01-02") }
func (s *step) key() string {
	return fmt.Sprintf("%sdt=%s/%06d.json", compactPrefix, s.name(), s.generation)
}

// plan reads the generations that there are, and writes one of what is new.
func (c *compaction) plan(ctx context.Context) error {
	known := map[string]int{}
	for {
		var p compactPlan
		ok, err := c.load(ctx, planKey(len(c.plans)+1), &p)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if p.Version > compactVersion {
			return errNewer(planKey(len(c.plans)+1), p.Version)
		}
		if p.Generation != len(c.plans)+1 || p.Lines < 1 || p.Bytes < 1 {
			return fmt.Errorf("%s of the target is damaged: use another target", planKey(len(c.plans)+1))
		}
		if p.Archive != c.Archive {
			return fmt.Errorf("the target is a copy of %s, not of %s: use another target", p.Archive, c.Archive)
		}
		for _, key := range p.Originals {
			known[key] = p.Generation
		}
		c.plans = append(c.plans, p)
	}
	if len(c.plans) == 0 {
		if err := c.checkNew(ctx); err != nil {
			return err
		}
	}
	p := compactPlan{
		Version: compactVersion, Archive: c.Archive, CreatedBy: c.CreatedBy, Generation: len(c.plans) + 1, Lines: c.Lines, Bytes: c.Bytes,
	}
	for _, o := range c.originals {
		if o.generation = known[o.key]; o.generation == 0 {
			o.generation = p.Generation
			p.Originals = append(p.Originals, o.key)
		}
	}
	if len(p.Originals) == 0 {
		return nil
	}
	slices.Sort(p.Originals)
	c.plans = append(c.plans, p)
	return c.save(ctx, planKey(p.Generation), p)
}

// errNotOurs ends a listing.
var errNotOurs = errors.New("not empty")

// checkNew refuses a target that has lines but is no derived copy.
func (c *compaction) checkNew(ctx context.Context) error {
	err := c.target.List(ctx, "dt=", func(objectstore.Info) error { return errNotOurs })
	if errors.Is(err, errNotOurs) {
		return errors.New("the target has objects but is no derived copy: use an empty one")
	}
	return err
}

// steps gives the days of all generations in order.
func (c *compaction) steps() []*step {
	type id struct {
		generation int
		day        int64
	}
	all := map[id]*step{}
	var steps []*step
	for _, o := range c.originals {
		for _, day := range o.days {
			k := id{o.generation, day}
			if all[k] == nil {
				all[k] = &step{day: day, generation: o.generation}
				steps = append(steps, all[k])
			}
			all[k].originals = append(all[k].originals, o)
		}
	}
	slices.SortFunc(steps, func(a, b *step) int {
		return cmp.Or(cmp.Compare(a.generation, b.generation), cmp.Compare(a.day, b.day))
	})
	for _, s := range steps {
		slices.SortFunc(s.originals, func(a, b *original) int { return strings.Compare(a.key, b.key) })
	}
	return steps
}

// done reports whether a step is written.
func (c *compaction) done(ctx context.Context, s *step) (bool, error) {
	_, ok, err := c.loadDay(ctx, s.key())
	return ok, err
}

func (c *compaction) loadDay(ctx context.Context, key string) (day CompactedDay, ok bool, err error) {
	ok, err = c.load(ctx, key, &day)
	if err == nil && day.Version > compactVersion {
		err = errNewer(key, day.Version)
	}
	return day, ok, err
}

func errNewer(key string, version int) error {
	return fmt.Errorf("%s of the target is of version %d, this build knows %d: use a newer loghaul", key, version, compactVersion)
}

// check compares the files of the days with what their steps say was written.
func (c *compaction) check(ctx context.Context, steps []*step) error {
	seen := map[int64]bool{}
	for _, s := range steps {
		if seen[s.day] {
			continue
		}
		seen[s.day] = true
		if err := c.checkDay(ctx, s.name()); err != nil {
			return err
		}
	}
	return nil
}

func (c *compaction) checkDay(ctx context.Context, name string) error {
	want := map[string]bool{}
	if err := c.target.List(ctx, compactPrefix+"dt="+name+"/", func(i objectstore.Info) error {
		day, _, err := c.loadDay(ctx, i.Key)
		if err != nil {
			return err
		}
		for _, f := range day.Files {
			want[f.Key] = true
		}
		return nil
	}); err != nil {
		return err
	}
	var foreign []string
	if err := c.target.List(ctx, "dt="+name+"/", func(i objectstore.Info) error {
		if !want[i.Key] {
			foreign = append(foreign, i.Key)
		}
		delete(want, i.Key)
		return nil
	}); err != nil {
		return err
	}
	switch {
	case len(foreign) > 0 && c.broken == 0:
		return fmt.Errorf("%s of the target was not written for any finished day: delete it, its lines are there twice (%d such)", foreign[0], len(foreign))
	case len(want) > 0:
		return fmt.Errorf("%d files of %s are gone from the target: delete %sdt=%s/ to have the day written again", len(want), name, compactPrefix, name)
	}
	return nil
}

// load reads a JSON object of the target, and reports whether it is there.
func (c *compaction) load(ctx context.Context, key string, v any) (bool, error) {
	b, err := c.target.Get(ctx, key)
	if errors.Is(err, sinks.ErrNotFound) {
		return false, nil
	}
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		return false, fmt.Errorf("%s of the target: %w", key, err)
	}
	return true, nil
}

// save writes a JSON object of the target.
func (c *compaction) save(ctx context.Context, key string, v any) error {
	b, err := json.Marshal(v)
	if err == nil {
		err = c.target.Write(ctx, &sinks.Group{Key: key, Body: b, SHA256: sha256.Sum256(b)})
	}
	if errors.Is(err, sinks.ErrConflict) {
		return fmt.Errorf("another call writes this target: %w", err)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", key, err)
	}
	return nil
}
