package spool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/loghaul/loghaul/forwarder/ledger"
	"github.com/loghaul/loghaul/forwarder/source"
	"github.com/loghaul/loghaul/internal/durable"
	"github.com/loghaul/loghaul/internal/wire"
)

const records, recordSize = 40, 400

func line(i int) string {
	return fmt.Sprintf("record %02d %s\n", i, strings.Repeat("x", recordSize-11))
}

// site is a folder with a spool on the real file system.
type site struct {
	t    *testing.T
	cfg  Config
	out  bytes.Buffer
	acct *ledger.Account
	boot byte
}

func newSite(t *testing.T) *site {
	t.Helper()
	return &site{t: t, boot: 1, cfg: Config{
		Dir: t.TempDir(), Node: "n", Path: "udp://:514", Bytes: 1 << 20, Segment: 4096,
		SyncEvery: time.Minute, Batch: 4096, Linger: time.Second,
	}}
}

func (s *site) try(pos int64, id string) (*Spool, error) {
	s.acct = ledger.New().Account(s.cfg.Path)
	s.out.Reset()
	return open(host{fs: durable.OS{}, now: time.Now, boot: [16]byte{s.boot}}, s.cfg, pos, id, s.acct, slog.New(slog.NewTextHandler(&s.out, nil)))
}

func (s *site) open(pos int64, id string) *Spool {
	s.t.Helper()
	sp, err := s.try(pos, id)
	if err != nil {
		s.t.Fatal(err)
	}
	return sp
}

// fill appends the records and gives the spool's id. The process dies then.
func (s *site) fill() string {
	s.t.Helper()
	sp := s.open(-1, "")
	for i := range records {
		if err := sp.Append([]byte(line(i)), 1); err != nil {
			s.t.Fatal(err)
		}
	}
	s.must(sp.sync())
	s.must(sp.file.Close())
	return sp.src.ID
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) segment(i int) string {
	return filepath.Join(s.cfg.Dir, fmt.Sprintf("%08d.seg", i))
}

// edit changes a file.
func (s *site) edit(path string, fn func([]byte) []byte) {
	s.t.Helper()
	b, err := os.ReadFile(path)
	s.must(err)
	s.must(os.WriteFile(path, fn(b), 0o600))
}

// drain reads and confirms everything and gives the bytes and the losses.
func drain(t *testing.T, sp *Spool) (raw []byte, losses []source.Run) {
	t.Helper()
	for off := sp.read.Load(); ; {
		k := &sink{room: 1 << 20}
		run, err := sp.Read(make([]byte, 8192), 1<<20, k)
		if err != nil {
			t.Fatal(err)
		}
		if run.Empty() {
			sp.Confirm(off)
			if err := sp.clean(); err != nil {
				t.Fatal(err)
			}
			return raw, losses
		}
		if run.From != off {
			t.Fatalf("read %+v behind %d", run, off)
		}
		if off = run.To; run.Lost != "" {
			losses = append(losses, run)
		}
		raw = append(raw, k.raw...)
	}
}

func all(but ...int) string {
	var b strings.Builder
	for i := range records {
		skip := false
		for _, n := range but {
			skip = skip || n == i
		}
		if !skip {
			b.WriteString(line(i))
		}
	}
	return b.String()
}

// at is where the n-th record of a segment begins in its file.
func at(n int) int { return headerSize + n*(headSize+recordSize) }

// TestCorruptions holds the named corruptions of docs/formats/spool.md. Each
// segment has 9 records, the last one 4.
func TestCorruptions(t *testing.T) {
	flip := func(i int) func([]byte) []byte {
		return func(b []byte) []byte {
			b[i] ^= 0x10
			return b
		}
	}
	damaged := func(from, to int64, lines int64) source.Run {
		return source.Run{From: from, To: to, Lost: wire.SpoolDamaged, LostLines: lines}
	}
	end := int64(records * recordSize)
	last := (records + 8) / 9
	var id string
	for _, test := range []struct {
		name   string
		damage func(*site)
		want   string
		losses []source.Run
		said   string
		pos    int64 // confirmed, if not 0
		fresh  bool  // a new source is begun
	}{
		{name: "none", damage: func(*site) {}, want: all()},
		{
			name: "machine went down", damage: func(s *site) { s.boot++ }, want: all(),
			losses: []source.Run{damaged(end, end+1, 0)}, said: "in its last 1m0s may be missing",
		},
		{
			name: "bit in a payload", damage: func(s *site) { s.edit(s.segment(2), flip(at(3)+headSize+7)) }, want: all(12),
			losses: []source.Run{damaged(12*recordSize, 13*recordSize, 1)}, said: "a record is damaged",
		},
		{
			name: "bit in a head", damage: func(s *site) { s.edit(s.segment(2), flip(at(3)+17)) }, want: all(12),
			losses: []source.Run{damaged(12*recordSize, 13*recordSize, 0)}, said: "a segment is damaged",
		},
		{
			name: "bit in the head of a segment's last record", damage: func(s *site) { s.edit(s.segment(2), flip(at(8)+17)) }, want: all(17),
			losses: []source.Run{damaged(17*recordSize, 18*recordSize, 0)}, said: "a segment is damaged",
		},
		{name: "bit in a header", damage: func(s *site) { s.edit(s.segment(2), flip(30)) }, want: all(), said: "header of a segment is damaged"},
		{name: "bits in all headers", damage: func(s *site) {
			for i := range last {
				s.edit(s.segment(i+1), flip(30))
			}
		}, want: all(), said: "header of a segment is damaged", pos: recordSize, losses: []source.Run{damaged(end, end+1, 0)}},
		{name: "zeros in the middle", damage: func(s *site) {
			s.edit(s.segment(2), func(b []byte) []byte { clear(b[at(2)+5 : at(4)-5]); return b })
		}, want: all(11, 12), losses: []source.Run{damaged(11*recordSize, 13*recordSize, 0)}, said: "a segment is damaged"},
		{name: "a record twice", damage: func(s *site) {
			s.edit(s.segment(2), func(b []byte) []byte { return append(b[:at(4):at(4)], b[at(3):]...) })
		}, want: all()},
		{name: "last record cut in its payload", damage: func(s *site) {
			s.edit(s.segment(last), func(b []byte) []byte { return b[:len(b)-9] })
		}, want: all(records - 1), losses: []source.Run{damaged(end-recordSize, end, 1)}, said: "a record is damaged"},
		{name: "last record cut in its head", damage: func(s *site) {
			s.edit(s.segment(last), func(b []byte) []byte { return b[:at(3)+20] })
		}, want: all(records - 1), losses: []source.Run{damaged(end-recordSize, end-recordSize+20, 0)}, said: "torn off"},
		{name: "zeros behind the end", damage: func(s *site) {
			s.edit(s.segment(last), func(b []byte) []byte { return append(b, make([]byte, 777)...) })
		}, want: all(), losses: []source.Run{damaged(end, end+777, 0)}, said: "torn off"},
		{name: "rubbish behind the end", damage: func(s *site) {
			s.edit(s.segment(last), func(b []byte) []byte { return append(b, "\xfbLH\xf2rubbish"...) })
		}, want: all(), losses: []source.Run{damaged(end, end+11, 0)}, said: "torn off"},
		{name: "segment without a byte", damage: func(s *site) { s.edit(s.segment(last+1), func([]byte) []byte { return nil }) }, want: all()},
		{name: "segment cut in its header", damage: func(s *site) { s.edit(s.segment(last+1), func([]byte) []byte { return []byte(magic) }) }, want: all()},
		{
			name: "segment missing", damage: func(s *site) { s.must(os.Remove(s.segment(2))) }, want: all(9, 10, 11, 12, 13, 14, 15, 16, 17),
			losses: []source.Run{damaged(9*recordSize, 18*recordSize, 0)}, said: "a segment is damaged",
		},
		{
			name: "segment of zeros", damage: func(s *site) { s.edit(s.segment(2), func(b []byte) []byte { clear(b); return b }) },
			want: all(9, 10, 11, 12, 13, 14, 15, 16, 17), losses: []source.Run{damaged(9*recordSize, 18*recordSize, 0)}, said: "kept aside",
		},
		{name: "segment of another spool", damage: func(s *site) {
			other := newSite(s.t)
			other.fill()
			b, err := os.ReadFile(other.segment(1))
			s.must(err)
			s.must(os.WriteFile(s.segment(1), b, 0o600))
		}, want: strings.TrimPrefix(all(), all()[:9*recordSize]), said: "kept aside"},
		{name: "old copy of the folder", damage: func(s *site) {
			for i := 3; i <= last; i++ {
				s.must(os.Remove(s.segment(i)))
			}
		}, pos: 19 * recordSize, fresh: true, losses: []source.Run{damaged(0, 1, 0)}, said: "a new source is begun"},
		{name: "folder emptied", damage: func(s *site) {
			for i := range last {
				s.must(os.Remove(s.segment(i + 1)))
			}
		}, pos: 1, fresh: true, losses: []source.Run{damaged(0, 1, 0)}, said: "a new source is begun"},
		{name: "void segment", damage: func(s *site) {
			// What a failed fsync left: a later segment begins before it.
			h := header{id: id, base: 20 * recordSize}
			s.must(os.WriteFile(s.segment(last+1), h.encode(), 0o600))
		}, want: all()[:20*recordSize]},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSite(t)
			id = s.fill()
			s.must(os.WriteFile(s.segment(last+1), nil, 0o600)) // harmless by itself
			test.damage(s)
			pos, known := int64(-1), ""
			if test.pos > 0 {
				pos, known = test.pos, id
			}
			sp := s.open(pos, known)
			if fresh := sp.src.ID != id; fresh != test.fresh {
				t.Fatalf("the source was %s and is %s\n%s", id, sp.src.ID, s.out.String())
			}
			raw, losses := drain(t, sp)
			want := test.want
			if test.pos > 0 && !test.fresh {
				want = want[test.pos:]
			}
			if string(raw) != want {
				t.Errorf("read %d bytes, want %d\n%.1000q", len(raw), len(want), raw)
			}
			if fmt.Sprint(losses) != fmt.Sprint(test.losses) {
				t.Errorf("lost %+v, want %+v", losses, test.losses)
			}
			var lost int64
			for _, l := range losses {
				lost += l.To - l.From
			}
			if n := s.acct.Lost(wire.SpoolDamaged).Bytes.Load(); n != lost {
				t.Errorf("the ledger has %d bytes lost, %d were declared", n, lost)
			}
			if test.said == "" && strings.Contains(s.out.String(), "level=ERROR") || !strings.Contains(s.out.String(), test.said) {
				t.Errorf("it says %s", s.out.String())
			}
			// It goes on, and the next Open finds nothing wrong with what it wrote.
			s.must(sp.Append([]byte("more\n"), 1))
			s.must(sp.sync())
			if raw, losses := drain(t, sp); string(raw) != "more\n" || losses != nil {
				t.Errorf("then it reads %q, %+v", raw, losses)
			}
			s.must(sp.Close())
			id, end := sp.src.ID, sp.end
			sp = s.open(end-5, id)
			if raw, losses := drain(t, sp); string(raw) != "more\n" || losses != nil || strings.Contains(s.out.String(), "level=ERROR") {
				t.Errorf("after that it reads %q, %+v, and says %s", raw, losses, s.out.String())
			}
			s.must(sp.Close())
		})
	}
}

// TestNewerVersion: nothing is touched.
func TestNewerVersion(t *testing.T) {
	s := newSite(t)
	s.fill()
	s.edit(s.segment(3), func(b []byte) []byte {
		binary.LittleEndian.PutUint32(b[8:], 2)
		binary.LittleEndian.PutUint32(b[60:], crc32.ChecksumIEEE(b[:60]))
		return b
	})
	_, err := s.try(-1, "")
	if !errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), "mv "+s.cfg.Dir) {
		t.Errorf("got %v, want ErrVersion and what to do", err)
	}
	if names, err := os.ReadDir(s.cfg.Dir); err != nil || len(names) != (records+8)/9 {
		t.Errorf("%v, %v", names, err)
	}
}

// TestLineThatLooksLikeARecord: what a client sends must not come out as another
// record, not even where the real one is damaged.
func TestLineThatLooksLikeARecord(t *testing.T) {
	s := newSite(t)
	sp := s.open(-1, "")
	forged := make([]byte, headSize)
	h := head{kind: kindData, size: 7, off: 500, lines: 1, payload: crc32.ChecksumIEEE([]byte("forged\n"))}
	h.encode(forged, seed("0123456789abcdef01234567")) // the client does not know the id
	evil := append(append([]byte("begin "), forged...), "forged\n"...)
	s.must(sp.Append(evil, 1))
	s.must(sp.Append([]byte("good\n"), 1))
	s.must(sp.sync())
	s.must(sp.file.Close())
	s.edit(s.segment(1), func(b []byte) []byte { b[headerSize+17] ^= 1; return b })
	raw, losses := drain(t, s.open(-1, ""))
	if string(raw) != "good\n" || len(losses) != 1 || losses[0].To != int64(len(evil)) {
		t.Errorf("read %q, lost %+v", raw, losses)
	}
}

// TestPositionsOfAnotherSpool: everything is sent.
func TestPositionsOfAnotherSpool(t *testing.T) {
	s := newSite(t)
	id := s.fill()
	sp := s.open(1<<40, "0123456789abcdef01234567")
	raw, losses := drain(t, sp)
	if string(raw) != all() || losses != nil || sp.src.ID != id || !strings.Contains(s.out.String(), "level=WARN") {
		t.Errorf("read %d bytes, lost %+v\n%s", len(raw), losses, s.out.String())
	}
}
