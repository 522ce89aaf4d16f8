package elastic

import (
	"bytes"
	"encoding/json"
	"strings"
)

// unmappedField is where the value goes that a document was rejected for.
const unmappedField = "labels.loghaul_unmapped"

// mend appends the document again, without the field that it was rejected for,
// and reports whether there was one: it is done once for a document. The name
// of the document stays.
func (s *sender) mend(doc int, why *item) bool {
	d := &s.body.docs[doc]
	field := blamed(why.Error.Reason)
	if d.unmapped || field == "" {
		return false
	}
	old := s.body.buf[d.from:d.to]
	start := bytes.IndexByte(old, '\n') + 1 // behind the action
	from := len(s.body.buf)
	buf, ok := without(append(s.body.buf, old[:start]...), bytes.TrimSuffix(old[start:], []byte{'\n'}), field)
	if !ok {
		return false
	}
	s.body.buf = append(buf, '\n')
	d.from, d.to, d.unmapped = from, len(s.body.buf), true
	s.reg.Counter(metricMended).Inc()
	if s.samples.first("unmapped " + field) {
		s.log.Warn("Elasticsearch rejects a field; its value goes to "+unmappedField+"; further ones are only counted",
			"field", field, "type", why.kind(), "reason", oneLine(why.Error.Reason), "object", s.key, "row", d.row)
	}
	return true
}

// blamed gives the field that the reason of an error names, "" if it names none:
// "[1:2] failed to parse field [source.ip] of type [ip] in document with id …",
// "object mapping for [haproxy.server] tried to parse field [server] as object, but
// found a concrete value" and the like, as Elasticsearch 8 and 9 have them.
func blamed(reason string) string {
	for _, before := range []string{"failed to parse field [", "object mapping for ["} {
		if _, rest, ok := strings.Cut(reason, before); ok {
			name, _, ok := strings.Cut(rest, "]")
			if ok {
				return name
			}
		}
	}
	return ""
}

// without appends to dst the JSON object doc without its members of the name
// field, or those below it, but with their values as a text. It reports false
// if there is none or if doc can't be without it.
func without(dst, doc []byte, field string) ([]byte, bool) {
	if field == "@timestamp" || strings.HasPrefix(unmappedField, field) {
		return dst, false
	}
	dec := json.NewDecoder(bytes.NewReader(doc))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return dst, false
	}
	var taken []string
	dst = append(dst, '{')
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return dst, false
		}
		name, ok := t.(string)
		var value json.RawMessage
		if !ok || dec.Decode(&value) != nil {
			return dst, false
		}
		if name == field || strings.HasPrefix(name, field+".") {
			taken = append(taken, name+"="+plainText(value))
			continue
		}
		dst = appendMember(dst, name)
		dst = append(dst, value...)
	}
	if _, err := dec.Token(); err != nil || len(taken) == 0 {
		return dst, false
	}
	dst = appendMember(dst, unmappedField)
	dst = append(dst, '"')
	dst = appendEscaped(dst, []byte(strings.Join(taken, " ")))
	return append(dst, '"', '}'), true
}

func appendMember(dst []byte, name string) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	dst = append(dst, '"')
	dst = appendEscaped(dst, []byte(name))
	return append(dst, '"', ':')
}

// plainText gives a JSON value as people write it: texts without quotes.
func plainText(value []byte) string {
	var s string
	if value[0] == '"' && json.Unmarshal(value, &s) == nil {
		return s
	}
	return string(value)
}
