package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

func sha(b []byte) [sha256.Size]byte { return sha256.Sum256(b) }

// usage is what a command took.
type usage struct {
	cpu, wall time.Duration
	rss       int64 // KiB, of its largest process
	out, err  string
}

// bench starts commands.
type bench struct {
	o       *options
	loghaul string
	archive string // URL
	raw     int64  // bytes of the baseline's lines
}

func measure(ctx context.Context, o *options, archive string) error {
	b := &bench{o: o, loghaul: filepath.Join(o.dir, "loghaul"), archive: "file://" + archive}
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", b.loghaul, "./cmd/loghaul").CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w: %s", err, out)
	}
	var bytes int64
	objects := 0
	if err := filepath.WalkDir(archive, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".parquet") {
			if info, err := d.Info(); err == nil {
				bytes += info.Size()
			}
			objects++
		}
		return err
	}); err != nil {
		return err
	}
	fmt.Printf("%d lines in %d objects of %d bytes, %.1f bytes a line\n", o.lines, objects, bytes, float64(bytes)/float64(o.lines))
	for name, fn := range map[string]func(context.Context) error{"needle": b.needle, "rates": b.rates} {
		if o.only != "" && (o.only == "needle") != (name == "needle") {
			continue
		}
		if err := fn(ctx); err != nil {
			return err
		}
	}
	return nil
}

// best runs a command several times and gives the run that took the least CPU.
func (b *bench) best(ctx context.Context, name string, args ...string) (best usage, err error) {
	for i := range b.o.repeat {
		u, err := run1(ctx, name, args...)
		if err != nil {
			return u, err
		}
		if i == 0 || u.cpu < best.cpu {
			best = u
		}
	}
	return best, nil
}

func run1(ctx context.Context, name string, args ...string) (u usage, err error) {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // commands of this file
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	started := time.Now()
	err = cmd.Run()
	u = usage{wall: time.Since(started), out: out.String(), err: errs.String()}
	if cmd.ProcessState != nil {
		u.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		if r, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
			u.rss = r.Maxrss
		}
	}
	if err != nil {
		return u, fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, u.err)
	}
	return u, nil
}

// needle looks for single lines over all time.
func (b *bench) needle(ctx context.Context) error {
	g := generator{objects: b.o.lines / b.o.object, object: b.o.object}
	i, n := g.objects/2, g.object/3
	id := uniqueID(i, n, start.Add(time.Duration(i*g.object+n)*time.Millisecond))
	key := filepath.Join(b.o.dir, "public.pem")
	for _, c := range []struct {
		filter string
		lines  int
	}{{"ci=" + needleIP, 3}, {"ID=" + id, 1}, {"ci=30.100.100.178", 0}} {
		u, err := b.best(ctx, b.loghaul, "audit", "find", "--archive", b.archive, "--public-key", key, "--explain", "--output", "json", c.filter)
		if err != nil {
			return err
		}
		var r struct {
			Requests    int64 `json:"requests"`
			BytesRead   int64 `json:"bytes_read"`
			ListedBytes int64 `json:"listed_bytes"`
			Scanned     int   `json:"scanned"`
		}
		if err := json.Unmarshal([]byte(u.err), &r); err != nil {
			return err
		}
		if got := strings.Count(u.out, "\n"); got != c.lines {
			return fmt.Errorf("%s: %d lines, want %d", c.filter, got, c.lines)
		}
		fmt.Printf("needle %-34s %d lines  wall %.2f s  CPU %.2f s  read %.2f MB = %.3f %%, %d requests, %d objects asked, %d MB\n", c.filter, c.lines,
			u.wall.Seconds(), u.cpu.Seconds(), float64(r.BytesRead)/1e6, 100*float64(r.BytesRead)/float64(r.ListedBytes), r.Requests, r.Scanned, u.rss/1000)
	}
	return nil
}

// rates measures what reads whole lines, over the first objects.
func (b *bench) rates(ctx context.Context) error {
	small := filepath.Join(b.o.dir, fmt.Sprintf("first-%d", b.o.baseline))
	if err := errors.Join(os.RemoveAll(small), link(strings.TrimPrefix(b.archive, "file://"), small, b.o.baseline)); err != nil {
		return err
	}
	raw := filepath.Join(b.o.dir, "lines.log")
	if _, err := run1(ctx, "sh", "-c", fmt.Sprintf("%s audit cat --archive file://%s > %s && zstd -q -3 -f %s -o %s.zst && gzip -c %s > %s.gz", b.loghaul, small, raw, raw, raw, raw, raw)); err != nil {
		return err
	}
	info, err := os.Stat(raw)
	if err != nil {
		return err
	}
	b.raw = info.Size()
	type command struct {
		name string
		args []string
	}
	find := func(args ...string) []string {
		return append([]string{b.loghaul, "audit", "find", "--archive", "file://" + small}, args...)
	}
	commands := []command{
		{"find --count ST=503", find("--count", "ST=503")},
		{"find --count HP~cart ST>=500", find("--count", "HP~cart", "ST>=500")},
		{"find --count HP~cart", find("--count", "HP~cart")},
		{"find ST=503 (lines)", find("ST=503")},
		{"find --grep cart --count", find("--grep", "cart", "--count")},
		{"zstdcat | grep -c ' 503 '", []string{"sh", "-c", "zstdcat " + raw + ".zst | grep -c ' 503 '"}},
		{"zgrep -c ' 503 '", []string{"sh", "-c", "zgrep -c ' 503 ' " + raw + ".gz"}},
		{"audit cat", []string{b.loghaul, "audit", "cat", "--archive", "file://" + small}},
		{"find (all lines, by time)", find()},
	}
	if b.o.only == "cat" {
		commands = commands[len(commands)-2:]
	}
	if b.o.duckdb != "" {
		query := func(q string) []string {
			return []string{b.o.duckdb, "-c", fmt.Sprintf("import duckdb; c=duckdb.connect(config={'threads':1}); print(c.sql(\"\"\"%s\"\"\"))",
				strings.ReplaceAll(q, "T", "read_parquet('"+small+"/dt=*/hour=*/*.parquet')"))}
		}
		commands = append(commands, command{"DuckDB count status=503", query("select count(*) from T where status=503")},
			command{"DuckDB count path like", query("select count(*) from T where http_path like '%cart%'")},
			command{"DuckDB alone", []string{b.o.duckdb, "-c", "import duckdb; print(duckdb.sql('select 1'))"}})
	}
	for _, c := range commands {
		u, err := b.best(ctx, c.args[0], c.args[1:]...)
		if err != nil {
			return err
		}
		fmt.Printf("%-32s CPU %6.2f s  %7.0f MB/s of lines a core  wall %.2f s  %d MB  %s\n", c.name, u.cpu.Seconds(), float64(b.raw)/1e6/u.cpu.Seconds(),
			u.wall.Seconds(), u.rss/1000, firstLine(u.out))
	}
	return os.Remove(raw)
}

func firstLine(s string) string {
	if len(s) > 60 {
		return fmt.Sprintf("%d lines", strings.Count(s, "\n"))
	}
	return strings.TrimSpace(s)
}

// link makes an archive of the first n objects of another one.
func link(from, to string, n int) error {
	var paths []string
	err := filepath.WalkDir(from, func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".parquet") {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	slices.Sort(paths)
	for _, p := range paths[:min(n, len(paths))] {
		rel, err := filepath.Rel(from, p)
		if err != nil {
			return err
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(to, rel)), 0o750), os.Link(p, filepath.Join(to, rel))); err != nil {
			return err
		}
	}
	return nil
}
