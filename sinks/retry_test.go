package sinks_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/loghaul/loghaul/internal/metrics"
	"github.com/loghaul/loghaul/sinks"
)

var errBusy = errors.New("503 slow down")

// script is a store that answers as it is told, then with nil, and notes when
// it was asked.
type script struct {
	answers []error
	at      []time.Time
}

func (s *script) Write(context.Context, *sinks.Group) error {
	s.at = append(s.at, time.Now())
	if len(s.answers) == 0 {
		return nil
	}
	err := s.answers[0]
	s.answers = s.answers[1:]
	return err
}

func (s *script) waits() []time.Duration {
	var d []time.Duration
	for i := 1; i < len(s.at); i++ {
		d = append(d, s.at[i].Sub(s.at[i-1]))
	}
	return d
}

func retry(s *script, p sinks.RetryPolicy) (*sinks.Retrying, *bytes.Buffer, *metrics.Registry) {
	var out bytes.Buffer
	reg := metrics.New(sinks.Metrics()...)
	return sinks.Retry(s, p, slog.New(slog.NewTextHandler(&out, nil)), reg), &out, reg
}

func repeat(err error, n int) []error {
	errs := make([]error, n)
	for i := range errs {
		errs[i] = err
	}
	return errs
}

func TestRetryGrowsTheWaitUpToItsCapAndStartsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: repeat(errBusy, 70)}
		policy := sinks.RetryPolicy{First: time.Second, Max: 30 * time.Second, Permanent: time.Minute}
		r, out, _ := retry(s, policy)
		if err := r.Write(t.Context(), &sinks.Group{Key: "a"}); err != nil {
			t.Fatal(err)
		}
		want := time.Second
		for i, d := range s.waits() {
			if d < want/2 || d > want {
				t.Errorf("wait %d is %v, want between %v and %v", i, d, want/2, want)
			}
			want = min(2*want, policy.Max)
		}
		if n := strings.Count(out.String(), "level=ERROR"); n != 1 || len(s.at) != 71 {
			t.Errorf("%d attempts logged %d errors, want 71 and 1:\n%s", len(s.at), n, out)
		}
		if n := strings.Count(out.String(), "stores objects again"); n != 1 || !strings.Contains(out.String(), "failures=70") {
			t.Errorf("the end was logged %d times, want once with 70 failures:\n%s", n, out)
		}
		s.at, s.answers = nil, repeat(errBusy, 1)
		if err := r.Write(t.Context(), &sinks.Group{Key: "b"}); err != nil {
			t.Fatal(err)
		}
		if d := s.waits()[0]; d > time.Second {
			t.Errorf("the first wait of the next group is %v: it did not start anew", d)
		}
	})
}

func TestRetryWaitsAreSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := map[time.Duration]bool{}
		for range 50 {
			s := &script{answers: repeat(errBusy, 1)}
			r, _, _ := retry(s, sinks.DefaultRetryPolicy())
			if err := r.Write(t.Context(), &sinks.Group{}); err != nil {
				t.Fatal(err)
			}
			seen[s.waits()[0]] = true
		}
		if len(seen) < 40 {
			t.Errorf("50 writers came back at only %d different times", len(seen))
		}
	})
}

func TestRetryStopsWhereItMust(t *testing.T) {
	damaged := fmt.Errorf("object a: %w", sinks.ErrCorrupt)
	taken := fmt.Errorf("object a: %w", sinks.ErrConflict)
	missing := fmt.Errorf("bucket b: %w", sinks.ErrPermanent)
	for _, c := range []struct {
		name      string
		err       error
		permanent time.Duration
		attempts  int
	}{
		{"conflict", taken, time.Minute, 1},
		{"damaged group", damaged, time.Minute, 1},
		{"operator, for a person", missing, 0, 1},
		{"operator, for a daemon", missing, time.Minute, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{answers: repeat(c.err, 3)}
				r, _, _ := retry(s, sinks.RetryPolicy{First: time.Millisecond, Max: time.Second, Permanent: c.permanent})
				err := r.Write(t.Context(), &sinks.Group{})
				if len(s.at) != c.attempts {
					t.Errorf("%d attempts, want %d", len(s.at), c.attempts)
				}
				if c.attempts == 1 && !errors.Is(err, c.err) {
					t.Errorf("got %v, want %v", err, c.err)
				}
				if c.attempts > 1 && (err != nil || s.waits()[0] < c.permanent/2) {
					t.Errorf("got %v after waits %v, want success after waits near %v", err, s.waits(), c.permanent)
				}
			})
		})
	}
}

func TestRetryEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: repeat(errBusy, 1000)}
		r, _, _ := retry(s, sinks.DefaultRetryPolicy())
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		err := r.Write(ctx, &sinks.Group{Key: "k"})
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errBusy) {
			t.Errorf("got %v, want the context's end and the last failure", err)
		}
		if d := time.Since(start); d != time.Minute {
			t.Errorf("ended after %v, want one minute", d)
		}
	})
}

func TestRetryTellsWhetherTheArchiveIsReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: []error{errBusy, sinks.ErrPermanent}}
		r, out, reg := retry(s, sinks.DefaultRetryPolicy())
		done := make(chan error)
		go func() { done <- r.Write(t.Context(), &sinks.Group{}) }()
		synctest.Wait()
		if !errors.Is(r.Err(), errBusy) {
			t.Errorf("while failing Err is %v, want %v", r.Err(), errBusy)
		}
		if err := <-done; err != nil || r.Err() != nil {
			t.Errorf("after success Write gives %v and Err %v, want nil", err, r.Err())
		}
		if n := strings.Count(out.String(), "level=ERROR"); n != 2 {
			t.Errorf("logged %d times, want 2: the start, and that an operator is needed now\n%s", n, out)
		}
		var text bytes.Buffer
		if err := reg.WritePrometheus(&text); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			`loghaul_archive_write_failures_total{kind="temporary"} 1`,
			`loghaul_archive_write_failures_total{kind="operator"} 1`, "loghaul_archive_failing 0",
		} {
			if !strings.Contains(text.String(), want+"\n") {
				t.Errorf("the metrics lack %s:\n%s", want, text.String())
			}
		}
	})
}

// A store that refuses one prefix and takes the others: the refused group waits
// alone, the archive is not ready, and nothing is logged for each success.
func TestRetryOfOneGroupAmongOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed := fmt.Errorf("_manifests/: %w", sinks.ErrPermanent)
		s := &byPrefix{refused: "_manifests/", err: closed}
		var out bytes.Buffer
		reg := metrics.New(sinks.Metrics()...)
		r := sinks.Retry(s, sinks.DefaultRetryPolicy(), slog.New(slog.NewTextHandler(&out, nil)), reg)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Write(ctx, &sinks.Group{Key: "_manifests/m"}) }()
		synctest.Wait()
		for i := range 20 {
			if err := r.Write(t.Context(), &sinks.Group{Key: fmt.Sprintf("dt=2026-11-26/%d", i)}); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Minute)
			if !errors.Is(r.Err(), closed) {
				t.Fatalf("after %d other groups Err is %v, want %v", i, r.Err(), closed)
			}
		}
		if n := strings.Count(out.String(), "\n"); n != 1 {
			t.Errorf("%d lines were logged, want one:\n%s", n, out.String())
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) || r.Err() != nil {
			t.Errorf("given up: %v, and Err is %v, want none", err, r.Err())
		}
	})
}

// byPrefix refuses keys with a prefix. It is safe for concurrent use.
type byPrefix struct {
	refused string
	err     error
}

func (s *byPrefix) Write(_ context.Context, g *sinks.Group) error {
	if strings.HasPrefix(g.Key, s.refused) {
		return s.err
	}
	return nil
}
