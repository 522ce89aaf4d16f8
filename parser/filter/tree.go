package filter

// Op says what a Node is.
type Op uint8

// The kinds of nodes.
const (
	Leaf Op = iota // a Test
	And            // all of Nodes; without any it is true for every line
	Or             // any of Nodes; without any it is false for every line
)

// Node is one node of the normal form of a filter: tests, joined by And and Or only. Negations are in the tests
// (Test.Not), fields that the archive has as several columns are written out as tests of these, nodes of one kind are
// not nested in each other, and an And or Or without nodes is only ever the root. A tree must not be changed; any number
// of goroutines may read it.
//
// Whoever leaves lines out before they are read (by range, dictionary or bloom filter) asks each test whether a line of
// a group can pass it, and takes And and Or as they are: the answer "no" is then certain.
type Node struct {
	Op    Op
	Nodes []*Node // of And and Or
	Test  *Test   // of a Leaf
}

// Tests calls yield for each test below n, from the left, until it returns false. The same field may come several times.
func (n *Node) Tests(yield func(*Test) bool) {
	n.walk(yield)
}

func (n *Node) walk(yield func(*Test) bool) bool {
	if n.Op == Leaf {
		return yield(n.Test)
	}
	for _, sub := range n.Nodes {
		if !sub.walk(yield) {
			return false
		}
	}
	return true
}
