package backoff_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/loghaul/loghaul/internal/backoff"
)

func TestDelayDoublesUpToItsLimit(t *testing.T) {
	const limit = math.MaxInt64 / 3 * time.Nanosecond
	want := time.Second
	for failures := range 100 {
		if failures > 1 {
			want = min(2*want, limit)
		}
		if d := backoff.Delay(time.Second, limit, failures); d < want/2 || d > want {
			t.Errorf("after %d failures: %v, want between %v and %v", failures, d, want/2, want)
		}
	}
	if d := backoff.Delay(time.Hour, time.Second, 1); d > time.Second {
		t.Errorf("a first wait above the limit is %v", d)
	}
	if d := backoff.Delay(0, 0, 5); d != 0 {
		t.Errorf("no wait is %v", d)
	}
}

func TestSleepEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if err := backoff.Sleep(ctx, 2*time.Second); err != nil || time.Since(start) != 2*time.Second {
			t.Errorf("Sleep gave %v after %v, want nil after 2s", err, time.Since(start))
		}
		if err := backoff.Sleep(ctx, 2*time.Second); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Errorf("Sleep gave %v after %v, want the deadline after 3s", err, time.Since(start))
		}
		if err := backoff.Sleep(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Sleep of nothing gave %v after the end", err)
		}
	})
}

func TestAttemptsTellOnceAndWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		errDown := errors.New("down")
		var begun, failed, ended, failures int
		var lasted time.Duration
		a := backoff.Attempts{
			First: time.Second, Max: 4 * time.Second,
			Failed: func(_ error, begins bool) {
				failed++
				if begins {
					begun++
				}
			},
			Succeeded: func(after time.Duration, n int) { ended, lasted, failures = ended+1, after, n },
		}
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		a.Result(ctx, nil)
		if !a.Due() || !a.Works().Equal(start) || ended != 0 {
			t.Errorf("after a success: due %v, works since %v, ended %d", a.Due(), a.Works(), ended)
		}
		for i := range 5 {
			if i > 0 && a.Due() {
				t.Errorf("due at once after %d failures", i)
			}
			<-time.After(4 * time.Second)
			if !a.Due() {
				t.Errorf("not due %v after %d failures", 4*time.Second, i)
			}
			a.Result(ctx, errDown)
		}
		if begun != 1 || failed != 5 || !a.Works().IsZero() {
			t.Errorf("told %d beginnings and %d failures, want 1 and 5; works since %v", begun, failed, a.Works())
		}
		late, end := context.WithDeadline(ctx, time.Now())
		defer end()
		if a.Result(late, errDown); failed != 6 {
			t.Error("an attempt that ran out of its time is no failure")
		}
		a.Result(ctx, nil)
		a.Result(ctx, nil)
		if ended != 1 || failures != 6 || lasted != 16*time.Second || !a.Due() || !a.Works().Equal(time.Now()) {
			t.Errorf("told %d ends after %v and %d failures; due %v, works since %v", ended, lasted, failures, a.Due(), a.Works())
		}
		cancel()
		if a.Result(ctx, errDown); failed != 6 || !a.Due() {
			t.Error("the end counts as a failure")
		}
	})
}
