package parser

// A tight group is a run of fields that can hold any text, with nothing but literals between, for example %CC %CS of
// httplog. The program reads each up to the first byte of any literal of the group. That is one way to read the line,
// if the rest matches; it is the only one because
//
//   - where the group ends is fixed: from the end of the line backwards each node can begin at one place only
//     (fixedFromEnd), so that the rest takes the same bytes in every reading;
//   - within the group all bytes that occur in its literals are used up by them, so that no text can hold one.
//
// If the rest does not match, the guess was wrong and the solver decides.

// tightGroup returns the node after the tight group that begins at node i, and the bytes that end its texts; or i if
// there is none.
func tightGroup(nodes []node, i int) (end int, delims *byteSet) {
	delims = &byteSet{}
	for end = i; end < len(nodes) && nodes[end].open(); {
		end++
		if end == len(nodes) {
			return end, delims
		}
		if nodes[end].kind != nodeText {
			return i, nil
		}
		if end+1 < len(nodes) && nodes[end+1].open() {
			for j := range len(nodes[end].text) {
				delims.add(nodes[end].text[j])
			}
			end++
			continue
		}
		delims.add(nodes[end].text[0])
		break
	}
	if end == i || !fixedFromEnd(nodes, end) {
		return i, nil
	}
	return end, delims
}

// open reports whether n is a field whose text can hold anything and has nothing that ends it.
func (n *node) open() bool {
	return n.kind == nodeField && n.enc == encNone && (n.shape == shapeText || n.shape == shapeCookie) && n.class == classAny &&
		!n.quoted && !n.escaped && !n.blank
}

// fixedFromEnd reports whether, reading a line backwards from its end, each node from k on can begin at one place only.
func fixedFromEnd(nodes []node, k int) bool {
	for j := len(nodes) - 1; j >= k; j-- {
		n := &nodes[j]
		switch {
		case n.kind == nodeText:
		case n.enc != encNone:
			return false
		case n.kind == nodeSep:
			if j = beforeBlocks(nodes, j); j < k {
				return false
			}
		case n.shape == shapeDate, n.shape == shapeState, n.shape == shapeMilli && !n.hex:
		case n.shape == shapeText && n.quoted && !n.escaped && n.class != classAny:
		case j > 0 && nodes[j-1].kind == nodeText && !n.reachesBack(nodes[j-1].text[len(nodes[j-1].text)-1]):
		default:
			return false
		}
	}
	return true
}

// reachesBack reports whether the text of n could as well begin with the byte c that stands before it, or whether the
// text says nothing about where it begins.
func (n *node) reachesBack(c byte) bool {
	switch n.shape {
	case shapeInt, shapePort, shapeMilli:
		if n.hex {
			return n.blank || isAlnum(c) || c == '-'
		}
		return n.blank || isDigit(c) || c == '-' || c == '+' || c == '"'
	case shapeAddr:
		return n.quoted || n.blank || isAlnum(c) || c == '.' || c == ':' || c == '-'
	case shapeText:
		return n.quoted || n.escaped || n.blank || classes[c]&n.class != 0 || c == '-'
	default:
		return true
	}
}

// beforeBlocks steps back over blocks of headers that vanish with the separator after them, the last separator being
// node j. It returns the node before them if it is certain, from the bytes, how many of the blocks there are: what
// stands before is a space and no "}". Otherwise -1.
func beforeBlocks(nodes []node, j int) int {
	for ; j >= 2 && nodes[j].kind == nodeSep; j -= 2 {
		if n := &nodes[j-1]; !n.block() || n.enc != encNone || n.quoted || n.escaped {
			return -1
		}
	}
	n := &nodes[j]
	if n.kind != nodeText || !n.sep {
		return -1
	}
	if len(n.text) > 1 {
		if n.text[len(n.text)-2] == '}' {
			return -1
		}
		return j
	}
	if j == 0 {
		return -1
	}
	before := &nodes[j-1]
	switch before.shape {
	case shapeInt, shapePort, shapeMilli, shapeDate, shapeState:
		return j
	case shapeText:
		if before.kind == nodeField && classes['}']&before.class == 0 && !before.quoted && !before.blank {
			return j
		}
	default:
	}
	return -1
}
