package audit

// arenaChunk is how much memory is taken for bytes at a time, and so how large
// a segment gets. A reader of a run holds as much.
const arenaChunk = 256 << 10

// arena holds the bytes of many lines in few pieces.
type arena struct {
	chunks [][]byte // in use; only the last grows
	free   [][]byte // empty, to be used again
}

// keep gives a copy of b, with an LF if lf says so.
func (a *arena) keep(b []byte, lf bool) []byte {
	last := a.room(len(b) + 1)
	start := len(*last)
	*last = append(*last, b...)
	if lf {
		*last = append(*last, '\n')
	}
	return (*last)[start:len(*last):len(*last)]
}

// extend gives text, which is what was kept last, with b and an LF behind it.
// They must fit.
func (a *arena) extend(text, b []byte) []byte {
	last := &a.chunks[len(a.chunks)-1]
	*last = append(append(*last, b...), '\n')
	return (*last)[len(*last)-len(text)-len(b)-1 : len(*last) : len(*last)]
}

// room gives a chunk in which n bytes have room.
func (a *arena) room(n int) *[]byte {
	if !a.fits(n) {
		chunk := []byte(nil)
		if i := len(a.free) - 1; i >= 0 && n <= arenaChunk {
			chunk, a.free = a.free[i], a.free[:i]
		} else {
			chunk = make([]byte, 0, max(arenaChunk, n))
		}
		a.chunks = append(a.chunks, chunk)
	}
	return &a.chunks[len(a.chunks)-1]
}

// fits reports whether n bytes have room behind the last ones.
func (a *arena) fits(n int) bool {
	last := len(a.chunks) - 1
	return last >= 0 && cap(a.chunks[last])-len(a.chunks[last]) >= n
}

// reset forgets all bytes. Their memory is used again, but that of long lines,
// which have chunks of their own.
func (a *arena) reset() {
	for _, c := range a.chunks {
		if cap(c) == arenaChunk {
			a.free = append(a.free, c[:0])
		}
	}
	clear(a.chunks)
	a.chunks = a.chunks[:0]
}
