package forwarder

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/loghaul/loghaul/internal/broker"
)

// Reload puts another configuration into force, without closing a file or
// giving up a batch. It changes nothing when it returns an error. It may be
// called by anybody while Run runs.
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
		fixed("process", cfg.Process == f.cfg.Process),
		fixed("broker (but for shards)", sameBroker(cfg.Broker, f.cfg.Broker)),
	); err != nil {
		return err
	}
	if err := f.tail.Reconfigure(cfg.tail()); err != nil {
		return err
	}
	f.ship.Reconfigure(cfg.ship(), time.Now())
	f.cfg = cfg
	return nil
}

// sameBroker says whether two ways to the broker differ in nothing but the
// number of shards.
func sameBroker(a, b broker.Config) bool {
	a.Shards = b.Shards
	return reflect.DeepEqual(a, b)
}
