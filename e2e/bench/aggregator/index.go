package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/broker/embedded"
	"github.com/loghaul/loghaul/internal/wire"
)

// indexRun is one run of the daemon with one kind of index.
type indexRun struct {
	rate float64   // lines a second, from the first object's acknowledgement to the last but one
	cpu  float64   // CPU seconds per million lines, in the same time
	rss  []float64 // MB, after each quarter of the lines
}

// compare runs the daemon itself, bin/loghaul aggregate, with each kind of index
// in turn, again and again, and prints what each does to the archive, compared
// with the run without an index of the same round. Medians of ratios, so that a
// machine whose speed changes from minute to minute does not decide.
func compare(o *options, corpus []byte) error {
	kinds := strings.Split(o.index, ",")
	if kinds[0] != indexOff {
		kinds = slices.Insert(kinds, 0, indexOff)
	}
	dir, err := os.MkdirTemp("", "loghaul-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)                                                     //nolint:errcheck // temporary
	build := exec.Command("go", "build", "-o", dir+"/loghaul", "./cmd/loghaul") //nolint:noctx // it ends by itself
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the daemon, in the folder of the repository: %w: %s", err, out)
	}
	runs := map[string][]indexRun{}
	for round := range o.rounds {
		order := slices.Clone(kinds)
		if round%2 == 1 {
			slices.Reverse(order) // no kind always runs on a warmer machine
		}
		for _, kind := range order {
			r, err := runIndex(o, corpus, dir, kind)
			if err != nil {
				return fmt.Errorf("index %s: %w", kind, err)
			}
			runs[kind] = append(runs[kind], r)
			fmt.Fprintf(os.Stderr, "round %d, %-6s: %.0f lines/s, %.3f CPU-s per million lines, RSS %.0f MB\n", round+1, kind, r.rate, r.cpu, r.rss)
		}
	}
	fmt.Printf("%d lines, %d rounds; medians\n%-8s %10s %8s %22s %8s   %s\n", o.lines, o.rounds, "index", "lines/s", "ratio", "CPU-s/million lines", "ratio", "RSS after each quarter, MB")
	for _, kind := range kinds {
		var rate, cpu, rates, cpus []float64
		rss := make([][]float64, 4)
		for i, r := range runs[kind] {
			off := runs[indexOff][i]
			rate, cpu = append(rate, r.rate), append(cpu, r.cpu)
			rates, cpus = append(rates, r.rate/off.rate), append(cpus, r.cpu/off.cpu)
			for q := range rss {
				rss[q] = append(rss[q], r.rss[q])
			}
		}
		fmt.Printf("%-8s %10.0f %8.3f %22.3f %8.3f  ", kind, median(rate), median(rates), median(cpu), median(cpus))
		for _, q := range rss {
			fmt.Printf(" %.0f", median(q))
		}
		fmt.Println()
	}
	return nil
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// runIndex measures one run.
func runIndex(o *options, corpus []byte, dir, kind string) (r indexRun, err error) {
	ctx := context.Background()
	work, err := os.MkdirTemp(dir, "run-")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(work) //nolint:errcheck // temporary
	s, err := startBroker(filepath.Join(work, "broker"))
	if err != nil {
		return r, err
	}
	defer s.Stop()
	total, err := publish(ctx, s, o, corpus)
	if err != nil {
		return r, err
	}
	url, stop, err := trouble(ctx, kind)
	if err != nil {
		return r, err
	}
	defer stop()
	config := filepath.Join(work, "aggregator.yaml")
	text := fmt.Sprintf(`name: bench
broker: { servers: [%q], shards: %d, delay: { first: 0s, step: 0s, max: 1s } }
archive: { url: "file://%s/archive" }
window: { lines: %d }
formats: [httplog]
index: { url: %q, drain: 0s, %s }
log: { level: warn }
`, s.ClientURL(), o.shards, work, o.window, url, o.indexWith)
	if err := errors.Join(os.WriteFile(config, []byte(text), 0o600), os.Mkdir(filepath.Join(work, "archive"), 0o750)); err != nil {
		return r, err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "loghaul"), "aggregate", "--config", config) //nolint:gosec // built above
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		return r, err
	}
	r, err = watch(ctx, s, o, total, cmd.Process.Pid)
	_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	if werr := cmd.Wait(); err == nil && werr != nil {
		err = werr
	}
	if err != nil {
		return r, fmt.Errorf("%w: %s", err, log.String())
	}
	return r, nil
}

// watch measures the process from the first acknowledged object until less than
// a window is left, as the last one waits for its age.
func watch(ctx context.Context, s *embedded.Server, o *options, total sent, pid int) (r indexRun, err error) {
	nc, err := broker.Connect(ctx, broker.DefaultConfig(), broker.Options{Name: "bench", InProcess: s})
	if err != nil {
		return r, err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return r, err
	}
	perMessage := float64(total.lines) / float64(total.messages)
	var began time.Time
	var cpu, first float64 // of began
	for {
		time.Sleep(20 * time.Millisecond)
		waiting, err := messages(ctx, js, o.shards)
		if err != nil {
			return r, err
		}
		now := time.Now()
		used, err := cpuTime(pid)
		if err != nil {
			return r, err
		}
		done := float64(total.messages-waiting) * perMessage
		for len(r.rss) < 4 && done >= float64(len(r.rss)+1)*float64(total.lines)/4-float64(2*o.window) {
			mb, err := rss(pid)
			if err != nil {
				return r, err
			}
			r.rss = append(r.rss, mb)
		}
		switch {
		case began.IsZero() && done > 0:
			began, cpu, first = now, used, done
		case float64(waiting)*perMessage < float64(2*o.window):
			r.rate = (done - first) / now.Sub(began).Seconds()
			r.cpu = (used - cpu) / (done - first) * 1e6
			return r, nil
		}
	}
}

// messages counts what is not acknowledged yet.
func messages(ctx context.Context, js jetstream.JetStream, shards int) (n int, err error) {
	for shard := range shards {
		s, err := js.Stream(ctx, wire.StreamName(shard))
		if err != nil {
			return 0, err
		}
		n += int(s.CachedInfo().State.Msgs)
	}
	return n, nil
}

// cpuTime is user and system time of a process, in seconds.
func cpuTime(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	user, err1 := strconv.ParseFloat(fields[11], 64)
	system, err2 := strconv.ParseFloat(fields[12], 64)
	return (user + system) / 100, errors.Join(err1, err2) // USER_HZ is 100 on every Linux
}

// rss is the resident memory of a process in MB.
func rss(pid int) (float64, error) {
	kib, err := memoryOf(strconv.Itoa(pid), "VmRSS:")
	return float64(kib) * 1024 / 1e6, err
}
