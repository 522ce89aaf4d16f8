package filter_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/loghaul/loghaul/parser/filter"
)

func parse(t testing.TB, text string) *filter.Filter {
	t.Helper()
	f, err := filter.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return f
}

// leaf gives the only test of a filter.
func leaf(t testing.TB, text string) *filter.Test {
	t.Helper()
	n := parse(t, text).Tree()
	if n.Op != filter.Leaf {
		t.Fatalf("%s is more than a test: %s", text, describe(n))
	}
	return n.Test
}

func TestMatchText(t *testing.T) {
	for _, tc := range []struct{ filter, yes, no string }{
		{"b=x", "x", "|X|xx|y"},
		{"b!=x", "|X|xx", "x"},
		{"b=x,y", "x|y", "z|x,y"},
		{"b!=x,y", "z", "x|y"},
		{"b=*", "|x", ""},
		{`CC=""`, "", "x"},
		{"b~x", "x|axb", "|X|a"},
		{"b!~x", "|X", "axb"},
		{"b~*xY", "xy|XY|aXyb", "|x|yx"},
		{"b!~*xY", "|x|yx", "xy|aXyb"},
		{"b^=x", "x|xa", "|ax"},
		{"b$=x", "x|ax", "|xa"},
		{`b="é"`, "é", "É|e"},
		{"ts=SD", "SD|SD--|SDNN", "S|sD|PSD"},
		{"ts^=S", "S|SD--|SH", "PS"},
		{"ts~D", "SD--|DS", "SSD|S"},
		{"req.1=x", "x", "|-"},
		{"req.1!=x", "|-|y", "x"},
		{"req.1=*", "x", "|-"},
		{"req.1!=*", "|-", "x"},
		{"req.1~-", "a-b", "|-|x"},
		{"req.length>10", "11|999", "|-|10|x|1 1|0x11|99999999999999999999"},
		{"req.length!=10", "11|", "10"},
		{"%[fc_rtt]<0", "-1", "0|-|+1"},
		{"ci=10.2.3.4", "10.2.3.4|::ffff:10.2.3.4|::ffff:a02:304", "10.2.3.5|::10.2.3.4|10.2.3.04|10.2.3|unix||10.2.3.4.|1.10.2.3.4"},
		{"ci=::ffff:10.2.3.4", "10.2.3.4|::ffff:10.2.3.4", "10.2.3.5"},
		{"ci!=10.2.3.4", "10.2.3.5|unix|", "10.2.3.4|::ffff:10.2.3.4"},
		{"ci=10.2.0.0/16", "10.2.0.0|10.2.255.255|::ffff:10.2.1.1", "10.3.0.0|10.1.255.255|::|a02::"},
		{"ci=10.2.0.0/15", "10.2.0.0|10.3.255.255", "10.4.0.0|10.1.255.255"},
		{"ci=0.0.0.0/0", "1.2.3.4|::ffff:1.2.3.4", "::1|unix"},
		{"ci=::/0", "::1|2001:db8::1|::1.2.3.4", "1.2.3.4|::ffff:1.2.3.4|unix"},
		{"ci=2001:db8::1", "2001:db8::1|2001:db8:0:0:0:0:0:1|2001:0db8::0001|2001:DB8::1", "2001:db8::2|2001:db8::1:1|2001:db8::1::|2001:db8:::1|2001:db8"},
		{"ci=2001:db8:0:0:0::1,unix", "2001:db8::1|unix", "2001:db8::"},
		{"ci=2001:db8::/33", "2001:db8::1|2001:db8:7fff::", "2001:db8:8000::|2001:db9::"},
		{"ci=::", "::|0::0|0:0:0:0:0:0:0:0", "::1|:|:::|::0:0:0:0:0:0:0:0"},
		{"ci=::1.2.3.4", "::1.2.3.4|::102:304", "1.2.3.4|::1.2.3|::1.2.3.4:5"},
		{"ci=unix", "unix", "unix2|"},
		{"ci^=10.2.", "10.2.3.4", "10.20.3.4|::ffff:10.2.3.4"},
	} {
		test := leaf(t, tc.filter)
		for v := range strings.SplitSeq(tc.yes, "|") {
			if !test.MatchText([]byte(v)) {
				t.Errorf("%s leaves %q out", tc.filter, v)
			}
		}
		if tc.no == "" && tc.filter != "req.1=*" {
			continue
		}
		for v := range strings.SplitSeq(tc.no, "|") {
			if test.MatchText([]byte(v)) {
				t.Errorf("%s selects %q", tc.filter, v)
			}
		}
	}
}

func TestMatchInt(t *testing.T) {
	for _, tc := range []struct {
		filter  string
		yes, no []int64
	}{
		{"ST=500", []int64{500}, []int64{499, 501, -500}},
		{"ST!=500", []int64{499, 501}, []int64{500}},
		{"ST=5xx", []int64{500, 599}, []int64{499, 600}},
		{"ST=404,500..502,503,600..", []int64{404, 500, 502, 503, 600, 1 << 62}, []int64{405, 499, 504, 599}},
		{"ST=..100", []int64{-1 << 63, 100}, []int64{101}},
		{"ST=*", []int64{0, -1}, nil},
		{"ST!=*", nil, []int64{0, -1}},
		{"ST<500", []int64{499}, []int64{500}},
		{"ST<=500", []int64{500}, []int64{501}},
		{"ST>500", []int64{501}, []int64{500}},
		{"ST>=500", []int64{500}, []int64{499}},
		{"rt>9223372036854775807", nil, []int64{1<<63 - 1, 0, -1 << 63}},
		{"rt>=9223372036854775807", []int64{1<<63 - 1}, []int64{0}},
		{"rt<=-9223372036854775807", []int64{-1 << 63}, []int64{0}},
		{"Tc=-1", []int64{-1}, []int64{1, 0}},
		{"Ta>2s", []int64{2001}, []int64{2000}},
		{"Ta=1.5s", []int64{1500}, []int64{1499, 1501}},
		{"Ta>=-0.5s", []int64{-500}, []int64{-501}},
		{"Ta=1m..1h", []int64{60_000, 3_600_000}, []int64{59_999, 3_600_001}},
		{"Ta=1d", []int64{86_400_000}, []int64{1}},
		{"Ta=150", []int64{150}, []int64{150_000}},
		{"Ta=150ms", []int64{150}, nil},
		{"B=10k", []int64{10_000}, []int64{10_240}},
		{"B=10KiB", []int64{10_240}, []int64{10_000}},
		{"B=1.5MB", []int64{1_500_000}, nil},
		{"B=1GiB", []int64{1 << 30}, nil},
		{"B=5B,7", []int64{5, 7}, nil},
		{"truncated=true", []int64{1}, []int64{0}},
		{"truncated!=true", []int64{0}, []int64{1}},
		{"truncated=true,false", []int64{0, 1}, nil},
	} {
		test := leaf(t, tc.filter)
		for _, v := range tc.yes {
			if !test.MatchInt(v) {
				t.Errorf("%s leaves %d out", tc.filter, v)
			}
		}
		for _, v := range tc.no {
			if test.MatchInt(v) {
				t.Errorf("%s selects %d", tc.filter, v)
			}
		}
	}
}

// TestMayMatchTells lists bounds that lines can be left out by, and some by which they cannot.
func TestMayMatchTells(t *testing.T) {
	for _, tc := range []struct {
		filter    string
		low, high string // _ is none
		may       bool
	}{
		{"b=m", "a", "l", false},
		{"b=m", "n", "z", false},
		{"b=m", "a", "z", true},
		{"b=m", "m", "m", true},
		{"b=m", "_", "l", false},
		{"b=m", "n", "_", false},
		{"b=m", "_", "_", true},
		{"b=a,z", "b", "y", false},
		{"b!=m", "m", "m", false},
		{"b!=m", "m", "n", true},
		{"b^=m", "a", "l", false},
		{"b^=m", "mz", "z", true},
		{"b^=m", "a", "m", true},
		{"b^=m", "n", "z", false},
		{"not b^=m", "ma", "mz", false},
		{"not b^=m", "ma", "n", true},
		{"not b^=m", "_", "mz", true},
		{"b~m", "a", "z", true},
		{"b~m", "a", "a", false},
		{"b!~m", "m", "m", false},
		{"b!=*", "a", "z", false},
		{"req.1!=*", "-", "z", true},
		{"not req.1^=-", "-", "-a", true}, // "-" is no value
		{"ts=SD", "SH--", "SZ--", false},
		{"ts=SD", "SD--", "SH--", true},
		{"ci=10.2.3.4", "10.2.3.5", "10.9", false},
		{"ci=10.2.3.4", "10.2.3.5", "9", false},
		{"ci=10.2.3.4", "10", "11", true},
		{"ci=10.2.3.4", ":", "a", true}, // ::ffff:10.2.3.4
		{"ci=10.2.0.0/16", "10.3", "9", false},
		{"ci=10.2.0.0/16", "1", "10.1", false},
		{"ci=10.2.0.0/16", "10.2.", "10.3", true},
		{"ci=10.2.0.0/12", "11", "9", false},
		{"ci=2001:db8::/32", "2001:db9", "3", false},
		{"ci=2001:db8::/32", "1", "2001:db8::5", true},
		{"ci=::/64", "2", "3", true}, // it may be printed as 0:0:…, so only a look tells
		{"ci!=10.2.3.4", "10", "11", true},
	} {
		text := strings.Replace(tc.filter, "10.2.0.0/12", "10.0.0.0/12", 1)
		test := leaf(t, text)
		bound := func(s string) []byte {
			if s == "_" {
				return nil
			}
			return []byte(s)
		}
		if got := test.MayMatchTextRange(bound(tc.low), bound(tc.high)); got != tc.may {
			t.Errorf("%s of %s to %s: %v", text, tc.low, tc.high, got)
		}
	}
	for _, tc := range []struct {
		filter    string
		low, high int64
		may       bool
	}{
		{"ST=500", 200, 499, false},
		{"ST=500", 501, 600, false},
		{"ST=500", 200, 500, true},
		{"ST=404,500", 405, 499, false},
		{"ST=404,500", 404, 404, true},
		{"ST!=500", 500, 500, false},
		{"ST!=500", 499, 500, true},
		{"ST!=2xx", 200, 204, false},
		{"ST>500", 0, 500, false},
		{"ST=*", 0, 5, true},
		{"ST!=*", 0, 5, false},
	} {
		if got := leaf(t, tc.filter).MayMatchRange(tc.low, tc.high); got != tc.may {
			t.Errorf("%s of %d to %d: %v", tc.filter, tc.low, tc.high, got)
		}
	}
}

// TestBoundsAreTrue looks at random values: what passes is never denied, by bounds or by the list of what it can be.
func TestBoundsAreTrue(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test
	for range 20_000 {
		var text string
		var values [][]byte
		if rnd.IntN(3) > 0 {
			op := []string{"=", "!=", "~", "!~", "~*", "^=", "$="}[rnd.IntN(7)]
			text = []string{"b", "ts", "req.1", "ID"}[rnd.IntN(4)] + op + randomName(rnd, 2)
			for range 1 + rnd.IntN(5) {
				values = append(values, []byte(randomName(rnd, 3)), []byte("-"))
			}
		} else {
			op := []string{"=", "!="}[rnd.IntN(2)]
			a := randomAddr(rnd)
			text = "ci" + op + a.String()
			if rnd.IntN(2) > 0 {
				text = "ci" + op + netip.PrefixFrom(a, rnd.IntN(a.BitLen()+1)).Masked().String()
			}
			for range 1 + rnd.IntN(5) {
				values = append(values, []byte(randomSpelling(rnd, randomAddr(rnd))), []byte(randomSpelling(rnd, a)))
			}
		}
		if rnd.IntN(4) == 0 {
			text = "not " + text
		}
		test := leaf(t, text)
		low, high := slices.MinFunc(values, bytes.Compare), slices.MaxFunc(values, bytes.Compare)
		for _, v := range values {
			passes := test.MatchText(v)
			if passes == leaf(t, "not "+text).MatchText(v) {
				t.Fatalf("%s and its opposite say the same of %q", text, v)
			}
			if !passes {
				continue
			}
			if all := test.Equals(); all != nil && !slices.ContainsFunc(all, func(e []byte) bool { return bytes.Equal(e, v) }) {
				t.Fatalf("%s selects %q, which is none of %q", text, v, all)
			}
			// Statistics may cut the least value and raise the greatest.
			cut, raised := low[:rnd.IntN(len(low)+1)], append(bytes.Clone(high), 'x')
			for _, bounds := range [][2][]byte{{low, high}, {v, v}, {nil, high}, {low, nil}, {cut, raised}} {
				if !test.MayMatchTextRange(bounds[0], bounds[1]) {
					t.Fatalf("%s selects %q, but nothing of %q to %q", text, v, bounds[0], bounds[1])
				}
			}
		}
	}
	for range 20_000 {
		op := []string{"=", "!=", "<", "<=", ">", ">="}[rnd.IntN(6)]
		text := fmt.Sprintf("ST%s%d", op, rnd.IntN(10))
		if op == "=" || op == "!=" {
			text += fmt.Sprintf(",%d..%d", rnd.IntN(5), 5+rnd.IntN(5))
		}
		test := leaf(t, text)
		low := rnd.Int64N(12) - 1
		high := low + rnd.Int64N(5)
		some := false
		for v := low; v <= high; v++ {
			some = some || test.MatchInt(v)
		}
		if got := test.MayMatchRange(low, high); got != some {
			t.Fatalf("%s of %d to %d: %v, want %v", text, low, high, got, some)
		}
	}
}

func randomName(rnd *rand.Rand, most int) string {
	b := make([]byte, 1+rnd.IntN(most))
	for i := range b {
		b[i] = "abAB"[rnd.IntN(4)]
	}
	return string(b)
}

// randomAddr gives an address with many zeros.
func randomAddr(rnd *rand.Rand) netip.Addr {
	part := func() byte { return []byte{0, 0, 0, 1, 10, 200, 255}[rnd.IntN(7)] }
	switch rnd.IntN(3) {
	case 0:
		return netip.AddrFrom4([4]byte{1 + part()/2, part(), part(), part()})
	case 1:
		return netip.AddrFrom16([16]byte{10: 0xff, 11: 0xff, 12: part(), 13: part(), 14: part(), 15: part()})
	default:
		var ip [16]byte
		for i := range ip {
			ip[i] = part()
		}
		return netip.AddrFrom16(ip)
	}
}

// randomSpelling prints an address as some C library does.
func randomSpelling(rnd *rand.Rand, a netip.Addr) string {
	switch rnd.IntN(4) {
	case 0:
		return musl(a)
	case 1:
		return glibc(a)
	case 2:
		if a.Is4() {
			return "::ffff:" + a.String()
		}
		return a.Unmap().String()
	default:
		return a.String()
	}
}

// musl prints like inet_ntop of musl (src/network/inet_ntop.c): the run of zeros is the longest in characters.
func musl(a netip.Addr) string {
	if a.Is4() || a.Is4In6() {
		return a.String()
	}
	ip := a.As16()
	var groups []string
	for i := 0; i < 16; i += 2 {
		groups = append(groups, fmt.Sprintf("%x", int(ip[i])<<8|int(ip[i+1])))
	}
	s := strings.Join(groups, ":")
	best, most := 0, 2
	for i := range len(s) {
		if i > 0 && s[i] != ':' {
			continue
		}
		if n := len(s[i:]) - len(strings.TrimLeft(s[i:], ":0")); n > most {
			best, most = i, n
		}
	}
	if most > 3 {
		s = s[:best] + "::" + s[best+most:]
	}
	return s
}

// glibc prints like inet_ntop of glibc (resolv/inet_ntop.c), which differs from Go in ::1.2.3.4.
func glibc(a netip.Addr) string {
	ip := a.As16()
	if a.Is4() || a.Is4In6() || [12]byte(ip[:12]) != [12]byte{} || ip[12] == 0 && ip[13] == 0 {
		return a.String()
	}
	return "::" + netip.AddrFrom4([4]byte(ip[12:])).String()
}

// TestEquals makes sure that there is something to look up where there can be.
func TestEquals(t *testing.T) {
	for _, tc := range []struct{ filter, want string }{
		{"ID=x", "x"},
		{"ID=x,y", "x y"},
		{"ID!=x", ""},
		{"not ID!=x", "x"},
		{"ID~x", ""},
		{"ID=*", ""},
		{"req.1=x", "x"},
		{"ts=SD", ""},
		{"ci=10.2.3.4", "10.2.3.4 ::ffff:10.2.3.4"},
		{"ci=10.2.3.4/32", "10.2.3.4 ::ffff:10.2.3.4"},
		{"ci=10.2.3.4/31", ""},
		{"ci=10.2.3.4,10.2.3.0/24", ""},
		{"ci=unix", "unix"},
		{"ci=2001:db8::1:0:0:1", "2001:db8:0:0:1:0:0:1 2001:db8::1:0:0:1 2001:db8:0:0:1::1"},
		{"ci=1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
		{"ci=1:0:3:4:5:6:7:8", "1:0:3:4:5:6:7:8 1::3:4:5:6:7:8"},
		{"ci=::1", "0:0:0:0:0:0:0:1 ::1 ::0.0.0.1"},
	} {
		if got := string(bytes.Join(leaf(t, tc.filter).Equals(), []byte(" "))); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.filter, got, tc.want)
		}
	}
}
