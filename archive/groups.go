package archive

import (
	"bytes"

	"github.com/loghaul/loghaul/parser"
)

// groups remembers what whole blocks of captured headers were coded as: user
// agents and hosts repeat together, so that one look-up does for all slots.
type groups struct {
	dict    dict
	entries []group
}

type group struct {
	codes [slots]uint32
	n     int // 0: not known
	// Of a route: where its texts end.
	ends [2]int
	tls  bool
}

// groupLimit bounds the blocks that are remembered for one object.
const groupLimit = 1 << 15

func newGroups() groups { return groups{dict: newDict()} }

func (g *groups) reset() {
	g.dict.reset()
	g.entries = g.entries[:0]
}

// find gives the entry of a block for the slots from column first on, or nil
// when there is no room for more.
func (g *groups) find(first int, block []byte) *group {
	h := g.dict.hash(block) + uint64(first)*0x9e3779b97f4a7c15 //nolint:gosec // a hash
	if len(g.entries) >= groupLimit {
		return nil
	}
	code, added := g.dict.codeOf(h)
	if added {
		g.entries = append(g.entries, group{})
	}
	return &g.entries[code]
}

// addList spreads the items of a list over the slots from column first on.
func (t *table) addList(row, first int, v *parser.Value) bool {
	if v.Int < 1 {
		return false
	}
	g := t.groups.find(first, v.Text)
	if g != nil && g.n > 0 {
		for i, code := range g.codes[:g.n] {
			t.columns[first+i].addCode(row, code)
		}
		return int64(g.n) == v.Int
	}
	ok := t.spreadList(row, first, v)
	if ok && g != nil {
		t.learn(first, int(v.Int), g)
	}
	return ok
}

// spreadList adds the items one by one and reports whether all found a place.
func (t *table) spreadList(row, first int, v *parser.Value) bool {
	ok, n := true, 0
	v.Items(func(item []byte) bool {
		ok = t.columns[first+n].addText(row, item) && ok
		n++
		return n < slots
	})
	return ok && int64(n) == v.Int
}

// learn remembers the codes that were given last to the n slots from column
// first on, unless one of these columns is not coded.
func (t *table) learn(first, n int, g *group) {
	for i := range n {
		k := &t.columns[first+i].chunk
		if !k.Coded {
			return
		}
		g.codes[i] = k.Codes[len(k.Codes)-1]
	}
	g.n = n
}

// addRoute adds frontend, backend and server with one look-up for the stretch
// of the line from the first to the last. It adds nothing and reports false
// when they do not lie in one stretch, or when there is no room to remember it.
func (t *table) addRoute(row int, ft, b, s *parser.Value) bool {
	span, ok := stretch(ft.Text, s.Text)
	if !ok || b.State&s.State&parser.Present == 0 {
		return false
	}
	g := t.groups.find(colFrontend, span)
	if g == nil {
		return false
	}
	columns := [...]*column{&t.columns[colFrontend], &t.columns[colBackend], &t.columns[colServer]}
	ends := [2]int{len(ft.Text), len(b.Text)}
	if g.n == 0 {
		name, tls := bytes.CutSuffix(ft.Text, []byte{'~'})
		for i, v := range [...][]byte{name, b.Text, s.Text} {
			if !columns[i].chunk.Coded {
				return false
			}
			code, added := columns[i].dict.code(v)
			if added && !columns[i].admit(code, v) {
				return false
			}
			g.codes[i] = code
		}
		g.n, g.tls, g.ends = len(columns), tls, ends
	}
	if g.ends != ends || !columns[0].chunk.Coded || !columns[1].chunk.Coded || !columns[2].chunk.Coded {
		return false
	}
	for i, c := range columns {
		c.addCode(row, g.codes[i])
	}
	t.columns[colFrontendTLS].addBool(row, g.tls)
	return true
}

// stretch gives the bytes from the start of a to the end of b when both are
// pieces of one line.
func stretch(a, b []byte) ([]byte, bool) {
	from := cap(a) - cap(b)
	if from < len(a) || len(a) == 0 || len(b) == 0 || from+len(b) > cap(a) {
		return nil, false
	}
	span := a[:from+len(b)]
	return span, &span[from] == &b[0]
}
