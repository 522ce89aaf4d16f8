// Command forwarder measures the node agent: the CPU it takes for a million
// lines of 300 bytes from file to acknowledged, catching up and at a steady
// rate, its memory, and how often it wakes up when idle. It runs the real
// binary against a nats-server process of its own that syncs every message;
// what is measured is the agent's process alone (getrusage, /proc).
//
//	go run ./e2e/bench/forwarder [-corpus FILE] [-runs 3] [-only catchup,paced,udp,idle,quiet,restart] [-tls]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

type settings struct {
	nats, corpus string
	runs         int
	lines        int
	rates        string // MB a second, one or more
	seconds      int
	only         string
	tls          bool
}

func main() {
	var s settings
	flag.StringVar(&s.nats, "nats-server", "", "the `FILE` to run (default: .cache/tools/bin, then PATH)")
	flag.StringVar(&s.corpus, "corpus", "", "HAProxy lines to repeat; they are cut or joined to nothing, so state their length")
	flag.IntVar(&s.runs, "runs", 3, "runs of each kind")
	flag.IntVar(&s.lines, "lines", 3_000_000, "lines to catch up with")
	flag.StringVar(&s.rates, "rates", "1,5,50", "MB a second when paced, each measured by itself")
	flag.IntVar(&s.seconds, "seconds", 15, "length of a paced or idle run")
	flag.StringVar(&s.only, "only", "catchup,paced,udp,idle,quiet,restart", "what to measure")
	flag.BoolVar(&s.tls, "tls", false, "speak TLS with the broker")
	flag.Parse()
	if err := run(context.Background(), s); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) error {
	dir, err := os.MkdirTemp("", "loghaul-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	bin := filepath.Join("bin", "loghaul-forwarder")
	build := exec.CommandContext(ctx, "make", "build")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the forwarder: %w\n%s", err, out)
	}
	st, err := os.Stat(bin)
	if err != nil {
		return err
	}
	fmt.Printf("binary, stripped            %6.2f MB\n", float64(st.Size())/1e6)
	corpus, lineLen, err := loadCorpus(s.corpus)
	if err != nil {
		return err
	}
	fmt.Printf("lines of                    %6.1f bytes on average; figures are scaled to 300\n", lineLen)
	b := &bench{dir: dir, bin: bin, s: s, corpus: corpus}
	if b.natsBin, err = natsServer(s.nats); err != nil {
		return err
	}
	var errs []error
	for _, enc := range []string{"s2", "zstd"} {
		if strings.Contains(s.only, "catchup") {
			errs = append(errs, b.repeat(ctx, "catching up, "+enc, enc, b.catchUp))
		}
		for rate := range strings.SplitSeq(s.rates, ",") {
			mb, err := strconv.ParseFloat(rate, 64)
			if err != nil {
				return fmt.Errorf("-rates: %w", err)
			}
			if strings.Contains(s.only, "paced") {
				errs = append(errs, b.repeat(ctx, fmt.Sprintf("paced %g MB/s, %s", mb, enc), enc, b.paced(mb*1e6)))
			}
		}
	}
	if strings.Contains(s.only, "udp") {
		errs = append(errs, b.repeat(ctx, "udp at 100,000 lines/s, s2", "s2", b.udp))
	}
	if strings.Contains(s.only, "quiet") {
		errs = append(errs, b.repeat(ctx, "1,000 quiet files", "s2", b.quiet))
	}
	if strings.Contains(s.only, "restart") {
		errs = append(errs, b.repeat(ctx, "restart, 10,000 files", "s2", b.restart))
	}
	if strings.Contains(s.only, "idle") {
		errs = append(errs, b.repeat(ctx, "idle", "s2", b.idle))
	}
	return errors.Join(errs...)
}

// result is what one run showed.
type result struct {
	cpu      float64 // seconds for a million lines of 300 bytes
	base     float64 // the same for compression alone, just before
	rss      float64 // MB, the largest seen under load
	rssIdle  float64 // MB, at the end of an idle run
	switches float64 // voluntary context switches a second
	ratio    float64
	ready    time.Duration // from start to following all files
	lost     int64         // lines
}

func (b *bench) repeat(ctx context.Context, name, encoding string, one func(context.Context, string) (result, error)) error {
	var all []result
	for range b.s.runs {
		base, err := b.baseline(encoding)
		if err != nil {
			return fmt.Errorf("baseline: %w", err)
		}
		r, err := one(ctx, encoding)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		r.base = base
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b result) int {
		if a.cpu < b.cpu || a.cpu == b.cpu && a.switches < b.switches {
			return -1
		}
		return 1
	})
	best, median := all[0], all[len(all)/2]
	if best.ready > 0 {
		fmt.Printf("%-27s %6.2f s until all are followed (median %.2f), %.2f CPU-s\n", name, best.ready.Seconds(), median.ready.Seconds(), best.cpu)
	} else if best.cpu > 0 {
		fmt.Printf("%-27s %6.2f CPU-s per million lines (median %.2f; compression alone %.2f), RSS %.1f MB, %.0f switches/s, ratio %.1f\n",
			name, best.cpu, median.cpu, best.base, best.rss, best.switches, best.ratio)
		for _, r := range all {
			if r.lost > 0 {
				fmt.Printf("%27s %d lines lost in one run\n", "", r.lost)
			}
		}
	} else {
		fmt.Printf("%-27s %6.1f switches/s (median %.1f), RSS %.1f MB\n", name, best.switches, median.switches, best.rssIdle)
	}
	return nil
}
