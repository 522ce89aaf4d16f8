package haproxy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// maxReply bounds a reply; show info has 3 KiB.
	maxReply = 1 << 20
	// maxWorkers bounds the workers of a master that are asked.
	maxWorkers = 100
)

// info is what a process says about itself.
type info struct {
	pid     int
	started int64 // seconds since 1970
	exact   bool  // started is told, and not computed
	counts  bool  // it has a counter of drops
	dropped uint32
	version string
}

// answer is what one socket said.
type answer struct {
	processes []info
	master    bool
	err       error
}

// ask asks the process behind a socket, or a master's workers, the old ones too.
// master says which of them answered last.
func ask(ctx context.Context, socket string, master bool, limit time.Duration) (a answer) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if !master {
		reply, err := talk(ctx, socket, "show info")
		if err != nil {
			return answer{err: err}
		}
		if i, ok := parseInfo(reply, time.Now()); ok {
			return answer{processes: []info{i}}
		}
	}
	reply, err := talk(ctx, socket, "show proc")
	if err != nil {
		return answer{err: err}
	}
	pids := parseWorkers(reply)
	if len(pids) == 0 {
		return answer{err: fmt.Errorf("%s is neither a stats socket of HAProxy nor of its master with a worker: it answers %.80q", socket, reply)}
	}
	a.master = true
	for _, pid := range pids {
		reply, err := talk(ctx, socket, fmt.Sprintf("@!%d show info", pid))
		if err != nil {
			return answer{master: true, err: err}
		}
		if i, ok := parseInfo(reply, time.Now()); ok { // or else it has just ended
			a.processes = append(a.processes, i)
		}
	}
	return a
}

// talk sends one command on a connection of its own. A reply ends with an empty
// line: a master keeps the connection open behind it.
func talk(ctx context.Context, socket, command string) ([]byte, error) {
	network := "tcp"
	if filepath.IsAbs(socket) {
		network = "unix"
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, network, socket)
	if err != nil {
		return nil, explain(socket, err)
	}
	defer c.Close() //nolint:errcheck // there is nothing to lose
	if at, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(at)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := c.Write([]byte(command + "\n")); err != nil {
		return nil, fmt.Errorf("asking HAProxy on %s: %w", socket, err)
	}
	var reply []byte
	for len(reply) < maxReply && !bytes.HasSuffix(reply, []byte("\n\n")) {
		reply = append(reply, make([]byte, 4096)...)
		n, err := c.Read(reply[len(reply)-4096:])
		reply = reply[:len(reply)-4096+n]
		if err != nil {
			if len(reply) == 0 || errors.Is(err, os.ErrDeadlineExceeded) {
				return nil, fmt.Errorf("HAProxy on %s gives no whole answer to %q: %w", socket, command, err)
			}
			break
		}
	}
	return reply, nil
}

// parseInfo reads the answer to show info. It says false if it is none.
func parseInfo(reply []byte, now time.Time) (i info, ok bool) {
	age, aged := int64(0), false
	for s := bufio.NewScanner(bytes.NewReader(reply)); s.Scan(); {
		key, value, _ := strings.Cut(s.Text(), ":")
		value = strings.TrimSpace(value)
		n, err := strconv.ParseInt(value, 10, 64)
		switch {
		case key == "Version":
			i.version = value
		case err != nil || n < 0:
		case key == "Pid":
			i.pid = int(n)
		case key == "Start_time_sec":
			i.started, i.exact = n, true
		case key == "Uptime_sec":
			age, aged = n, true
		case key == "DroppedLogs" && n < 1<<32:
			i.dropped, i.counts = uint32(n), true
		}
	}
	if !i.exact {
		i.started = now.Unix() - age
	}
	return i, i.pid > 0 && (i.exact || aged)
}

// parseWorkers reads the answer of a master to show proc.
func parseWorkers(reply []byte) (pids []int) {
	for s := bufio.NewScanner(bytes.NewReader(reply)); s.Scan() && len(pids) < maxWorkers; {
		f := strings.Fields(s.Text())
		if len(f) < 2 || f[1] != "worker" {
			continue
		}
		if pid, err := strconv.Atoi(f[0]); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids
}

// explain says what to do about a socket that can't be reached.
func explain(socket string, err error) error {
	what := ""
	switch {
	case errors.Is(err, fs.ErrNotExist):
		what = ": HAProxy does not run, or has no `stats socket " + socket + "`"
	case errors.Is(err, syscall.EACCES):
		what = fmt.Sprintf(": let user %d write to it (stats socket … mode 660 group …)", os.Geteuid())
	case errors.Is(err, syscall.ECONNREFUSED):
		what = ": nobody listens on it; HAProxy does not run"
	case errors.Is(err, syscall.ENOTSOCK), errors.Is(err, syscall.EPROTOTYPE):
		what = ": it is no stats socket"
	}
	return fmt.Errorf("asking HAProxy on %s: %w%s", socket, err, what)
}
