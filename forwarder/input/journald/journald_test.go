package journald

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/loghaul/loghaul/forwarder/input/inputtest"
	"github.com/loghaul/loghaul/forwarder/ledger"
	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/wrapper"
)

// TestMessagesByteForByte puts nasty messages through a real journal, and reads
// the records as the archive does.
func TestMessagesByteForByte(t *testing.T) {
	j := newJournal(t)
	long := strings.Repeat("0123456789", 10_000)
	messages := []string{
		`127.0.0.1:1234 [26/Nov/2026:01:50:13.000] web app/s 0/0/0/1/1 200 100 - - ---- 1/1/0/0/0 0/0 "GET / HTTP/1.1"`,
		"a\tb", "\x00\x01nul\x00", "invalid \xff\xfe UTF-8", "<134>1 - looks like a header", " blanks ", "=MESSAGE=\n\nx", "two\nlines", "ends with LF\n", long, "last",
	}
	j.write(messages...)
	cfg := config(t, j.dir)
	w := follow(t, cfg, &inputtest.Spool{})
	var want []string
	for i, m := range messages {
		for line := range strings.SplitSeq(strings.TrimSuffix(m, "\n"), "\n") {
			for len(line) > cfg.MaxLine {
				want, line = append(want, head(i+1)+line[:cfg.MaxLine]), line[cfg.MaxLine:]
			}
			want = append(want, head(i+1)+line)
		}
	}
	got := w.records(len(want))
	w.stop()
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	f, err := parser.Compile("httplog")
	if err != nil {
		t.Fatal(err)
	}
	p := wrapper.NewParser(parser.NewSet(f), wrapper.Auto, nil)
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("record %d is\n%.200q, want\n%.200q", i, got[i], want[i])
		}
		var r parser.Record
		var h wrapper.Header
		message, _ := p.Parse([]byte(got[i]), &r, &h)
		if h.Kind != wrapper.RFC5424 || string(h.Host) != "lb1" || string(h.Tag) != "haproxy" || string(h.PID) != "42" || h.Facility != 16 || h.Severity != 5 ||
			h.Time.Seconds != 1_795_657_813 || !strings.HasSuffix(want[i], string(message)) || len(want[i])-len(message) != len(head(1)) {
			t.Errorf("%.200q is read as %+v, message %.100q", got[i], h, message)
		}
	}
	if st := w.j.Stats(); st.Cut.Load() != 1 || st.Records.Load() != int64(len(want)) {
		t.Errorf("%d cut, %d records", st.Cut.Load(), st.Records.Load())
	}
}

// TestAMessageOfManyLines does not come to the spool in one piece.
func TestAMessageOfManyLines(t *testing.T) {
	const n = 50_000
	j := newJournal(t)
	j.write(strings.Repeat("\n", n), "last")
	w := follow(t, config(t, j.dir), &inputtest.Spool{Most: 1 << 20})
	got := w.records(n + 1)
	if len(got) != n+1 || got[n-1] != head(1) || got[n] != head(2)+"last" {
		t.Errorf("%d records, want %d; the last is %q", len(got), n+1, got[len(got)-1])
	}
}

// TestARestartNeitherLosesNorDoubles stops and goes on several times, and
// follows what is written meanwhile.
func TestARestartNeitherLosesNorDoubles(t *testing.T) {
	j := newJournal(t)
	cfg := config(t, j.dir)
	spool := &inputtest.Spool{}
	total := 0
	for round := range 4 {
		j.write(lines(total+1, total+300)...) // while nobody follows
		w := follow(t, cfg, spool)
		w.records(total + 300)
		j.write(lines(total+301, total+350)...) // while somebody does
		total += 350
		w.numbers(w.records(total), 1, total)
		w.stop()
		if n, _ := spool.Records(); n != total {
			t.Fatalf("round %d: %d records, want %d", round, n, total)
		}
	}
	// Lost state: everything comes again.
	if err := os.Remove(cfg.Cursor); err != nil {
		t.Fatal(err)
	}
	w := follow(t, cfg, &inputtest.Spool{})
	w.numbers(w.records(total), 1, total)
}

// TestJournalctlIsKilled again and again while entries come.
func TestJournalctlIsKilled(t *testing.T) {
	j := newJournal(t)
	j.write(lines(1, 2000)...)
	w := follow(t, config(t, j.dir), &inputtest.Spool{})
	const rounds, each = 8, 500
	kills := 0
	for i := range rounds {
		j.write(lines(2000+i*each+1, 2000+(i+1)*each)...)
		testenv.Eventually(t, limit, "journalctl runs", func() bool { return w.j.child.Load() != 0 && w.j.stats.Restarts.Load() == int64(kills) })
		if syscall.Kill(int(w.j.child.Load()), syscall.SIGKILL) == nil {
			kills++
		}
		testenv.Eventually(t, limit, "it is started again", func() bool { return w.j.stats.Restarts.Load() == int64(kills) })
	}
	w.numbers(w.records(2000+rounds*each), 1, 2000+rounds*each)
	if kills != rounds || w.log.Count("no entries of the journal come") == 0 {
		t.Errorf("%d kills", kills)
	}
	testenv.Eventually(t, limit, "nothing is wrong any more", func() bool { return w.j.Problem() == nil })
}

// TestACrashDoublesOnlyWhatCameBehindTheStoredCursor goes on from an old file.
func TestACrashDoublesOnlyWhatCameBehindTheStoredCursor(t *testing.T) {
	j := newJournal(t)
	cfg := config(t, j.dir)
	j.write(lines(1, 100)...)
	w := follow(t, cfg, &inputtest.Spool{})
	w.records(100)
	testenv.Eventually(t, limit, "the cursor is stored", func() bool { b, err := os.ReadFile(cfg.Cursor); return err == nil && len(b) > 0 })
	w.stop()
	old, err := os.ReadFile(cfg.Cursor)
	if err != nil {
		t.Fatal(err)
	}
	j.write(lines(101, 130)...)
	w = follow(t, cfg, &inputtest.Spool{})
	w.records(30)
	w.stop()
	if err := os.WriteFile(cfg.Cursor, old, 0o600); err != nil {
		t.Fatal(err)
	}
	w = follow(t, cfg, &inputtest.Spool{})
	w.numbers(w.records(30), 101, 130)
}

// TestAnIdleJournalStoresTheCursor though no further entry comes.
func TestAnIdleJournalStoresTheCursor(t *testing.T) {
	j := newJournal(t)
	cfg := config(t, j.dir)
	w := follow(t, cfg, &inputtest.Spool{})
	testenv.Eventually(t, limit, "journalctl runs", func() bool { return w.j.child.Load() != 0 })
	j.write(lines(1, 1)...)
	w.records(1)
	j.write(lines(2, 2)...) // within the second after a write of the cursor
	w.records(2)
	w2 := func() string { b, _ := os.ReadFile(cfg.Cursor); return string(b) }
	testenv.Eventually(t, limit, "the second entry's cursor is stored", func() bool { return strings.Contains(w2(), ";i=2;") })
}

// TestAFullSpoolMakesJournalctlWait, and at the end nothing is declared lost.
func TestAFullSpoolMakesJournalctlWait(t *testing.T) {
	j := newJournal(t)
	cfg := config(t, j.dir)
	j.write(lines(1, 3000)...)
	small := &inputtest.Spool{Max: 100_000}
	w := follow(t, cfg, small)
	testenv.Eventually(t, limit, "the spool is full", func() bool { return w.j.Stats().Refusals.Load() > 0 })
	got := string(small.Take())
	testenv.Eventually(t, limit, "it is full again", func() bool {
		n, _ := small.Records()
		return n > strings.Count(got, "\n") && len(small.Data()) > 50_000
	})
	w.stop()
	got += string(small.Take())
	if lost := small.Lost(wire.SpoolFull); lost.Lines != 0 {
		t.Errorf("%+v", lost)
	}
	n := strings.Count(got, "\n")
	if n == 0 || n >= 3000 {
		t.Fatalf("%d records before the end", n)
	}
	w = follow(t, cfg, &inputtest.Spool{})
	all := append(strings.Split(strings.TrimSuffix(got, "\n"), "\n"), w.records(3000-n)...)
	w.numbers(all, 1, 3000)
}

// script makes a journalctl of the test's own.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "journalctl")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAJournalctlThatFails(t *testing.T) {
	for name, tc := range map[string]struct{ script, says string }{
		"it ends with an error":  {"echo Failed to seek to cursor: Invalid argument >&2; exit 1", "exit status 1: Failed to seek to cursor: Invalid argument"},
		"it ends":                {"exit 0", "EOF"},
		"it prints garbage":      {"echo Hint: you are not in the group; sleep 60", "not in the journal's export format"},
		"an entry is cut short":  {`printf '__CURSOR=s=1;i=1\nMESSAGE=half'`, "unexpected EOF"},
		"an entry has no cursor": {`printf 'MESSAGE=x\n\n'; sleep 60`, "an entry without a cursor"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(t, "")
			cfg.Journalctl = script(t, tc.script)
			w := follow(t, cfg, &inputtest.Spool{})
			testenv.Eventually(t, limit, "it is tried again", func() bool { return w.j.Stats().Restarts.Load() >= 2 })
			if err := w.j.Problem(); err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%v, want %q", err, tc.says)
			}
			w.stop()
			if n, _ := w.spool.Records(); n != 0 || w.log.Count("no entries of the journal come") != 1 {
				t.Errorf("%d records, said %d times", n, w.log.Count("no entries of the journal come"))
			}
		})
	}
}

// TestArguments has journalctl print how it was called.
func TestArguments(t *testing.T) {
	out := filepath.Join(t.TempDir(), "args")
	cfg := config(t, "/var/log/journal")
	cfg.Journalctl, cfg.Since = script(t, `printf '%s\n' "$@" >`+out+`; printf '__CURSOR=s=1;i=1\n\n'; sleep 60`), "-1h"
	cfg.Matches = []string{"_SYSTEMD_UNIT=haproxy.service", "+", "SYSLOG_IDENTIFIER=haproxy"}
	called := func(want string) {
		t.Helper()
		w := follow(t, cfg, &inputtest.Spool{})
		testenv.Eventually(t, limit, want, func() bool { b, _ := os.ReadFile(out); return strings.HasSuffix(string(b), want) })
		testenv.Eventually(t, limit, "an entry without a message", func() bool { return w.j.Stats().Empty.Load() == 1 })
		w.stop()
	}
	called("--directory=/var/log/journal\n--since=-1h\n_SYSTEMD_UNIT=haproxy.service\n+\nSYSLOG_IDENTIFIER=haproxy\n")
	called("--directory=/var/log/journal\n--after-cursor=s=1;i=1\n_SYSTEMD_UNIT=haproxy.service\n+\nSYSLOG_IDENTIFIER=haproxy\n")
}

// syncing is a spool that must be synced before a cursor is stored.
type syncing struct {
	inputtest.Spool
	err error
}

func (s *syncing) Sync() error { return s.err }

func TestNoCursorBeforeTheSpoolIsSynced(t *testing.T) {
	spool := &syncing{err: errors.New("the disk fails")}
	path := filepath.Join(t.TempDir(), "cursor")
	c, err := openCursor(path, spool)
	if err != nil {
		t.Fatal(err)
	}
	c.moved("s=1;i=1")
	if err := c.save(); !errors.Is(err, spool.err) {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Fatal("the cursor is stored")
	}
	spool.err = nil
	if err := c.save(); err != nil {
		t.Fatal(err)
	}
	if c, err = openCursor(path, spool); err != nil || c.at != "s=1;i=1" {
		t.Fatalf("%q %v", c.at, err)
	}
}

func TestConfigurations(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"is not FIELD=VALUE":        func(c *Config) { c.Matches = []string{"--file=/x"} },
		"is not absolute":           func(c *Config) { c.Directory = "journal" },
		"a longest line of 0":       func(c *Config) { c.MaxLine = 0 },
		"is not an absolute path":   func(c *Config) { c.Cursor = "cursor" },
		"install it beside the for": func(c *Config) { c.Journalctl = "no-such-journalctl" },
	} {
		cfg := config(t, "")
		change(&cfg)
		deps := Deps{Spool: &inputtest.Spool{}, Account: ledger.New().Account(Name), Logger: slog.New(slog.DiscardHandler)}
		if _, err := New(cfg, deps); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestDamagedCursor is the table of docs/formats/journal-cursor.md.
func TestDamagedCursor(t *testing.T) {
	good := string(encodeCursor("s=93fac073;i=1;b=01;m=64;t=661;x=37"))
	if at, err := decodeCursor([]byte(good)); err != nil || at != "s=93fac073;i=1;b=01;m=64;t=661;x=37" {
		t.Fatal(at, err)
	}
	path := filepath.Join(t.TempDir(), "cursor")
	for name, b := range map[string]string{
		"empty": "", "zeros": strings.Repeat("\x00", len(good)), "cut": good[:len(good)-3], "cut by its LF": good[:len(good)-1], "longer": good + "x\n",
		"a flipped bit": strings.Replace(good, "i=1", "i=0", 1), "another version": strings.Replace(good, "cursor 1", "cursor 2", 1),
		"not a cursor": string(encodeCursor("-x y")), "no cursor": string(encodeCursor("")), "large": good + strings.Repeat("x", maxCursorFile),
	} {
		if err := os.WriteFile(path, []byte(b), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := openCursor(path, &inputtest.Spool{}); !errors.Is(err, errCursor) || !strings.Contains(err.Error(), "move it aside") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := openCursor(filepath.Dir(path), &inputtest.Spool{}); !errors.Is(err, errCursor) {
		t.Errorf("a folder: %v", err)
	}
}

func FuzzCursor(f *testing.F) {
	f.Add(encodeCursor("s=1;i=1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if at, err := decodeCursor(b); err == nil && (string(encodeCursor(at)) != string(b) || !isCursor(at)) {
			t.Errorf("%q from %q", at, b)
		}
	})
}

// FuzzExport reads anything and makes records of what it finds.
func FuzzExport(f *testing.F) {
	f.Add("__CURSOR=s=1\nMESSAGE=x\n\n__CURSOR=s=2\nMESSAGE\n\x03\x00\x00\x00\x00\x00\x00\x00a\nb\n\n")
	f.Add("__CURSOR=s=1\n_HOSTNAME=a b\nPRIORITY=9\n__REALTIME_TIMESTAMP=-1\nMESSAGE=\xff\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		r := newExportReader(strings.NewReader(text))
		var e entry
		for {
			err := r.next(&e)
			if err != nil {
				if !errors.Is(err, errExport) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Fatal(err)
				}
				return
			}
			var out []byte
			if _, err := e.records(512, func(head, line []byte) error {
				out = append(append(append(out, head...), line...), '\n')
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(out)) {
				if !strings.HasPrefix(line, "<") || !strings.HasSuffix(line, "\n") || strings.Count(line, " ") < 7 {
					t.Fatalf("%q of %q", line, text)
				}
			}
			if len(out) == 0 {
				t.Fatalf("nothing of %q", text)
			}
		}
	})
}
