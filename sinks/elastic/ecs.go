package elastic

import (
	"bytes"
	"strconv"

	"github.com/loghaul/loghaul/parser"
)

// emit writes a present value of the field of a step.
type emit func(w *writer, s *step, v *parser.Value)

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

		"TR": {"haproxy.http.request.time_wait_ms", emitWebInt}, "Tr": {"haproxy.http.request.time_wait_without_data_ms", emitWebInt},
		"Tw": {"haproxy.total_waiting_time_ms", emitInt}, "Tc": {"haproxy.connection_wait_time_ms", emitInt},
		"Ta": {"event.duration", emitDuration}, "Tt": {"haproxy.time_total_ms", emitAsap}, "Tu": {"haproxy.time_user_ms", emitAsap},
		"Td": {"haproxy.time_data_ms", emitInt}, "Th": {"haproxy.time_handshake_ms", emitInt}, "Ti": {"haproxy.time_idle_ms", emitInt},
		"Tq": {"haproxy.time_request_ms", emitInt},

		"ST": {"http.response.status_code", emitStatus}, "B": {"haproxy.bytes_read", emitRead}, "U": {"haproxy.bytes_uploaded", emitSent},
		"r":  {"haproxy.http.request.raw_request_line", emitRequest},
		"HM": {"http.request.method", emitMethod}, "HV": {"http.version", emitVersion}, "HU": {"url.original", emitURL},
		"HP": {"url.path", emitWebPath}, "HPO": {"url.path", emitWebPath}, "HQ": {"url.query", emitQuery},
		"ID": {"http.request.id", emitText},
		"CC": {"haproxy.http.request.captured_cookie", emitText}, "CS": {"haproxy.http.response.captured_cookie", emitText},
		"hr": {"haproxy.http.request.captured_headers", emitList}, "hrl": {"haproxy.http.request.captured_headers", emitList},
		"state": {"haproxy.state", emitText},
		"hs":    {"haproxy.http.response.captured_headers", emitList}, "hsl": {"haproxy.http.response.captured_headers", emitList},

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
		"ssl_fc_is_resumed": {"tls.resumed", emitFlag}, "ssl_fc_sni": {"tls.client.server_name", emitSNI},

		// Fetches that tell the same as an alias, and some that ECS has a field for (configuration manual, section 7.3).
		"src": {"source.address", emitSource}, "src_port": {"source.port", emitNumber(10)},
		"dst": {"destination.address", emitDestination}, "dst_port": {"destination.port", emitNumber(10)},
		"method": {"http.request.method", emitMethod}, "capture.req.method": {"http.request.method", emitMethod},
		"url": {"url.original", emitURL}, "capture.req.uri": {"url.original", emitURL}, "path": {"url.path", emitWebPath}, "query": {"url.query", emitQuery},
		"unique-id":       {"http.request.id", emitText},
		"ssl_fc_protocol": {"tls.version", emitTLSVersion}, "ssl_fc_cipher": {"tls.cipher", emitText}, "ssl_fc_alpn": {"tls.next_protocol", emitText},
		"ssl_c_s_dn": {"tls.client.subject", emitText}, "ssl_c_i_dn": {"tls.client.issuer", emitText},
	}
}

// The names, as they are written, that are not those of a step's own field.
const (
	keyTotal    = `,"haproxy.time_total_ms":`
	keySourceIP = `,"source.ip":`
)

func emitText(w *writer, s *step, v *parser.Value) {
	if w.once(s.key, s.bit) {
		w.bytes(v.Text)
	}
}

func emitInt(w *writer, s *step, v *parser.Value) {
	if w.once(s.key, s.bit) {
		w.int(v.Int)
	}
}

func emitWebInt(w *writer, s *step, v *parser.Value) {
	w.web = true
	emitInt(w, s, v)
}

// emitAsap is for numbers that logasap may print before they are final.
func emitAsap(w *writer, s *step, v *parser.Value) {
	w.asap = w.asap || v.State&parser.Plus != 0
	emitInt(w, s, v)
}

// emitRead notes the number for http.response.bytes, which has headers, too.
func emitRead(w *writer, s *step, v *parser.Value) {
	w.read = v.Int
	emitAsap(w, s, v)
}

func emitSent(w *writer, s *step, v *parser.Value) {
	w.sent = v.Int
	emitInt(w, s, v)
}

func emitSource(w *writer, s *step, v *parser.Value) {
	emitText(w, s, v)
	if isAddress(v) {
		w.b = append(w.b, keySourceIP...)
		w.address(v.Text)
		if w.geo != nil {
			w.geo.append(w, v)
		}
	}
}

func emitDestination(w *writer, s *step, v *parser.Value) {
	emitText(w, s, v)
	if isAddress(v) {
		w.b = append(w.b, `,"destination.ip":`...)
		w.address(v.Text)
	}
}

func emitIP(w *writer, s *step, v *parser.Value) {
	if isAddress(v) {
		emitText(w, s, v)
	}
}

// isAddress tells what is no address ("unix"), which would be rejected.
func isAddress(v *parser.Value) bool {
	return v.State&parser.IPv4 != 0 || isIPv4(v.Text) || v.Addr().IsValid()
}

// isIPv4 tells four numbers with dots, as parser.Value.Addr, without a string.
func isIPv4(text []byte) bool {
	dots, digits, n := 0, 0, 0
	for _, c := range text {
		switch {
		case c == '.' && digits > 0:
			dots, digits, n = dots+1, 0, 0
		case c >= '0' && c <= '9' && (digits == 0 || n > 0):
			if digits, n = digits+1, n*10+int(c-'0'); n > 255 {
				return false
			}
		default:
			return false
		}
	}
	return dots == 3 && digits > 0
}

// emitFrontend takes the mark of a TLS listener off the name.
func emitFrontend(w *writer, s *step, v *parser.Value) {
	text, tls := bytes.CutSuffix(v.Text, []byte("~"))
	if w.once(s.key, s.bit) {
		w.bytes(text)
	}
	if tls {
		w.b = append(w.b, `,"haproxy.frontend_tls":true`...)
	} else {
		w.b = append(w.b, `,"haproxy.frontend_tls":false`...)
	}
}

func emitError(w *writer, s *step, v *parser.Value) {
	emitText(w, s, v)
	w.b = append(w.b, `,"error.message":`...)
	w.bytes(v.Text)
}

func emitDuration(w *writer, _ *step, v *parser.Value) {
	w.asap = w.asap || v.State&parser.Plus != 0
	appendDuration(w, v)
}

// appendDuration turns milliseconds into the nanoseconds of ECS. HAProxy prints
// -1 where there was no end.
func appendDuration(w *writer, v *parser.Value) {
	if v.Int < 0 || v.Int >= 1<<43 {
		return
	}
	w.b = append(w.b, `,"event.duration":`...)
	w.int(v.Int)
	if v.Int > 0 {
		w.b = append(w.b, "000000"...)
	}
}

func emitStatus(w *writer, s *step, v *parser.Value) {
	w.web = true
	emitInt(w, s, v)
	switch {
	case v.Int < 100:
	case v.Int < 400:
		w.b = append(w.b, `,"event.outcome":"success"`...)
	default:
		w.b = append(w.b, `,"event.outcome":"failure"`...)
	}
}

func emitRetries(w *writer, s *step, v *parser.Value) {
	emitInt(w, s, v)
	if v.State&parser.Plus != 0 {
		w.b = append(w.b, `,"haproxy.redispatched":true`...)
	}
}

func emitMethod(w *writer, s *step, v *parser.Value) {
	if !bytes.HasPrefix(v.Text, []byte("<")) { // <BADREQ>
		w.web = true
		emitText(w, s, v)
	}
}

func emitRequest(w *writer, s *step, v *parser.Value) {
	w.web = true
	emitText(w, s, v)
	method, path, query, version, hasQuery, ok := parser.SplitRequest(v.Text)
	if !ok {
		return
	}
	w.put(`,"http.request.method":`, bitMethod, method)
	original := path
	if hasQuery {
		original = v.Text[len(method)+1 : len(method)+1+len(path)+1+len(query)]
		w.put(`,"url.query":`, bitQuery, query)
	}
	w.put(`,"url.original":`, bitOriginal, original)
	emitPath(w, path)
	if number, ok := bytes.CutPrefix(version, []byte("HTTP/")); ok {
		w.put(`,"http.version":`, bitVersion, number)
	}
}

func emitURL(w *writer, s *step, v *parser.Value) {
	w.web = true
	emitText(w, s, v)
	path, query, hasQuery := bytes.Cut(v.Text, []byte("?"))
	emitPath(w, path)
	if hasQuery {
		w.put(`,"url.query":`, bitQuery, query)
	}
}

// emitWebPath is for paths without a query.
func emitWebPath(w *writer, _ *step, v *parser.Value) {
	w.web = true
	emitPath(w, v.Text)
}

// emitPath splits a path as the client sent it, which HTTP/2 and proxies make
// an absolute URL.
func emitPath(w *writer, path []byte) {
	if len(path) > 0 && path[0] != '/' {
		scheme, rest, absolute := bytes.Cut(path, []byte("://"))
		if absolute && (string(scheme) == "http" || string(scheme) == "https") {
			slash := bytes.IndexByte(rest, '/')
			if slash < 0 {
				slash = len(rest)
			}
			path = rest[slash:]
			w.put(`,"url.scheme":`, bitScheme, scheme)
			w.host(rest[:slash])
		}
	}
	w.put(`,"url.path":`, bitPath, path)
	name := path[bytes.LastIndexByte(path, '/')+1:]
	if dot := bytes.LastIndexByte(name, '.'); dot >= 0 && dot < len(name)-1 {
		w.put(`,"url.extension":`, bitExtension, name[dot+1:])
	}
}

func emitQuery(w *writer, s *step, v *parser.Value) {
	if query := bytes.TrimPrefix(v.Text, []byte("?")); len(query) > 0 && w.once(s.key, s.bit) {
		w.bytes(query)
	}
}

func emitVersion(w *writer, s *step, v *parser.Value) {
	if number, ok := bytes.CutPrefix(v.Text, []byte("HTTP/")); ok && w.once(s.key, s.bit) {
		w.bytes(number)
	}
}

// emitTLSVersion splits TLSv1.3 into the two fields of ECS.
func emitTLSVersion(w *writer, s *step, v *parser.Value) {
	protocol, number, ok := bytes.Cut(v.Text, []byte("v"))
	if !ok {
		return
	}
	if w.once(s.key, s.bit) {
		w.bytes(number)
	}
	w.b = append(w.b, `,"tls.version_protocol":`...)
	w.bytes(bytes.ToLower(protocol))
}

func emitSNI(w *writer, s *step, v *parser.Value) {
	if w.once(s.key, s.bit) {
		from := len(w.b)
		w.bytes(v.Text)
		w.sni = [2]int{from, len(w.b)}
	}
}

// emitNumber is for expressions that print numbers.
func emitNumber(base int) emit {
	return func(w *writer, s *step, v *parser.Value) {
		if n, err := strconv.ParseInt(string(v.Text), base, 64); err == nil && w.once(s.key, s.bit) {
			w.int(n)
		}
	}
}

// emitFlag is for expressions that print 0 or 1.
func emitFlag(w *writer, s *step, v *parser.Value) {
	if len(v.Text) == 1 && w.once(s.key, s.bit) {
		w.bool(v.Text[0] == '1')
	}
}
