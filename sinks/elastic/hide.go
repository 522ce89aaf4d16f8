package elastic

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/filter"
)

// method is how a value is hidden; the larger, the stricter.
type method uint8

const (
	methodKeep method = iota
	methodTruncate
	methodHash
	methodDrop
)

func (m method) String() string {
	return [...]string{"keep", archive.MaskTruncate, archive.MaskHash, "drop"}[m]
}

// How many bits of an address a mask by truncate keeps.
const (
	keepIPv4 = 24
	keepIPv6 = 48
)

// hiding says what is hidden of a line, by atoms: columns of the archive, and
// req.NAME, res.NAME, %[expression], %(name), labels.NAME and raw as filters
// have them. A line of which anything is hidden is indexed without itself.
type hiding struct {
	methods map[string]method
	value   *archive.ValueMask
}

// hidden is what is hidden of one field of a format.
type hidden struct {
	any         bool
	whole       method   // all of the value
	request     bool     // only parts of a request or a URI, which follow
	path, query method   //
	items       []method // of a list; what is beyond them is hidden as the last one
	behind      byte     // if it is in the value, only what follows it
}

// headerSlots is how many captured headers of a side have a column.
const headerSlots = 8

// atoms resolves a field in the names of filters. typ is that of its values.
func atoms(name string) (all []string, typ filter.Type, err error) {
	switch name {
	case "r":
		return []string{"http_request", "http_path", "http_query"}, filter.Text, nil
	case "HU":
		return []string{"http_path", "http_query"}, filter.Text, nil
	case "HQ":
		return []string{"http_query"}, filter.Text, nil
	case "HPO":
		return []string{"http_path"}, filter.Text, nil
	case "ft":
		return []string{"frontend"}, filter.Text, nil
	case "hr", "hrl":
		return slots("req_header_"), filter.Text, nil
	case "hs", "hsl":
		return slots("res_header_"), filter.Text, nil
	case "headers":
		return slices.Concat(slots("req_header_"), slots("res_header_")), filter.Text, nil
	case "raw":
		return []string{name}, filter.Bool, nil // it can be dropped, not masked
	}
	f, err := filter.Parse(name + "=*")
	if err != nil {
		return nil, 0, suggest(err)
	}
	for t := range f.Tree().Tests {
		field := t.Field
		switch field.Place {
		case filter.InColumn:
			all = append(all, field.Column)
		case filter.InLabel:
			return []string{labelName(field.Key)}, filter.Bool, nil
		case filter.InHeader, filter.InFormat:
			all = append(all, field.Name)
		default:
		}
		typ = field.Type
	}
	return all, typ, nil
}

func slots(prefix string) (all []string) {
	for i := range headerSlots {
		all = append(all, prefix+strconv.Itoa(i+1))
	}
	return all
}

// lineColumns are columns that are not about what HAProxy prints in a field of
// its own.
func lineColumn(column string) bool {
	switch column {
	case "node", "source", "path", "format", "asap", "redispatched", "frontend_tls", "http_request", "wrapper", "stream", "structured_data",
		"namespace", "pod", "container", "container_id":
		return true
	}
	return strings.HasPrefix(column, "syslog_") || strings.HasPrefix(column, "header_")
}

// hide adds a field.
func (r *rule) hide(name string, how method) error {
	all, typ, err := atoms(name)
	if err != nil {
		return err
	}
	if len(all) == 0 || len(all) == 1 && lineColumn(all[0]) {
		return fmt.Errorf("%s is no field of HAProxy's lines, and cannot be dropped or masked", name)
	}
	if how != methodDrop && typ != filter.Text && typ != filter.Address {
		return fmt.Errorf("%s cannot be masked, only dropped: addresses and texts can be masked", name)
	}
	if how == methodTruncate && typ != filter.Address && !strings.ContainsAny(name, ".%") && name != "hr" && name != "hs" {
		return fmt.Errorf("%s: %s is for addresses, and headers and expressions that hold some: write %s", name, archive.MaskTruncate, archive.MaskHash)
	}
	if r.hides == nil {
		r.hides = map[string]method{}
	}
	for _, atom := range all {
		r.hides[atom] = max(r.hides[atom], how)
	}
	return nil
}

// sameAs gives the alias that tells the same as an expression.
func sameAs(expr string) string {
	switch expr {
	case "src":
		return "ci"
	case "src_port":
		return "cp"
	case "dst":
		return "fi"
	case "dst_port":
		return "fp"
	case "method", "capture.req.method":
		return "HM"
	case "url", "capture.req.uri":
		return "HU"
	case "path":
		return "HP"
	case "query":
		return "HQ"
	case "unique-id":
		return "ID"
	case "ssl_fc_protocol":
		return "sslv"
	case "ssl_fc_cipher":
		return "sslc"
	}
	return ""
}

// of gives what is hidden of a field of a format.
func (h *hiding) of(f *parser.Format, field *parser.Field) (to hidden) {
	if h == nil {
		return hidden{}
	}
	defer func() { to.any = to.whole != methodKeep || to.request || len(to.items) > 0 }()
	alias := orElse(field.Alias, sameAs(field.Expr))
	switch {
	case alias == "r" || alias == "HU":
		to.path, to.query = h.methods["http_path"], h.methods["http_query"]
		to.request = to.path != methodKeep || to.query != methodKeep
	case field.Kind == parser.KindList:
		to.items = h.items(f, field.Alias == "hs" || field.Alias == "hsl")
	case alias != "":
		switch alias {
		case "CC", "CS":
			to.behind = '='
		case "HQ":
			to.behind = '?'
		}
		all, _, err := atoms(alias)
		if err != nil {
			return to // a date, which nobody can name
		}
		for _, atom := range all {
			to.whole = max(to.whole, h.methods[atom])
		}
	default:
		to.whole = max(h.methods["%["+field.Expr+"]"], h.methods["%("+field.Name+")"], h.ofHeader(f, field))
		if all, _, err := atoms("%[" + field.Expr + "]"); err == nil { // one with a column
			to.whole = max(to.whole, h.methods[all[0]])
		}
	}
	return to
}

// items gives the methods of a list of captured headers. Where a header is to
// be hidden by its name, and names are not known, any may be it.
func (h *hiding) items(f *parser.Format, response bool) []method {
	prefix, column := "req.", "req_header_"
	if response {
		prefix, column = "res.", "res_header_"
	}
	names := sideNames(f.Captures(), response)
	unknown := methodKeep
	if names == nil {
		for atom, m := range h.methods {
			if strings.HasPrefix(atom, prefix) {
				unknown = max(unknown, m)
			}
		}
	}
	all := make([]method, max(headerSlots, len(names)))
	for i := range all {
		all[i] = max(unknown, h.methods[column+strconv.Itoa(min(i+1, headerSlots))])
		if i < len(names) {
			all[i] = max(all[i], h.methods[prefix+strings.ToLower(names[i])])
		}
	}
	if slices.Max(all) == methodKeep {
		return nil
	}
	return all
}

// ofHeader is for an expression that prints a captured header, or may.
func (h *hiding) ofHeader(f *parser.Format, field *parser.Field) method {
	if c, ok := capturedHeader(f, field); ok && !strings.HasPrefix(field.Expr, "capture.") {
		if c.response {
			return h.methods["res."+c.name]
		}
		return h.methods["req."+c.name]
	}
	for i, call := range [...]string{"capture.req.hdr(", "capture.res.hdr("} {
		rest, ok := strings.CutPrefix(field.Expr, call)
		if !ok {
			continue
		}
		number, _, _ := strings.Cut(rest, ")") // converters may follow
		items := h.items(f, i == 1)
		if n, err := strconv.Atoi(number); err == nil && n >= 0 && n < len(items) {
			return items[n]
		}
		return methodKeep
	}
	return methodKeep
}

// hasHeaders reports whether any captured header is hidden.
func (h *hiding) hasHeaders() bool {
	if h == nil {
		return false
	}
	for atom := range h.methods {
		if strings.HasPrefix(atom, "req") || strings.HasPrefix(atom, "res_") || strings.HasPrefix(atom, "res.") {
			return true
		}
	}
	return false
}

// mask appends what stands in the place of a value.
func (h *hiding) mask(dst, value []byte, m method) []byte {
	if m == methodKeep {
		return append(dst, value...)
	}
	return h.value.Append(dst, value, m.String())
}

// appendMasked writes a value of which something is hidden.
func (p *plan) appendMasked(w *writer, s *step, v *parser.Value) {
	h := &s.hidden
	switch {
	case h.request:
		p.appendRequest(w, h, v)
	case h.items != nil:
		p.appendItems(w, s, v)
	default:
		text := v.Text
		p.masked = p.masked[:0]
		if at := bytes.IndexByte(text, h.behind); h.behind != 0 && at >= 0 {
			p.masked = append(p.masked, text[:at+1]...)
			text = text[at+1:]
		}
		p.masked = p.hide.mask(p.masked, text, h.whole)
		geo := w.geo
		if h.whole == methodHash {
			w.geo = nil // of another address
		}
		s.emit(w, s, &parser.Value{Text: p.masked, Zone: v.Zone, State: v.State &^ parser.IPv4})
		w.geo = geo
	}
}

// appendRequest writes the parts of a request or a URI, but not the whole.
func (p *plan) appendRequest(w *writer, h *hidden, v *parser.Value) {
	w.web = true
	method, path, query, version, hasQuery, ok := parser.SplitRequest(v.Text)
	if !ok {
		if bytes.IndexByte(v.Text, ' ') >= 0 || bytes.HasPrefix(v.Text, []byte("<")) {
			return
		}
		path, query, hasQuery = bytes.Cut(v.Text, []byte("?")) // a URI
	}
	if len(method) > 0 {
		w.put(`,"http.request.method":`, bitMethod, method)
	}
	if number, ok := bytes.CutPrefix(version, []byte("HTTP/")); ok {
		w.put(`,"http.version":`, bitVersion, number)
	}
	if hasQuery && h.query != methodDrop {
		p.masked = p.hide.mask(p.masked[:0], query, h.query)
		w.put(`,"url.query":`, bitQuery, p.masked)
	}
	switch h.path {
	case methodDrop:
	case methodKeep:
		emitPath(w, path)
	default:
		p.masked = p.hide.mask(p.masked[:0], path, h.path)
		w.put(`,"url.path":`, bitPath, p.masked)
	}
}

// appendItems writes a list as one of which items are masked or left out.
func (p *plan) appendItems(w *writer, s *step, v *parser.Value) {
	items := s.hidden.items
	p.masked = p.masked[:0]
	i := 0
	for item := range v.Items {
		if i > 0 {
			p.masked = append(p.masked, '|')
		}
		if m := items[min(i, len(items)-1)]; m != methodDrop && len(item) > 0 {
			p.masked = p.hide.mask(p.masked, item, m)
		}
		i++
	}
	s.emit(w, s, &parser.Value{Text: p.masked, Int: v.Int, State: v.State})
}
