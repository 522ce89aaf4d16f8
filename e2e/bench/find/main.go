// Command find measures searches in an archive, beside what people do without
// one. It makes the archive first, if it is not there: ten objects of real lines of
// HAProxy with other dates, clients and unique ids, encoded and verified as an
// aggregator does it, and of these, column by column, others with other times,
// offsets, clients and ids; with signed manifests. The same options give the same
// objects.
//
//	go run ./e2e/bench/find -dir /tmp/needle -lines 100000000            # about 2.6 GB
//	go run ./e2e/bench/find -dir /tmp/needle -lines 100000000 -duckdb .cache/tools/venv/bin/python
//
// needle looks for one client address and one unique id over all time. scan
// counts lines by a filter in the first objects, cat prints all of them, beside
// zstdcat | grep and zgrep over the same lines and DuckDB over the same objects.
// CPU time is that of the processes started, user and system.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
)

type options struct {
	dir, corpus, duckdb, only string
	lines, object, baseline   int
	repeat                    int
}

func main() {
	var o options
	flag.StringVar(&o.dir, "dir", "", "folder for the archive and what is made of it")
	flag.StringVar(&o.corpus, "corpus", "testdata/corpus/httplog-200k.log.zst", "httplog lines to make others of, compressed with zstd")
	flag.StringVar(&o.duckdb, "duckdb", "", "a Python that has the module duckdb; empty leaves DuckDB out")
	flag.StringVar(&o.only, "only", "", "needle, scan or cat; empty is all")
	flag.IntVar(&o.lines, "lines", 100_000_000, "lines of the archive")
	flag.IntVar(&o.object, "object", 100_000, "lines of an object")
	flag.IntVar(&o.baseline, "baseline", 10, "objects that scan, cat and the baselines read")
	flag.IntVar(&o.repeat, "repeat", 3, "runs of each command; the best one counts")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, &o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1) //nolint:gocritic // nothing to clean
	}
}

func run(ctx context.Context, o *options) error {
	if o.dir == "" {
		return errors.New("give -dir FOLDER")
	}
	archive := filepath.Join(o.dir, fmt.Sprintf("archive-%d", o.lines))
	if _, err := os.Stat(archive); err != nil {
		unfinished := archive + ".unfinished"
		if err := errors.Join(os.RemoveAll(unfinished), os.MkdirAll(unfinished, 0o750)); err != nil {
			return err
		}
		if err := makeArchive(ctx, o, unfinished); err != nil {
			return err
		}
		if err := os.Rename(unfinished, archive); err != nil {
			return err
		}
	}
	return measure(ctx, o, archive)
}
