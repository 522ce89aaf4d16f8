package parquet

import (
	"errors"
	"fmt"
)

// errThrift is any broken thrift structure.
var errThrift = errors.New("broken thrift structure")

// thriftReader is the reading half: it never allocates more than the input
// holds, whatever the input declares.
type thriftReader struct {
	b   []byte
	pos int
	err error
}

func (r *thriftReader) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s at byte %d", errThrift, what, r.pos)
	}
	r.pos = len(r.b)
}

func (r *thriftReader) byte() byte {
	if r.pos >= len(r.b) {
		r.fail("ends early")
		return 0
	}
	c := r.b[r.pos]
	r.pos++
	return c
}

func (r *thriftReader) uvarint() uint64 {
	var v uint64
	for shift := 0; shift < 64; shift += 7 {
		c := r.byte()
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
	r.fail("varint longer than 64 bits")
	return 0
}

func (r *thriftReader) int() int64 {
	v := r.uvarint()
	return int64(v>>1) ^ -int64(v&1) //nolint:gosec // bit pattern
}

func (r *thriftReader) int32() int32 {
	v := r.int()
	if v != int64(int32(v)) { //nolint:gosec // that is the test
		r.fail("number longer than 32 bits")
		return 0
	}
	return int32(v) //nolint:gosec // checked
}

// bytes gives a view of the input.
func (r *thriftReader) bytes() []byte {
	n := r.uvarint()
	if r.err != nil || n > uint64(len(r.b)-r.pos) {
		r.fail("text longer than the input")
		return nil
	}
	v := r.b[r.pos : r.pos+int(n)] //nolint:gosec // checked
	r.pos += int(n)                //nolint:gosec // checked
	return v
}

// list gives the element type and the number of elements. An element takes a
// byte at least, so more elements than bytes are refused.
func (r *thriftReader) list() (elem byte, n int) {
	c := r.byte()
	elem = c & 15
	size := uint64(c >> 4)
	if size == 15 {
		size = r.uvarint()
	}
	if r.err != nil || size > uint64(len(r.b)-r.pos) {
		r.fail("list longer than the input")
		return elem, 0
	}
	return elem, int(size) //nolint:gosec // checked
}

// fields calls fn for each field of a struct. fn reads the value, or returns
// false to have it skipped. A field id that comes twice or goes backwards is
// refused: readers differ in which one they believe.
func (r *thriftReader) fields(depth int, fn func(id int16, typ byte) bool) {
	var last int16
	for r.err == nil {
		c := r.byte()
		if c == 0 {
			return
		}
		id, typ := last+int16(c>>4), c&15
		if c>>4 == 0 {
			v := r.int()
			if v != int64(int16(v)) { //nolint:gosec // that is the test
				r.fail("field id out of range")
				return
			}
			id = int16(v) //nolint:gosec // checked
		}
		if id <= last {
			r.fail("field ids out of order")
			return
		}
		last = id
		if !fn(id, typ) {
			r.skip(typ, depth)
		}
	}
}

// want reports whether typ is the expected one and records an error if not.
func (r *thriftReader) want(typ, expected byte) bool {
	if typ != expected {
		r.fail("unexpected type of a field")
	}
	return typ == expected
}

const maxDepth = 16

func (r *thriftReader) skip(typ byte, depth int) {
	if depth > maxDepth {
		r.fail("nested too deeply")
		return
	}
	switch typ {
	case typeTrue, typeFalse:
	case typeByte:
		r.byte()
	case typeI16, typeI32, typeI64:
		r.uvarint()
	case typeBinary:
		r.bytes()
	case typeDouble:
		for range 8 {
			r.byte()
		}
	case typeList, typeSet:
		elem, n := r.list()
		for i := 0; i < n && r.err == nil; i++ {
			if elem == typeTrue || elem == typeFalse {
				r.byte()
				continue
			}
			r.skip(elem, depth+1)
		}
	case typeStruct:
		r.fields(depth+1, func(int16, byte) bool { return false })
	default:
		r.fail("unknown type of a field")
	}
}
