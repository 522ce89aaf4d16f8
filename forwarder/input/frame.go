package input

import "bytes"

// Framing is how a stream tells where a record ends.
type Framing int

// The framings of RFC 6587: octet counting (3.4.1) and a line feed (3.4.2).
// Detect finds out which of them a connection uses.
const (
	Detect Framing = iota
	Lines
	Octets
)

const (
	// maxCount bounds the digits of an octet count.
	maxCount = 7
	// MinLine is the least bound of a line: no count is taken for a line that
	// is too long.
	MinLine = 512
)

// Framer cuts what one stream brings into records.
//
// With Detect a connection is octet-counted if it begins with a number of at
// most 7 digits, a blank, and either "<" or as many bytes with no LF before the
// last. All others end their records with LF, for as long as they last: so a
// line that begins with a number is no frame.
//
// In an octet-counted stream bytes that are no frame are read as a line, and
// after its LF a frame is expected again. Nothing is thrown away.
type Framer struct {
	// Framing must be set before the first Cut. Detect becomes one of the others.
	Framing Framing
	// Max bounds a line; a longer one is cut there and goes on as another
	// record. At least MinLine.
	Max int
	// Broken, if set, is called with the bytes from which on a frame was expected.
	Broken func(p []byte)
	// CutLines counts the lines that were too long, Empty the frames with
	// nothing in them.
	CutLines, Empty int64

	left   int  // bytes of the current frame, which is too long
	middle bool // a piece of the current line, or frame, was put
	astray bool // reading a line where a frame was expected

	// Of the current Cut:
	in, out []byte
	inPlace bool // out lies in in, before what is not read yet
	records int
}

// Cut takes the first whole records out of p, which holds everything that is
// not used yet, and says how many bytes they took. At the end of the stream
// what remains is a record, too. The records lie in p or in memory of their
// own, until the next Cut. After a call with end unset at most Max bytes and a
// count are left over.
func (f *Framer) Cut(p []byte, end bool) (records []byte, n, used int) {
	if f.Framing == Detect && !f.detect(p, end) {
		return nil, 0, 0
	}
	if f.Framing == Lines && !f.middle {
		// The usual case moves nothing.
		if last := bytes.LastIndexByte(p, '\n') + 1; last > 0 && f.short(p[:last]) && !end && len(p)-last <= f.Max {
			return p[:last], bytes.Count(p[:last], []byte{'\n'}), last
		}
	}
	f.in, f.out, f.inPlace, f.records = p, p[:0:len(p)], true, 0
	for used < len(p) {
		var took int
		if f.Framing == Lines || f.astray {
			took = f.line(used, end)
		} else {
			took = f.frame(used, end)
		}
		if took == 0 {
			break
		}
		used += took
	}
	records = f.out
	f.in, f.out = nil, nil // p is the caller's, who may have a few for many streams
	return records, f.records, used
}

// detect decides on the framing. It says false when more bytes are needed.
func (f *Framer) detect(p []byte, end bool) bool {
	size, head := count(p)
	switch {
	case head == 0 && !end && len(p) <= maxCount && digits(p) == len(p):
		return false
	case head == 0:
		f.Framing = Lines
	case len(p) == head && !end:
		return false
	case len(p) > head && p[head] == '<':
		f.Framing = Octets
	case size > f.Max || bytes.IndexByte(p[head:min(len(p), head+size-1)], '\n') >= 0:
		f.Framing = Lines
	case len(p) >= head+size:
		f.Framing = Octets
	case end:
		f.Framing = Lines
	default:
		return false
	}
	return true
}

// short says whether no line of p is longer than the bound.
func (f *Framer) short(p []byte) bool {
	for len(p) > f.Max {
		lf := bytes.LastIndexByte(p[:f.Max+1], '\n')
		if lf < 0 {
			return false
		}
		p = p[lf+1:]
	}
	return true
}

// line takes the line at in[at:], or a piece of it, and says how many bytes
// that were; 0 if more are needed.
func (f *Framer) line(at int, end bool) int {
	rest := f.in[at:]
	lf := bytes.IndexByte(rest[:min(len(rest), f.Max+1)], '\n')
	switch {
	case lf >= 0:
		f.put(rest[:lf], at+lf+1)
		f.middle, f.astray = false, false
		return lf + 1
	case len(rest) > f.Max:
		f.cut(rest[:f.Max], at+f.Max)
		return f.Max
	case end:
		f.put(rest, len(f.in))
		return len(rest)
	}
	return 0
}

// frame does the same for an octet-counted frame.
func (f *Framer) frame(at int, end bool) int {
	rest := f.in[at:]
	size, head := f.left, 0
	if size == 0 {
		if size, head = count(rest); head == 0 {
			if !end && len(rest) <= maxCount && digits(rest) == len(rest) {
				return 0
			}
			f.broken(rest)
			f.astray = true
			return f.line(at, end)
		}
	}
	rest = rest[head:]
	switch {
	case size <= f.Max && len(rest) >= size:
		f.content(rest[:size], at+head+size)
		f.left, f.middle = 0, false
		return head + size
	case size > f.Max && len(rest) >= f.Max:
		f.cut(rest[:f.Max], at+head+f.Max)
		f.left = size - f.Max
		return head + f.Max
	case end:
		f.broken(rest)
		f.content(rest, len(f.in))
		return head + len(rest)
	}
	return 0
}

// content puts the end of a frame. LFs and NULs behind the message belong to
// the framing.
func (f *Framer) content(b []byte, next int) {
	if b = Trim(b); len(b) > 0 {
		f.put(b, next)
	} else if !f.middle {
		f.Empty++
	}
}

// cut puts a piece of a line that is too long.
func (f *Framer) cut(b []byte, next int) {
	if !f.middle {
		f.middle = true
		f.CutLines++
	}
	f.put(b, next)
}

// put adds b and an LF to the output. in[next:] is not read yet and must stay.
func (f *Framer) put(b []byte, next int) {
	if f.inPlace && next < len(f.in) && len(f.out)+len(b)+1 > next {
		f.out = append(make([]byte, 0, len(f.in)+len(f.in)/MinLine+1), f.out...)
		f.inPlace = false
	}
	f.records += 1 + bytes.Count(b, []byte{'\n'})
	f.out = append(append(f.out, b...), '\n')
}

func (f *Framer) broken(p []byte) {
	if f.Broken != nil {
		f.Broken(p)
	}
}

// Trim takes off LFs and NULs at the end of a message that comes with its length.
func Trim(b []byte) []byte {
	for len(b) > 0 && (b[len(b)-1] == '\n' || b[len(b)-1] == 0) {
		b = b[:len(b)-1]
	}
	return b
}

// count reads "123 ". head is the bytes it takes, 0 if p does not begin so.
func count(p []byte) (size, head int) {
	n := digits(p)
	if n == 0 || n > maxCount || p[0] == '0' || n >= len(p) || p[n] != ' ' {
		return 0, 0
	}
	for _, c := range p[:n] {
		size = size*10 + int(c-'0')
	}
	return size, n + 1
}

// digits counts the digits that p begins with, as far as a count may reach.
func digits(p []byte) (n int) {
	for n < len(p) && n <= maxCount && '0' <= p[n] && p[n] <= '9' {
		n++
	}
	return n
}
