package elastic

import (
	"strconv"
	"unicode/utf8"
)

// writer writes the members of one JSON object. No name may be written twice,
// which Elasticsearch would reject: a plan has no two steps for one name but
// shared ones, and those are checked by once.
type writer struct {
	b     []byte
	seen  uint16   // bits of the shared names that are written
	ips   [][2]int // where addresses for related.ip stand in b
	asap  bool
	isWeb bool
}

func (w *writer) reset(dst []byte) {
	w.b, w.seen, w.ips, w.asap, w.isWeb = dst, 0, w.ips[:0], false, false
}

// key begins a member.
func (w *writer) key(name string) {
	w.b = append(w.b, ',', '"')
	w.b = append(w.b, name...) // names need no escaping, see labelName
	w.b = append(w.b, '"', ':')
}

// once begins a member unless its name is shared and there already.
func (w *writer) once(name string) bool {
	bit := shared(name)
	if w.seen&bit != 0 {
		return false
	}
	w.seen |= bit
	w.key(name)
	return true
}

// shared gives the bit of a name that more than one alias leads to, else 0.
func shared(name string) uint16 {
	switch name {
	case "haproxy.frontend_name":
		return 1 << 0
	case "haproxy.termination_state":
		return 1 << 1
	case "haproxy.http.request.captured_headers":
		return 1 << 2
	case "haproxy.http.response.captured_headers":
		return 1 << 3
	case "http.request.method":
		return 1 << 4
	case "http.version":
		return 1 << 5
	case "url.original":
		return 1 << 6
	case "url.path":
		return 1 << 7
	case "url.query":
		return 1 << 8
	case "url.scheme":
		return 1 << 9
	case "url.domain":
		return 1 << 10
	case "url.port":
		return 1 << 11
	}
	return 0
}

func (w *writer) int(n int64) { w.b = strconv.AppendInt(w.b, n, 10) }

func (w *writer) bool(v bool) { w.b = strconv.AppendBool(w.b, v) }

func (w *writer) text(s string) {
	w.b = append(w.b, '"')
	w.b = appendEscaped(w.b, s)
	w.b = append(w.b, '"')
}

func (w *writer) bytes(s []byte) {
	w.b = append(w.b, '"')
	w.b = appendEscaped(w.b, s)
	w.b = append(w.b, '"')
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

// plain marks the bytes that stand for themselves in a JSON string.
//
//nolint:gochecknoglobals // a constant table
var plain = func() (t [256]bool) {
	for c := byte(' '); c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\' && c != 0x7f
	}
	return t
}()

// appendEscaped appends the inside of a JSON string. A byte that is not UTF-8
// becomes U+FFFD: the exact bytes are in the archive.
func appendEscaped[S string | []byte](b []byte, s S) []byte {
	const hex = "0123456789abcdef"
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if plain[c] {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
			if r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
			b = append(b, s[from:i]...)
			b = append(b, "\ufffd"...)
		} else {
			b = append(b, s[from:i]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\t':
				b = append(b, '\\', 't')
			default:
				b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			}
		}
		i++
		from = i
	}
	return append(b, s[from:]...)
}
