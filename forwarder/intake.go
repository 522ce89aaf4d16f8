package forwarder

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/loghaul/loghaul/forwarder/checkpoint"
	"github.com/loghaul/loghaul/forwarder/input"
	"github.com/loghaul/loghaul/forwarder/ledger"
	"github.com/loghaul/loghaul/forwarder/source"
	"github.com/loghaul/loghaul/forwarder/spool"
)

// spoolSegment is the size of the files of a spool: what is given back to the
// disk at a time.
const spoolSegment = 16 << 20

// intake is one input that is no file, and the spool that its records go to.
// It belongs to the goroutine of the Forwarder; input and spool have their own.
type intake struct {
	cfg   Input
	name  string
	dir   string
	spool *spool.Spool
	input input.Input // nil: it is not configured any more, and its spool is emptied

	stop    context.CancelFunc     // ends the input
	ended   chan struct{}          // closed when the input has ended
	failed  *atomic.Pointer[error] // why it ended by itself
	halt    context.CancelFunc     // ends the spool's syncing
	halted  chan struct{}
	removed bool // by a reload: goes when the spool is empty
}

// intakes are all of a Forwarder's, as one source.Feed. They belong to its
// goroutine, except problems.
type intakes struct {
	cfg    *Config
	log    *slog.Logger
	ledger *ledger.Ledger
	known  []checkpoint.Stream // positions as of the start, of spools that are not removed
	all    []*intake
	gone   bool                      // one was removed: its position is to be forgotten
	shown  atomic.Pointer[[]*intake] // all, for others
	shut   atomic.Pointer[error]     // what the last reload could not open
	wake   chan struct{}
	work   context.Context //nolint:containedctx // of Run, for inputs that a reload adds; nil before
}

func newIntakes(cfg *Config, known []checkpoint.Stream, l *ledger.Ledger, log *slog.Logger) *intakes {
	s := &intakes{cfg: cfg, log: log, ledger: l, known: known, wake: make(chan struct{}, 1)}
	s.show()
	return s
}

// spoolFolder is where all spools of a state folder lie.
func spoolFolder(state string) string { return filepath.Join(state, "spool") }

// folderName makes a file name of an input's name that people can read and no
// two inputs share.
func folderName(name string) string {
	readable := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-':
			return r
		}
		return '_'
	}, name)
	return fmt.Sprintf("%.60s-%08x", readable, crc32.ChecksumIEEE([]byte(name)))
}

// open opens the spool and the input of each configured one, and the spools
// that inputs of before have left.
func (s *intakes) open() error {
	var errs []error
	for i := range s.cfg.Inputs {
		if s.cfg.Inputs[i].File == "" {
			errs = append(errs, s.add(&s.cfg.Inputs[i]))
		}
	}
	return errors.Join(append(errs, s.leftovers())...)
}

// add opens one. On an error nothing of it is left open.
func (s *intakes) add(in *Input) error {
	k, err := s.openSpool(in, folderName(in.Name()))
	if err != nil {
		return err
	}
	if k.input, err = listen(in, s.cfg.State, k.spool, s.ledger.Account(k.name), s.log); err != nil {
		return errors.Join(err, k.spool.Close())
	}
	s.take(k)
	return nil
}

func (s *intakes) take(k *intake) {
	s.all = append(s.all, k)
	s.show()
	s.start(k)
}

func (s *intakes) show() {
	all := slices.Clone(s.all)
	s.shown.Store(&all)
}

func (s *intakes) openSpool(in *Input, folder string) (*intake, error) {
	labels, err := in.labels(s.cfg.Labels)
	if err != nil {
		return nil, err
	}
	k := &intake{cfg: *in, name: in.Name(), dir: filepath.Join(spoolFolder(s.cfg.State), folder), failed: new(atomic.Pointer[error])}
	id, pos := "", int64(-1)
	for _, st := range s.known {
		if string(st.Path) == k.name {
			id, pos = st.ID, st.Pos
		}
	}
	k.spool, err = spool.Open(spool.Config{
		Dir: k.dir, Node: s.cfg.Node, Path: k.name, Labels: labels, Bytes: int64(s.cfg.Spool.Bytes), Segment: spoolSegment,
		SyncEvery: s.cfg.Spool.Sync, Batch: int64(s.cfg.Batch.Bytes), Linger: s.cfg.Batch.Linger,
	}, pos, id, s.ledger.Account(k.name), s.log)
	if err != nil {
		return nil, fmt.Errorf("open the spool of %s: %w", k.name, err)
	}
	return k, nil
}

// leftovers opens the spools of inputs that are not configured any more: what
// they hold is shipped, then they go.
func (s *intakes) leftovers() error {
	folders, err := os.ReadDir(spoolFolder(s.cfg.State))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("look for spools: %w", err)
	}
	for _, folder := range folders {
		name := folder.Name()
		if !folder.IsDir() || slices.ContainsFunc(s.all, func(k *intake) bool { return filepath.Base(k.dir) == name }) {
			continue
		}
		in := Input{Syslog: "spool:" + name} // a name if nobody knows the input's
		for _, st := range s.known {
			if folderName(string(st.Path)) == name {
				in.Syslog = string(st.Path)
			}
		}
		k, err := s.openSpool(&in, name)
		if err != nil {
			return err
		}
		k.removed = true
		s.log.Info("emptying the spool of an input that is not configured any more", "input", k.name, "folder", k.dir)
		s.take(k)
	}
	return nil
}

// run starts everything. ctx ends with the Forwarder's work.
func (s *intakes) run(ctx context.Context) {
	s.work = ctx
	for _, k := range s.all {
		s.start(k)
	}
}

// start runs the input and the syncing of its spool, once run was called.
func (s *intakes) start(k *intake) {
	if s.work == nil {
		return
	}
	syncing, halt := context.WithCancel(context.WithoutCancel(s.work))
	k.halt, k.halted = halt, make(chan struct{})
	go func() {
		defer close(k.halted)
		if err := k.spool.Run(syncing); err != nil {
			s.log.Error("a spool's last bytes could not be synced", "input", k.name, "why", err)
		}
	}()
	go s.passWakes(k.spool.Wake(), k.halted)
	if k.input != nil {
		s.listen(k)
	}
}

// listen runs the input of k.
func (s *intakes) listen(k *intake) {
	reading, stop := context.WithCancel(s.work)
	k.stop, k.ended = stop, make(chan struct{})
	in, ended, failed := k.input, k.ended, k.failed
	go func() {
		if err := in.Run(reading); err != nil {
			failed.Store(&err)
			s.log.Error("an input has failed; restart the forwarder when it is repaired", "input", k.name, "why", err)
		}
		close(ended)
		s.wakeUp() // it may have been the last one
	}()
}

func (s *intakes) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// passWakes joins the channels of all spools.
func (s *intakes) passWakes(from, until <-chan struct{}) {
	for {
		select {
		case <-until:
			return
		case <-from:
			s.wakeUp()
		}
	}
}

// end ends one input and then the syncing of its spool. What it had received
// is in the spool, and synced.
func (k *intake) end() {
	if k.stop != nil {
		k.stop()
		<-k.ended
		k.stop = nil
	}
	if k.halt != nil {
		k.halt()
		<-k.halted
		k.halt = nil
	}
}

// stop ends all inputs.
func (s *intakes) stop() {
	for _, k := range s.all {
		k.end()
	}
}

func (s *intakes) close() error {
	var errs []error
	for _, k := range s.all {
		errs = append(errs, k.spool.Close())
	}
	return errors.Join(errs...)
}

// exhausted says whether every input has ended by itself and been shipped.
func (s *intakes) exhausted() bool {
	for _, k := range s.all {
		if k.ended == nil {
			return false
		}
		select {
		case <-k.ended:
		default:
			return false
		}
		if !k.spool.Empty() {
			return false
		}
	}
	return len(s.all) > 0
}

// streams are the positions to remember.
func (s *intakes) streams() (out []checkpoint.Stream) {
	for _, k := range s.all {
		id, pos := k.spool.Position()
		out = append(out, checkpoint.Stream{ID: id, Path: checkpoint.Text(k.name), Pos: pos})
	}
	return out
}

// reap removes the spools of removed inputs once they are empty.
func (s *intakes) reap() {
	n := len(s.all)
	s.all = slices.DeleteFunc(s.all, func(k *intake) bool {
		if !k.removed || !k.spool.Empty() {
			return false
		}
		k.end()
		k.spool.UpdateLag() // for the last time
		if err := errors.Join(k.spool.Close(), os.RemoveAll(k.dir)); err != nil {
			s.log.Warn("the spool of an input that is not configured any more could not be removed", "folder", k.dir, "why", err)
		}
		s.log.Info("the spool of an input that is not configured any more is empty and removed", "input", k.name)
		// Should the input come back, its new spool lacks nothing.
		s.known = slices.DeleteFunc(s.known, func(st checkpoint.Stream) bool { return string(st.Path) == k.name })
		s.gone = true
		return true
	})
	if len(s.all) == n {
		return
	}
	s.show()
}

// problems are those of the inputs. Anybody may ask at any time.
func (s *intakes) problems() error {
	var errs []error
	if p := s.shut.Load(); p != nil {
		errs = append(errs, *p)
	}
	for _, k := range *s.shown.Load() {
		errs = append(errs, k.spool.Problem())
		if k.input != nil {
			if err := k.problem(); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", k.name, err))
			}
		}
	}
	return errors.Join(errs...)
}

// problem is that of the input, which there must be.
func (k *intake) problem() error {
	if err := k.input.Problem(); err != nil {
		return err
	}
	if p := k.failed.Load(); p != nil {
		return fmt.Errorf("the input has ended: %w", *p)
	}
	return nil
}

func (s *intakes) updateLag() {
	for _, k := range s.all {
		k.spool.UpdateLag()
	}
}

// The methods below make the spools one source.Feed.

// Step does the spools' housekeeping.
func (s *intakes) Step(now time.Time) {
	for _, k := range s.all {
		k.spool.Step(now)
	}
	s.reap()
}

// Next gives a spool that has a batch due. Spools take turns because the first
// in the list goes to its end.
func (s *intakes) Next(now time.Time) source.Source {
	for i, k := range s.all {
		if src := k.spool.Next(now); src != nil {
			s.all = append(append(s.all[:i:i], s.all[i+1:]...), k)
			return src
		}
	}
	return nil
}

// NextStep is the soonest of all spools.
func (s *intakes) NextStep(blocked bool) time.Time {
	var at time.Time
	for _, k := range s.all {
		if t := k.spool.NextStep(blocked); !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	return at
}

// Flush makes what is synced due.
func (s *intakes) Flush(now time.Time) {
	for _, k := range s.all {
		k.spool.Flush(now)
	}
}

// Dirty says whether a position has moved or is to be forgotten.
func (s *intakes) Dirty() bool {
	dirty := s.gone
	s.gone = false
	for _, k := range s.all {
		dirty = k.spool.Dirty() || dirty
	}
	return dirty
}

// Report tells about every spool.
func (s *intakes) Report() (out []source.Status) {
	for _, k := range s.all {
		st := k.spool.Report()[0]
		if k.input != nil {
			if err := k.problem(); err != nil && st.Problem == "" {
				st.Problem = err.Error()
			}
		}
		if k.removed {
			st.State = "emptying"
		}
		out = append(out, st)
	}
	return out
}
