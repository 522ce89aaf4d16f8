package tail

import "bytes"

// wrapper is how a container runtime wraps the lines of a file. It cuts long
// lines into parts, each a record of its own.
type wrapper uint8

const (
	bare   wrapper = iota
	cri            // containerd and CRI-O: a record says that it is a part
	docker         // the json-file driver: a part is a record whose text lacks the LF
)

// wrappers are the values of Input.Wrapper; "auto" and "" ask the file's head.
var wrappers = map[string]wrapper{"none": bare, "cri": cri, "docker": docker} //nolint:gochecknoglobals // a table

// detect says which wrapper f's records have. head is its complete head.
func (f *File) detect(head []byte) {
	f.sniffed = true
	if w, fixed := wrappers[f.t.inputs[f.pattern].Wrapper]; fixed {
		f.wrap = w
		return
	}
	f.wrap = bare
	if _, _, ok := criPart(head); ok {
		f.wrap = cri
	} else if bytes.HasPrefix(head, []byte(`{"log":"`)) || bytes.HasPrefix(head, []byte(`{"stream":"`)) {
		f.wrap = docker
	}
}

// streams are those of a container: parts of stdout and stderr can alternate.
const streams = 2

// closed gives the end of the last (or first) record in p, whole records, after
// which no line is open on any stream; 0 if there is none.
func (w wrapper) closed(p []byte, first bool) int {
	var open [streams]bool
	end := 0
	for off := 0; off < len(p); {
		n := bytes.IndexByte(p[off:], '\n') + 1
		if n == 0 {
			break
		}
		if stream, part, ok := w.part(p[off : off+n]); ok {
			open[stream] = part
		}
		off += n
		if open == [streams]bool{} {
			end = off
			if first {
				break
			}
		}
	}
	return end
}

func (w wrapper) part(record []byte) (stream int, part, ok bool) {
	if w == cri {
		return criPart(record)
	}
	return dockerPart(record)
}

// criPart reads `2026-11-22T16:17:55.857123456Z stdout P text`: the time, the
// stream, and F or P, perhaps with tags behind colons.
func criPart(record []byte) (stream int, part, ok bool) {
	const usual = len("2026-11-22T16:17:55.857123456Z")
	i := usual
	if len(record) <= usual || record[usual] != ' ' || record[usual-1] != 'Z' {
		i = bytes.IndexByte(record[:min(len(record), 40)], ' ')
	}
	if i < 20 || record[4] != '-' || record[10] != 'T' {
		return 0, false, false
	}
	rest := record[i+1:]
	switch {
	case bytes.HasPrefix(rest, []byte("stdout ")):
	case bytes.HasPrefix(rest, []byte("stderr ")):
		stream = 1
	default:
		return 0, false, false
	}
	const tag = len("stdout ")
	if len(rest) < tag+2 || rest[tag] != 'P' && rest[tag] != 'F' || rest[tag+1] != ' ' && rest[tag+1] != ':' && rest[tag+1] != '\n' {
		return 0, false, false
	}
	return stream, rest[tag] == 'P', true
}

// dockerPart reads `{"log":"text\n","stream":"stdout","time":"…"}`. A quote
// within a text has a backslash before it, so what is found here are ends.
func dockerPart(record []byte) (stream int, part, ok bool) {
	if record[0] != '{' {
		return 0, false, false
	}
	if bytes.Contains(record, []byte(`"stream":"stderr"`)) {
		stream = 1
	}
	for off := 0; ; {
		i := bytes.Index(record[off:], []byte(`\n"`))
		if i < 0 {
			return stream, true, true
		}
		i += off
		slashes := 0
		for i-slashes > 0 && record[i-slashes-1] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return stream, false, true
		}
		off = i + 2
	}
}
