package parser

// What HAProxy prints for several fields depends on the same two facts: whether the session had a stream, and whether
// the frontend captures headers of a side. Without a stream there is no request (`<BADREQ>`), no cookie and no captured
// header; with one, the list of a side (%hr, %hrl) prints if and only if any is captured, and a `capture.req.hdr(N)` has
// a value only then (frontend_accept and sess_build_logline of HAProxy 2.6 to 3.4). The solver reads a line once for
// each combination, a mode, all at once: a set of modes is a mask.
type modes uint16

const (
	modeNoStream modes = 1 << iota
	modeNone           // a stream, and nothing captured
	modeRequest        // headers of requests are captured
	modeResponse       // of responses
	modeBoth

	maxModes = 5
	allModes = 1<<maxModes - 1

	// oneMode is for formats without fields that depend on each other.
	oneMode = modeNone

	requestModes  = modeRequest | modeBoth
	responseModes = modeResponse | modeBoth
)

// badRequest is what HAProxy prints for a request, and for each of its parts, when there is none.
const badRequest = "<BADREQ>"

// findModes tells the nodes the modes they depend on, if several of them do.
func (f *Format) findModes() {
	f.modes = oneMode
	lists, captures := 0, 0
	for i := range f.nodes {
		if n := &f.nodes[i]; n.side() != 0 {
			if n.list() {
				lists++
			} else {
				captures++
			}
		}
	}
	if lists == 0 || lists == 1 && captures == 0 && f.captures == nil || lists == 2 && captures == 0 && f.captures == nil && f.oneEach() {
		return
	}
	f.modes = f.captures.modes()
	for i := range f.nodes {
		n := &f.nodes[i]
		side := n.side()
		switch {
		case n.kind != nodeField:
		case n.list():
			n.must, n.mustNot = side, allModes&^side
		case side != 0:
			n.bound = allModes &^ side
		case n.request, n.shape == shapeCookie:
			n.bound = modeNoStream
		}
		if n.bound != 0 {
			none := Value{}
			if n.request {
				none = Value{Text: []byte(badRequest), State: Present}
			}
			n.none = string(n.appendValue(nil, &none, &dateCache{}))
		}
	}
}

// oneEach reports whether the format has one list of either side.
func (f *Format) oneEach() bool {
	var sides modes
	for i := range f.nodes {
		if n := &f.nodes[i]; n.list() {
			sides ^= n.side() &^ modeBoth
		}
	}
	return sides == modeRequest|modeResponse
}

// modes returns the modes that a configuration leaves.
func (c *Captures) modes() modes {
	switch {
	case c == nil:
		return allModes
	case len(c.Request) > 0 && len(c.Response) > 0:
		return modeNoStream | modeBoth
	case len(c.Request) > 0:
		return modeNoStream | modeRequest
	case len(c.Response) > 0:
		return modeNoStream | modeResponse
	default:
		return modeNoStream | modeNone
	}
}

func (n *node) list() bool {
	return n.kind == nodeField && (n.shape == shapeBlock || n.shape == shapeItems)
}

// side returns the modes in which n, a list or a captured header, has a value, 0 if n is something else.
func (n *node) side() modes {
	switch {
	case n.kind != nodeField:
		return 0
	case n.captures == 'q':
		return requestModes
	case n.captures == 's':
		return responseModes
	default:
		return 0
	}
}

// capturedSide tells which side a field is of: 'q' for the request, 's' for the response, 0 for neither.
func capturedSide(row *alias, expr string) byte {
	switch {
	case row.shape == shapeBlock && row.name == "hr", row.shape == shapeItems && row.name == "hrl":
		return 'q'
	case row.shape == shapeBlock, row.shape == shapeItems:
		return 's'
	case row.flags&expression == 0:
		return 0
	}
	words := splitExpression(expr)
	if len(words) != 1 {
		return 0 // a converter can make a value of nothing
	}
	switch words[0] {
	case "capture.req.hdr":
		return 'q'
	case "capture.res.hdr":
		return 's'
	default:
		return 0
	}
}

// allowed returns the modes in which n can have printed text.
func (n *node) allowed(text []byte) modes {
	switch {
	case n.bound != 0 && string(text) != n.none:
		return allModes &^ n.bound
	case n.must == 0:
		return allModes
	case n.shape == shapeItems && n.enc == encNone && len(text) == 0 && n.items <= 1:
		return allModes // not captured, or one header that is there but empty
	case n.empty(text):
		return n.mustNot
	default:
		return n.must
	}
}

// freeModes returns the modes in which n can print any text of its kind.
func (n *node) freeModes() modes {
	if n.must != 0 {
		return n.must
	}
	return allModes &^ n.bound
}

// empty reports whether text is what the list n prints without captures.
func (n *node) empty(text []byte) bool {
	return len(text) == 0 || n.enc != encNone && string(text) == string(n.appendEncoded(nil, &Value{}, nil))
}

// modesBefore returns the modes that the values of the first nodes, read already, leave.
func (f *Format) modesBefore(first int, r *Record) modes {
	left := f.modes
	if left == oneMode {
		return left
	}
	for i := range f.nodes[:first] {
		n := &f.nodes[i]
		if n.kind != nodeField || n.bound == 0 && n.must == 0 {
			continue
		}
		v := &r.Values[n.field]
		switch present := v.State&Present != 0; {
		case n.must != 0 && present:
			left &= n.must
		case n.must != 0:
			left &= n.mustNot
		case n.request && string(v.Text) == badRequest:
		case present && len(v.Text) > 0:
			left &^= n.bound
		}
	}
	return left
}
