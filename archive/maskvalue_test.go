package archive

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"testing"
)

func TestTruncateAddress(t *testing.T) {
	for _, tc := range []struct {
		in         string
		ipv4, ipv6 int
		want       string
	}{
		{"10.1.2.3", 24, 48, "10.1.2.0"},
		{"10.1.2.37", 24, 48, "10.1.2.10"},
		{"10.1.2.237", 24, 48, "10.1.2.100"},
		{"210.111.22.237", 16, 48, "210.111.10.100"},
		{"210.111.22.7", 8, 48, "210.100.10.0"},
		{"2001:db8:1:2:3:4:5:6", 24, 48, "2001:db8:1:0:0:0:0:0"},
		{"2001:db8:abcd:ef01::1", 24, 48, "2001:db8:abcd:0000::0"},
		{"2001:db8:abcd:ef01::1", 24, 56, "2001:db8:abcd:ef00::0"},
		{"2001:db8:abcd:f01::1", 24, 56, "2001:db8:abcd:f00::0"},
		{"2001:db8::1", 24, 48, "2001:db8::0"},
		{"2001::1:2:3:4", 24, 48, "2001::0:0:0:0"},
		{"2001::1:2:3:4:5:6", 24, 48, "2001::1:0:0:0:0:0"},
		{"2001:db8:1::", 24, 32, "2001:db8:0::"},
		{"::1", 24, 48, "::0"},
		{"::", 24, 48, "::"},
		{"::ffff:10.1.2.37", 24, 48, "::ffff:10.1.2.10"},
	} {
		m := newValueMask(nil, tc.ipv4, tc.ipv6)
		got := []byte(tc.in)
		m.mask(got, []byte(tc.in), MaskTruncate)
		if string(got) != tc.want {
			t.Errorf("%s/%d/%d: %s, want %s", tc.in, tc.ipv4, tc.ipv6, got, tc.want)
		}
	}
}

// TestTruncatedAddressesAtRandom compares the bits that stay with netip's.
func TestTruncatedAddressesAtRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 20_000 {
		var raw [16]byte
		for i := range raw {
			if r.IntN(3) > 0 {
				raw[i] = byte(r.Uint32())
			}
		}
		if r.IntN(2) == 0 {
			clear(raw[r.IntN(16):])
		}
		addr, bits := netip.AddrFrom16(raw), 16+4*r.IntN(13)
		if addr.Is4In6() {
			continue
		}
		text := []byte(addr.String())
		m := newValueMask(nil, 24, bits)
		m.truncate(text)
		got, err := netip.ParseAddr(string(text))
		if err != nil {
			t.Fatalf("%s became %s", addr, text)
		}
		prefix, err := addr.Prefix(bits)
		if err != nil {
			t.Fatal(err)
		}
		if got != prefix.Addr() {
			t.Fatalf("%s/%d became %s", addr, bits, text)
		}
	}
}

func TestMaskTexts(t *testing.T) {
	m := newValueMask([]byte("0123456789abcdef"), 24, 48)
	mask := func(text, method string) string {
		b := []byte(text)
		m.mask(b, []byte(text), method)
		return string(b)
	}
	if got := mask("10.1.2.37, 2001:db8::1,unknown", MaskTruncate); got != "10.1.2.10, 2001:db8::0,xxxxxxx" {
		t.Errorf("a list became %s", got)
	}
	long := string(bytes.Repeat([]byte("secret "), 30))
	a, b := mask(long, MaskHash), mask(long, MaskHash)
	if a != b || len(a) != len(long) || a == mask("S"+long[1:], MaskHash) || a[:32] == a[32:64] {
		t.Errorf("hash %s, again %s", a, b)
	}
	other := newValueMask([]byte("0123456789abcdeF"), 24, 48)
	c := []byte(long)
	other.mask(c, []byte(long), MaskHash)
	if string(c) == a || other.keyID() == m.keyID() {
		t.Error("another key gives the same")
	}
	for _, text := range []string{"10.1.2.37", "210.1.22.237", "2001:db8:0:12::f", "::ffff:1.2.3.4"} {
		got := mask(text, MaskHash)
		addr, err := netip.ParseAddr(got)
		if err != nil || got == text || len(got) != len(text) || addr.String() != got {
			t.Errorf("%s became %s: %v", text, got, err)
		}
	}
}
