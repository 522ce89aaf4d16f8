package elastic

import (
	"encoding/binary"
	"math/bits"
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

func (w *writer) int(n int64) { w.b = strconv.AppendInt(w.b, n, 10) }

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
	n := plainPrefix(s)
	b = append(b, s[:n]...)
	if n < len(s) {
		b = appendEscaped(b, s[n:])
	}
	return append(b, '"')
}

const ones = 0x0101010101010101

// plainPrefix gives how many bytes at the beginning stand for themselves in a
// JSON string. It looks at eight at once: of each byte the highest bit of found
// is set if it is below 0x20, a quote, a backslash, or not ASCII. A borrow can
// only spoil bytes behind such a one.
func plainPrefix(s []byte) int {
	i := 0
	for ; i+8 <= len(s); i += 8 {
		x := binary.LittleEndian.Uint64(s[i:])
		quote, slash := x^ones*'"', x^ones*'\\'
		found := ((x - ones*' ') | (quote - ones) | (slash - ones) | x) & (ones * 0x80)
		if found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for ; i < len(s); i++ {
		if !plain(s[i]) {
			return i
		}
	}
	return i
}

func plain(c byte) bool { return c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf }

// appendEscaped appends the inside of a JSON string.
func appendEscaped[S string | []byte](b []byte, s S) []byte {
	const hex = "0123456789abcdef"
	for len(s) > 0 {
		switch c := s[0]; {
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRuneInString(string(s[:min(utf8.UTFMax, len(s))]))
			if r != utf8.RuneError || n > 1 {
				b = append(b, s[:n]...)
				s = s[n:]
				continue
			}
			b = append(b, "\ufffd"...)
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\t':
			b = append(b, '\\', 't')
		case c < ' ':
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			n := 1
			for n < len(s) && plain(s[n]) {
				n++
			}
			b = append(b, s[:n]...)
			s = s[n:]
			continue
		}
		s = s[1:]
	}
	return b
}
