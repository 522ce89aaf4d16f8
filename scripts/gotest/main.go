// Command gotest runs `go test` with the given arguments and prints what a
// person wants to read: one closing line per package as go test itself prints
// it, the whole output of the tests that failed, and the slowest tests. It
// fails when a test failed and also when a test was skipped: a skipped test
// proves nothing, so whatever it needs has to be installed instead.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	// After ^C go test ends by itself and its last words are still printed.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r := newReport(os.Stdout)
	if err := run(ctx, r, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gotest:", err)
		os.Exit(1)
	}
}

// run starts go test and feeds its events to r. Its error says what makes the
// run a failure.
func run(ctx context.Context, r *report, args []string) error {
	started := time.Now()
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-json"}, args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	readErr := read(out, r)
	waitErr := cmd.Wait()
	r.close(time.Since(started))
	switch {
	case waitErr != nil:
		return fmt.Errorf("go test: %w", waitErr)
	case readErr != nil:
		return readErr
	case len(r.skipped) > 0:
		return errors.New("skipped tests are not allowed (listed above)")
	case r.passed == 0:
		return errors.New("no test ran")
	}
	return nil
}

// read takes the events of go test -json, one a line. Lines that are no event
// (from tools that go test runs) are printed as they are.
func read(in io.Reader, r *report) error {
	s := bufio.NewScanner(in)
	s.Buffer(nil, 16<<20)
	for s.Scan() {
		var e event
		if err := json.Unmarshal(s.Bytes(), &e); err != nil || e.Action == "" {
			fmt.Fprintln(r.out, s.Text())
			continue
		}
		r.event(&e)
	}
	return s.Err()
}
