package elastic

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"

	"github.com/loghaul/loghaul/parser"
)

// header is a captured header whose name is known.
type header struct {
	name     string // in lower case, "" if it is not known
	response bool
}

// known reports whether the name of the header is known.
func (h *header) known() bool { return h.name != "" }

// field is where every header with a name goes.
func (h *header) field() string {
	side := "request"
	if h.response {
		side = "response"
	}
	return "haproxy.http." + side + ".headers." + plainName(h.name)
}

func (h *header) target() target { return target{h.field(), emitHeader} }

// names are the fields that the header goes to.
func (h *header) names() []string {
	if !h.known() {
		return nil
	}
	names := []string{h.field()}
	if !h.response {
		switch h.name {
		case "user-agent":
			names = append(names, "user_agent.original")
		case "referer":
			names = append(names, "http.request.referrer")
		case "x-request-id":
			names = append(names, "http.request.id")
		case "x-forwarded-for":
			names = append(names, "network.forwarded_ip")
		case "host":
			names = append(names, "url.domain", "url.port")
		}
	}
	return names
}

// capturedHeader tells the expressions that print one header as it came:
// capture.req.hdr(N) with a known name, and req.hdr(NAME) and its kin
// (configuration manual, sections 7.3.6 and 7.3.5).
func capturedHeader(f *parser.Format, field *parser.Field) (h header, ok bool) {
	call, rest, ok := strings.Cut(field.Expr, "(")
	argument, closed := strings.CutSuffix(rest, ")")
	if field.Alias != "" || !ok || !closed || strings.ContainsAny(argument, "(),") || field.Truth {
		return header{}, false
	}
	switch call {
	case "capture.req.hdr", "capture.res.hdr":
		names, n := f.Captures(), -1
		if i, err := strconv.Atoi(argument); err == nil {
			n = i
		}
		h.response = call == "capture.res.hdr"
		if all := sideNames(names, h.response); n >= 0 && n < len(all) {
			h.name = strings.ToLower(all[n])
		}
	case "req.hdr", "req.fhdr", "hdr", "fhdr":
		h.name = strings.ToLower(strings.Trim(argument, `"'`))
	case "res.hdr", "res.fhdr":
		h.name, h.response = strings.ToLower(strings.Trim(argument, `"'`)), true
	}
	return h, h.known()
}

func sideNames(c *parser.Captures, response bool) []string {
	switch {
	case c == nil:
		return nil
	case response:
		return c.Response
	}
	return c.Request
}

// listHeaders gives the items of a list of captured headers, nil if the names
// are not known.
func listHeaders(f *parser.Format, field *parser.Field) (all []header) {
	response := field.Alias == "hs" || field.Alias == "hsl"
	for _, name := range sideNames(f.Captures(), response) {
		all = append(all, header{name: strings.ToLower(name), response: response})
	}
	return all
}

// emitHeader is for a single header.
func emitHeader(w *writer, s *step, v *parser.Value) {
	w.header(&s.headers[0], s.key, v.Text)
}

// emitList is for all headers of a side.
func emitList(w *writer, s *step, v *parser.Value) {
	if !w.once(s.key, s.bit) {
		return
	}
	w.b = append(w.b, '[')
	sep := false
	for item := range v.Items {
		if len(item) > 0 {
			if sep {
				w.b = append(w.b, ',')
			}
			w.bytes(item)
			sep = true
		}
	}
	w.b = append(w.b, ']')
	if len(s.headers) == 0 {
		return
	}
	i := 0
	for item := range v.Items {
		if i == len(s.headers) {
			return
		}
		if h := &s.headers[i]; len(item) > 0 && h.known() {
			w.header(h, "", item)
		}
		i++
	}
}

// header writes a header that has a name. It is a name that nothing else has:
// a plan has no two steps for one, nor a list and a step.
func (w *writer) header(h *header, key string, text []byte) {
	if len(text) == 0 || string(text) == "-" {
		return
	}
	if key == "" {
		w.key(h.field())
	} else {
		w.b = append(w.b, key...)
	}
	w.bytes(text)
	if h.response {
		return
	}
	switch h.name {
	case "user-agent":
		w.put(`,"user_agent.original":`, bitUserAgent, text)
	case "referer":
		w.put(`,"http.request.referrer":`, bitReferrer, text)
	case "x-request-id":
		w.put(`,"http.request.id":`, bitRequestID, text)
	case "host":
		w.host(text)
	case "x-forwarded-for":
		first, _, _ := bytes.Cut(text, []byte(","))
		w.forwarded(bytes.TrimSpace(first))
	}
}

func (w *writer) put(key string, bit uint32, text []byte) {
	if w.once(key, bit) {
		w.bytes(text)
	}
}

// forwarded writes the first address of X-Forwarded-For, if it is one.
func (w *writer) forwarded(text []byte) {
	a, err := netip.ParseAddr(string(text))
	if err != nil || a.Zone() != "" || !w.once(`,"network.forwarded_ip":`, bitForwarded) {
		return
	}
	w.address(text)
}

// address writes an address, which related.ip has as well.
func (w *writer) address(text []byte) {
	from := len(w.b)
	w.bytes(text)
	w.ips = append(w.ips, [2]int{from, len(w.b)})
}

// host writes a name that may have a port behind it (RFC 9110, section 7.2).
func (w *writer) host(host []byte) {
	if w.seen&bitDomain != 0 {
		return
	}
	if colon := bytes.LastIndexByte(host, ':'); colon > bytes.LastIndexByte(host, ']') {
		if port, err := strconv.ParseUint(string(host[colon+1:]), 10, 16); err == nil {
			host = host[:colon]
			if w.once(`,"url.port":`, bitPort) {
				w.int(int64(port)) //nolint:gosec // 16 bits
			}
		}
	}
	if len(host) > 0 && w.once(`,"url.domain":`, bitDomain) {
		from := len(w.b)
		w.bytes(host)
		w.hosts = append(w.hosts, [2]int{from, len(w.b)})
	}
}
