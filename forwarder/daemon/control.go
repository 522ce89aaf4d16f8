package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/loghaul/loghaul/forwarder"
	"github.com/loghaul/loghaul/internal/backoff"
)

// socketPath is where a running forwarder answers status, in its state folder:
// whoever may read the positions may ask.
func socketPath(state string) string { return filepath.Join(state, "control") }

// answerWithin bounds a request: the forwarder answers between two batches.
const answerWithin = 10 * time.Second

// acceptAgain is how long to wait after an error of the socket.
const acceptAgain = 200 * time.Millisecond

// control serves what `status` shows.
type control struct {
	forwarder *forwarder.Forwarder
	version   string
	node      string
	log       *slog.Logger
	started   time.Time
}

// serve answers until ctx ends. A socket that can't be made is logged: the
// forwarder works without it. The state folder is locked, so a socket that lies
// there is a dead one.
func (c *control) serve(ctx context.Context, path string) {
	c.started = time.Now()
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.log.Warn("status will not be answered", "socket", path, "why", err)
		return
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		c.log.Warn("status will not be answered: the path of a socket has at most 107 bytes and needs a writable file system",
			"socket", path, "why", err)
		return
	}
	if err := os.Chmod(path, 0o660); err != nil {
		c.log.Warn("the permissions of the status socket could not be set", "socket", path, "why", err)
	}
	c.accept(ctx, l)
}

// accept answers until ctx ends. Too many open files pass.
func (c *control) accept(ctx context.Context, l net.Listener) {
	var requests sync.WaitGroup
	requests.Go(func() {
		<-ctx.Done()
		_ = l.Close() // ends Accept, and removes the socket
	})
	for failing := false; ctx.Err() == nil; {
		conn, err := l.Accept()
		if err == nil {
			failing = false
			requests.Go(func() { c.answer(ctx, conn) })
			continue
		}
		if !failing && ctx.Err() == nil {
			c.log.Error("status can't be answered; trying again", "socket", l.Addr().String(), "why", err)
		}
		failing = true
		_ = backoff.Sleep(ctx, acceptAgain) // the loop sees the end
	}
	requests.Wait()
}

// answer writes one snapshot, or an error, as JSON and closes the connection:
// asking is connecting. It is not HTTP because a client of that would be a
// tenth of the program.
func (c *control) answer(ctx context.Context, conn net.Conn) {
	defer conn.Close() //nolint:errcheck // the client is told by the end of the JSON
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	_ = conn.SetDeadline(time.Now().Add(answerWithin)) // a socket has deadlines
	s, err := c.snapshot(ctx)
	if err != nil {
		s = &Snapshot{Node: c.node, Version: c.version, PID: os.Getpid(), Problem: err.Error(), Paths: []Path{}, Sources: []Source{}}
	}
	_ = json.NewEncoder(conn).Encode(s) // the client is gone; nobody is left to tell
}

// snapshot collects everything at about one moment.
func (c *control) snapshot(ctx context.Context) (*Snapshot, error) {
	sources, err := c.forwarder.Sources(ctx)
	if err != nil {
		return nil, err
	}
	st := c.forwarder.Status()
	now := time.Now()
	s := &Snapshot{
		Node: c.node, Version: c.version, PID: os.Getpid(), Uptime: now.Sub(c.started).Seconds(),
		Connected: st.Connected, Problem: st.Problem, InFlightBatches: st.InFlightBatches, SentBytes: st.SentBytes,
		Paths: []Path{}, Sources: []Source{},
	}
	for _, a := range c.forwarder.Accounts() {
		p := Path{
			Path: a.Path, AckedBytes: a.AckedBytes.Load(), AckedLines: a.AckedLines.Load(), CutLines: a.CutLines.Load(),
			LagBytes: a.LagBytes.Load(), Lost: map[string]Loss{},
		}
		p.InFlightBytes = a.InFlight()
		for reason, l := range a.Losses() {
			p.Lost[reason] = Loss{Bytes: l.Bytes.Load(), Lines: l.Lines.Load()}
		}
		p.ReadBytes, p.ReadLines = a.ReadBytes.Load(), a.ReadLines.Load() // last: nothing may pass what is read
		s.Paths = append(s.Paths, p)
	}
	for i := range sources {
		x := &sources[i]
		out := Source{
			ID: x.Source.ID, Path: x.Source.Path, Input: x.Input, State: x.State, Read: x.Read, Acked: x.Acked, Size: x.Size,
			Lag: max(x.Size-x.Acked, 0), Problem: x.Problem,
		}
		if !x.Since.IsZero() {
			out.OldestUnacked = now.Sub(x.Since).Seconds()
		}
		s.Sources = append(s.Sources, out)
	}
	return s, nil
}
