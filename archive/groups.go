package archive

import (
	"bytes"
	"math/bits"

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
	n     int  // 0: not known
	tls   bool // of a route
}

// groupLimit bounds the blocks that are remembered for one object.
const groupLimit = 1 << 15

func newGroups() groups { return groups{dict: newDict()} }

func (g *groups) reset() {
	g.dict.reset()
	g.entries = g.entries[:0]
}

// find gives the entry of a block by its hash, or nil when there is no room
// for more.
func (g *groups) find(hash uint64) *group {
	if len(g.entries) >= groupLimit {
		return nil
	}
	code, added := g.dict.codeOf(hash)
	if added {
		g.entries = append(g.entries, group{})
	}
	return &g.entries[code]
}

// salt keeps the blocks of the slots from column first on apart from others.
func salt(first int) uint64 { return uint64(first) * 0x9e3779b97f4a7c15 } //nolint:gosec // a hash

// addLists spreads the items of lists over the slots from column first on.
// texts has the lists, k.items the numbers of their items.
func (t *table) addLists(k *block, first int, b *texts) {
	var marks [slots]uint64
	for rows := b.rows; rows != 0; rows &= rows - 1 {
		i := bits.TrailingZeros64(rows)
		n, ok := k.items[i], false
		g := t.groups.find(t.groups.dict.hash(b.at[i]) + salt(first))
		switch {
		case n < 1:
		case g != nil && g.n > 0 && t.coded(first, g.n):
			for j, code := range g.codes[:g.n] {
				c := &t.columns[first+j].chunk
				c.Codes = append(c.Codes, code)
				marks[j] |= 1 << i
			}
			ok = int64(g.n) == n
		default:
			ok = t.spreadList(k.row+i, first, &parser.Value{Text: b.at[i], Int: n})
			if ok && g != nil {
				t.learn(first, int(n), g)
			}
		}
		if !ok {
			k.exact &^= 1 << i
		}
	}
	for j, rows := range marks {
		t.columns[first+j].markRows(k.row, rows)
	}
}

// coded reports whether the n columns from first on still have dictionaries: a
// column may have given its own up after the group was learned.
func (t *table) coded(first, n int) bool {
	for i := range n {
		if !t.columns[first+i].chunk.Coded {
			return false
		}
	}
	return true
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

// addRoutes adds frontend, backend and server of all records, by one look-up
// for the three where that is possible.
func (t *table) addRoutes(k *block, ops []op) {
	routed, frontend := uint64(0), &t.columns[colFrontendTLS]
	for i, values := range k.values[:k.n] {
		v := values[ops[0].field:][:3]
		if g := t.route(v); g != nil {
			for j, o := range ops {
				c := &t.columns[o.col].chunk
				c.Codes = append(c.Codes, g.codes[j])
			}
			frontend.chunk.Bools = append(frontend.chunk.Bools, g.tls)
			routed |= 1 << i
			continue
		}
		for j := range v {
			if v[j].State&parser.Present != 0 && !t.addField(k.row+i, &ops[j], &v[j], k.records[i]) {
				k.exact &^= 1 << i
			}
		}
	}
	frontend.markRows(k.row, routed)
	for _, o := range ops {
		t.columns[o.col].markRows(k.row, routed)
	}
}

// route gives the codes of a frontend, a backend and a server, or nil when one
// of them is absent or cannot be coded, or when there is no room to remember
// them.
func (t *table) route(v []parser.Value) *group {
	columns := [...]*column{&t.columns[colFrontend], &t.columns[colBackend], &t.columns[colServer]}
	hash := salt(colFrontend)
	for j, c := range columns {
		if v[j].State&parser.Present == 0 || !c.chunk.Coded {
			return nil
		}
		hash = mix(hash^t.groups.dict.hash(v[j].Text), t.groups.dict.seed[1]+uint64(j)) //nolint:gosec // a hash
	}
	g := t.groups.find(hash)
	if g == nil || g.n > 0 {
		return g
	}
	name, tls := bytes.CutSuffix(v[0].Text, []byte{'~'})
	for j, text := range [...][]byte{name, v[1].Text, v[2].Text} {
		code, added := columns[j].dict.code(text)
		if added && !columns[j].admit(code, text) {
			return nil
		}
		g.codes[j] = code
	}
	g.n, g.tls = len(columns), tls
	return g
}
