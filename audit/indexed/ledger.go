package indexed

import (
	"context"
	"errors"
	"slices"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/archive/gaps"
)

// Ledger is what a gap ledger says, for looking up rows.
type Ledger struct {
	objects map[string][]gaps.Span // nil: all rows
	times   map[string][]stretch   // by writer
	// Lines is how many lines it says are missing, in all.
	Lines int64
}

// stretch is everything that a writer has sealed within [from, to), in Unix
// milliseconds.
type stretch struct{ from, to int64 }

// ReadLedger reads all of a ledger. Files that cannot be read are given to warn;
// one that is healed meanwhile is none of them.
func ReadLedger(ctx context.Context, l *gaps.Ledger, warn func(error)) (*Ledger, error) {
	s, err := l.Survey(ctx)
	if err != nil {
		return nil, err
	}
	all := &Ledger{objects: map[string][]gaps.Span{}, times: map[string][]stretch{}, Lines: s.Lines}
	for _, f := range s.Files {
		entries, err := l.Read(ctx, f)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil && !errors.Is(err, gaps.ErrGone):
			warn(err)
		}
		for _, e := range entries {
			all.add(f.Writer, e)
		}
	}
	return all, nil
}

func (l *Ledger) add(writer string, e gaps.Entry) {
	if e.Key == "" {
		l.times[writer] = append(l.times[writer], stretch{e.From, e.To})
		return
	}
	rows, ok := l.objects[e.Key]
	if !ok {
		l.objects[e.Key] = e.Rows
		return
	}
	l.objects[e.Key] = gaps.Union(rows, e.Rows)
}

// Known gives what says which rows of an object the ledger names, nil if it names
// none.
func (l *Ledger) Known(key string) func(row int) bool {
	everything := func(int) bool { return true }
	if k, err := archive.ParseKey(key); err == nil {
		sealed := k.Sealed.UnixMilli()
		if slices.ContainsFunc(l.times[k.Writer], func(s stretch) bool { return sealed >= s.from && sealed < s.to }) {
			return everything
		}
	}
	rows, ok := l.objects[key]
	switch {
	case !ok:
		return nil
	case rows == nil:
		return everything
	}
	return func(row int) bool {
		i, _ := slices.BinarySearchFunc(rows, row, func(s gaps.Span, row int) int { return s.Last - row })
		return i < len(rows) && rows[i].First <= row
	}
}
