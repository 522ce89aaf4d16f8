package objectstore

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/loghaul/loghaul/internal/metrics"
	"github.com/loghaul/loghaul/sinks"
)

// attempts are what an attempt does, by whether it is the second: give an
// error after a time, with or without progress meanwhile.
type attempts [2]struct {
	takes  time.Duration
	moving bool
	err    error
}

func (a *attempts) run(ctx context.Context, x *exchange, sent *atomic.Int64) error {
	mine := a[0]
	if x.fresh {
		mine = a[1]
	}
	step := time.NewTicker(100 * time.Millisecond)
	defer step.Stop()
	end := time.NewTimer(mine.takes)
	defer end.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-step.C:
			if mine.moving {
				sent.Add(1)
			}
		case <-end.C:
			return mine.err
		}
	}
}

func TestHedge(t *testing.T) {
	const never = 100 * time.Hour
	refused := errors.New("503")
	late := errors.New("refused late")
	for _, c := range []struct {
		name   string
		a      attempts
		hedged uint64
		err    error
		after  time.Duration // exact: the clock is the test's
	}{
		{"usual", attempts{{takes: time.Second}}, 0, nil, time.Second},
		{"refused at once", attempts{{takes: time.Second, err: refused}}, 0, refused, time.Second},
		{"slow but moving", attempts{{takes: 55 * time.Second, moving: true}}, 0, nil, 55 * time.Second},
		{"stands still", attempts{{takes: never}, {takes: time.Second}}, 1, nil, 16 * time.Second},
		{"stands still, and the second is refused", attempts{{takes: 40 * time.Second}, {takes: time.Second, err: refused}}, 1, nil, 40 * time.Second},
		{"stands still, then both are refused", attempts{{takes: 20 * time.Second, err: late}, {takes: time.Second, err: refused}}, 1, refused, 20 * time.Second},
		{"both stand still", attempts{{takes: never}, {takes: never}}, 1, context.DeadlineExceeded, time.Minute},
		{"the second finds other content", attempts{{takes: never}, {takes: time.Second, err: sinks.ErrConflict}}, 1, sinks.ErrConflict, 16 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &bucket{timeout: time.Minute, hedged: new(metrics.Counter), wire: newWire(&http.Transport{})}
				ctx, cancel := b.deadline(t.Context(), 1000)
				defer cancel()
				start := time.Now()
				err := b.hedge(ctx, 1000, c.a.run)
				if !errors.Is(err, c.err) || b.hedged.Get() != c.hedged || time.Since(start) != c.after {
					t.Errorf("%v after %v with %d second attempts, want %v after %v with %d",
						err, time.Since(start), b.hedged.Get(), c.err, c.after, c.hedged)
				}
			})
		})
	}
}

func TestPatience(t *testing.T) {
	const limit = time.Minute
	var p pace
	if d := p.patience(1000, limit); d != limit/4 {
		t.Errorf("without experience: %v", d)
	}
	for range experience {
		p.took(1000, 10*time.Millisecond)
	}
	if d := p.patience(1000, limit); d != minPatience {
		t.Errorf("where all is fast: %v, want %v", d, minPatience)
	}
	p.took(1000, 2*time.Second)
	if d := p.patience(1000, limit); d != 6*time.Second {
		t.Errorf("after a slow one: %v, want three times that", d)
	}
	if d := p.patience(1000+10*(latencySize+1000), limit); d != limit/2 {
		t.Errorf("for a large one: %v, want half of the limit", d)
	}
	for range experience {
		p.took(8<<20, 330*time.Millisecond)
	}
	if d := p.patience(1000, limit); d != minPatience {
		t.Errorf("a small one after large ones: %v", d)
	}
	if d := p.patience(32<<20, limit); d < 3*time.Second || d > 5*time.Second {
		t.Errorf("four times as large: %v, want about four times as long", d)
	}
}
