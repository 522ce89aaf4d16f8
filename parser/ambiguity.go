package parser

import (
	"slices"
	"strings"
)

// Ambiguity is a stretch of a format's lines that can be read in more than one way.
type Ambiguity struct {
	// Fields are the names of the fields that a line may leave open together, in the order of the format.
	Fields []string
	// Why says what leaves them open, and Fix how to change the format so that nothing does.
	Why, Fix string
	// Pos is where the first of the fields begins in Format.Spec.
	Pos int
	// Example is a line that can be read in more than one way.
	Example string

	nodes []*node
}

// Ambiguities returns what lines of f can leave open: each field that Parse may call Unsure is in one of them. It is a
// search by lines made for it from the format, and takes milliseconds. What the format cannot help is not in it: the
// line feed that an expression prints, and lines that are cut.
func (f *Format) Ambiguities() []Ambiguity {
	if f.isEvent() {
		return nil
	}
	var found []Ambiguity
	var r Record
	f.samples(func(line []byte) {
		if f.Parse(line, &r) {
			found = f.addUnsure(found, &r, line)
		}
	})
	found = merge(found)
	slices.SortFunc(found, func(a, b Ambiguity) int { return a.nodes[0].field - b.nodes[0].field })
	for i := range found {
		a := &found[i]
		for _, n := range a.nodes {
			a.Fields = append(a.Fields, f.fields[n.field].Name)
		}
		a.Pos = a.nodes[0].pos
		a.Why, a.Fix = f.why(a.nodes)
	}
	return found
}

// addUnsure adds the stretches of the line that r leaves open.
func (f *Format) addUnsure(found []Ambiguity, r *Record, line []byte) []Ambiguity {
	var group []*node
	flush := func() {
		if group != nil {
			if !slices.ContainsFunc(found, func(a Ambiguity) bool { return slices.Equal(a.nodes, group) }) {
				found = append(found, Ambiguity{nodes: group, Example: string(line)})
			}
			group = nil
		}
	}
	for i := range f.nodes {
		n := &f.nodes[i]
		switch {
		case n.kind != nodeField:
		case r.Values[n.field].State&Unsure != 0:
			group = append(group, n)
		default:
			flush()
		}
	}
	flush()
	return found
}

// merge makes one stretch of those that have a field in common, with the example of the smallest.
func merge(found []Ambiguity) []Ambiguity {
	slices.SortStableFunc(found, func(a, b Ambiguity) int { return len(a.nodes) - len(b.nodes) })
	var merged []Ambiguity
	for _, a := range found {
		for i := 0; i < len(merged); {
			other := &merged[i]
			if !slices.ContainsFunc(a.nodes, func(n *node) bool { return slices.Contains(other.nodes, n) }) {
				i++
				continue
			}
			a.nodes, a.Example = append(other.nodes, a.nodes...), other.Example
			merged = slices.Delete(merged, i, i+1)
		}
		slices.SortFunc(a.nodes, func(x, y *node) int { return x.field - y.field })
		a.nodes = slices.Compact(a.nodes)
		merged = append(merged, a)
	}
	return merged
}

// why explains what leaves nodes open, and what would not.
func (f *Format) why(nodes []*node) (why, fix string) {
	if len(nodes) == 1 && nodes[0].dashed {
		return `"-" stands for no value, and can be the value as well`, "write " + f.written(nodes[0], "+Q,+E") + `: no value is "" then`
	}
	var lists, open, quotes, vanish, all []*node
	items := false
	for _, n := range nodes {
		switch {
		case n.list():
			lists = append(lists, n)
			items = items || n.shape == shapeItems
			continue
		case (n.class == classAny || n.shape == shapeCookie) && n.wrapped() && !n.escaped:
			quotes = append(quotes, n)
		case (n.class == classAny || n.shape == shapeCookie) && !n.quoted:
			open = append(open, n)
		case n.blank:
			vanish = append(vanish, n)
		}
		all = append(all, n)
	}
	var reasons, fixes []string
	if len(open) > 0 {
		reasons = append(reasons, f.list(open)+" can hold anything, spaces and what follows included, and nothing says where it ends")
	}
	if len(quotes) > 0 {
		reasons = append(reasons, `a '"' within `+f.list(quotes)+" is printed as it is, so that the text may seem to end there")
	}
	if len(vanish) > 0 {
		reasons = append(reasons, f.list(vanish)+" may print nothing, so that what follows can be taken for it")
	}
	if changed := f.changed(all); changed != "" {
		fixes = append(fixes, "write "+changed)
	}
	switch {
	case items:
		reasons = append(reasons, "captured headers can hold spaces, and the line does not say how many there are of the request and how many of the response")
	case len(lists) > 1:
		reasons = append(reasons, "a line with one {…} does not say whether it has the headers of the request or of the response")
	}
	if len(lists) > 1 || items {
		fixes = append(fixes, "name the headers that are captured (the configuration tells them), or write "+f.separated(lists))
	}
	if len(reasons) == 0 {
		return "nothing that is not in them separates the fields", "put a byte between them that none of them can hold, as in " + f.separated(nodes)
	}
	return strings.Join(reasons, "; "), strings.Join(fixes, "; ")
}

// list names the fields of nodes.
func (f *Format) list(nodes []*node) string {
	all := make([]string, len(nodes))
	for i, n := range nodes {
		all[i] = f.written(n, "")
	}
	return strings.Join(all, ", ")
}

// written returns the field of n as it is written in a log-format string, with flags.
func (f *Format) written(n *node, flags string) string {
	if flags != "" {
		flags = "{" + flags + "}"
	}
	if field := &f.fields[n.field]; field.Alias == "" {
		return "%" + flags + "[" + field.Expr + "]"
	}
	return "%" + flags + f.fields[n.field].Alias
}

// changed lists the fields of nodes with the flags that they lack.
func (f *Format) changed(nodes []*node) string {
	var all []string
	for _, n := range nodes {
		if n.lacks() {
			all = append(all, f.written(n, n.wants()))
		}
	}
	return strings.Join(all, " and ")
}

// separated writes nodes with a literal between.
func (f *Format) separated(nodes []*node) string {
	all := make([]string, len(nodes))
	for i, n := range nodes {
		all[i] = f.written(n, n.wants())
	}
	return strings.Join(all, "|")
}

// wants returns the flags that give the text of n an end of its own.
func (n *node) wants() string {
	switch {
	case n.enc != encNone, n.shape == shapeBlock, n.shape == shapeDate, n.shape == shapeState:
		return ""
	case n.shape == shapeText && n.class == classAny || n.shape == shapeCookie:
		return "+Q,+E"
	case n.shape == shapeText, n.shape == shapeItems, n.absent:
		return "+Q"
	default:
		return ""
	}
}

// lacks reports whether n has not got all flags that it wants.
func (n *node) lacks() bool {
	flags := n.wants()
	return flags != "" && (!n.quoted || !n.escaped && flags == "+Q,+E")
}
