package parser

// Notes tells what of the lines of f no change of quotes or separators helps against.
func (f *Format) Notes() []string {
	var notes []string
	expr, hexAddr := false, false
	for i := range f.nodes {
		n := &f.nodes[i]
		if n.kind != nodeField || f.isEvent() {
			continue
		}
		if f.fields[n.field].Alias == "" && n.class == classAny && !expr {
			expr = true
			notes = append(notes, f.written(n, "")+" may print a line feed, which makes two lines of one, if what it reads can hold one "+
				"(a decoded URL, a body): a converter such as hex prevents it")
		}
		if n.hex && n.shape == shapeAddr && !hexAddr {
			hexAddr = true
			notes = append(notes, f.written(n, "+X")+" cannot print a client of a UNIX socket: the line ends there, or is not written at all")
		}
	}
	return append(notes, "HAProxy cuts lines at the length of its log line (log … len N, 1024 if it is not set): what comes after the cut is lost")
}
