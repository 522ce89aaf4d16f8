package parser

// solver reads a line, or the rest of one, by looking at every way in which the nodes can have printed it. It is the
// authority on what a line means: a field is certain only if its borders are the same in all of them. Where they are
// not, the line is kept as a span from the last certain border to the next one.
//
// It works on states (node, position, separator rule) in two passes: forward it marks what can be reached from the
// start; backward it keeps what reaches the end. Its cost is nodes × bytes; ends that have to be tried one by one are
// bounded by a budget.
type solver struct {
	rows   []byte  // (nodes+1) rows of len+1 positions; bits stateSep and stateData
	low    []int   // per row the range of positions that hold states
	high   []int   //
	runs   []int32 // for the node being looked at: end of the run of its class, by position
	ends   []int   // for the node and position being looked at: single ends
	budget int
}

// The two states of the separator rule: a separator was printed last, or something else.
const (
	stateData byte = 1 << iota
	stateSep
)

// maxSolve bounds the stretch that is solved, and with it the memory of a Record.
const maxSolve = 64 << 10

// move is where the text of a node that starts at one position can end, besides solver.ends.
type move struct {
	none     bool // it can be nothing at all
	from, to int  // every position from..to, or none if from > to
	quoted   bool // of these only those after a quote
}

// solve reads line[start:] with the nodes from first on into r, and reports whether they can have printed it.
func (f *Format) solve(line []byte, start, first int, sep bool, r *Record) bool {
	text, nodes := line[start:], f.nodes[first:]
	if len(text) > maxSolve {
		return false
	}
	s := &r.solver
	s.prepare(len(nodes), len(text))
	width := len(text) + 1
	s.rows[0] = stateData
	if sep {
		s.rows[0] = stateSep
	}
	for i := range nodes {
		if !s.forward(&nodes[i], text, i, width) {
			return false
		}
	}
	// Keep only what ends the line.
	last := len(nodes)
	end := s.rows[last*width+len(text)]
	if end == 0 {
		return false
	}
	clear(s.rows[last*width : last*width+len(text)])
	s.low[last], s.high[last] = len(text), len(text)
	for i := len(nodes) - 1; i >= 0; i-- {
		s.backward(&nodes[i], text, i, width)
	}
	return f.collect(line, start, first, r)
}

func (s *solver) prepare(nodes, length int) {
	size := (nodes + 1) * (length + 1)
	if cap(s.rows) < size {
		s.rows = make([]byte, size+size/2)
	}
	s.rows = s.rows[:size]
	clear(s.rows)
	if cap(s.runs) < length+2 {
		s.runs = make([]int32, length+length/2+2)
	}
	if cap(s.low) < nodes+1 {
		s.low, s.high = make([]int, nodes+1), make([]int, nodes+1)
	}
	s.low, s.high = s.low[:nodes+1], s.high[:nodes+1]
	for i := range s.low {
		s.low[i], s.high[i] = length+1, -1
	}
	s.low[0], s.high[0] = 0, 0
	s.budget = 64*length + 4096
}

// forward marks in row i+1 what node n can reach from row i. It is false if that is nothing, or the budget is spent.
func (s *solver) forward(n *node, text []byte, i, width int) bool {
	from, to := s.rows[i*width:(i+1)*width], s.rows[(i+1)*width:(i+2)*width]
	reach := func(q int, state byte) {
		to[q] |= state
		s.low[i+1], s.high[i+1] = min(s.low[i+1], q), max(s.high[i+1], q)
	}
	s.findRuns(n, text, s.low[i])
	done := -1
	for p := s.low[i]; p <= s.high[i]; p++ {
		state := from[p]
		if state == 0 {
			continue
		}
		switch n.kind {
		case nodeText:
			if q := p + len(n.text); q <= len(text) && string(text[p:q]) == n.text {
				reach(q, n.after())
			}
			continue
		case nodeSep:
			if state&stateSep != 0 {
				reach(p, stateSep)
			}
			if state&stateData != 0 && p < len(text) && text[p] == ' ' {
				reach(p+1, stateSep)
			}
			continue
		case nodeField:
		}
		m := s.moves(n, text, p)
		if s.budget < 0 {
			return false
		}
		if m.none {
			reach(p, n.afterNothing(state))
		}
		for _, q := range s.ends {
			reach(q, stateData)
		}
		for q := max(m.from, done+1); q <= m.to; q++ {
			if !m.quoted || text[q-1] == '"' {
				reach(q, stateData)
			}
		}
		done = max(done, m.to)
	}
	return s.high[i+1] >= 0
}

// backward drops from row i what does not lead to row i+1.
func (s *solver) backward(n *node, text []byte, i, width int) {
	from, to := s.rows[i*width:(i+1)*width], s.rows[(i+1)*width:(i+2)*width]
	s.findRuns(n, text, s.low[i])
	scanned, next := s.high[i+1]+1, -1 // next is the lowest state of row i+1 at or above scanned
	low, high := len(text)+1, -1
	for p := s.high[i]; p >= s.low[i]; p-- {
		state := from[p]
		if state == 0 {
			continue
		}
		var keep byte
		switch n.kind {
		case nodeText:
			if q := p + len(n.text); q <= len(text) && to[q]&n.after() != 0 && string(text[p:q]) == n.text {
				keep = state
			}
		case nodeSep:
			keep = state & to[p] & stateSep
			if p < len(text) && text[p] == ' ' && to[p+1]&stateSep != 0 {
				keep |= state & stateData
			}
		default:
			m := s.moves(n, text, p)
			if m.none {
				if n.expr {
					if to[p]&stateData != 0 {
						keep = state
					}
				} else {
					keep = state & to[p]
				}
			}
			for _, q := range s.ends {
				if to[q]&stateData != 0 {
					keep = state
				}
			}
			for ; scanned > m.from && m.from <= m.to; scanned-- {
				if q := scanned - 1; to[q]&stateData != 0 && (!m.quoted || text[q-1] == '"') {
					next = q
				}
			}
			if m.from <= m.to && next >= m.from && next <= m.to {
				keep = state
			}
		}
		from[p] = keep
		if keep != 0 {
			low, high = min(low, p), max(high, p)
		}
	}
	s.low[i], s.high[i] = low, high
}

func (n *node) after() byte {
	if n.sep {
		return stateSep
	}
	return stateData
}

func (n *node) afterNothing(state byte) byte {
	if n.expr {
		return stateData
	}
	return state
}

// findRuns fills s.runs for the nodes that need it: where the run of the node's class that starts there ends.
func (s *solver) findRuns(n *node, text []byte, low int) {
	if n.kind != nodeField || !n.interval() || n.shape != shapeCookie && n.class == classAny || low > len(text) {
		return
	}
	k := n.class
	if n.shape == shapeCookie {
		k = classCookie
	}
	s.runs = s.runs[:len(text)+2]
	s.runs[len(text)], s.runs[len(text)+1] = int32(len(text)), int32(len(text))
	for p := len(text) - 1; p >= low; p-- {
		switch c := text[p]; {
		case classes[c]&k == 0 && (n.shape != shapeItems || c != ' '):
			s.runs[p] = int32(p)
		default:
			s.runs[p] = s.runs[p+1]
		}
	}
}

// moves tells where the text of the field n that starts at p can end.
func (s *solver) moves(n *node, text []byte, p int) (m move) {
	s.ends = s.ends[:0]
	m.from, m.to, m.none = 1, 0, n.blank
	if !n.interval() {
		s.singleEnds(n, text, p)
		return m
	}
	if n.wrapped() { // any bytes between quotes
		if p+1 >= len(text) || text[p] != '"' {
			return m
		}
		m.from, m.to, m.quoted = p+2, len(text), true
		if n.shape == shapeCookie {
			if text[p+1] == '"' {
				s.ends = append(s.ends, p+2)
			}
			name := int(s.runs[p+1])
			if name == p+1 || name >= len(text) || text[name] != '=' {
				m.from, m.to = 1, 0
				return m
			}
			m.from = name + 2
		}
		return m
	}
	switch {
	case n.shape == shapeCookie:
		if n.dashed && p < len(text) && text[p] == '-' {
			s.ends = append(s.ends, p+1)
		}
		if name := int(s.runs[p]); name > p && name < len(text) && text[name] == '=' {
			m.from, m.to = name+1, len(text)
		}
	case n.class == classAny:
		m.from, m.to = p+1, len(text)
	default:
		if n.dashed && p < len(text) && text[p] == '-' {
			s.ends = append(s.ends, p+1)
		}
		m.from, m.to = p+1, int(s.runs[p])
	}
	return m
}
