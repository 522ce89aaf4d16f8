package kibana

// Fields that several panels use.
const (
	status   = "http.response.status_code"
	duration = "event.duration"
	frontend = "haproxy.frontend_name"
	backend  = "haproxy.backend_name"
	server   = "haproxy.server_name"
	client   = "source.address"
	host     = "host.name"
	sent     = "haproxy.bytes_read"
	retries  = "haproxy.connections.retries"
	queueing = "haproxy.total_waiting_time_ms"
)

// Panels are those of the dashboard, from left to right and from top to bottom.
func Panels() []Panel {
	var panels []Panel
	for _, section := range [][]Panel{overview(), latency(), terminations(), pressure(), clients(), completeness()} {
		panels = append(panels, section...)
	}
	return panels
}

// Controls are the fields for which the dashboard has a list to choose from.
func Controls() []Named {
	return []Named{{Label: "Frontend", Filter: exists(frontend)}, {Label: "Backend", Filter: exists(backend)}, {Label: "Node", Filter: exists(host)}}
}

func count(label string, where Filter) Metric { return Metric{Label: label, Op: Count, Where: where} }

func percentile(label, field string, percent int) Metric {
	return Metric{Label: label, Op: Percentile, Field: field, Percent: percent}
}

// phase is a percentile of the time of a phase, where the session got that far:
// HAProxy prints -1 where it did not.
func phase(label, field string, percent int) Metric {
	return Metric{Label: label, Op: Percentile, Field: field, Percent: percent, Where: atLeast(field, 0)}
}

func top(label, field string, size int) Bucket { return Bucket{Label: label, Field: field, Size: size} }

func overTime() Bucket { return Bucket{Label: "Time", Interval: "auto"} }

// answered is a request that got an answer: HAProxy prints -1 without one.
func answered() Filter { return atLeast(status, 100) }

func number(id, title, text string, m Metric) Panel {
	return Panel{ID: id, Title: title, Text: text, Kind: Number, Width: 8, Height: 6, Metrics: []Metric{m}}
}

func overview() []Panel {
	failed := Metric{Label: "5xx", Op: Share, Where: atLeast(status, 500)}
	rate := number("rate-5xx", "Share of 5xx", "Answers with a status of 500 or above, of all answers.", failed)
	rate.Where = answered()
	var classes []Named
	for i, label := range []string{"1xx", "2xx", "3xx", "4xx", "5xx"} {
		classes = append(classes, Named{Label: label, Filter: within(status, 100*(i+1), 100*(i+2))})
	}
	return []Panel{
		number("lines", "Lines", "Lines in the index: requests, connections, and what HAProxy tells of itself.", count("Lines", Filter{})),
		rate,
		number("p95", "95 % were done within", "Of event.duration: the time from the request to the last byte (%Ta), or of a TCP session (%Tt).", percentile("p95", duration, 95)),
		number("broken", "Ended badly", "Sessions whose termination state is neither -- nor LR.", count("Sessions", broken())),
		number("retries", "Connection retries", "Attempts to connect to a server after the first one.", Metric{Label: "Retries", Op: Sum, Field: retries}),
		number("unparsed", "Unparsed lines", "Lines that match no format. They are in the archive as they are.", count("Lines", unparsed())),
		{
			ID: "requests", Title: "Requests by class of status", Kind: Bars, Width: 30, Height: 12,
			Text:  "Answers over time. A TCP session has no status and is not here, nor is a request that was given up before its answer.",
			Where: answered(), By: []Bucket{{Label: "Status", Named: classes}, overTime()}, Metrics: []Metric{count("Requests", Filter{})},
		},
		{
			ID: "errors-by-backend", Title: "Share of 5xx by backend", Kind: Table, Width: 18, Height: 12,
			Text:  "Whether the server or HAProxy gave the answer is told by the termination states below.",
			Where: answered(), By: []Bucket{top("Backend", backend, 20)},
			Metrics: []Metric{count("Requests", Filter{}), count("5xx", atLeast(status, 500)), failed},
		},
	}
}

func latency() []Panel {
	phases := []Metric{
		count("Sessions", Filter{}),
		percentile("p50", duration, 50), percentile("p95", duration, 95), percentile("p99", duration, 99),
		phase("Request (TR) p95", "haproxy.http.request.time_wait_ms", 95), phase("Queue (Tw) p95", queueing, 95),
		phase("Connect (Tc) p95", "haproxy.connection_wait_time_ms", 95), phase("Response (Tr) p95", "haproxy.http.request.time_wait_without_data_ms", 95),
	}
	const text = "How long sessions took, and how long their phases: until the request was there (TR), in queues (Tw), until the server was connected (Tc), until its response began (Tr)."
	return []Panel{
		{
			ID: "latency", Title: "Time to the last byte", Kind: Lines, Width: 18, Height: 12, Text: "Percentiles of event.duration.",
			By: []Bucket{overTime()}, Metrics: phases[1:4],
		},
		{ID: "latency-by-backend", Title: "Latency by backend", Text: text, Kind: Table, Width: 30, Height: 12, By: []Bucket{top("Backend", backend, 20)}, Metrics: phases},
		{
			ID: "latency-by-server", Title: "Latency by server", Text: text, Kind: Table, Width: 48, Height: 12,
			By: []Bucket{top("Backend", backend, 10), top("Server", server, 10)}, Metrics: phases,
		},
	}
}

func terminations() []Panel {
	return []Panel{
		{
			ID: "states", Title: "How sessions ended", Kind: Table, Width: 28, Height: 20, Text: "Termination states by their first two letters.",
			By: []Bucket{{Label: "State", Named: endings()}}, Metrics: []Metric{count("Sessions", Filter{})},
		},
		{ID: "letters", Title: "Termination states", Kind: Text, Width: 20, Height: 20, Text: letters},
		{
			ID: "states-over-time", Title: "Sessions that ended badly", Kind: Bars, Width: 24, Height: 12, Text: "By their whole termination state.",
			Where: broken(), By: []Bucket{top("State", state, 10), overTime()}, Metrics: []Metric{count("Sessions", Filter{})},
		},
		{
			ID: "states-by-server", Title: "Sessions that ended badly, by server", Kind: Table, Width: 24, Height: 12,
			Where: broken(), By: []Bucket{top("Backend", backend, 10), top("Server", server, 5), top("State", state, 5)}, Metrics: []Metric{count("Sessions", Filter{})},
		},
	}
}

// pressure is what shows that servers cannot keep up.
func pressure() []Panel {
	return []Panel{
		{
			ID: "retries-by-server", Title: "Retries and redispatches by server", Kind: Table, Width: 24, Height: 12,
			Text:  "Sessions whose first attempt to connect failed; a redispatched one went to another server than it was meant for.",
			Where: atLeast(retries, 1), By: []Bucket{top("Backend", backend, 10), top("Server", server, 10)},
			Metrics: []Metric{count("Sessions", Filter{}), {Label: "Retries", Op: Sum, Field: retries}, count("Redispatched", is("haproxy.redispatched", true))},
		},
		{
			ID: "queue-times", Title: "Time in queues", Kind: Lines, Width: 12, Height: 12, Text: "Of sessions that were queued (Tw above 0).",
			Where: atLeast(queueing, 1), By: []Bucket{overTime()},
			Metrics: []Metric{percentile("p50", queueing, 50), percentile("p95", queueing, 95), {Label: "longest", Op: Max, Field: queueing}},
		},
		{
			ID: "queue-lengths", Title: "Longest queues", Kind: Lines, Width: 12, Height: 12, Text: "How many sessions were ahead of one in the queue of its server, and of its backend.",
			By:      []Bucket{overTime()},
			Metrics: []Metric{{Label: "server", Op: Max, Field: "haproxy.server_queue"}, {Label: "backend", Op: Max, Field: "haproxy.backend_queue"}},
		},
	}
}

func clients() []Panel {
	errors := []Metric{count("4xx", within(status, 400, 500)), count("5xx", atLeast(status, 500))}
	bytes := Metric{Label: "Bytes sent", Op: Sum, Field: sent}
	return []Panel{
		{
			ID: "clients", Title: "Top clients", Kind: Table, Width: 24, Height: 12,
			By: []Bucket{top("Client", client, 20)}, Metrics: append([]Metric{count("Sessions", Filter{}), bytes}, errors...),
		},
		{
			ID: "urls", Title: "Top URLs", Kind: Table, Width: 24, Height: 12, Text: "Paths, without their queries.",
			By: []Bucket{top("Path", "url.path", 20)}, Metrics: append([]Metric{count("Requests", Filter{}), percentile("p95", duration, 95), bytes}, errors...),
		},
		{
			ID: "bytes", Title: "Bytes sent to clients", Kind: Areas, Width: 24, Height: 12, Text: "By backend.",
			By: []Bucket{top("Backend", backend, 10), overTime()}, Metrics: []Metric{bytes},
		},
		{
			ID: "countries", Title: "Countries", Kind: Table, Width: 24, Height: 12, Text: "Where clients are. Empty unless the aggregator has a GeoIP file.",
			By:      []Bucket{top("Country", "source.geo.country_iso_code", 20)},
			Metrics: append([]Metric{count("Sessions", Filter{}), {Label: "Clients", Op: Unique, Field: client}}, errors...),
		},
	}
}

func completeness() []Panel {
	return []Panel{
		{ID: "gap", Title: "Is everything here?", Kind: Text, Width: 18, Height: 12, Text: gap},
		{
			ID: "lines-per-hour", Title: "Lines per hour and node", Kind: Bars, Width: 30, Height: 12, Text: "A hole is a time without traffic, or lines that are not in the index: see beside.",
			By: []Bucket{top("Node", host, 20), {Label: "Hour", Interval: "1h"}}, Metrics: []Metric{count("Lines", Filter{})},
		},
		{ID: "unparsed-lines", Title: "Lines that match no format", Kind: List, Width: 48, Height: 14, Search: "unparsed"},
	}
}

const gap = `The index is a copy at best effort: what Elasticsearch did not take is only in **the archive**, which has every line. The index cannot tell by itself what it lacks. That is told by

- the metric ` + "`loghaul_index_gap_lines`" + ` of the aggregators: lines that are missing here; 0 when all are healed;
- ` + "`loghaul index verify --archive URL --index URL --from T --to T`" + `: hour by hour, what the archive has and what is here.

` + "`loghaul backfill --archive URL --index URL`" + ` puts what is missing here; aggregators do that by themselves with ` + "`index.heal: auto`" + `.

**The bytes of a line** as HAProxy wrote it: copy ` + "`loghaul.archive.ref`" + ` of its document, then

` + "`loghaul audit cat --archive URL --ref 'KEY#ROW'`"
