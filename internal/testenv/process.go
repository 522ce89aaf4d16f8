package testenv

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// stopLimit is how long a killed process group may take to disappear.
const stopLimit = 20 * time.Second

// Process is a program that a test started, in a process group of its own so
// that its children end with it. Its output goes to a file.
type Process struct {
	t testing.TB
	*program
}

type program struct {
	name   string
	log    string
	cmd    *exec.Cmd
	exited chan struct{}
	err    error // set before exited is closed
}

// Start runs cmd until the test ends. The output is kept in a file and shown
// when the test fails. The program also dies with the test process itself.
func Start(t testing.TB, name string, cmd *exec.Cmd) *Process {
	t.Helper()
	p := start(t, name, cmd, t.TempDir())
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("end of the output of %s:\n%s", name, p.Output())
		}
	})
	return p
}

func start(t testing.TB, name string, cmd *exec.Cmd, logDir string) *Process {
	t.Helper()
	out, err := os.OpenFile(filepath.Join(logDir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close() //nolint:errcheck // the child has its own descriptor
	cmd.Stdout, cmd.Stderr = out, out
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v", name, err)
	}
	p := &Process{t, &program{name: name, log: out.Name(), cmd: cmd, exited: make(chan struct{})}}
	go func() {
		p.err = cmd.Wait()
		close(p.exited)
	}()
	return p
}

// PID is the process id, which is the id of the process group too.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Exited is closed when the program has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Wait returns when the program has ended: nil for exit code 0.
func (p *Process) Wait() error {
	<-p.exited
	return p.err
}

// Output gives the last 8 KiB of what the program printed.
func (p *Process) Output() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-8<<10):])
}

// Signal sends sig to the program alone.
func (p *Process) Signal(sig syscall.Signal) {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("signal %v to %s: %v", sig, p.name, err)
	}
}

// Pause freezes the process group: connections stay open and nothing answers.
// It returns when every process of the group has stopped.
func (p *Process) Pause() {
	p.group(syscall.SIGSTOP)
	if !poll(stopLimit, p.stopped) {
		p.t.Errorf("%s (pid %d) did not stop within %v", p.name, p.PID(), stopLimit)
	}
}

// stopped reports whether all threads of the process group are stopped.
func (p *Process) stopped() bool {
	threads, err := filepath.Glob("/proc/[0-9]*/task/*/stat")
	if err != nil {
		return false
	}
	for _, path := range threads {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // gone
		}
		// "pid (name) state ppid pgrp …", and the name may hold anything.
		fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		if len(fields) > 2 && fields[2] == strconv.Itoa(p.PID()) && !strings.ContainsAny(fields[0], "TtZX") {
			return false
		}
	}
	return true
}

// Resume ends a Pause.
func (p *Process) Resume() { p.group(syscall.SIGCONT) }

// Kill ends the process group at once, as a crash would, and returns when it
// is gone. Killing an ended program is fine.
func (p *Process) Kill() {
	p.group(syscall.SIGKILL)
	select {
	case <-p.exited:
	case <-time.After(stopLimit):
		p.t.Errorf("%s (pid %d) did not die of SIGKILL within %v", p.name, p.PID(), stopLimit)
		return
	}
	// Children of the program may hold its ports for a moment longer.
	if !poll(stopLimit, func() bool { return errors.Is(syscall.Kill(-p.PID(), 0), syscall.ESRCH) }) {
		p.t.Errorf("children of %s (process group %d) did not die within %v", p.name, p.PID(), stopLimit)
	}
}

func (p *Process) group(sig syscall.Signal) {
	if err := syscall.Kill(-p.PID(), sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		p.t.Errorf("signal %v to the group of %s: %v", sig, p.name, err)
	}
}

// ready waits until ok, and fails the test when the program ends or limit is
// over before that.
func (p *Process) ready(limit time.Duration, ok func() bool) {
	p.t.Helper()
	ended := false
	up := poll(limit, func() bool {
		select {
		case <-p.exited:
			ended = true
			return true
		default:
			return ok()
		}
	})
	switch {
	case ended:
		p.t.Fatalf("%s ended while starting: %v\n%s", p.name, p.err, p.Output())
	case !up:
		p.t.Fatalf("%s is not ready after %v\n%s", p.name, limit, p.Output())
	}
}

// seenBy gives p with its failures reported to t.
func (p *Process) seenBy(t testing.TB) *Process {
	return &Process{t, p.program}
}

// Ports that tests listen on lie below the range out of which Linux takes the
// ports of outgoing connections (32768 and up): a server that is killed and
// started again must find its port free.
const firstPort, lastPort = 15000, 32000

// FreePort gives a TCP port of 127.0.0.1 that nobody listened on just now.
func FreePort(t testing.TB) int {
	t.Helper()
	var err error
	for range 100 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err != nil {
			continue
		}
		if err = l.Close(); err == nil {
			return port
		}
	}
	t.Fatalf("looking for a free port: %v", err)
	return 0
}
