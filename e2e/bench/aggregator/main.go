// Command aggregator measures one aggregator: batches in JetStream → verified,
// parsed, encoded, read back and compared, stored, acknowledged. It prints the
// CPU time of the aggregator's process alone, per million lines, and its
// largest resident memory. The broker and the publisher run in the parent.
//
//	go run ./e2e/bench/aggregator -corpus access.log -lines 2000000
//
// -index off,dead,frozen,refuse,crawl runs the daemon with an index in each of
// these troubles instead, and compares what they do to the archive.
//
// The corpus is a file of httplog lines; it is sent again and again, as another
// node each time. -archive takes any archive URL; the default is a temporary
// folder. For S3, the credentials come from AWS_… as for the daemon.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/broker/embedded"
)

// result is what the child reports.
type result struct {
	Lines, RawBytes, Objects, ObjectBytes uint64
	Unparsed, RawKept                     uint64
	User, Sys                             float64 // CPU seconds
	Wall                                  float64 // from the first pull to the last ack
	MaxRSS                                int64   // KiB
}

type options struct {
	corpus, archive, encoding string
	lines, window, shards     int
	hostile                   bool
	batch                     int
	cpuProfile, heapProfile   string
	index, indexWith          string
	rounds                    int
}

func main() {
	var o options
	child := flag.String("child", "", "internal: run the aggregator on this broker")
	flag.StringVar(&o.corpus, "corpus", "", "file with httplog lines, .zst or plain")
	flag.StringVar(&o.archive, "archive", "", "archive URL; empty is a temporary folder")
	flag.StringVar(&o.encoding, "encoding", "s2", "payload encoding: s2, zstd or none")
	flag.BoolVar(&o.hostile, "hostile", false, "make every path and user agent another one")
	flag.IntVar(&o.lines, "lines", 2_000_000, "lines to send")
	flag.IntVar(&o.window, "window", 100_000, "lines of a window")
	flag.IntVar(&o.shards, "shards", 4, "shard streams")
	flag.IntVar(&o.batch, "batch", 1<<20, "raw bytes of a batch")
	flag.StringVar(&o.cpuProfile, "cpuprofile", "", "write a CPU profile of the aggregator")
	flag.StringVar(&o.heapProfile, "memprofile", "", "write a heap profile of the aggregator")
	flag.StringVar(&o.index, "index", "", "compare the daemon with these kinds of index: off,dead,frozen,refuse,crawl")
	flag.StringVar(&o.indexWith, "index-with", "", "more settings of the index, as in \"queue: 16MiB, timeout: 5s\"")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds of -index")
	flag.Parse()
	var err error
	if *child != "" {
		err = runChild(*child, &o)
	} else {
		err = runParent(&o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func runParent(o *options) error {
	if o.corpus == "" {
		return errors.New("give -corpus FILE")
	}
	corpus, err := readCorpus(o.corpus)
	if err != nil {
		return err
	}
	cpu, memory := 1.5, 160
	if o.hostile {
		corpus, cpu, memory = hostile(corpus), 2.2, 220
	}
	if o.index != "" {
		return compare(o, corpus)
	}
	dir, err := os.MkdirTemp("", "loghaul-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // temporary
	if o.archive == "" {
		if err := os.Mkdir(dir+"/archive", 0o750); err != nil {
			return err
		}
		o.archive = "file://" + dir + "/archive"
	}
	s, err := startBroker(dir + "/broker")
	if err != nil {
		return err
	}
	defer s.Stop()
	ctx := context.Background()
	sent, err := publish(ctx, s, o, corpus)
	if err != nil {
		return err
	}
	fmt.Printf("sent %d lines, %.1f MB raw, %.1f MB on the wire in %d messages\n", sent.lines, mb(sent.raw), mb(sent.wire), sent.messages)

	args := []string{
		"-child", s.ClientURL(), "-archive", o.archive, "-lines", strconv.Itoa(sent.lines),
		"-window", strconv.Itoa(o.window), "-shards", strconv.Itoa(o.shards), "-cpuprofile", o.cpuProfile, "-memprofile", o.heapProfile,
	}
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("aggregator: %w", err)
	}
	var r result
	if err := json.Unmarshal(out, &r); err != nil {
		return fmt.Errorf("the aggregator's report: %w: %s", err, out)
	}
	base, perLine, err := baseline(corpus)
	if err != nil {
		return err
	}
	m := float64(r.Lines) / 1e6
	fmt.Printf("archived %d lines in %d objects, %.1f MB, %.2f B/line (raw %.1f B/line), unparsed %d, raw kept %d\n",
		r.Lines, r.Objects, mb(int64(r.ObjectBytes)), float64(r.ObjectBytes)/float64(r.Lines), float64(r.RawBytes)/float64(r.Lines), r.Unparsed, r.RawKept)
	fmt.Printf("CPU %.2f s user + %.2f s system = %.3f CPU-s per million lines (target %.1f)\n", r.User, r.Sys, (r.User+r.Sys)/m, cpu)
	fmt.Printf("baseline in the same run: zstd of the raw lines, no parsing, no check: %.3f CPU-s per million lines, %.2f B/line; ratio %.2f\n", base, perLine, (r.User+r.Sys)/m/base)
	fmt.Printf("wall %.2f s, %.0f lines/s, largest RSS %.1f MB (target %d)\n", r.Wall, float64(r.Lines)/r.Wall, float64(r.MaxRSS)*1024/1e6, memory)
	return nil
}

// startBroker starts one in this process. What is measured is the aggregator; the
// broker need not sync.
func startBroker(dir string) (*embedded.Server, error) {
	return embedded.Start(dir, embedded.Options{
		MaxStore: 64 << 30, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Configure: func(so *server.Options) {
			so.DontListen, so.Host, so.Port, so.SyncAlways = false, "127.0.0.1", -1, false
		},
	})
}

func mb(n int64) float64 { return float64(n) / 1e6 }

// readCorpus reads whole lines.
func readCorpus(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	var r io.Reader = f
	if bytes.HasSuffix([]byte(path), []byte(".zst")) {
		z, err := zstd.NewReader(f)
		if err != nil {
			return nil, err
		}
		defer z.Close()
		r = z
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	return b[:bytes.LastIndexByte(b, '\n')+1], nil
}

func setup(o *options) broker.SetupConfig {
	c := broker.SetupConfig{Shards: o.shards, Streams: broker.DefaultStreams()}
	c.Streams.MaxBytes = 8 << 30
	return c
}

func brokerConfig(o *options, url string) broker.Config {
	c := broker.DefaultConfig()
	c.Servers, c.Shards, c.Delay = []string{url}, o.shards, broker.Delay{First: 0, Step: 0, Max: time.Second}
	return c
}
