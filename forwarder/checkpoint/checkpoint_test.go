package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func example() State {
	return State{
		Patterns: map[string]int64{"/var/log/haproxy*.log": 1795417200000000000, "/odd/100%\xff": 1},
		Entries: []Entry{
			{
				ID: "0123456789abcdef01234567", Path: "/var/log/haproxy.log", Name: "/var/log/haproxy.log.1",
				Dev: 1 << 40, Ino: 1<<63 + 5, AtDev: 1, AtIno: 2, Head: "00112233445566778899aabbccddeeff", HeadLen: 200,
				Gen: 3, Born: 5, Pos: 1 << 40, Guard: 0xffffffff, GuardLen: 256, Size: 1<<40 + 7, Mtime: 9, Seen: 10, Done: true,
				Target: "/pods/\xff/0.log", GuardAt: 1<<40 - 1, Final: true, Lost: "gone", LostFrom: 1 << 40, LostTo: 1<<40 + 7,
				Joined: 3, JointAt: 4, JointLen: 5, JointDev: 6, JointIno: 7, JointSum: 8,
			},
			{Path: "/var/log/with \xff\xfe%41\n", Dev: 1, Ino: 7},
		},
		Streams: []Stream{
			{ID: "89abcdef0123456789abcdef", Path: "udp://127.0.0.1:514", Pos: 1 << 50},
			{ID: "0123456789abcdef89abcdef", Path: "journald:", Mark: "s=1;i=2%\xff"},
		},
	}
}

func TestRoundTrip(t *testing.T) {
	for _, want := range []State{example(), {Patterns: map[string]int64{}}} {
		b, err := Encode(&want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
	}
}

// TestDamage holds the named corruptions of docs/formats/checkpoint.md.
func TestDamage(t *testing.T) {
	st := example()
	good, err := Encode(&st)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		data []byte
		want error
	}{
		{"empty", nil, ErrDamaged},
		{"zeros", make([]byte, 4096), ErrDamaged},
		{"cut in an entry", good[:len(good)/2], ErrDamaged},
		{"cut before the end line", good[:bytes.LastIndex(good, []byte("end "))], ErrDamaged},
		{"cut by one byte", good[:len(good)-1], ErrDamaged},
		{"bytes behind the end", append(bytes.Clone(good), "x\n"...), ErrDamaged},
		{"an entry removed", without(good, 1), ErrDamaged},
		{"an entry twice", bytes.Replace(good, line(good, 1), append(bytes.Clone(line(good, 1)), line(good, 1)...), 1), ErrDamaged},
		{"another file", []byte("node: web-1\n"), ErrDamaged},
		{"a newer version whose header is another", []byte(`{"format":"loghaul-forwarder-state","version":7,"patterns":[]}` + "\n\x00"), ErrVersion},
		{"a stream twice", sealed(bytes.Replace(good, []byte("0123456789abcdef89abcdef"), []byte("89abcdef0123456789abcdef"), 1)), ErrDamaged},
		{"a stream's position below 0", sealed(bytes.Replace(good, []byte(`"pos":0,"mark"`), []byte(`"pos":-1,"mark"`), 1)), ErrDamaged},
		{"a newer version", bytes.Replace(good, []byte(`"version":1`), []byte(`"version":2`), 1), ErrVersion},
	} {
		if _, err := Decode(test.data); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x10
		if got, err := Decode(bad); err == nil {
			t.Errorf("a flipped bit in byte %d (%q) goes unnoticed:\n%v", i, good[i], got)
		}
	}
}

// sealed gives a file its end line anew.
func sealed(b []byte) []byte {
	cut := bytes.LastIndex(b, []byte("end "))
	return fmt.Appendf(bytes.Clone(b[:cut]), "end 2 %08x\n", crc32.ChecksumIEEE(b[:cut]))
}

func line(b []byte, n int) []byte { return bytes.SplitAfter(b, []byte{'\n'})[n] }

func without(b []byte, n int) []byte { return bytes.Replace(bytes.Clone(b), line(b, n), nil, 1) }

func FuzzDecode(f *testing.F) {
	st := example()
	good, err := Encode(&st)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("end 0 00000000\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		st, err := Decode(b)
		if err != nil {
			return
		}
		again, err := Encode(&st)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := Decode(again); err != nil || !cmp.Equal(st, back) {
			t.Errorf("does not come back: %v", err)
		}
	})
}
