package syslog

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/loghaul/loghaul/forwarder/input"
	"github.com/loghaul/loghaul/forwarder/input/inputtest"
	"github.com/loghaul/loghaul/forwarder/ledger"
	"github.com/loghaul/loghaul/internal/testenv"
)

const limit = testenv.Patience

func TestMain(m *testing.M) {
	if v := os.Getenv(sendVariable); v != "" {
		if err := sendMain(v); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// world is a listener at work.
type world struct {
	t       testing.TB
	in      input.Input
	spool   *inputtest.Spool
	account *ledger.Account
	log     *testenv.Log
	stop    func() // ends Run and waits
}

func config(url string) Config {
	c := DefaultConfig()
	c.URL = url
	return c
}

func newWorld(t testing.TB, cfg Config, spool *inputtest.Spool) *world {
	t.Helper()
	w := &world{t: t, spool: spool, log: &testenv.Log{}, account: ledger.New().Account(cfg.URL)}
	in, err := New(cfg, Deps{Spool: spool, Account: w.account, Logger: slog.New(slog.NewTextHandler(w.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	w.in = in
	return w
}

// listen opens a listener and runs it until the test ends, or stop is called.
func listen(t testing.TB, cfg Config, spool *inputtest.Spool) *world {
	t.Helper()
	w := newWorld(t, cfg, spool)
	w.run()
	return w
}

func (w *world) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.in.Run(ctx) }()
	stopped := false
	w.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("Run: %v", err)
		}
		if err := w.spool.Check(); err != nil {
			w.t.Error(err)
		}
	}
	w.t.Cleanup(w.stop)
}

// records waits for n records in the spool.
func (w *world) records(n int) []string {
	w.t.Helper()
	testenv.Eventually(w.t, limit, fmt.Sprintf("%d records", n), func() bool { got, _ := w.spool.Records(); return got >= n })
	return strings.Split(strings.TrimSuffix(string(w.spool.Data()), "\n"), "\n")
}

func (w *world) eventually(what string, ok func() bool) {
	w.t.Helper()
	testenv.Eventually(w.t, limit, what, ok)
}

func (w *world) logged(text string) {
	w.t.Helper()
	w.eventually("the log says "+text, func() bool { return strings.Contains(w.log.String(), text) })
}

func refused(t *testing.T, cfg Config, words ...string) {
	t.Helper()
	in, err := New(cfg, Deps{Spool: &inputtest.Spool{}, Account: ledger.New().Account("x"), Logger: slog.New(slog.DiscardHandler)})
	if err == nil {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = in.Run(ctx)
		t.Fatalf("%+v was accepted", cfg)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%v\ndoes not say %q", err, w)
		}
	}
}
