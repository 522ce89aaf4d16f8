package parser

// collect reads the values between the borders that the solver left, and makes spans of what is not certain.
func (f *Format) collect(line []byte, start, first int, r *Record) bool {
	s := &r.solver
	text, nodes := line[start:], f.nodes[first:]
	width := len(text) + 1
	certain := func(i int) bool {
		if s.low[i] != s.high[i] {
			return false
		}
		st := s.rows[i*width+s.low[i]]
		return st.data() == 0 || st.sep() == 0 || i == len(nodes) // nothing follows that a separator could matter to
	}
	for i := 0; i < len(nodes); {
		n := &nodes[i]
		if certain(i) && certain(i+1) {
			if n.kind == nodeField {
				printed := text[s.low[i]:s.low[i+1]:s.low[i+1]]
				if !n.decode(printed, &r.Values[n.field], r) {
					if n.shape != shapeItems || n.quoted || n.enc != encNone {
						return false
					}
					r.Values[n.field] = Value{State: Unsure} // items that cannot be told apart
					f.addSpan(r, printed, first+i, first+i+1, s.rows[(i+1)*width+s.low[i+1]])
				}
			}
			i++
			continue
		}
		// The first and the last row are certain, so that the span has two ends.
		end := i + 1
		for !certain(end) {
			end++
		}
		for j := i; j < end; j++ {
			if nodes[j].kind == nodeField {
				r.Values[nodes[j].field] = Value{State: Unsure}
			}
		}
		printed := text[s.low[i]:s.low[end]:s.low[end]]
		if !f.setLone(r, printed, first+i, first+end) {
			f.addSpan(r, printed, first+i, first+end, s.rows[end*width+s.low[end]])
		}
		i = end
	}
	return true
}

func (f *Format) addSpan(r *Record, text []byte, first, last int, st state) {
	r.spans = append(r.spans, span{first: first, last: last, text: text, sep: st.sep() != 0})
}

// setLone takes the nodes first to last for the one block of a line that has place for two, if that is what they are.
func (f *Format) setLone(r *Record, text []byte, first, last int) bool {
	if first != f.lone || last != f.lone+4 || len(text) == 0 || text[len(text)-1] != ' ' {
		return false
	}
	if !f.nodes[first].decode(text[:len(text)-1], &r.Lone, r) {
		r.Lone = Value{}
		return false
	}
	return true
}
