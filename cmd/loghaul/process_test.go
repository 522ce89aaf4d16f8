package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// runMain makes the test binary be loghaul, so that tests meet a real process:
// its exit code, signals and pipes.
const runMain = "LOGHAUL_TEST_RUN_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(runMain) != "" {
		os.Args[0] = "loghaul"
		main()
		return
	}
	os.Exit(m.Run())
}

// process is a running loghaul.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	out  *buffer // stdout
	errs *buffer // stderr
	done chan struct{}
	err  error
}

// buffer may be read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// startProcess starts loghaul; it is killed when the test ends.
func startProcess(t *testing.T, stdout io.Writer, args ...string) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, out: &buffer{}, errs: &buffer{}, done: make(chan struct{})}
	p.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), exe, args...)
	p.cmd.Env = append(os.Environ(), runMain+"=1")
	p.cmd.Stderr = p.errs
	if p.cmd.Stdout = stdout; stdout == nil {
		p.cmd.Stdout = p.out
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		p.err = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("loghaul %s\n%s", strings.Join(args, " "), p.errs)
		}
	})
	return p
}

// wait gives the exit code, -1 after a signal.
func (p *process) wait(limit time.Duration) int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(limit):
		p.t.Fatalf("still running after %v", limit)
	}
	var exit *exec.ExitError
	if p.err != nil && !errors.As(p.err, &exit) {
		p.t.Fatal(p.err)
	}
	return p.cmd.ProcessState.ExitCode()
}

// signal sends sig.
func (p *process) signal(sig os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
}

// until polls until ok, at most for limit.
func until(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	end := time.After(limit)
	for !ok() {
		select {
		case <-end:
			t.Fatalf("after %v not: %s", limit, what)
		case <-tick.C:
		}
	}
}

func TestExitCodesOfTheProcess(t *testing.T) {
	for _, tc := range []struct {
		args string
		code int
	}{
		{"version", 0},
		{"help", 0},
		{"audit cat --help", 0},
		{"", 2},
		{"nonsense", 2},
		{"audit cat --archive file:///does/not/exist", 2},
		{"audit cat --archive ftp://x", 2},
		{"audit verify", 2},
	} {
		if code := startProcess(t, nil, strings.Fields(tc.args)...).wait(upLimit); code != tc.code {
			t.Errorf("loghaul %s: exit code %d, want %d", tc.args, code, tc.code)
		}
	}
}

// A reader that has seen enough, as `| head` does, ends cat quietly.
func TestCatIntoAClosedPipe(t *testing.T) {
	url := demoArchive(t, 4)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := startProcess(t, w, "audit", "cat", "--archive", url)
	if err := errors.Join(w.Close(), r.Close()); err != nil {
		t.Fatal(err)
	}
	p.wait(upLimit)
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || status.Signal() != syscall.SIGPIPE || p.errs.String() != "" {
		t.Errorf("%v, stderr %q", p.cmd.ProcessState, p.errs)
	}
}
