package elastic

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/loghaul/loghaul/parser"
)

// emit writes a present value of the field with the given name.
type emit func(w *writer, name string, v *parser.Value)

// target says where a field goes.
type target struct {
	name string
	emit emit
}

// targets maps HAProxy's aliases, and the expressions of the well-known
// formats, to fields. Dates are missing: they are @timestamp.
func targets() map[string]target {
	return map[string]target{
		"ci": {"source.address", emitSource}, "cp": {"source.port", emitInt},
		"fi": {"destination.address", emitDestination}, "fp": {"destination.port", emitInt},
		"bi": {"haproxy.outgoing.ip", emitIP}, "bp": {"haproxy.outgoing.port", emitInt},
		"si": {"haproxy.server.ip", emitIP}, "sp": {"haproxy.server.port", emitInt},
		"f": {"haproxy.frontend_name", emitText}, "ft": {"haproxy.frontend_name", emitFrontend},
		"b": {"haproxy.backend_name", emitText}, "s": {"haproxy.server_name", emitText},
		"bind": {"haproxy.bind_name", emitText}, "mode": {"haproxy.mode", emitText},
		"message": {"haproxy.error_message", emitError},

		"TR": {"haproxy.http.request.time_wait_ms", emitInt}, "Tr": {"haproxy.http.request.time_wait_without_data_ms", emitInt},
		"Tw": {"haproxy.total_waiting_time_ms", emitInt}, "Tc": {"haproxy.connection_wait_time_ms", emitInt},
		"Ta": {"event.duration", emitDuration}, "Tt": {"haproxy.time_total_ms", emitAsap}, "Tu": {"haproxy.time_user_ms", emitAsap},
		"Td": {"haproxy.time_data_ms", emitInt}, "Th": {"haproxy.time_handshake_ms", emitInt}, "Ti": {"haproxy.time_idle_ms", emitInt},
		"Tq": {"haproxy.time_request_ms", emitInt},

		"ST": {"http.response.status_code", emitStatus}, "B": {"haproxy.bytes_read", emitAsap}, "U": {"haproxy.bytes_uploaded", emitInt},
		"r":  {"haproxy.http.request.raw_request_line", emitRequest},
		"HM": {"http.request.method", emitMethod}, "HV": {"http.version", emitVersion}, "HU": {"url.original", emitURL},
		"HP": {"url.path", emitWebPath}, "HPO": {"url.path", emitWebPath}, "HQ": {"url.query", emitQuery},
		"ID": {"http.request.id", emitText},
		"CC": {"haproxy.http.request.captured_cookie", emitText}, "CS": {"haproxy.http.response.captured_cookie", emitText},
		"hr": {"haproxy.http.request.captured_headers", emitList}, "hrl": {"haproxy.http.request.captured_headers", emitList},
		"hs": {"haproxy.http.response.captured_headers", emitList}, "hsl": {"haproxy.http.response.captured_headers", emitList},

		"ts": {"haproxy.termination_state", emitText}, "tsc": {"haproxy.termination_state", emitText},
		"ac": {"haproxy.connections.active", emitInt}, "fc": {"haproxy.connections.frontend", emitInt},
		"bc": {"haproxy.connections.backend", emitInt}, "sc": {"haproxy.connections.server", emitInt},
		"rc": {"haproxy.connections.retries", emitRetries},
		"sq": {"haproxy.server_queue", emitInt}, "bq": {"haproxy.backend_queue", emitInt},
		"lc": {"haproxy.log_count", emitInt}, "rt": {"haproxy.request_count", emitInt},

		"H": {"observer.hostname", emitText}, "pid": {"process.pid", emitInt}, "OG": {"haproxy.log_step", emitText},
		"sslv": {"tls.version", emitTLSVersion}, "sslc": {"tls.cipher", emitText},

		"fc_err": {"haproxy.connections.fc_err", emitNumber(10)}, "ssl_fc_err,hex": {"haproxy.connections.ssl_fc_err", emitNumber(16)},
		"ssl_c_err": {"haproxy.connections.ssl_c_err", emitNumber(10)}, "ssl_c_ca_err": {"haproxy.connections.ssl_c_ca_err", emitNumber(10)},
		"ssl_fc_is_resumed": {"tls.resumed", emitFlag}, "ssl_fc_sni": {"tls.client.server_name", emitText},
	}
}

// plan is how the records of one format become documents.
type plan struct {
	steps  []step
	tcp    bool            // no %Ta: the duration is %Tt
	labels map[string]bool // the steps that go to a field below labels
}

type step struct {
	index int
	target
}

func newPlan(f *parser.Format) *plan {
	p := &plan{tcp: true, labels: map[string]bool{}}
	known, used := targets(), map[string]bool{}
	for i, field := range f.Fields() {
		if field.Alias == "Ta" {
			p.tcp = false
		}
		name := field.Alias
		if name == "" {
			name = field.Expr
		}
		t, ok := known[name]
		ok = ok && !field.Truth // whether it is 0, not the number
		switch {
		case ok && name == "message" && f.Name() == parser.EventFormat: // no error, and in the field message anyway
			continue
		case ok:
		case field.Kind == parser.KindDate, field.Alias == "Ts", field.Alias == "ms":
			continue
		default:
			t = target{labelName(field.Name), emitText}
			p.labels[t.name] = true
		}
		if used[t.name] && shared(t.name) == 0 {
			continue // the same field again
		}
		used[t.name] = true
		p.steps = append(p.steps, step{i, t})
	}
	return p
}

// labelName is the field of a value that has no name of its own. A dot in it
// would make an object, and two of them could contradict each other.
func labelName(name string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-':
			return r
		}
		return '_'
	}, name)
	return "labels." + clean[:min(len(clean), 100)]
}

// append writes the fields of a record.
func (p *plan) append(w *writer, r *parser.Record) {
	for i := range p.steps {
		s := &p.steps[i]
		if v := &r.Values[s.index]; v.State&parser.Present != 0 {
			s.emit(w, s.name, v)
			if p.tcp && s.name == "haproxy.time_total_ms" {
				emitDuration(w, "event.duration", v)
			}
		}
	}
	if r.Lone.State&parser.Present != 0 {
		// The line does not say whether the request or the response has them.
		emitList(w, "haproxy.http.captured_headers", &r.Lone)
	}
	category := "network"
	if w.isWeb {
		category = "web"
	}
	w.key("event.category")
	w.text(category)
	if w.asap {
		w.key("haproxy.asap")
		w.bool(true)
	}
	if len(w.ips) > 0 {
		w.key("related.ip")
		sep := byte('[')
		for _, at := range w.ips {
			w.b = append(w.b, sep)
			w.b = append(w.b, w.b[at[0]:at[1]]...)
			sep = ','
		}
		w.b = append(w.b, ']')
	}
}

func emitText(w *writer, name string, v *parser.Value) {
	if w.once(name) {
		w.bytes(v.Text)
	}
}

func emitInt(w *writer, name string, v *parser.Value) {
	if w.once(name) {
		w.int(v.Int)
	}
}

// emitAsap is for numbers that logasap may print before they are final.
func emitAsap(w *writer, name string, v *parser.Value) {
	w.asap = w.asap || v.State&parser.Plus != 0
	emitInt(w, name, v)
}

func emitSource(w *writer, name string, v *parser.Value) {
	emitText(w, name, v)
	emitIP(w, "source.ip", v)
}

func emitDestination(w *writer, name string, v *parser.Value) {
	emitText(w, name, v)
	emitIP(w, "destination.ip", v)
}

// emitIP leaves out what is not an address ("unix"), which would be rejected.
func emitIP(w *writer, name string, v *parser.Value) {
	if v.State&parser.IPv4 == 0 && !v.Addr().IsValid() {
		return
	}
	if w.once(name) {
		from := len(w.b)
		w.bytes(v.Text)
		if name == "source.ip" || name == "destination.ip" {
			w.ips = append(w.ips, [2]int{from, len(w.b)})
		}
	}
}

// emitFrontend takes the mark of a TLS listener off the name.
func emitFrontend(w *writer, name string, v *parser.Value) {
	text, tls := bytes.CutSuffix(v.Text, []byte("~"))
	if w.once(name) {
		w.bytes(text)
	}
	if w.once("haproxy.frontend_tls") {
		w.bool(tls)
	}
}

func emitError(w *writer, name string, v *parser.Value) {
	emitText(w, name, v)
	emitText(w, "error.message", v)
}

// emitDuration turns milliseconds into the nanoseconds of ECS. HAProxy prints
// -1 where there was no end.
func emitDuration(w *writer, name string, v *parser.Value) {
	w.asap = w.asap || v.State&parser.Plus != 0
	if v.Int >= 0 && v.Int < 1<<43 && w.once(name) {
		w.int(v.Int * 1e6)
	}
}

func emitStatus(w *writer, name string, v *parser.Value) {
	w.isWeb = true
	emitInt(w, name, v)
	if v.Int >= 100 && w.once("event.outcome") {
		outcome := "success"
		if v.Int >= 400 {
			outcome = "failure"
		}
		w.text(outcome)
	}
}

func emitRetries(w *writer, name string, v *parser.Value) {
	emitInt(w, name, v)
	if v.State&parser.Plus != 0 && w.once("haproxy.redispatched") {
		w.bool(true)
	}
}

func emitWebText(w *writer, name string, v *parser.Value) {
	w.isWeb = true
	emitText(w, name, v)
}

func emitMethod(w *writer, name string, v *parser.Value) {
	if !bytes.HasPrefix(v.Text, []byte("<")) { // <BADREQ>
		emitWebText(w, name, v)
	}
}

func emitRequest(w *writer, name string, v *parser.Value) {
	w.isWeb = true
	emitText(w, name, v)
	method, path, query, version, hasQuery, ok := parser.SplitRequest(v.Text)
	if !ok {
		return
	}
	put := func(name string, text []byte) {
		if w.once(name) {
			w.bytes(text)
		}
	}
	put("http.request.method", method)
	if hasQuery {
		put("url.original", v.Text[len(method)+1:len(method)+1+len(path)+1+len(query)])
		put("url.query", query)
	} else {
		put("url.original", path)
	}
	emitPath(w, path)
	if number, ok := bytes.CutPrefix(version, []byte("HTTP/")); ok {
		put("http.version", number)
	}
}

func emitURL(w *writer, name string, v *parser.Value) {
	emitWebText(w, name, v)
	path, query, hasQuery := bytes.Cut(v.Text, []byte("?"))
	emitPath(w, path)
	if hasQuery && w.once("url.query") {
		w.bytes(query)
	}
}

// emitWebPath is for paths without a query.
func emitWebPath(w *writer, _ string, v *parser.Value) {
	w.isWeb = true
	emitPath(w, v.Text)
}

// emitPath splits a path as the client sent it, which HTTP/2 and proxies make
// an absolute URL.
func emitPath(w *writer, path []byte) {
	scheme, rest, absolute := bytes.Cut(path, []byte("://"))
	if absolute && (string(scheme) == "http" || string(scheme) == "https") {
		slash := bytes.IndexByte(rest, '/')
		if slash < 0 {
			slash = len(rest)
		}
		host := rest[:slash]
		path = rest[slash:]
		if w.once("url.scheme") {
			w.bytes(scheme)
		}
		if colon := bytes.LastIndexByte(host, ':'); colon > bytes.LastIndexByte(host, ']') {
			if port, err := strconv.ParseUint(string(host[colon+1:]), 10, 16); err == nil {
				host = host[:colon]
				if w.once("url.port") {
					w.int(int64(port)) //nolint:gosec // 16 bits
				}
			}
		}
		if w.once("url.domain") {
			w.bytes(host)
		}
	}
	if w.once("url.path") {
		w.bytes(path)
	}
}

func emitQuery(w *writer, name string, v *parser.Value) {
	if query := bytes.TrimPrefix(v.Text, []byte("?")); len(query) > 0 && w.once(name) {
		w.bytes(query)
	}
}

func emitVersion(w *writer, name string, v *parser.Value) {
	if number, ok := bytes.CutPrefix(v.Text, []byte("HTTP/")); ok && w.once(name) {
		w.bytes(number)
	}
}

// emitTLSVersion splits TLSv1.3 into the two fields of ECS.
func emitTLSVersion(w *writer, name string, v *parser.Value) {
	protocol, number, ok := bytes.Cut(v.Text, []byte("v"))
	if !ok {
		return
	}
	if w.once(name) {
		w.bytes(number)
	}
	if w.once("tls.version_protocol") {
		w.bytes(bytes.ToLower(protocol))
	}
}

func emitList(w *writer, name string, v *parser.Value) {
	if !w.once(name) {
		return
	}
	w.b = append(w.b, '[')
	sep := false
	v.Items(func(item []byte) bool {
		if len(item) > 0 {
			if sep {
				w.b = append(w.b, ',')
			}
			w.bytes(item)
			sep = true
		}
		return true
	})
	w.b = append(w.b, ']')
}

// emitNumber is for expressions that print numbers.
func emitNumber(base int) emit {
	return func(w *writer, name string, v *parser.Value) {
		if n, err := strconv.ParseInt(string(v.Text), base, 64); err == nil && w.once(name) {
			w.int(n)
		}
	}
}

// emitFlag is for expressions that print 0 or 1.
func emitFlag(w *writer, name string, v *parser.Value) {
	if len(v.Text) == 1 && w.once(name) {
		w.bool(v.Text[0] == '1')
	}
}
