package filter

import "slices"

// row is a field with its names: the first is the canonical one, and all of them are what Names gives.
type row struct {
	names  []string
	column string
	typ    Type
}

// columns are the fields that the archive has as a core column. Adding one is adding a row.
var columns = makeColumns() //nolint:gochecknoglobals // a constant table

func makeColumns() []row {
	plain := func(typ Type, names ...string) row { return row{names, names[len(names)-1], typ} }
	rows := []row{
		plain(Text, "node"), plain(Text, "source"), plain(Text, "path"), plain(Text, "format"),
		plain(Address, "ci", "client_ip"), plain(Number, "cp", "client_port"),
		plain(Address, "fi", "frontend_ip"), plain(Number, "fp", "frontend_port"),
		plain(Address, "bi", "backend_ip"), plain(Number, "bp", "backend_port"),
		plain(Address, "si", "server_ip"), plain(Number, "sp", "server_port"),
		plain(Text, "f", "frontend"), plain(Bool, "frontend_tls"), plain(Text, "bind"), plain(Text, "mode"),
		plain(Text, "b", "backend"), plain(Text, "s", "server"),
		plain(Duration, "TR", "time_request_ms"), plain(Duration, "Tw", "time_queue_ms"), plain(Duration, "Tc", "time_connect_ms"),
		plain(Duration, "Tr", "time_response_ms"), plain(Duration, "Ta", "time_active_ms"), plain(Duration, "Tt", "time_total_ms"),
		plain(Duration, "Th", "time_handshake_ms"), plain(Duration, "Ti", "time_idle_ms"), plain(Duration, "Tq", "time_to_request_ms"),
		plain(Duration, "Td", "time_data_ms"), plain(Duration, "Tu", "time_user_ms"),
		plain(Number, "ST", "status"), plain(Size, "B", "bytes_read"), plain(Size, "U", "bytes_uploaded"), plain(Bool, "asap"),
		plain(Text, "CC", "request_cookie"), plain(Text, "CS", "response_cookie"), plain(Text, "tsc", "termination_state"),
		plain(Number, "ac", "connections_process"), plain(Number, "fc", "connections_frontend"),
		plain(Number, "bc", "connections_backend"), plain(Number, "sc", "connections_server"),
		plain(Number, "rc", "retries"), plain(Bool, "redisp", "redispatched"),
		plain(Number, "sq", "queue_server"), plain(Number, "bq", "queue_backend"),
		plain(Text, "HM", "http_method"), plain(Text, "HP", "http_path"), plain(Text, "http_query"), plain(Text, "HV", "http_version"),
		plain(Text, "http_request"),
		plain(Text, "ID", "unique_id"), plain(Text, "OG", "log_origin"), plain(Text, "H", "hostname"), plain(Number, "pid"),
		plain(Number, "lc", "frontend_log_counter"), plain(Number, "rt", "request_counter"),
		plain(Number, "ms", "accept_ms"), plain(Number, "Ts", "accept_seconds"),
		plain(Text, "sslv", "tls_version"), plain(Text, "sslc", "tls_cipher"),
		plain(Text, "tls_sni"), plain(Text, "tls_resumed"), plain(Text, "fc_err"), plain(Text, "tls_fc_err"),
		plain(Text, "tls_client_err"), plain(Text, "tls_client_ca_err"), plain(Text, "message"),
		plain(Text, "wrapper"), plain(Number, "syslog_facility"), plain(Number, "syslog_severity"), plain(Text, "syslog_host"),
		plain(Text, "syslog_tag"), plain(Text, "syslog_pid"), plain(Text, "syslog_msgid"), plain(Text, "structured_data"), plain(Text, "stream"),
		plain(Text, "namespace"), plain(Text, "pod"), plain(Text, "container"), plain(Text, "container_id"),
	}
	for _, side := range [...]struct{ short, column string }{{"req.", "req_header_"}, {"res.", "res_header_"}, {"", "header_"}} {
		for i := range maxSlots {
			digit := string(rune('1' + i))
			names := []string{side.column + digit}
			if side.short != "" {
				names = []string{side.short + digit, side.column + digit}
			}
			rows = append(rows, row{names, side.column + digit, Text})
		}
	}
	return rows
}

// expressions are the sample expressions that have a core column: those of option httpslog.
var expressions = [...]struct{ expr, column string }{ //nolint:gochecknoglobals // a constant table
	{"ssl_fc_sni", "tls_sni"},
	{"ssl_fc_is_resumed", "tls_resumed"},
	{"fc_err", "fc_err"},
	{"ssl_fc_err,hex", "tls_fc_err"},
	{"ssl_c_err", "tls_client_err"},
	{"ssl_c_ca_err", "tls_client_ca_err"},
}

// combined are the fields that the archive has as several columns, see expand.go. hrl and hsl are other names.
var combined = [...]struct{ name, other string }{ //nolint:gochecknoglobals // a constant table
	{"HU", ""}, {"HQ", ""}, {"r", ""}, {"ft", ""}, {"hr", "hrl"}, {"hs", "hsl"}, {"headers", ""},
}

// lookUp gives the field of a name that stands for itself, or nil. Of a combined one nothing but the name is set.
func lookUp(name string) *Field {
	for i := range columns {
		if r := &columns[i]; slices.Contains(r.names, name) {
			return &Field{Name: r.names[0], Column: r.column, Type: r.typ}
		}
	}
	for _, c := range combined {
		if name == c.name || name == c.other {
			return &Field{Name: c.name, Place: inSeveral}
		}
	}
	switch name {
	case "ts":
		return &Field{Name: name, Column: "termination_state", Cut: 2}
	case "HPO", "state":
		return &Field{Name: name, Place: InFormat, By: ByAlias, Key: name}
	case "truncated":
		return &Field{Name: name, Column: "flags", Place: InFlags, Type: Bool, Flag: flagTruncated}
	case "raw":
		return &Field{Name: name, Place: InLine}
	}
	return nil
}

// flagTruncated is the bit of the column flags that says that HAProxy cut the line.
const flagTruncated = 8

// column gives the field of a core column.
func column(name string) *Field {
	for i := range columns {
		if r := &columns[i]; r.column == name {
			return &Field{Name: r.names[0], Column: r.column, Type: r.typ}
		}
	}
	return nil
}

// expression gives the field of a sample expression.
func expression(expr string) *Field {
	for _, e := range expressions {
		if e.expr == expr {
			return column(e.column)
		}
	}
	return &Field{Name: "%[" + expr + "]", Place: InFormat, By: ByExpression, Key: expr}
}

// Names gives every name of a field that stands for itself, for suggestions. Besides there are req.NAME, res.NAME,
// labels.NAME, %[expression] and %(name).
func Names() (names []string) {
	for i := range columns {
		names = append(names, columns[i].names...)
	}
	for _, c := range combined {
		names = append(names, c.name)
		if c.other != "" {
			names = append(names, c.other)
		}
	}
	return append(names, "ts", "HPO", "state", "truncated", "raw")
}
