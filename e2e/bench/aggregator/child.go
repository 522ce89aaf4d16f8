package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"syscall"
	"time"

	"github.com/loghaul/loghaul/aggregator"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// runChild is the aggregator as the daemon runs it, until all lines are
// archived and acknowledged.
func runChild(url string, o *options) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	so, err := objectstore.OptionsFromEnv()
	if err != nil {
		return err
	}
	store, err := objectstore.Open(ctx, o.archive, so)
	if err != nil {
		return err
	}
	defer store.Close() //nolint:errcheck // every object is confirmed
	cfg := aggregator.DefaultConfig()
	cfg.Name, cfg.Broker, cfg.Window.Lines = "bench", brokerConfig(o, url), o.window
	cfg.Formats = []string{"httplog"}
	aggregator.LimitMemory(&cfg, 0)
	a, err := aggregator.New(cfg, aggregator.Deps{
		Archive: store, Check: store.Check,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	if o.cpuProfile != "" {
		f, err := os.Create(o.cpuProfile)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	start := time.Now()
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	for a.Status().Lines < uint64(o.lines) {
		select {
		case err := <-done:
			return fmt.Errorf("it ended early: %w", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	if err := a.Flush(ctx); err != nil {
		return err
	}
	wall := time.Since(start)
	if o.heapProfile != "" {
		f, err := os.Create(o.heapProfile)
		if err != nil {
			return err
		}
		runtime.GC()
		if err := pprof.WriteHeapProfile(f); err != nil {
			return err
		}
	}
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return err
	}
	peak, err := peakRSS()
	if err != nil {
		return err
	}
	cancel()
	if err := <-done; err != nil {
		return err
	}
	s := a.Status()
	return json.NewEncoder(os.Stdout).Encode(result{
		Lines: s.Lines, RawBytes: s.RawBytes, Objects: s.Objects, ObjectBytes: s.ObjectBytes, Unparsed: s.Unparsed, RawKept: s.RawKept,
		User: seconds(u.Utime), Sys: seconds(u.Stime), Wall: wall.Seconds(), MaxRSS: peak,
	})
}

func seconds(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }

// peakRSS is VmHWM in KiB. ru_maxrss will not do: a program inherits that of
// the process that started it.
func peakRSS() (int64, error) { return memoryOf("self", "VmHWM:") }

// memoryOf reads a line of the status of a process, in KiB.
func memoryOf(pid, line string) (int64, error) {
	b, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return 0, err
	}
	var kib int64
	_, after, _ := strings.Cut(string(b), line)
	_, err = fmt.Sscan(after, &kib)
	return kib, err
}
