package wire_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/internal/wire"
)

// FuzzDecodeHeader: any set of headers is refused with ErrMalformed, or is a
// header that encodes to something that decodes to the same.
func FuzzDecodeHeader(f *testing.F) {
	h := header(text, wire.S2)
	f.Add(lines(h.Encode()))
	f.Add("Lh-V: 1\nLh-From: -1")
	h.Labels, _ = wire.NewLabels(nastyLabels())
	h.Rest = true
	f.Add(lines(h.Encode()))
	lost := lostHeader()
	f.Add(lines(lost.Encode()))
	f.Fuzz(func(t *testing.T, s string) {
		m := map[string][]string{}
		for l := range strings.SplitSeq(s, "\n") {
			name, value, _ := strings.Cut(l, ": ")
			m[name] = append(m[name], value)
		}
		h, err := wire.DecodeHeader(m)
		if err != nil {
			if !errors.Is(err, wire.ErrMalformed) {
				t.Fatalf("not ErrMalformed: %v", err)
			}
			return
		}
		again, err := wire.DecodeHeader(h.Encode())
		if err != nil {
			t.Fatalf("what was decoded does not decode again: %v", err)
		}
		if d := cmp.Diff(h, again); d != "" {
			t.Fatal(d)
		}
	})
}

func lines(m map[string][]string) string {
	var l []string
	for name, v := range m {
		l = append(l, name+": "+v[0])
	}
	return strings.Join(l, "\n")
}

// FuzzDecode: any payload under any header is refused with ErrMalformed, or
// gives exactly what the header declares, without more memory than that.
func FuzzDecode(f *testing.F) {
	for e := range 3 {
		e := wire.Encoding(e) //nolint:gosec // 0 to 2
		f.Add(encode(f, text, e), uint8(e), uint32(len(text)), uint16(4), wire.Checksum([]byte(text)), "")
	}
	f.Add([]byte{}, uint8(wire.Plain), uint32(100), uint16(4), uint32(0), "gone")
	d := decoder(f)
	f.Fuzz(func(t *testing.T, payload []byte, e uint8, size uint32, records uint16, crc uint32, lost string) {
		h := header(text, wire.Encoding(e%3))
		h.To, h.Records, h.CRC, h.Lost = h.From+int64(size%(4<<20)), int(records), crc, lost
		raw, err := d.Decode(nil, &h, payload)
		if err != nil {
			if !errors.Is(err, wire.ErrMalformed) {
				t.Fatalf("not ErrMalformed: %v", err)
			}
			return
		}
		if lost != "" && len(raw)+len(payload) == 0 {
			return
		}
		if int64(len(raw)) != h.To-h.From || wire.Checksum(raw) != h.CRC || wire.CountRecords(raw) != h.Records {
			t.Fatal("the bytes are not what the header declares")
		}
	})
}
