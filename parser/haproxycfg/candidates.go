package haproxycfg

import (
	"slices"
	"strings"

	"github.com/loghaul/loghaul/parser"
)

// lastCandidate is what HAProxy writes about a connection that fails early, unless error-log-format says otherwise.
// Every process may write such lines, so it is a candidate always.
const lastCandidate = "error"

// Candidates gives the formats to try on a line, compiled: in the order in which they first appear in the
// configuration, and then the one of connection errors. Each is there once, although many proxies may write it:
//
//   - Two log-format strings that are equal are one format, and one that is equal to that of a well-known name is
//     that name.
//   - Proxies that capture as many request headers and as many response headers have one candidate. A slot in which
//     they capture different headers has no name.
//   - Where some proxies capture request headers only and others as many response headers only, their lines look
//     alike: they have one candidate that does not know what is captured. So do lists (%hrl, %hsl) of as many headers
//     that are divided in different ways.
//   - Captured headers that a format does not print do not matter.
//   - Behind all of them each format that prints captured headers stands once more, knowing nothing of them: for lines
//     that HAProxy wrote with an earlier configuration.
//
// Formats that this version of the parser does not support are not among them; see Config.Notes.
func (c *Config) Candidates() []*parser.Format {
	var groups []*group
	for i := range c.Formats {
		f := &c.Formats[i]
		if !f.Logs {
			continue
		}
		compiled, err := parser.Compile(f.Spec)
		if err != nil || f.Spec == lastCandidate {
			continue // reported by Parse
		}
		g := findGroup(&groups, compiled)
		g.add(f.Captures)
		g.addMaxLen(f.MaxLen)
	}
	var all []*parser.Format
	for _, g := range groups {
		all = append(all, g.formats()...)
	}
	if last, err := parser.Compile(lastCandidate); err == nil {
		all = append(all, last)
	}
	for _, g := range groups {
		if !g.request && !g.response || slices.ContainsFunc(all, func(f *parser.Format) bool { return f.Name() == g.name && f.Captures() == nil }) {
			continue
		}
		if f, err := parser.CompileWith(g.name, parser.Options{MaxLens: g.maxLens}); err == nil {
			all = append(all, f)
		}
	}
	return all
}

// group is the candidates of one log-format string.
type group struct {
	name               string
	spec               string
	request, response  bool // what it prints of the captured headers
	kinds              []*parser.Captures
	lists              bool                 // it prints them as lists, which do not show where one side ends
	requests, responds map[int]bool         // numbers of headers that stand alone
	totals             map[int]map[int]bool // numbers of headers of requests, by the number of both sides
	maxLens            []int
}

func findGroup(groups *[]*group, f *parser.Format) *group {
	for _, g := range *groups {
		if g.spec == f.Spec() {
			return g
		}
	}
	g := &group{name: f.Name(), spec: f.Spec(), requests: map[int]bool{}, responds: map[int]bool{}, totals: map[int]map[int]bool{}}
	for _, name := range parser.WellKnown() {
		if known, err := parser.Compile(name); err == nil && known.Spec() == g.spec {
			g.name = name
		}
	}
	for _, field := range f.Fields() {
		switch {
		case field.Alias == "hr", strings.HasPrefix(field.Expr, "capture.req.hdr("):
			g.request = true
		case field.Alias == "hs", strings.HasPrefix(field.Expr, "capture.res.hdr("):
			g.response = true
		case field.Alias == "hrl":
			g.request, g.lists = true, true
		case field.Alias == "hsl":
			g.response, g.lists = true, true
		}
	}
	*groups = append(*groups, g)
	return g
}

// add adds the captures of a proxy.
func (g *group) add(c parser.Captures) {
	n, m := len(c.Request), len(c.Response)
	if g.totals[n+m] == nil {
		g.totals[n+m] = map[int]bool{}
	}
	g.totals[n+m][n] = true
	if m == 0 {
		g.requests[n] = true
	}
	if n == 0 {
		g.responds[m] = true
	}
	for _, k := range g.kinds {
		if (len(k.Request) == n || !g.request) && (len(k.Response) == m || !g.response) {
			k.Request = agree(k.Request, c.Request)
			k.Response = agree(k.Response, c.Response)
			return
		}
	}
	g.kinds = append(g.kinds, &parser.Captures{Request: slices.Clone(c.Request), Response: slices.Clone(c.Response)})
}

// addMaxLen adds the length at which a target cuts lines.
func (g *group) addMaxLen(n int) {
	if n > 0 && !slices.Contains(g.maxLens, n) {
		g.maxLens = append(g.maxLens, n)
	}
}

// agree keeps the names that are the same in both. Lists of different lengths are of a side that is not printed: what
// is behind the shorter one goes.
func agree(a, b []string) []string {
	a = a[:min(len(a), len(b))]
	for i := range a {
		if a[i] != b[i] {
			a[i] = ""
		}
	}
	return a
}

// alike reports whether lines with these captures may be lines of another proxy that captures on the other side, or
// that divides as many headers in another way.
func (g *group) alike(c *parser.Captures) bool {
	n, m := len(c.Request), len(c.Response)
	if g.lists && g.request && g.response && len(g.totals[n+m]) > 1 {
		return true
	}
	return g.request && g.response && n+m > 0 && (m == 0 && g.responds[n] || n == 0 && g.requests[m])
}

func (g *group) formats() []*parser.Format {
	var all []*parser.Format
	unknown := false
	for _, k := range g.kinds {
		o := parser.Options{Captures: k, MaxLens: g.maxLens}
		if g.alike(k) {
			if unknown {
				continue
			}
			unknown, o.Captures = true, nil
		}
		if f, err := parser.CompileWith(g.name, o); err == nil {
			all = append(all, f)
		}
	}
	return all
}
