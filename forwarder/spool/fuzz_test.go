package spool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/loghaul/loghaul/forwarder/ledger"
	"github.com/loghaul/loghaul/internal/durable/faulty"
	"github.com/loghaul/loghaul/internal/wire"
)

const fuzzID = "0123456789abcdef01234567"

// resealed gives every header and head in b the checksum that it should have:
// otherwise hardly any change of them would get past it.
func resealed(b []byte) []byte {
	b = bytes.Clone(b)
	if len(b) >= headerSize && bytes.HasPrefix(b, []byte(magic)) {
		binary.LittleEndian.PutUint32(b[60:], crc32.ChecksumIEEE(b[:60]))
	}
	for i := 0; i+headSize <= len(b); i++ {
		if !bytes.HasPrefix(b[i:], recordMagic[:]) {
			continue
		}
		h := b[i : i+headSize]
		if size := int(binary.LittleEndian.Uint32(h[12:])); i+headSize+size <= len(b) {
			binary.LittleEndian.PutUint32(h[28:], crc32.ChecksumIEEE(b[i+headSize:i+headSize+size]))
		}
		binary.LittleEndian.PutUint32(h[4:], crc32.Update(seed(fuzzID), crc32.IEEETable, h[8:]))
	}
	return b
}

// FuzzOpen: whatever lies in the folder, opening and reading it ends, with every
// offset read or declared lost once, and goes on after that.
func FuzzOpen(f *testing.F) {
	h := header{id: fuzzID, every: time.Second, boot: [16]byte{1}}
	maker := Spool{seed: seed(fuzzID)}
	var b []byte
	off := int64(0)
	for i := range 5 {
		if i == 3 {
			b = maker.record(b, off, &loss{reason: wire.SpoolFull, lines: 3, bytes: 5})
			off += 5
			continue
		}
		p := []byte(line(i)[:50+i] + "\n")
		hd := head{kind: kindData, size: int64(len(p)), off: off, lines: 1, payload: crc32.ChecksumIEEE(p)}
		n := len(b)
		b = append(b, make([]byte, headSize)...)
		hd.encode(b[n:], maker.seed)
		b = append(b, p...)
		off += hd.size
	}
	f.Add(append(h.encode(), b...), b[:70], int64(-1), false)
	f.Add(append(h.encode(), b[:len(b)-3]...), []byte{}, int64(30), true)
	h.base = off
	f.Add(append(h.encode(), b...), h.encode(), int64(7), true)
	f.Add([]byte(magic), b, int64(0), false)
	f.Fuzz(func(t *testing.T, first, second []byte, pos int64, reseal bool) {
		if reseal {
			first, second = resealed(first), resealed(second)
		}
		disk := faulty.New(1)
		for name, content := range map[string][]byte{"00000001.seg": first, "00000002.seg": second} {
			file, err := disk.OpenFile(filepath.Join("/s", name), os.O_CREATE, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := file.WriteAt(content, 0); err != nil {
				t.Fatal(err)
			}
		}
		cfg := Config{Dir: "/s", Node: "n", Path: "p", Bytes: 1 << 20, Segment: 4096, SyncEvery: time.Hour, Batch: 4096}
		on := host{fs: disk, now: time.Now, boot: [16]byte{2}}
		s, err := open(on, cfg, pos, fuzzID, ledger.New().Account("p"), slog.New(slog.DiscardHandler))
		if err != nil {
			if !errors.Is(err, ErrVersion) {
				t.Fatal(err)
			}
			return
		}
		drain(t, s)
		if s.end > maxOffset/2 {
			return // no stream gets that far, at 10 GB/s, within a year
		}
		if err := s.Append([]byte("more\n"), 1); err != nil {
			t.Fatal(err)
		}
		if err := s.sync(); err != nil {
			t.Fatal(err)
		}
		if raw, losses := drain(t, s); string(raw) != "more\n" || losses != nil {
			t.Fatalf("then it reads %q, %+v", raw, losses)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
