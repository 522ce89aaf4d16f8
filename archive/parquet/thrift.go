package parquet

// Thrift's compact protocol, the writing half: just what footers and page
// headers need. See
// https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md

const (
	typeTrue   = 1
	typeFalse  = 2
	typeByte   = 3
	typeI16    = 4
	typeI32    = 5
	typeI64    = 6
	typeDouble = 7
	typeBinary = 8
	typeList   = 9
	typeSet    = 10
	typeMap    = 11
	typeStruct = 12
)

// thriftWriter appends to b. last is the id of the last field of the struct
// being written; structs nest through begin and end.
type thriftWriter struct {
	b     []byte
	last  int16
	stack []int16
}

func (w *thriftWriter) reset() {
	w.b, w.last, w.stack = w.b[:0], 0, w.stack[:0]
}

func (w *thriftWriter) uvarint(v uint64) {
	for v >= 0x80 {
		w.b = append(w.b, byte(v)|0x80)
		v >>= 7
	}
	w.b = append(w.b, byte(v))
}

func (w *thriftWriter) zigzag(v int64) { w.uvarint(uint64(v<<1) ^ uint64(v>>63)) } //nolint:gosec // bit pattern

func (w *thriftWriter) field(id int16, typ byte) {
	if d := id - w.last; d > 0 && d <= 15 {
		w.b = append(w.b, byte(d)<<4|typ)
	} else {
		w.b = append(w.b, typ)
		w.zigzag(int64(id))
	}
	w.last = id
}

func (w *thriftWriter) i32(id int16, v int32) {
	w.field(id, typeI32)
	w.zigzag(int64(v))
}

func (w *thriftWriter) i64(id int16, v int64) {
	w.field(id, typeI64)
	w.zigzag(v)
}

func (w *thriftWriter) bool(id int16, v bool) {
	if v {
		w.field(id, typeTrue)
	} else {
		w.field(id, typeFalse)
	}
}

func (w *thriftWriter) bytes(v []byte) {
	w.uvarint(uint64(len(v)))
	w.b = append(w.b, v...)
}

func (w *thriftWriter) text(v string) {
	w.uvarint(uint64(len(v)))
	w.b = append(w.b, v...)
}

func (w *thriftWriter) binary(id int16, v []byte) {
	w.field(id, typeBinary)
	w.bytes(v)
}

func (w *thriftWriter) string(id int16, v string) {
	w.field(id, typeBinary)
	w.text(v)
}

func (w *thriftWriter) list(id int16, elem byte, n int) {
	w.field(id, typeList)
	if n < 15 {
		w.b = append(w.b, byte(n)<<4|elem)
		return
	}
	w.b = append(w.b, 0xf0|elem)
	w.uvarint(uint64(n))
}

// begin starts a struct: the value of field id, or a list's element when id
// is 0.
func (w *thriftWriter) begin(id int16) {
	if id != 0 {
		w.field(id, typeStruct)
	}
	w.stack = append(w.stack, w.last)
	w.last = 0
}

// end closes the innermost struct.
func (w *thriftWriter) end() {
	w.b = append(w.b, 0)
	w.last = w.stack[len(w.stack)-1]
	w.stack = w.stack[:len(w.stack)-1]
}
