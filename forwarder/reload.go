package forwarder

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync/atomic"
	"time"

	"github.com/loghaul/loghaul/forwarder/haproxy"
	"github.com/loghaul/loghaul/internal/broker"
)

// ErrInputs is wrapped by the error of a Reload after which everything is in
// force but the inputs that it names.
var ErrInputs = errors.New("inputs can't be opened; the next reload or start tries again")

// Reload puts another configuration into force, without closing a file or
// giving up a batch. A configuration that is wrong, or needs a restart, changes
// nothing; an input that can't be opened is named and all others are in force.
// It may be called by anybody while Run runs.
func (f *Forwarder) Reload(ctx context.Context, cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	var failed error
	err := f.do(ctx, func() { failed = f.apply(cfg) })
	return errors.Join(err, failed)
}

// apply runs in the goroutine of Run.
func (f *Forwarder) apply(cfg Config) error {
	if f.drain.Load() {
		return errors.New("the forwarder is stopping") // nobody would close what is opened now
	}
	fixed := func(key string, same bool) error {
		if same {
			return nil
		}
		return fmt.Errorf("%s was changed, which needs a restart", key)
	}
	if err := errors.Join(
		fixed("node", cfg.Node == f.cfg.Node),
		fixed("state", cfg.State == f.cfg.State),
		fixed("http", cfg.HTTP == f.cfg.HTTP),
		fixed("log", cfg.Log == f.cfg.Log),
		fixed("spool", cfg.Spool == f.cfg.Spool),
		fixed("process", cfg.Process == f.cfg.Process),
		fixed("broker (but for shards)", sameBroker(cfg.Broker, f.cfg.Broker)),
	); err != nil {
		return err
	}
	if err := f.tail.Reconfigure(cfg.tail()); err != nil {
		return err
	}
	if err := f.watch(cfg.haproxy()); err != nil {
		return err
	}
	f.ship.Reconfigure(cfg.ship(), time.Now())
	f.cfg = cfg
	return f.intakes.reconfigure()
}

// reconfigure makes the inputs those of the configuration. What did not change
// is not touched: no connection of it is cut. The error names the inputs that
// could not be opened; all others are in force.
func (s *intakes) reconfigure() error {
	var errs []error
	for i, k := range s.all {
		in := s.cfg.input(k.name)
		if in == nil && !k.removed {
			s.log.Info("an input is not configured any more", "input", k.name)
			s.all[i] = s.replaced(k, nil)
			continue
		}
		if in == nil {
			continue
		}
		labels, err := in.labels(s.cfg.Labels)
		if err != nil {
			return err
		}
		k.spool.Reconfigure(labels, int64(s.cfg.Batch.Bytes), s.cfg.Batch.Linger)
		if k.input == nil || !sameListener(in, &k.cfg) {
			n := s.replaced(k, in)
			s.all[i] = n
			if n.input, err = listen(in, s.cfg.State, n.spool, s.ledger.Account(n.name), s.log); err != nil {
				n.input = nil
				errs = append(errs, err)
				continue
			}
			s.listen(n)
		}
	}
	for i := range s.cfg.Inputs {
		in := &s.cfg.Inputs[i]
		if in.File == "" && !slices.ContainsFunc(s.all, func(k *intake) bool { return k.name == in.Name() }) {
			errs = append(errs, s.add(in))
		}
	}
	s.show()
	failed := errors.Join(errs...)
	if s.shut.Store(nil); failed != nil {
		failed = fmt.Errorf("%w: %w", ErrInputs, failed)
		s.shut.Store(&failed)
	}
	return failed
}

// replaced ends the input of k and gives an intake with the same spool. Nobody
// changes one that others may look at.
func (s *intakes) replaced(k *intake, in *Input) *intake {
	n := *k
	if k.stop != nil {
		k.stop()
		<-k.ended
	}
	n.input, n.stop, n.ended, n.removed, n.failed = nil, nil, nil, in == nil, new(atomic.Pointer[error])
	if in != nil {
		n.cfg = *in
	}
	return &n
}

// watch asks other processes of HAProxy from now on. What the one before has
// shipped and the broker did not answer yet is declared again, as the same.
func (f *Forwarder) watch(cfg haproxy.Config) error {
	if reflect.DeepEqual(cfg, f.cfg.haproxy()) {
		return nil
	}
	w, err := haproxy.New(cfg, f.haproxy.Streams(), f.ledger, f.log)
	if err != nil {
		return err
	}
	f.haproxy.Close()
	f.haproxy = w
	f.feeds[len(f.feeds)-1] = w
	return nil
}

// sameListener says whether two inputs differ in nothing but labels.
func sameListener(a, b *Input) bool {
	x, y := *a, *b
	x.Labels, y.Labels = nil, nil
	return reflect.DeepEqual(x, y)
}

// sameBroker says whether two ways to the broker differ in nothing but the
// number of shards.
func sameBroker(a, b broker.Config) bool {
	a.Shards = b.Shards
	return reflect.DeepEqual(a, b)
}
