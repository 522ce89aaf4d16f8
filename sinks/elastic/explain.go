package elastic

import "github.com/loghaul/loghaul/parser"

// FieldsOf gives the fields of documents that each field of a format goes to,
// in the order of its fields; none for one that only the field message has.
func FieldsOf(f *parser.Format) [][]string {
	names := make([][]string, len(f.Fields()))
	for _, s := range newPlan(f, nil).steps {
		names[s.index] = s.names
		if f.Fields()[s.index].Alias == "f" {
			names[s.index] = []string{"haproxy.frontend_name"} // without the mark of %ft
		}
	}
	for _, alias := range []string{"tr", "trg", "trl", "t", "T", "Tl", "Ts"} {
		for i, field := range f.Fields() {
			if field.Alias == alias {
				names[i] = []string{"@timestamp"}
				return names
			}
		}
	}
	return names
}

// derived are the fields that the value of a field is written to besides.
func derived(name string) []string {
	switch name {
	case "source.address":
		return []string{"source.ip", "related.ip"}
	case "destination.address":
		return []string{"destination.ip", "related.ip"}
	case "haproxy.frontend_name":
		return []string{"haproxy.frontend_tls"}
	case "haproxy.error_message":
		return []string{"error.message"}
	case "http.response.status_code":
		return []string{"event.outcome"}
	case "haproxy.connections.retries":
		return []string{"haproxy.redispatched"}
	case "haproxy.http.request.raw_request_line":
		return []string{"http.request.method", "url.original", "url.path", "url.query", "url.extension", "url.scheme", "url.domain", "url.port", "http.version"}
	case "url.original":
		return []string{"url.path", "url.query", "url.extension", "url.scheme", "url.domain", "url.port"}
	case "url.path":
		return []string{"url.extension", "url.scheme", "url.domain", "url.port"}
	case "tls.version":
		return []string{"tls.version_protocol"}
	case "tls.client.server_name":
		return []string{"destination.domain", "url.domain", "related.hosts"}
	default:
		return nil
	}
}
