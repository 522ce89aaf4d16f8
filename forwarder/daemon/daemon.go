// Package daemon is a forwarder as a process: configuration and its reload, log,
// the HTTP pages, the socket that `status` asks, exit codes. `loghaul-forwarder`
// and `loghaul forward` are both this.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
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

// Options are what the command line says.
type Options struct {
	// Config is the file's path; "" with Stdin: all defaults.
	Config string
	// HTTP, if not empty, replaces the file's http.
	HTTP string
	// Stdin adds standard input to the inputs of the file.
	Stdin bool
	// Version is shown by status.
	Version string
}

// Run runs a forwarder until ctx ends and it has drained. It gives the exit code
// and has said on stderr what was wrong. SIGHUP reads the configuration again.
func Run(ctx context.Context, o Options, stderr io.Writer) int {
	cfg, err := o.load()
	if err != nil {
		fmt.Fprintln(stderr, err) //nolint:errcheck // nobody is left to tell
		return Wrong
	}
	log, err := logging.New(stderr, cfg.Log)
	if err != nil {
		fmt.Fprintln(stderr, err) //nolint:errcheck // nobody is left to tell
		return Wrong
	}
	if err := run(ctx, o, cfg, log); err != nil {
		log.Error("forwarder ends", "why", err)
		return code(err)
	}
	log.Info("forwarder ended; all positions are stored")
	return Done
}

// load reads the file. With Stdin it may leave out inputs.
func (o *Options) load() (forwarder.Config, error) {
	cfg := forwarder.DefaultConfig()
	if o.Stdin {
		cfg.Inputs = []forwarder.Input{{Stdin: true}}
	}
	if err := loadOrDefaults(o.Config, &cfg); err != nil {
		return cfg, err
	}
	if o.Stdin && !cfg.HasStdin() {
		cfg.Inputs = append(cfg.Inputs, forwarder.Input{Stdin: true})
	}
	if o.HTTP != "" {
		cfg.HTTP = o.HTTP
	}
	if err := ops.CheckAddress(cfg.HTTP); err != nil { // of --http: the file's was checked
		return cfg, fmt.Errorf("--http: %w", err)
	}
	return cfg, nil
}

// loadOrDefaults takes secrets from the environment also where there is no file.
func loadOrDefaults(path string, cfg *forwarder.Config) error {
	if path == "" {
		return config.Parse("defaults", nil, cfg)
	}
	return config.Load(path, cfg)
}

func run(ctx context.Context, o Options, cfg forwarder.Config, log *slog.Logger) error {
	// Before what takes long: nobody's SIGHUP may end the process.
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	cfg.Process.Apply(log)
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
	beside := make(chan error, 3)
	go func() {
		err := ops.Serve(after, cfg.HTTP, reg, f.Ready)
		if err != nil {
			stop() // the port is taken
		}
		beside <- err
	}()
	go func() {
		c := control{forwarder: f, version: o.Version, node: cfg.Node, log: log}
		c.serve(after, socketPath(cfg.State))
		beside <- nil
	}()
	go func() {
		reloads(after, hangup, o, f, log)
		beside <- nil
	}()
	err = f.Run(work)
	end()
	return errors.Join(err, <-beside, <-beside, <-beside)
}

// reloads reads the configuration again whenever it is told to. A file that is
// wrong changes nothing.
func reloads(ctx context.Context, hangup <-chan os.Signal, o Options, f *forwarder.Forwarder, log *slog.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
		}
		cfg, err := o.load()
		if err == nil {
			err = f.Reload(ctx, cfg)
		}
		switch {
		case errors.Is(err, forwarder.ErrInputs):
			log.Error("the configuration is reloaded, but for some inputs", "file", o.Config, "why", err)
		case err != nil:
			log.Error("the configuration is not reloaded; the one before stays in force", "file", o.Config, "why", err)
		default:
			log.Info("the configuration is reloaded", "file", o.Config)
		}
	}
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
