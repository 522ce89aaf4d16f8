// Package daemon is a forwarder as a process: configuration, log, the HTTP
// pages, signals' context, exit codes. `loghaul-forwarder` and `loghaul
// forward` are both this.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"syscall"

	"github.com/loghaul/loghaul/forwarder"
	"github.com/loghaul/loghaul/forwarder/spool"
	"github.com/loghaul/loghaul/internal/config"
	"github.com/loghaul/loghaul/internal/logging"
	"github.com/loghaul/loghaul/internal/metrics"
	"github.com/loghaul/loghaul/internal/ops"
)

// Exit codes.
const (
	Done   = 0
	Failed = 1
	// Wrong means that the configuration can't be right later either.
	Wrong = 2
)

// Run runs a forwarder with the file at path until ctx ends and it has
// drained. httpAddr, if not empty, replaces the file's. It gives the exit code
// and has said on stderr what was wrong.
func Run(ctx context.Context, path, httpAddr string, stderr io.Writer) int {
	cfg := forwarder.DefaultConfig()
	if err := config.Load(path, &cfg); err != nil {
		fmt.Fprintln(stderr, err) //nolint:errcheck // nobody is left to tell
		return Wrong
	}
	if httpAddr != "" {
		cfg.HTTP = httpAddr
	}
	log, err := logging.New(stderr, cfg.Log)
	if err != nil {
		fmt.Fprintln(stderr, err) //nolint:errcheck // nobody is left to tell
		return Wrong
	}
	if err := run(ctx, cfg, log); err != nil {
		log.Error("forwarder ends", "why", err)
		return code(err)
	}
	log.Info("forwarder ended; all positions are stored")
	return Done
}

func run(ctx context.Context, cfg forwarder.Config, log *slog.Logger) error {
	reg := metrics.New(forwarder.Metrics()...)
	f, err := forwarder.New(cfg, forwarder.Deps{Logger: log, Metrics: reg})
	if err != nil {
		return err
	}
	work, stop := context.WithCancel(ctx)
	defer stop()
	// The pages answer until the drain is over: a pod that drains must be
	// neither restarted nor sent work.
	after, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	pages := make(chan error, 1)
	go func() {
		err := ops.Serve(after, cfg.HTTP, reg, f.Ready)
		if err != nil {
			stop() // the port is taken
		}
		pages <- err
	}()
	err = f.Run(work)
	end()
	return errors.Join(err, <-pages)
}

// code tells what waiting can cure (a full disk, another forwarder that holds
// the state folder) from what it cannot.
func code(err error) int {
	for _, hopeless := range []error{fs.ErrPermission, syscall.EROFS, syscall.ENOTDIR, syscall.EISDIR, spool.ErrVersion} {
		if errors.Is(err, hopeless) {
			return Wrong
		}
	}
	return Failed
}
