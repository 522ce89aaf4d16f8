package parser

// class is a set of bytes a text may hold, as printed. With shapes other than text the number in an alias's row is a
// width.
type class uint16

const (
	classDigit    class = 1 << iota
	className           // names of proxies, binds and servers, and <NOSRV> and the like
	classFrontend       // the same with the ~ of TLS
	classMethod         // HTTP tokens and <BADREQ>
	classCookie         // names of cookies, as loosely as HAProxy takes them
	classGraph          // what %HU prints: visible, no quote
	classPrint          // the same and spaces: what %r prints
	classHeader         // an item of %hrl: the same without { | }
	classTLS            // TLS versions and ciphers
	classAddr           // IPv6 addresses
	classNumber         // numbers, as expressions print them
	classBase64         // what the converter base64 prints
	classAny            // every byte
)

// classes tells, for each byte, the classes it is in.
var classes = makeClasses() //nolint:gochecknoglobals // a constant table

func makeClasses() (t [256]class) {
	add := func(k class, in func(c byte) bool) {
		for c := range 256 {
			if in(byte(c)) {
				t[c] |= k
			}
		}
	}
	oneOf := func(s string) func(byte) bool {
		return func(c byte) bool {
			for i := range len(s) {
				if s[i] == c {
					return true
				}
			}
			return false
		}
	}
	digit := func(c byte) bool { return c >= '0' && c <= '9' }
	alnum := func(c byte) bool { return digit(c) || c|0x20 >= 'a' && c|0x20 <= 'z' }
	graph := func(c byte) bool { return c > ' ' && c < 127 && c != '"' }
	name := func(c byte) bool { return alnum(c) || oneOf("-_.:<>")(c) }
	token := func(c byte) bool { return alnum(c) || oneOf("!#$%&'*+-.^_`|~")(c) }
	add(classDigit, digit)
	add(className, name)
	add(classFrontend, func(c byte) bool { return name(c) || c == '~' })
	add(classCookie, func(c byte) bool { return c > ' ' && c != 127 && !oneOf(`=;,"`)(c) })
	add(classMethod, func(c byte) bool { return token(c) || c == '<' || c == '>' })
	add(classGraph, graph)
	add(classPrint, func(c byte) bool { return graph(c) || c == ' ' })
	add(classHeader, func(c byte) bool { return (graph(c) || c == ' ') && !oneOf("{|}")(c) })
	add(classTLS, func(c byte) bool { return alnum(c) || oneOf("-_.()+:")(c) })
	add(classAddr, func(c byte) bool { return digit(c) || c >= 'a' && c <= 'f' || c == ':' || c == '.' })
	add(classNumber, func(c byte) bool { return digit(c) || c == '-' })
	add(classBase64, func(c byte) bool { return alnum(c) || oneOf("+/=")(c) })
	add(classAny, func(byte) bool { return true })
	return t
}

// byteSet is a set of bytes and of the end of the line.
type byteSet struct {
	bits [4]uint64
	end  bool
}

func (s *byteSet) add(c byte)      { s.bits[c>>6] |= 1 << (c & 63) }
func (s *byteSet) has(c byte) bool { return s.bits[c>>6]&(1<<(c&63)) != 0 }
func (s *byteSet) union(other *byteSet) {
	for i := range s.bits {
		s.bits[i] |= other.bits[i]
	}
	s.end = s.end || other.end
}

// overlaps reports whether a byte, or the end of the line, is in both sets.
func (s *byteSet) overlaps(other *byteSet) bool {
	for i := range s.bits {
		if s.bits[i]&other.bits[i] != 0 {
			return true
		}
	}
	return s.end && other.end
}

func (s *byteSet) addClass(k class) {
	for c := range 256 {
		if classes[c]&k != 0 {
			s.add(byte(c))
		}
	}
}

func (s *byteSet) meets(k class) bool {
	for c := range 256 {
		if classes[c]&k != 0 && s.has(byte(c)) {
			return true
		}
	}
	return false
}
