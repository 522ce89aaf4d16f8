package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/loghaul/loghaul/internal/testenv"
)

const (
	// readyLimit bounds the start of a daemon, drainLimit its end.
	readyLimit = 30 * time.Second
	drainLimit = 60 * time.Second
)

var (
	binDir  string // where TestMain built the binaries
	servers testenv.Shared
)

func TestMain(m *testing.M) {
	code, err := build(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// build makes the binaries that all tests run, once.
func build(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "loghaul-bin-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	binDir = dir
	cmd := exec.Command("go", "build", "-o", dir, "../cmd/loghaul", "../cmd/loghaul-forwarder")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("building the binaries: %w\n%s", err, out)
	}
	return servers.Run(m), nil
}

// workDir makes a folder for one test. It is removed when the test passes and
// named when it fails.
func workDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "loghaul-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the folder of this test is kept: %s", dir)
			return
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// daemon is one of our own processes. Its output is in the test's folder.
type daemon struct {
	t    *testing.T
	name string
	dir  string
	bin  string
	args []string
	env  []string
	http string // host:port of /metrics, /healthz and /readyz
	proc *testenv.Process
}

// newDaemon describes a process and does not start it. args follow the
// binary's name.
func newDaemon(t *testing.T, dir, name, http, bin string, args ...string) *daemon {
	t.Helper()
	return &daemon{t: t, dir: dir, name: name, http: http, bin: filepath.Join(binDir, bin), args: args}
}

// Start runs the process, again after a Kill or Stop, and does not wait for it.
func (d *daemon) Start() {
	d.t.Helper()
	cmd := exec.Command(d.bin, d.args...)
	cmd.Env = append(os.Environ(), d.env...)
	d.proc = testenv.StartIn(d.t, d.dir, d.name, cmd)
}

// Kill is kill -9.
func (d *daemon) Kill() { d.proc.Kill() }

// Stop asks the process to drain (SIGTERM) and wants it to end with code 0.
func (d *daemon) Stop() {
	d.t.Helper()
	d.proc.Signal(syscall.SIGTERM)
	select {
	case <-d.proc.Exited():
	case <-time.After(drainLimit):
		d.t.Fatalf("%s did not end within %v of SIGTERM; its log ends with:\n%s", d.name, drainLimit, d.proc.Output())
	}
	if err := d.proc.Wait(); err != nil {
		d.t.Errorf("%s ended with %v after SIGTERM; its log ends with:\n%s", d.name, err, d.proc.Output())
	}
}

// Exit waits until the process has ended by itself and gives its exit code and
// what it printed.
func (d *daemon) Exit(limit time.Duration) (int, string) {
	d.t.Helper()
	select {
	case <-d.proc.Exited():
	case <-time.After(limit):
		d.t.Fatalf("%s still runs after %v; its log ends with:\n%s", d.name, limit, d.proc.Output())
	}
	var exit *exec.ExitError
	if err := d.proc.Wait(); errors.As(err, &exit) {
		return exit.ExitCode(), d.proc.Output()
	}
	return 0, d.proc.Output()
}

// AwaitReady waits until /readyz says yes.
func (d *daemon) AwaitReady() {
	d.t.Helper()
	testenv.Eventually(d.t, readyLimit, d.name+" ready at "+d.http, func() bool {
		select {
		case <-d.proc.Exited():
			d.t.Fatalf("%s ended: %v\n%s", d.name, d.proc.Wait(), d.proc.Output())
		default:
		}
		return d.status("/readyz") == http.StatusOK
	})
}

// status gives the HTTP status of a path, 0 when nobody answers.
func (d *daemon) status(path string) int {
	code, _ := d.get(path)
	return code
}

func (d *daemon) get(path string) (int, string) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.http+path, http.NoBody)
	if err != nil {
		return 0, ""
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err != nil {
		return 0, ""
	}
	return resp.StatusCode, string(body)
}

// metric adds up all series of a metric whose labels contain each of labels.
// It is -1 when the process does not answer.
func (d *daemon) metric(name string, labels ...string) float64 {
	code, body := d.get("/metrics")
	if code != http.StatusOK {
		return -1
	}
	var sum float64
	s := bufio.NewScanner(strings.NewReader(body))
series:
	for s.Scan() {
		series, value, ok := cutLast(s.Text(), " ")
		family, set, _ := strings.Cut(series, "{")
		if !ok || family != name {
			continue
		}
		for _, l := range labels {
			if !strings.Contains(set, l) {
				continue series
			}
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			d.t.Errorf("%s: metric %q: %v", d.name, s.Text(), err)
		}
		sum += v
	}
	return sum
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// command runs one of the tools to its end and gives what it printed.
func command(t *testing.T, env []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs strings.Builder
	cmd := exec.CommandContext(t.Context(), filepath.Join(binDir, args[0]), args[1:]...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		code = exit.ExitCode()
	case err != nil:
		t.Fatalf("%s: %v", strings.Join(args, " "), err)
	}
	return out.String(), errs.String(), code
}
