package audit

// arenaChunk is how much memory is taken for bytes at a time.
const arenaChunk = 1 << 20

// arena holds the bytes of many lines in few pieces.
type arena [][]byte // only the last grows

// keep gives a copy of b.
func (a *arena) keep(b []byte) []byte {
	last := len(*a) - 1
	if last < 0 || cap((*a)[last])-len((*a)[last]) < len(b) {
		*a = append(*a, make([]byte, 0, max(arenaChunk, len(b))))
		last++
	}
	chunk := &(*a)[last]
	start := len(*chunk)
	*chunk = append(*chunk, b...)
	return (*chunk)[start:len(*chunk):len(*chunk)]
}
