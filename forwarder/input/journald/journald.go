// Package journald takes entries of systemd's journal, through a journalctl that
// runs beside us: `journalctl -o export --follow --after-cursor=…`.
//
// The journal's files are not read here: they may be compressed in three ways,
// are rotated and vacuumed, and their format grows with systemd. journalctl is
// there wherever a journal is, knows all of it, and its export format is stable.
//
// An entry becomes a line with a header of RFC 5424, made from the entry's
// fields, and its message byte for byte behind it: the archive takes such a
// header off. A message of several lines becomes several records, each with the
// header.
//
// The cursor of the last entry is stored after the spool has the entry, so
// nothing is lost: after a crash entries of the last second may come twice.
package journald

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/loghaul/loghaul/forwarder/input"
	"github.com/loghaul/loghaul/forwarder/ledger"
	"github.com/loghaul/loghaul/internal/backoff"
	"github.com/loghaul/loghaul/internal/wire"
)

const (
	// Name is under which the lines have their account.
	Name = "journald"
	// MaxLine is the most that Config.MaxLine can be.
	MaxLine = maxMessage
	// restartFirst and restartMax bound the waits before journalctl is started
	// again; each is twice the one before.
	restartFirst, restartMax = time.Second, 30 * time.Second
	// quiet is after how long without a word a new journalctl counts as working.
	quiet = 2 * time.Second
	// rest is how long entries are left in the pipe; journalctl waits then.
	rest = 5 * time.Millisecond
	// pipe is what is in a pipe.
	pipe = 64 << 10
)

// Config says what to take.
type Config struct {
	// Matches are arguments of journalctl: FIELD=VALUE, or + between groups.
	// Those of one field are alternatives, different fields must all match.
	Matches []string
	// Directory holds the journal; empty: the machine's own.
	Directory string
	// Since is where to begin without a cursor, as journalctl --since takes it.
	// Empty: at the beginning of the journal.
	Since string
	// Cursor is the file that keeps the cursor.
	Cursor string
	// MaxLine is where a line is cut.
	MaxLine int
	// Journalctl is the program; empty: as found in PATH.
	Journalctl string
}

// Deps is what it is given, all of it required.
type Deps struct {
	Spool   input.Spool
	Account *ledger.Account // of Name
	Logger  *slog.Logger
}

// Journal is the journal. All but Stats and Problem belongs to the goroutine
// of Run.
type Journal struct {
	cfg     Config
	deps    Deps
	program string
	cursor  cursor
	stats   input.Stats
	input.Trouble
	first time.Duration // restartFirst, less in tests
	child atomic.Int64  // its process id, for tests

	out     []byte // records that the spool does not have yet
	n       int
	reached string // the cursor behind them
}

var _ input.Input = (*Journal)(nil)

// New reads the cursor and looks for journalctl.
func New(cfg Config, deps Deps) (*Journal, error) {
	for _, m := range cfg.Matches {
		if m != "+" && (strings.HasPrefix(m, "-") || !strings.Contains(m, "=")) {
			return nil, fmt.Errorf("journald: match %q is not FIELD=VALUE, such as SYSLOG_IDENTIFIER=haproxy", m)
		}
	}
	switch {
	case cfg.Directory != "" && !filepath.IsAbs(cfg.Directory):
		return nil, fmt.Errorf("journald: directory %q is not absolute", cfg.Directory)
	case cfg.MaxLine < input.MinLine || cfg.MaxLine > MaxLine:
		return nil, fmt.Errorf("journald: a longest line of %d bytes: want %d to %d", cfg.MaxLine, input.MinLine, MaxLine)
	case cfg.Journalctl == "":
		cfg.Journalctl = "journalctl"
	}
	program, err := exec.LookPath(cfg.Journalctl)
	if err != nil {
		return nil, fmt.Errorf("journald: %w: the journal is read through systemd's journalctl; install it beside the forwarder", err)
	}
	j := &Journal{cfg: cfg, deps: deps, program: program, first: restartFirst}
	if j.cursor, err = openCursor(cfg.Cursor, deps.Spool); err != nil {
		return nil, err
	}
	return j, nil
}

// Name gives the name of the input.
func (j *Journal) Name() string { return Name }

// Stats gives the counters.
func (j *Journal) Stats() *input.Stats { return &j.stats }

// Run takes entries until ctx ends. What journalctl has not given by then
// comes after the next start.
func (j *Journal) Run(ctx context.Context) error {
	wait := j.first
	for ctx.Err() == nil {
		before := j.reached
		err := j.follow(ctx)
		if ctx.Err() != nil {
			break
		}
		if j.reached != before {
			wait = j.first
		}
		j.stats.Restarts.Add(1)
		err = fmt.Errorf("journalctl ended, and is started again: %w", err)
		if j.Begins(err) {
			j.deps.Logger.Error("no entries of the journal come", "why", err)
		}
		_ = backoff.Sleep(ctx, wait) // the loop sees the end
		wait = min(2*wait, restartMax)
	}
	return j.cursor.save()
}

// args gives the arguments of journalctl.
func (j *Journal) args() []string {
	args := []string{
		"--output=export", "--follow", "--no-tail", "--quiet", "--no-pager",
		"--output-fields=MESSAGE,PRIORITY,SYSLOG_FACILITY,SYSLOG_IDENTIFIER,SYSLOG_PID,_PID,_COMM,_HOSTNAME",
	}
	if j.cfg.Directory != "" {
		args = append(args, "--directory="+j.cfg.Directory)
	}
	if c := j.cursor.at; c != "" {
		args = append(args, "--after-cursor="+c)
	} else if j.cfg.Since != "" {
		args = append(args, "--since="+j.cfg.Since)
	}
	return append(args, j.cfg.Matches...)
}

// follow runs one journalctl to its end.
func (j *Journal) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, j.program, j.args()...) //nolint:gosec // that is what it is for
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	cmd.WaitDelay = time.Second
	said := &tail{}
	cmd.Stderr = said
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	j.child.Store(int64(cmd.Process.Pid))
	err = j.read(ctx, stdout)
	if errors.Is(err, io.EOF) {
		defer time.AfterFunc(time.Second, cancel).Stop() // it closed its output and may live
		if code := cmd.Wait(); code != nil {
			err = code
		}
	} else {
		cancel() // of one that prints garbage nothing more is wanted
		_ = cmd.Wait()
	}
	if text := said.String(); text != "" {
		err = fmt.Errorf("%w: %s", err, text)
	}
	return err
}

// read takes entries until there are no more.
func (j *Journal) read(ctx context.Context, from io.Reader) error {
	j.out, j.n, j.reached = j.out[:0], 0, j.cursor.at
	r := newExportReader(&gathering{ctx: ctx, j: j, r: from, pace: input.NewPace(rest)})
	var e entry
	for {
		if err := r.next(&e); err != nil {
			return errors.Join(err, j.flush(ctx))
		}
		j.well()
		if err := j.take(ctx, &e); err != nil {
			return err
		}
		if len(j.out) > maxOut {
			if err := j.flush(ctx); err != nil {
				return err
			}
		}
	}
}

// well says that journalctl works.
func (j *Journal) well() {
	if j.Ends() {
		j.deps.Logger.Info("the journal is followed again")
	}
}

// take makes records of an entry. Those of one with very many lines go to the
// spool piece by piece, which takes only so much at once.
func (j *Journal) take(ctx context.Context, e *entry) error {
	j.reached = string(e.cursor)
	if len(e.message) == 0 {
		j.stats.Empty.Add(1)
		return nil
	}
	cut, err := e.records(j.cfg.MaxLine, func(head, line []byte) error {
		j.out = append(append(append(j.out, head...), line...), '\n')
		if j.n++; len(j.out) > maxOut {
			return j.store(ctx)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if e.skipped > 0 {
		cut++
		j.deps.Spool.Lose(wire.Truncated, 0, e.skipped)
	}
	j.stats.Cut.Add(cut)
	j.deps.Account.CutLines.Add(cut)
	return nil
}

// store hands over the records. While the spool is full it waits, and journalctl
// does too. What is not stored at the end of ctx is read again.
func (j *Journal) store(ctx context.Context) error {
	if err := input.Store(ctx, j.deps.Spool, &j.stats, j.out, j.n); err != nil {
		return err
	}
	j.out, j.n = j.out[:0], 0
	return nil
}

// flush stores the records of whole entries, and moves the cursor behind them.
func (j *Journal) flush(ctx context.Context) error {
	if err := j.store(ctx); err != nil {
		return err
	}
	j.cursor.moved(j.reached)
	if err := j.cursor.due(); err != nil {
		j.cursorFailed(err)
	}
	return nil
}

// cursorFailed says that the cursor can't be stored. It stays in memory, and is
// tried again with the next entries.
func (j *Journal) cursorFailed(err error) {
	if !j.cursor.failing {
		j.deps.Logger.Error("the journal's cursor can't be stored; after a restart entries come twice", "why", err)
	}
	j.cursor.failing = true
}

// tail keeps the end of what a program says on standard error.
type tail struct{ b []byte }

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	t.b = t.b[max(0, len(t.b)-1000):]
	return len(p), nil
}

func (t *tail) String() string { return strings.Join(strings.Fields(string(t.b)), " ") }
