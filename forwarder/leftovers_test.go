package forwarder

import (
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLeftoverSpoolThatCantBeOpened keeps no other input from its work, and
// nothing of it is touched.
func TestLeftoverSpoolThatCantBeOpened(t *testing.T) {
	s := newSite(t, nil)
	s.setup(64 << 20)
	socket := filepath.Join(s.dir, "s.sock")
	s.cfg.Inputs = append(s.cfg.Inputs, Input{Syslog: "unix-stream://" + socket})
	s.start()
	s.say("unix", socket, 10)
	s.awaitAcked(10)
	s.end()
	segments, err := filepath.Glob(filepath.Join(s.cfg.State, "spool", "*", "*"))
	if err != nil || len(segments) == 0 {
		t.Fatal(segments, err)
	}
	var newer []byte
	for _, path := range segments {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) > 12 && string(b[:8]) == "LHSPOOL\n" {
			b[8] = 99 // of a newer version, and with its checksum made to fit
			newer = sealed(b)
			if err := os.WriteFile(path, newer, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if newer == nil {
		t.Fatal("there is no segment")
	}
	s.cfg.Inputs = s.cfg.Inputs[:1]
	s.start()
	s.write(10)
	s.awaitAcked(10)
	if !strings.Contains(s.out.String(), "can't be opened; what it holds waits for the next start") {
		t.Error("it does not say so")
	}
	s.end()
	for _, path := range segments {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}

// sealed gives a segment's header the checksum of what stands in it.
func sealed(b []byte) []byte {
	binary.LittleEndian.PutUint32(b[60:], crc32.ChecksumIEEE(b[:60]))
	return b
}
