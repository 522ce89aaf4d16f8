package parser

import "bytes"

// solver reads a line, or the rest of one, by looking at every way in which the nodes can have printed it. It is the
// authority on what a line means: a field is certain only if its borders are the same in all of them. Where they are
// not, the line is kept as a span from the last certain border to the next one.
//
// It works on states (node, position, mode, separator rule) in two passes: forward it marks what can be reached from the
// start; backward it keeps what reaches the end. Its cost is nodes × bytes; ends that have to be tried one by one are
// bounded by a budget.
type solver struct {
	rows   []state // (nodes+1) rows of len+1 positions
	low    []int   // per row the range of positions that hold states
	high   []int   //
	runs   []int32 // for the node being looked at: end of the run of its class, by position
	ends   []int   // for the node and position being looked at: single ends
	forced []forced
	cut    bool // the line may end within any node
	budget int
}

// state is a set of modes for either state of the separator rule: the lower bits if something else than a separator was
// printed last, the upper ones for a separator.
type state uint16

func afterData(m modes) state { return state(m) }
func afterSep(m modes) state  { return state(m) << maxModes }

func (s state) data() modes { return modes(s) & allModes }
func (s state) sep() modes  { return modes(s) >> maxModes }
func (s state) all() modes  { return s.data() | s.sep() }

// of returns the states of the modes in m.
func (s state) of(m modes) state { return s & (afterData(m) | afterSep(m)) }

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
	if len(line)-start > maxSolve {
		return false
	}
	s := &r.solver
	defer s.release()
	s.forced, s.cut = s.forced[:0], false
	if !f.solveOnce(line, start, first, sep, r) {
		return false
	}
	for f.modes != oneMode && !r.Exact() && s.force(f, first, r) {
		r.spans = r.spans[:0]
		r.Lone = Value{}
		if !f.solveOnce(line, start, first, sep, r) {
			return false
		}
	}
	if f.modes != oneMode && f.contradicts(r) {
		return false
	}
	f.settleDashes(r)
	return true
}

func (f *Format) solveOnce(line []byte, start, first int, sep bool, r *Record) bool {
	text, nodes := line[start:], f.nodes[first:]
	s := &r.solver
	s.prepare(len(nodes), len(text))
	width := len(text) + 1
	begin := f.modesBefore(first, r)
	s.rows[0] = afterData(begin)
	if sep {
		s.rows[0] = afterSep(begin)
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
		s.rows = make([]state, size+size/2)
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

// maxKept bounds the states whose memory a Record keeps for the next line: callers have many records, and few lines are
// long.
const maxKept = 1 << 17

func (s *solver) release() {
	if cap(s.rows) > maxKept {
		s.rows, s.runs = nil, nil
	}
}

// forward marks in row i+1 what node n can reach from row i. It is false if that is nothing, or the budget is spent.
func (s *solver) forward(n *node, text []byte, i, width int) bool {
	from, to := s.rows[i*width:(i+1)*width], s.rows[(i+1)*width:(i+2)*width]
	reach := func(q int, st state) {
		if st != 0 {
			to[q] |= st
			s.low[i+1], s.high[i+1] = min(s.low[i+1], q), max(s.high[i+1], q)
		}
	}
	s.findRuns(n, text, s.low[i])
	var done [maxModes]int // up to where the ranges have been marked, by mode
	for p := s.low[i]; p <= s.high[i]; p++ {
		st := from[p]
		if st == 0 {
			continue
		}
		switch n.kind {
		case nodeText:
			if q := p + len(n.text); q <= len(text) && string(text[p:q]) == n.text {
				reach(q, n.after(st.all()))
			}
			continue
		case nodeSep:
			reach(p, afterSep(st.sep()))
			if p < len(text) && text[p] == ' ' {
				reach(p+1, afterSep(st.data()))
			}
			continue
		case nodeField:
		}
		m := s.movesOf(n, i, text, p)
		if s.budget < 0 {
			return false
		}
		if m.none {
			reach(p, n.afterNothing(st.of(n.allowed(nil))))
		}
		for _, q := range s.ends {
			reach(q, afterData(st.all()&n.allowed(text[p:q])))
		}
		if m.from > m.to {
			continue
		}
		free := st.all() & n.freeModes()
		for mode := range maxModes {
			if free>>mode&1 == 0 {
				continue
			}
			for q := max(m.from, done[mode]+1); q <= m.to; q++ {
				if !m.quoted || text[q-1] == '"' {
					reach(q, afterData(1<<mode))
				}
			}
			done[mode] = max(done[mode], m.to)
		}
		if q := p + len(n.none); n.bound != 0 && n.none != "" && m.contains(q, text) && string(text[p:q]) == n.none {
			reach(q, afterData(st.all()))
		}
	}
	return s.high[i+1] >= 0
}

// contains reports whether q is one of the ends of the range of m.
func (m *move) contains(q int, text []byte) bool {
	return q >= m.from && q <= m.to && (!m.quoted || text[q-1] == '"')
}

// backward drops from row i what does not lead to row i+1.
func (s *solver) backward(n *node, text []byte, i, width int) {
	from, to := s.rows[i*width:(i+1)*width], s.rows[(i+1)*width:(i+2)*width]
	s.findRuns(n, text, s.low[i])
	scanned := s.high[i+1] + 1
	var next [maxModes]int // the lowest state of row i+1 at or above scanned, plus one, by mode
	low, high := len(text)+1, -1
	for p := s.high[i]; p >= s.low[i]; p-- {
		st := from[p]
		if st == 0 {
			continue
		}
		var keep state
		switch n.kind {
		case nodeText:
			if q := p + len(n.text); q <= len(text) && string(text[p:q]) == n.text {
				keep = st.of(n.leads(to[q]))
			}
		case nodeSep:
			keep = st & to[p] & afterSep(allModes)
			if p < len(text) && text[p] == ' ' {
				keep |= st & afterData(to[p+1].sep())
			}
		default:
			m := s.movesOf(n, i, text, p)
			if m.none {
				nothing := st.of(n.allowed(nil))
				if n.expr {
					keep = nothing.of(to[p].data())
				} else {
					keep = nothing & to[p]
				}
			}
			for _, q := range s.ends {
				keep |= st.of(to[q].data() & n.allowed(text[p:q]))
			}
			if m.from > m.to {
				break
			}
			for ; scanned > m.from; scanned-- {
				q := scanned - 1
				if m.quoted && text[q-1] != '"' {
					continue
				}
				data := to[q].data()
				for mode := 0; data != 0; mode++ {
					if data&1 != 0 {
						next[mode] = q + 1
					}
					data >>= 1
				}
			}
			for mode := range maxModes {
				if q := next[mode] - 1; q >= m.from && q <= m.to {
					keep |= st.of(1 << mode & n.freeModes())
				}
			}
			if q := p + len(n.none); n.bound != 0 && n.none != "" && m.contains(q, text) && string(text[p:q]) == n.none {
				keep |= st.of(to[q].data())
			}
		}
		if s.cut && n.begins(text[p:]) {
			keep = st
		}
		from[p] = keep
		if keep != 0 {
			low, high = min(low, p), max(high, p)
		}
	}
	s.low[i], s.high[i] = low, high
}

// after returns the states after the text n.
func (n *node) after(m modes) state {
	if n.sep {
		return afterSep(m)
	}
	return afterData(m)
}

// leads returns the modes in which the text n leads to one of the states.
func (n *node) leads(to state) modes {
	if n.sep {
		return to.sep()
	}
	return to.data()
}

func (n *node) afterNothing(st state) state {
	if n.expr {
		return afterData(st.all())
	}
	return st
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

// movesOf is moves of the node with index i, if what it prints is not known already.
func (s *solver) movesOf(n *node, i int, text []byte, p int) (m move) {
	if i >= len(s.forced) || !s.forced[i].set {
		return s.moves(n, text, p)
	}
	m.from, m.to = 1, 0
	s.ends = s.ends[:0]
	if must := s.forced[i].text; len(must) == 0 {
		m.none = true
	} else if bytes.HasPrefix(text[p:], must) {
		s.ends = append(s.ends, p+len(must))
	}
	return m
}

// moves tells where the text of the field n that starts at p can end.
func (s *solver) moves(n *node, text []byte, p int) (m move) {
	s.ends = s.ends[:0]
	m.from, m.to, m.none = 1, 0, n.blank
	if n.never {
		return m
	}
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
