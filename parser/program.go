package parser

// Parse reads line, without its LF, into r and reports whether it is of this format. It is true only when the whole
// line is what HAProxy prints for the format, so that Append(nil, r) is line again. It does not allocate once r has
// seen a few lines. When it is false the contents of r are undefined.
func (f *Format) Parse(line []byte, r *Record) bool {
	r.begin(f)
	return f.solve(line, 0, 0, true, r)
}

func (r *Record) begin(f *Format) {
	if r.Format != f {
		r.Format = f
		if cap(r.Values) < len(f.fields) {
			r.Values = make([]Value, len(f.fields))
		}
		r.Values = r.Values[:len(f.fields)]
	}
	r.Lone.State = 0
	r.spans = r.spans[:0]
	r.scratch = r.scratch[:0]
}

type op struct{}

func assemble(nodes []node, lone int) []op { return nil }
