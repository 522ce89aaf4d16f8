package archive

import (
	"github.com/loghaul/loghaul/archive/parquet"
	"github.com/loghaul/loghaul/parser"
)

// groups remembers what whole blocks of captured headers were coded as: user
// agents and hosts repeat together, so that one look-up does for all slots.
type groups struct {
	dict    dict
	texts   parquet.Strings // a byte for the side, then the block
	entries []group
	scratch []byte
}

type group struct {
	codes [slots]uint32
	n     int
	exact bool
}

// groupLimit bounds the blocks that are remembered for one object.
const groupLimit = 1 << 15

func newGroups() groups { return groups{dict: newDict()} }

func (g *groups) reset() {
	g.dict.reset()
	g.texts.Reset()
	g.entries = g.entries[:0]
}

// find gives the entry of a block for the slots from column first on. known is
// false for a new entry, which the caller must fill in; the entry is nil when
// there is no room.
func (g *groups) find(first int, block []byte) (entry *group, known bool) {
	g.scratch = append(append(g.scratch[:0], byte(first)), block...)
	if len(g.entries) >= groupLimit {
		return nil, false
	}
	code, added := g.dict.code(g.scratch, &g.texts)
	if added {
		g.entries = append(g.entries, group{})
	}
	e := &g.entries[code]
	return e, e.n > 0
}

// learnList is spreadList that remembers the codes. Columns that are not coded
// (or stop to be, meanwhile) are not remembered.
func (t *table) learnList(row, first int, v *parser.Value, g *group) bool {
	ok := t.spreadList(row, first, v)
	n := int(min(v.Int, slots))
	for i := range n {
		k := &t.columns[first+i].chunk
		if !ok || !k.Coded {
			return ok
		}
		g.codes[i] = k.Codes[len(k.Codes)-1]
	}
	g.n, g.exact = n, ok
	return ok
}
