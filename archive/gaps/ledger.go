package gaps

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Store is the archive as a Ledger sees it. It is safe for concurrent use.
type Store interface {
	// Put stores a file that is not there yet: a key never changes its content,
	// and the same content again is no error. Keys begin with Prefix.
	Put(ctx context.Context, key string, body []byte) error
	// Delete removes a file; it is no error when there is none. Keys begin with
	// Prefix.
	Delete(ctx context.Context, key string) error
	// Get reads a file. The error wraps ErrGone when there is none.
	Get(ctx context.Context, key string) ([]byte, error)
	// List calls fn for every object whose key begins with prefix, in the order
	// of the keys. An error of fn ends it and is returned.
	List(ctx context.Context, prefix string, fn func(Info) error) error
	// ReadAt reads a part of an object of the archive, like io.ReaderAt.
	ReadAt(ctx context.Context, key string, p []byte, off int64) (int, error)
}

// Info describes an object of a Store.
type Info struct {
	Key  string
	Size int64
	// Modified is when it was stored, by the store's clock.
	Modified time.Time
}

// Ledger is that of one stream. It is safe for concurrent use.
type Ledger struct {
	store  Store
	stream string
}

// New gives the ledger of a stream: the name of the data stream, which must be
// fit for a key.
func New(s Store, stream string) *Ledger { return &Ledger{s, stream} }

// Stream is the name of the data stream.
func (l *Ledger) Stream() string { return l.stream }

// folder begins all keys of this ledger.
func (l *Ledger) folder() string { return Prefix + l.stream + "/" }

// Key gives the key of a file.
func (l *Ledger) Key(f File) string { return l.folder() + f.name() }

// Survey is what a listing tells.
type Survey struct {
	// Files are in the order of hour, writer and time.
	Files []File
	Beats []SeenBeat
	// Foreign are keys that no ledger of this version has.
	Foreign []string
	// Lines and Rejected sum up the files.
	Lines, Rejected int64
}

// Runs gives the heartbeats of each run of each writer.
func (s *Survey) Runs() [][]SeenBeat {
	var out [][]SeenBeat
	at := map[string]int{}
	for _, b := range s.Beats {
		id := b.Writer + " " + b.Run
		i, ok := at[id]
		if !ok {
			i = len(out)
			at[id], out = i, append(out, nil)
		}
		out[i] = append(out[i], b)
	}
	return out
}

// SeenBeat is a heartbeat as it was found.
type SeenBeat struct {
	Beat
	// Modified is when it was stored, by the store's clock.
	Modified time.Time
}

// Survey lists the ledger.
func (l *Ledger) Survey(ctx context.Context) (*Survey, error) {
	s := &Survey{}
	err := l.store.List(ctx, l.folder(), func(i Info) error {
		name := strings.TrimPrefix(i.Key, l.folder())
		if f, ok := parseFile(name); ok {
			s.Files = append(s.Files, f)
			if s.Lines += f.Lines; f.Rejected {
				s.Rejected += f.Lines
			}
		} else if b, ok := parseBeat(name); ok {
			s.Beats = append(s.Beats, SeenBeat{b, i.Modified})
		} else {
			s.Foreign = append(s.Foreign, i.Key)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the gap ledger: %w", err)
	}
	return s, nil
}

// Write stores entries of one slot, at least one, at most as many as a Set has
// of a slot.
func (l *Ledger) Write(ctx context.Context, slot Slot, entries []Entry, made time.Time) (File, error) {
	f := File{Slot: slot, Made: made.UTC().Truncate(time.Millisecond)}
	b, err := encode(l.stream, &f, entries)
	if err != nil {
		return f, err
	}
	if err := l.store.Put(ctx, l.Key(f), b); err != nil {
		return f, fmt.Errorf("write a gap file: %w", err)
	}
	return f, nil
}

// Read gives the entries of a file. With an error that wraps ErrDamaged it gives
// the entry that stands in for them. With ErrGone and ErrVersion there are none.
func (l *Ledger) Read(ctx context.Context, f File) ([]Entry, error) {
	b, err := l.store.Get(ctx, l.Key(f))
	if err != nil {
		return nil, fmt.Errorf("read the gap file %s: %w", l.Key(f), err)
	}
	entries, err := decode(l.stream, &f, b)
	if errors.Is(err, ErrDamaged) {
		entries = []Entry{f.everything(f.Lines, Damaged, f.Made.UnixMilli())}
	}
	if err != nil {
		return entries, fmt.Errorf("%s: %w", l.Key(f), err)
	}
	return entries, nil
}

// Remove removes a file. What it says must be in another one, or healed.
func (l *Ledger) Remove(ctx context.Context, f File) error {
	if err := l.store.Delete(ctx, l.Key(f)); err != nil {
		return fmt.Errorf("remove a gap file: %w", err)
	}
	return nil
}

// Merge makes one file of several of one slot. Those that are gone meanwhile are
// left out, and those of a newer version left alone. damaged is told of those
// that cannot be read. The result has no Hash if nothing was left to write.
func (l *Ledger) Merge(ctx context.Context, files []File, made time.Time, damaged func(error)) (File, error) {
	var set Set
	var read []File
	for _, f := range files {
		entries, err := l.Read(ctx, f)
		switch {
		case errors.Is(err, ErrDamaged):
			damaged(err)
		case errors.Is(err, ErrGone), errors.Is(err, ErrVersion):
			continue
		case err != nil:
			return File{}, err
		}
		for _, e := range entries {
			set.AddEntry(f.Slot, e)
		}
		read = append(read, f)
	}
	if len(read) < 2 {
		return File{}, nil
	}
	slot := read[0].Slot
	return l.Replace(ctx, read, slot, set.Entries(slot), made)
}

// Replace writes what is left of some files of a slot, if anything is, and then
// removes them. The result has no Hash if nothing is left.
func (l *Ledger) Replace(ctx context.Context, files []File, slot Slot, left []Entry, made time.Time) (written File, err error) {
	if len(left) > 0 {
		if written, err = l.Write(ctx, slot, left, made); err != nil {
			return written, err
		}
	}
	// An end in between would leave everything twice.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removing)
	defer cancel()
	for _, f := range files {
		if f == written {
			continue
		}
		if err := l.Remove(ctx, f); err != nil {
			return written, err
		}
	}
	return written, nil
}

// removing bounds how long files are removed that another one replaces.
const removing = 10 * time.Second

// Beat stores a heartbeat.
func (l *Ledger) Beat(ctx context.Context, b Beat) error {
	text, err := json.Marshal(struct {
		Version int       `json:"version"`
		Stream  string    `json:"stream"`
		Writer  string    `json:"writer"`
		Since   time.Time `json:"since"`
		At      time.Time `json:"at"`
		Run     string    `json:"run"`
	}{Version, l.stream, b.Writer, b.Since.UTC(), b.At.UTC(), b.Run})
	if err != nil {
		return fmt.Errorf("encode a heartbeat: %w", err)
	}
	if err := l.store.Put(ctx, l.folder()+b.name(), append(text, '\n')); err != nil {
		return fmt.Errorf("write a heartbeat: %w", err)
	}
	return nil
}

// Forget removes a heartbeat.
func (l *Ledger) Forget(ctx context.Context, b Beat) error {
	if err := l.store.Delete(ctx, l.folder()+b.name()); err != nil {
		return fmt.Errorf("remove a heartbeat: %w", err)
	}
	return nil
}
