package elastic

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// writer writes the members of one JSON object. No name may be written twice,
// which Elasticsearch would reject: a plan has no two steps for one name, and
// names that more than one step leads to have a bit in seen.
type writer struct {
	b     []byte
	seen  uint32
	ips   [][2]int // where addresses for related.ip stand in b
	hosts [][2]int // and names for related.hosts
	sni   [2]int   // and tls.client.server_name
	asap  bool
	web   bool
	read  int64 // %B and %U, or -1
	sent  int64

	seconds [2]second
	geo     *geoCache
}

// begin starts with dst, which it appends to.
func (w *writer) begin(dst []byte) {
	w.b, w.seen, w.ips, w.hosts, w.sni = dst, 0, w.ips[:0], w.hosts[:0], [2]int{}
	w.asap, w.web, w.read, w.sent = false, false, -1, -1
}

// Bits of names that more than one field of a line leads to.
const (
	bitFrontend = 1 << iota
	bitState
	bitRequestHeaders
	bitResponseHeaders
	bitMethod
	bitVersion
	bitOriginal
	bitPath
	bitExtension
	bitQuery
	bitScheme
	bitDomain
	bitPort
	bitPID
	bitProcess
	bitRequestID
	bitUserAgent
	bitReferrer
	bitForwarded
)

// sharedBits are the bits of the names that a step may be for.
func sharedBits() map[string]uint32 {
	return map[string]uint32{
		"haproxy.frontend_name":                  bitFrontend,
		"haproxy.termination_state":              bitState,
		"haproxy.http.request.captured_headers":  bitRequestHeaders,
		"haproxy.http.response.captured_headers": bitResponseHeaders,
		"http.request.method":                    bitMethod,
		"http.version":                           bitVersion,
		"url.original":                           bitOriginal,
		"url.path":                               bitPath,
		"url.query":                              bitQuery,
		"process.pid":                            bitPID,
		"http.request.id":                        bitRequestID,
		"user_agent.original":                    bitUserAgent,
		"http.request.referrer":                  bitReferrer,
		"network.forwarded_ip":                   bitForwarded,
		"url.domain":                             bitDomain,
	}
}

// key begins a member whose name is written nowhere else.
func (w *writer) key(name string) {
	w.b = append(w.b, ',', '"')
	w.b = append(w.b, name...) // names need no escaping, see labelName
	w.b = append(w.b, '"', ':')
}

// once begins a member unless its bit says that it is there already. key is
// the name as it is written: `,"name":`.
func (w *writer) once(key string, bit uint32) bool {
	if w.seen&bit != 0 {
		return false
	}
	w.seen |= bit
	w.b = append(w.b, key...)
	return true
}

func (w *writer) int(n int64) { w.b = appendInt(w.b, n) }

// appendInt appends a number. Most have few digits.
func appendInt(b []byte, n int64) []byte {
	u := uint64(n) //nolint:gosec // the sign is looked at
	if n < 0 {
		b = append(b, '-')
		u = -u
	}
	switch {
	case u < 10:
		return append(b, '0'+byte(u))
	case u < 100:
		return append(b, '0'+byte(u/10), '0'+byte(u%10))
	case u < 1000:
		return append(b, '0'+byte(u/100), '0'+byte(u/10%10), '0'+byte(u%10))
	case u < 10000:
		return append(b, '0'+byte(u/1000), '0'+byte(u/100%10), '0'+byte(u/10%10), '0'+byte(u%10))
	default:
		return strconv.AppendUint(b, u, 10)
	}
}

func (w *writer) bool(v bool) { w.b = strconv.AppendBool(w.b, v) }

func (w *writer) text(s string) { w.b = appendString(w.b, []byte(s)) }

func (w *writer) bytes(s []byte) { w.b = appendString(w.b, s) }

// list writes what stands at the places, each once.
func (w *writer) list(key string, places [][2]int) {
	w.b = append(w.b, key...)
	sep := byte('[')
	for i, at := range places {
		again := false
		for _, before := range places[:i] {
			again = again || string(w.b[before[0]:before[1]]) == string(w.b[at[0]:at[1]])
		}
		if !again {
			w.b = append(w.b, sep)
			w.b = append(w.b, w.b[at[0]:at[1]]...)
			sep = ','
		}
	}
	w.b = append(w.b, ']')
}

// zone writes an offset in seconds as +02:00.
func (w *writer) zone(seconds int32) {
	sign := byte('+')
	if seconds < 0 {
		sign, seconds = '-', -seconds
	}
	h, m := seconds/3600, seconds/60%60
	w.b = append(w.b, '"', sign, byte('0'+h/10), byte('0'+h%10), ':', byte('0'+m/10), byte('0'+m%10), '"')
}

// second is a second as text: nearly all lines are of the same as the one
// before.
type second struct {
	unix int64
	text []byte
}

// time writes Unix milliseconds as RFC 3339 in UTC.
func (w *writer) time(s *second, ms int64) {
	unix := ms / 1000
	if ms < 0 {
		unix = (ms - 999) / 1000
	}
	if s.text == nil || s.unix != unix {
		s.unix, s.text = unix, time.Unix(unix, 0).UTC().AppendFormat(s.text[:0], `"2006-01-02T15:04:05.`)
	}
	rest := ms - unix*1000
	w.b = append(w.b, s.text...)
	w.b = append(w.b, byte('0'+rest/100), byte('0'+rest/10%10), byte('0'+rest%10), 'Z', '"')
}

// appendString appends a JSON string. A byte that is not UTF-8 becomes U+FFFD:
// the exact bytes are in the archive.
func appendString(b, s []byte) []byte {
	b = append(b, '"')
	b = appendEscaped(b, s)
	return append(b, '"')
}

// appendEscaped appends the inside of a JSON string.
func appendEscaped(b, s []byte) []byte {
	for {
		b = slices.Grow(b, len(s)+8)
		n := copyPlain(b[len(b):cap(b)], s)
		b, s = b[:len(b)+n], s[n:]
		if len(s) == 0 {
			return b
		}
		b, n = appendOdd(b, s)
		s = s[n:]
	}
}

// appendOdd appends what stands for the first character of s, which does not stand
// for itself or is not ASCII, and gives how many bytes of s that is.
func appendOdd(b, s []byte) ([]byte, int) {
	const hex = "0123456789abcdef"
	switch c := s[0]; {
	case c >= utf8.RuneSelf:
		r, n := utf8.DecodeRune(s)
		if r == utf8.RuneError && n == 1 {
			return append(b, "\ufffd"...), 1
		}
		return append(b, s[:n]...), n
	case c == '"' || c == '\\':
		return append(b, '\\', c), 1
	case c == '\t':
		return append(b, '\\', 't'), 1
	default:
		return append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15]), 1
	}
}

const ones = 0x0101010101010101

// odd marks with the highest bit of each byte of x that it does not stand for itself
// in a JSON string, or is not ASCII: below 0x20, a quote, a backslash, from 0x80 on.
// A borrow can only spoil bytes behind such a one.
func odd(x uint64) uint64 {
	quote, slash := x^ones*'"', x^ones*'\\'
	return ((x - ones*' ') | (quote - ones) | (slash - ones) | x) & (ones * 0x80)
}

// copyPlain copies s to dst up to the first byte that odd marks, and gives how many
// bytes these are. It goes by words: dst has 8 bytes more than s, and what is behind
// the copy is undefined.
func copyPlain(dst, s []byte) int {
	all := len(s)
	for len(s) >= 8 && len(dst) >= 8 {
		x := binary.LittleEndian.Uint64(s)
		binary.LittleEndian.PutUint64(dst, x)
		if found := odd(x); found != 0 {
			return all - len(s) + bits.TrailingZeros64(found)/8
		}
		s, dst = s[8:], dst[8:]
	}
	if len(s) == 0 {
		return all
	}
	x := short(s)
	binary.LittleEndian.PutUint64(dst, x)
	// The bytes that are not there are odd.
	return all - len(s) + min(bits.TrailingZeros64(odd(x))/8, len(s))
}

// short gives less than eight bytes as a word.
func short(s []byte) uint64 {
	switch n := len(s); {
	case n >= 4:
		return uint64(binary.LittleEndian.Uint32(s)) | uint64(binary.LittleEndian.Uint32(s[n-4:]))<<(8*n-32)
	case n >= 2:
		return uint64(binary.LittleEndian.Uint16(s)) | uint64(binary.LittleEndian.Uint16(s[n-2:]))<<(8*n-16)
	default:
		return uint64(s[0])
	}
}
