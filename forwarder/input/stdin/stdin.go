// Package stdin takes the lines that another program writes into a pipe:
//
//	haproxy -db -f haproxy.cfg | loghaul-forwarder --stdin
//
// While the spool is full nothing is read, so the pipe fills and the program
// waits, or drops its line if it does not want to: HAProxy does, and counts it
// (DroppedLogs).
package stdin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/loghaul/loghaul/forwarder/input"
	"github.com/loghaul/loghaul/forwarder/ledger"
)

const (
	// Name is under which the lines have their account.
	Name = "stdin"
	// buffer is how much is read at once: 64 KiB are in a pipe.
	buffer = 256 << 10
	// MaxLine is the most that Config.MaxLine can be.
	MaxLine = buffer / 2
	// pipe is what a writer may have under way.
	pipe = 64 << 10
	// rest is how long lines are left in the pipe. HAProxy drops what does not
	// fit into it: 64 KiB are two hundred lines.
	rest = 2 * time.Millisecond
	// lastReads bounds what is read after the end of ctx.
	lastReads = 32
)

// Config is what may differ.
type Config struct {
	// File is read; nil: standard input. It is not closed.
	File *os.File
	// MaxLine is where a line is cut.
	MaxLine int
}

// Deps is what it is given, all of it required.
type Deps struct {
	Spool   input.Spool
	Account *ledger.Account // of Name
	Logger  *slog.Logger
}

// Stdin is standard input.
type Stdin struct {
	deps   Deps
	file   *os.File
	framer input.Framer
	stats  input.Stats
	input.Trouble
}

var _ input.Input = (*Stdin)(nil)

// New checks that there is something to read.
func New(cfg Config, deps Deps) (*Stdin, error) {
	if cfg.File == nil {
		cfg.File = os.Stdin
	}
	if cfg.MaxLine < input.MinLine || cfg.MaxLine > MaxLine {
		return nil, fmt.Errorf("stdin: a longest line of %d bytes: want %d to %d", cfg.MaxLine, input.MinLine, MaxLine)
	}
	st, err := cfg.File.Stat()
	if err != nil {
		return nil, fmt.Errorf("stdin: %w: pipe something into it, or leave the input out", err)
	}
	if st.IsDir() {
		return nil, errors.New("stdin is a folder: pipe something into it, or leave the input out")
	}
	return &Stdin{deps: deps, file: cfg.File, framer: input.Framer{Framing: input.Lines, Max: cfg.MaxLine}}, nil
}

// Name gives the name of the input.
func (s *Stdin) Name() string { return Name }

// Stats gives the counters.
func (s *Stdin) Stats() *input.Stats { return &s.stats }

// Run reads until the end of the input, or until ctx ends, and then what has
// been written by then.
func (s *Stdin) Run(ctx context.Context) (err error) {
	w, err := input.NewWaiter(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	fd := int(s.file.Fd())
	buf := make([]byte, buffer)
	pace := input.NewPace(rest)
	held := 0 // bytes at the beginning of buf that are half a line
	for last := 0; last < lastReads; {
		if ctx.Err() != nil {
			last++ // the writer may never stop
		}
		ready, err := w.Wait(fd, -1)
		if err != nil {
			return err
		}
		if !ready && !readable(fd) {
			break // ctx has ended, and nothing is left
		}
		n, err := unix.Read(fd, buf[held:])
		if errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) {
			continue
		}
		if n == 0 && err == nil {
			err = io.EOF
		}
		held = s.take(ctx, buf, held+max(n, 0), err != nil)
		if err != nil {
			return s.ended(err)
		}
		pace.Filled(int64(n), pipe)
		pace.Rest(ctx)
	}
	s.take(ctx, buf, held, true)
	return nil
}

// readable says whether something can be read at once.
func readable(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}} //nolint:gosec // a descriptor
	n, err := unix.Poll(fds, 0)
	return n > 0 && err == nil
}

// take stores the lines in buf[:n] and moves what is left to its beginning.
func (s *Stdin) take(ctx context.Context, buf []byte, n int, end bool) (held int) {
	p := buf[:n]
	for {
		records, lines, used := s.framer.Cut(p, end)
		input.Put(ctx, s.deps.Spool, &s.stats, records, lines)
		if p = p[used:]; used == 0 || len(p) == 0 {
			break
		}
	}
	if cut := s.framer.CutLines - s.stats.Cut.Load(); cut > 0 {
		s.stats.Cut.Add(cut)
		s.deps.Account.CutLines.Add(cut)
	}
	return copy(buf, p)
}

func (s *Stdin) ended(err error) error {
	if errors.Is(err, io.EOF) {
		s.deps.Logger.Info("standard input has ended", "lines", s.stats.Records.Load())
		return nil
	}
	err = fmt.Errorf("reading standard input: %w", err)
	_ = s.Begins(err)
	return err
}
