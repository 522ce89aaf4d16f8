package kibana

import "slices"

// Searches are those that Discover offers.
func Searches() []Search {
	request := []string{"source.address", "haproxy.frontend_name", "haproxy.backend_name", "haproxy.server_name", "http.response.status_code", state, "event.duration"}
	with := func(more ...string) []string { return append(slices.Clip(request), more...) }
	return []Search{
		{
			ID: "lines", Title: "HAProxy: all lines", Columns: with("message", refField),
			Text: "Every line that is in the index. loghaul.archive.ref leads to its bytes in the archive: loghaul audit cat --ref.",
		},
		{
			ID: "errors", Title: "HAProxy: server errors (5xx)", Where: atLeast(status, 500), Columns: with("url.original", refField),
			Text: "Requests that were answered with a status of 500 or above, by a server or by HAProxy: the termination state tells which.",
		},
		{
			ID: "slow", Title: "HAProxy: slow requests (over a second)", Where: atLeast("event.duration", 1e9),
			Columns: with("haproxy.total_waiting_time_ms", "haproxy.connection_wait_time_ms", "haproxy.http.request.time_wait_without_data_ms", "url.original", refField),
			Text:    "Sessions that took a second or more. The waiting time is that in queues, the connection wait time that for the server's connection, the last one that for its response.",
		},
		{
			ID: "terminations", Title: "HAProxy: sessions that did not end as they should", Where: broken(),
			Columns: with("haproxy.connections.retries", "url.original", refField),
			Text:    "The termination state is neither normal (--) nor that of HAProxy's own answers (LR). The dashboard says what the letters mean.",
		},
		{
			ID: "unparsed", Title: "HAProxy: lines that match no format", Where: unparsed(),
			Columns: []string{"host.name", "log.file.path", "error.message", "message", refField},
			Text:    "They are in the archive as they are. Usually the aggregator does not know a format: see loghaul format from-config.",
		},
		{
			ID: "client", Title: "HAProxy: one client", Where: is("source.address", "203.0.113.7"), Columns: with("url.original", "user_agent.original", refField),
			Text: "Everything of one client: change the address in the query.",
		},
	}
}

// broken is a session that neither ended as it should nor was answered by
// HAProxy on purpose.
func broken() Filter { return all(exists(state), not(prefix(state, "--", "LR"))) }

// unparsed is a line that no format matches.
func unparsed() Filter { return is("event.kind", "pipeline_error") }
