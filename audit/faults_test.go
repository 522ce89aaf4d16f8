package audit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/loghaul/loghaul/audit"
	"github.com/loghaul/loghaul/sinks"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// faulty fails reads of each object the first few times.
type faulty struct {
	objectstore.Store
	times int
	err   error

	mu    sync.Mutex
	tried map[string]int
}

func (f *faulty) Get(ctx context.Context, key string) ([]byte, error) {
	f.mu.Lock()
	f.tried[key]++
	fail := f.tried[key] <= f.times
	f.mu.Unlock()
	if fail {
		return nil, f.err
	}
	return f.Store.Get(ctx, key)
}

func TestCatTriesAgain(t *testing.T) {
	w := newWorld(t)
	src := source("web-1", 'a')
	w.add("one", day, batch(src, 0, "first\n", day))
	w.add("one", day.Add(time.Minute), batch(src, 6, "second\n", day))
	for name, tc := range map[string]struct {
		times    int
		err      error
		want     string
		complete bool
		tries    int
	}{
		"passes":        {2, errors.New("503"), "first\nsecond\n", true, 3},
		"stays":         {9, errors.New("503"), "", false, 3},
		"is gone":       {1, fmt.Errorf("get: %w", sinks.ErrNotFound), "", false, 1},
		"needs someone": {1, fmt.Errorf("get: %w", sinks.ErrPermanent), "", false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := &faulty{Store: w.store, times: tc.times, err: tc.err, tried: map[string]int{}}
			var out bytes.Buffer
			_, err := audit.Cat(t.Context(), f, &out, audit.CatOptions{Warn: func(error) {}})
			if (err == nil) != tc.complete || out.String() != tc.want {
				t.Errorf("%v, %q", err, out.String())
			}
			var incomplete *audit.IncompleteError
			if !tc.complete && errors.As(err, &incomplete) == errors.Is(tc.err, sinks.ErrPermanent) {
				t.Errorf("got %v", err)
			}
			for key, n := range f.tried {
				if n > tc.tries {
					t.Errorf("%s was asked for %d times, want %d", key, n, tc.tries)
				}
			}
		})
	}
}
