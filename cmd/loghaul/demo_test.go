package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestAppendDated(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 7e6, time.UTC)
	for in, want := range map[string]string{
		"1.2.3.4:5 [22/Nov/2026:16:10:39.048] f b/s 0/0 {a]b}\n": "1.2.3.4:5 [01/Mar/2026:12:00:00.007] f b/s 0/0 {a]b}\n",
		"no date\n": "no date\n",
	} {
		if got := string(appendDated(nil, []byte(in), now)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestDemoWritesWholeLinesAndGoesOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "demo", "haproxy.log")
	before := int64(0)
	for range 2 {
		d, err := newDemo(path)
		if err != nil {
			t.Fatal(err)
		}
		d.rate = 50_000 // several rounds through the embedded lines
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		if err := d.Run(ctx); err != nil {
			t.Error(err)
		}
		cancel()
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if int64(len(b)) <= before || b[len(b)-1] != '\n' {
			t.Errorf("%d bytes after %d, ending in %q", len(b), before, b[len(b)-1])
		}
		if before > 0 {
			continue
		}
		before = int64(len(b))
		if n := bytes.Count(b, []byte("\n")); n < 1500 {
			t.Errorf("%d lines", n)
		}
	}
}

func TestDemoRotates(t *testing.T) {
	d, err := newDemo(filepath.Join(t.TempDir(), "haproxy.log"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.path, make([]byte, demoLimit), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 250*time.Millisecond)
	defer cancel()
	if err := d.Run(ctx); err != nil {
		t.Fatal(err)
	}
	old, err := os.Stat(d.path + ".1")
	if err != nil || old.Size() < demoLimit {
		t.Fatalf("%v, %v", old, err)
	}
	if info, err := os.Stat(d.path); err != nil || info.Size() == 0 || info.Size() > 1<<20 {
		t.Errorf("%v, %v", info, err)
	}
}
