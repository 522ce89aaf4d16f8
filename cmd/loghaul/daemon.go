package main

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/loghaul/loghaul/internal/config"
	"github.com/loghaul/loghaul/internal/metrics"
	"github.com/loghaul/loghaul/internal/ops"
)

// loadConfig fills into from the file of --config. Everything that can be
// wrong here ends with exit code 2: waiting cannot cure it.
func loadConfig(path string, into any) error {
	data, err := readConfig(path)
	if err != nil {
		return err
	}
	return parseConfig(path, data, into)
}

// readConfig gives the bytes of the file of --config.
func readConfig(path string) ([]byte, error) {
	if path == "" {
		return nil, usagef("--config FILE is missing; `loghaul config example` prints a file to start from")
	}
	data, err := config.Read(path)
	if err != nil {
		return nil, usagef("%v", err)
	}
	return data, nil
}

// parseConfig is loadConfig for bytes already read.
func parseConfig(path string, data []byte, into any) error {
	err := config.Parse(path, data, into)
	var problems config.Problems
	if err == nil || errors.As(err, &problems) {
		return err
	}
	return usagef("%v", err)
}

// configFlag declares --config.
func configFlag(fs *flag.FlagSet, kind string) *string {
	return fs.String("config", "", "the configuration `FILE`; see loghaul config example "+kind)
}

// serve runs a daemon's work until ctx ends and the work is drained, with the
// pages of ops beside it for all that time. addr "" serves no pages.
func serve(ctx context.Context, log *slog.Logger, addr string, reg *metrics.Registry, ready func() error, work func(context.Context) error) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)

	// The pages answer until the drain is over: a pod that drains must be
	// neither restarted nor sent work.
	after, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	pages := make(chan error, 1)
	if addr == "" {
		go func() { <-after.Done(); pages <- nil }()
	} else {
		srv, err := ops.Listen(ctx, addr, reg, func() error {
			if ctx.Err() != nil {
				return errors.New("stopping")
			}
			return ready()
		})
		if err != nil {
			return usagef("%v", err)
		}
		log.Info("serving /metrics, /healthz and /readyz", "address", srv.Addr())
		go func() { pages <- srv.Run(after) }()
	}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- work(ctx) }()
	for {
		select {
		case <-hangup:
			log.Info("SIGHUP: there is nothing to reload; restart to use a changed configuration")
		case err := <-done:
			stop()
			return errors.Join(err, <-pages)
		case err := <-pages: // the port is lost
			cancel()
			return errors.Join(err, <-done)
		}
	}
}
