package kibana

const (
	dataViewID = "loghaul-haproxy-logs"
	// pattern is every data stream that package sinks/elastic writes.
	pattern = "logs-haproxy.log-*"
)

// refField is a field that Kibana computes when a document is shown or searched for;
// it takes no room in the index. It is what audit cat --ref takes.
const refField = "loghaul.archive.ref"

// refScript is in Painless, Elasticsearch's own language.
const refScript = `if (doc.containsKey('loghaul.archive.key') && doc['loghaul.archive.key'].size() > 0 && doc['loghaul.archive.row'].size() > 0) {
  emit(doc['loghaul.archive.key'].value + '#' + doc['loghaul.archive.row'].value);
}`

// dataView is the saved object of the data view.
func dataView() object {
	return object{
		Type: "index-pattern", ID: dataViewID, TypeVersion: "8.0.0",
		Attributes: attributes{
			"title": pattern, "name": "HAProxy logs", "timeFieldName": "@timestamp",
			"fields": "[]", "fieldAttrs": "{}", "sourceFilters": "[]", "typeMeta": "{}",
			"fieldFormatMap":  embedded{formats()},
			"runtimeFieldMap": embedded{map[string]any{refField: map[string]any{"type": "keyword", "script": map[string]any{"source": refScript}}}},
		},
		References: []reference{},
	}
}

// formats says how Kibana shows numbers.
func formats() map[string]any {
	duration := func(unit string) any {
		return map[string]any{"id": "duration", "params": map[string]any{
			"inputFormat": unit, "outputFormat": "humanizePrecise", "outputPrecision": 1, "includeSpaceWithSuffix": true, "useShortSuffix": true,
		}}
	}
	m := map[string]any{"event.duration": duration("nanoseconds")}
	for _, name := range []string{
		"http.request.time_wait_ms", "http.request.time_wait_without_data_ms", "total_waiting_time_ms", "connection_wait_time_ms", "time_total_ms",
		"time_user_ms", "time_data_ms", "time_handshake_ms", "time_idle_ms", "time_request_ms",
	} {
		m["haproxy."+name] = duration("milliseconds")
	}
	for _, name := range []string{"haproxy.bytes_read", "haproxy.bytes_uploaded"} {
		m[name] = map[string]any{"id": "bytes"}
	}
	for _, name := range []string{ // no thousands
		"http.response.status_code", "source.port", "destination.port", "haproxy.outgoing.port", "haproxy.server.port", "url.port", "process.pid", "source.as.number",
		"loghaul.archive.row", "log.offset",
	} {
		m[name] = map[string]any{"id": "number", "params": map[string]any{"pattern": "0"}}
	}
	return m
}
