package spool

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/loghaul/loghaul/forwarder/ledger"
	"github.com/loghaul/loghaul/internal/durable/faulty"
	"github.com/loghaul/loghaul/internal/wire"
)

// sick is a spool on a disk that fails on request.
type sick struct {
	*Spool
	disk *faulty.FS
	now  time.Time
	out  bytes.Buffer
}

func newSick(t *testing.T, every time.Duration) *sick {
	t.Helper()
	s := &sick{disk: faulty.New(1), now: time.Unix(1_800_000_000, 0)}
	s.start(t, every)
	return s
}

// start opens the spool, again after a crash.
func (s *sick) start(t *testing.T, every time.Duration) {
	t.Helper()
	cfg := Config{Dir: "/s", Node: "n", Path: "p", Bytes: 1 << 20, Segment: 64 << 10, SyncEvery: every, Batch: 1 << 20, Linger: time.Second}
	on := host{fs: s.disk, now: func() time.Time { return s.now }, boot: [16]byte{1}}
	sp, err := open(on, cfg, -1, "", ledger.New().Account("p"), slog.New(slog.NewTextHandler(&s.out, nil)))
	if err != nil {
		t.Fatal(err)
	}
	s.Spool = sp
}

// TestRefusedLinesStayAway: lines whose Append failed because fsync did are not
// there when the process dies after that.
func TestRefusedLinesStayAway(t *testing.T) {
	s := newSick(t, 0)
	if err := s.Append([]byte("taken\n"), 1); err != nil {
		t.Fatal(err)
	}
	s.disk.Fail(faulty.Faults{Sync: 1})
	if err := s.Append([]byte("refused\n"), 1); !errors.Is(err, ErrFull) {
		t.Fatal(err)
	}
	s.disk.Fail(faulty.Faults{})
	s.disk.Restart(false)
	s.start(t, 0)
	if raw, losses := drain(t, s.Spool); string(raw) != "taken\n" || losses != nil {
		t.Errorf("read %q, lost %+v", raw, losses)
	}
}

// TestTheEndIsNotRemoved: a segment is confirmed and could go, but the one behind
// it, which alone would know the end of the stream then, is not durable yet.
func TestTheEndIsNotRemoved(t *testing.T) {
	s := newSick(t, time.Hour)
	big := []byte(strings.Repeat("x", 60<<10) + "\n")
	if err := s.Append(big, 1); err != nil {
		t.Fatal(err)
	}
	if err := s.sync(); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(big, 1); err != nil {
		t.Fatal(err)
	}
	drain(t, s.Spool) // confirms what is durable
	if len(s.segs) != 2 {
		t.Errorf("%d segments, want both", len(s.segs))
	}
	s.disk.Restart(true)
	s.start(t, time.Hour)
	if s.end < int64(len(big)) {
		t.Errorf("the stream ends at %d, where other bytes would get offsets that were used", s.end)
	}
	if err := s.sync(); err != nil {
		t.Fatal(err)
	}
	drain(t, s.Spool)
	if len(s.segs) != 1 {
		t.Errorf("%d segments, want the last one", len(s.segs))
	}
}

// TestDiskRecovers: while the disk is full, or fails to sync, Append refuses;
// it is said once, and once more when it is over; nothing that was taken is lost.
func TestDiskRecovers(t *testing.T) {
	for _, test := range []struct {
		name  string
		every time.Duration
		how   faulty.Faults
		said  string
	}{
		{"full", time.Millisecond, faulty.Faults{Space: 1000}, "make space"},
		{"full, synced at once", 0, faulty.Faults{Space: 1000}, "make space"},
		{"writes fail", time.Millisecond, faulty.Faults{Write: 1}, "writing"},
		{"fsync fails", time.Millisecond, faulty.Faults{Sync: 1}, "fsync"},
		{"fsync fails, synced at once", 0, faulty.Faults{Sync: 1}, "fsync"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSick(t, test.every)
			want, refused := "", 0
			add := func(text string) {
				text += strings.Repeat("x", 200) + "\n"
				switch err := s.Append([]byte(text), 1); {
				case err == nil:
					want += text
				case errors.Is(err, ErrFull):
					refused++
				default:
					t.Fatal(err)
				}
				s.now = s.now.Add(time.Second)
				s.tend(s.now)
			}
			add("before")
			s.disk.Fail(test.how)
			for range 10 {
				add("while")
			}
			s.disk.Fail(faulty.Faults{})
			s.now = s.now.Add(time.Second)
			s.tend(s.now)
			add("after")
			raw, losses := drain(t, s.Spool)
			if string(raw) != want || !strings.Contains(want, "after") || losses != nil {
				t.Errorf("read %.300q, lost %+v", raw, losses)
			}
			if refused < 5 {
				t.Errorf("refused %d times", refused)
			}
			if n := strings.Count(s.out.String(), "level=ERROR"); n != 1 || !strings.Contains(s.out.String(), test.said) ||
				strings.Count(s.out.String(), "stored again") != 1 {
				t.Errorf("it says %s", s.out.String())
			}
		})
	}
}

// TestUnreadable: a read that fails is tried again after a while; what can't be
// read for good is declared lost, and reading goes on.
func TestUnreadable(t *testing.T) {
	s := newSick(t, time.Millisecond)
	text := strings.Repeat("a line\n", 100)
	for range 3 {
		if err := s.Append([]byte(text), 100); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.sync(); err != nil {
		t.Fatal(err)
	}
	s.now = s.now.Add(time.Hour)
	fail := func() {
		t.Helper()
		s.now = s.now.Add(time.Second)
		if s.Next(s.now) == nil {
			t.Fatal("it is not due")
		}
		if run, err := s.Read(make([]byte, 300), 1000, &sink{room: 1 << 20}); !errors.Is(err, syscall.EIO) || !run.Empty() {
			t.Fatalf("%+v, %v", run, err)
		}
		if s.Next(s.now) != nil {
			t.Error("it is due at once")
		}
	}
	s.disk.Fail(faulty.Faults{Read: 1})
	fail()
	fail()
	s.disk.Fail(faulty.Faults{})
	k := &sink{room: 1 << 20}
	if run, err := s.Read(make([]byte, 300), int64(len(text)), k); err != nil || string(k.raw) != text || run.Lost != "" {
		t.Fatalf("%+v, %v", run, err)
	}
	s.disk.Fail(faulty.Faults{Read: 1})
	for range unreadable {
		fail()
	}
	run, err := s.Read(make([]byte, 300), 1000, k)
	if err != nil || run.Lost != wire.SpoolDamaged || run.To != s.end {
		t.Fatalf("%+v, %v", run, err)
	}
	s.disk.Fail(faulty.Faults{})
	if err := s.Append([]byte("more\n"), 1); err != nil {
		t.Fatal(err)
	}
	if err := s.sync(); err != nil {
		t.Fatal(err)
	}
	if raw, losses := drain(t, s.Spool); string(raw) != "more\n" || losses != nil {
		t.Errorf("then it reads %q, %+v", raw, losses)
	}
}
