package parser

// alias is one row of HAProxy's table of log-format aliases: what the manual calls a variable of `log-format`.
// Adding an alias is adding a row here.
type alias struct {
	name  string
	kind  Kind
	shape shape
	class class // of shapeText: the bytes it may hold
	flags aliasFlags
	doc   string
}

type aliasFlags uint16

const (
	quotable    aliasFlags = 1 << iota // +Q puts quotes around it
	missing                            // HAProxy may have no value for it
	empty                              // may print nothing at all although it has a value
	dash                               // an empty value prints "-" unless +Q or -M
	plus                               // may be preceded by "+"
	hexed                              // +X prints it in hexadecimal
	zoned                              // a date with its offset
	expression                         // not an alias: `%[…]`
	requestPart                        // a part of the request line
	legacy                             // not an alias: only in the lines that no log-format makes
)

// Which flags a row has follows from how sess_build_logline prints it: lf_text honours Q, M and E, lf_rawtext and the
// VARTEXT macros only Q and E, lf_int and the dates none.
const (
	textFlags = quotable | dash
	varFlags  = quotable | empty
)

// aliases is in the order of HAProxy's own table.
var aliases = [...]alias{ //nolint:gochecknoglobals // a constant table
	{"OG", KindText, shapeText, classGraph, textFlags, "step of the transaction that wrote the record"},
	{"B", KindInt, shapeInt, 0, plus, "bytes from the server to the client"},
	{"CC", KindText, shapeCookie, classAny, textFlags | missing, "cookie captured from the request, NAME=value"},
	{"CS", KindText, shapeCookie, classAny, textFlags | missing, "cookie captured from the response, NAME=value"},
	{"H", KindText, shapeText, classGraph, textFlags, "host name of the machine HAProxy runs on"},
	{"ID", KindText, shapeText, classAny, textFlags | missing, "unique ID of the request"},
	{"ST", KindInt, shapeInt, 0, 0, "HTTP status sent to the client"},
	{"T", KindDate, shapeDate, 0, zoned, "when the connection was accepted, GMT"},
	{"Ta", KindInt, shapeInt, 0, plus, "ms from the first byte of the request to the last of the response"},
	{"Tc", KindInt, shapeInt, 0, 0, "ms to connect to the server, -1 if it was not reached"},
	{"Td", KindInt, shapeInt, 0, 0, "ms to transfer the data"},
	{"Th", KindInt, shapeInt, 0, 0, "ms for the handshakes (TLS, PROXY protocol)"},
	{"Ti", KindInt, shapeInt, 0, 0, "ms idle before the request"},
	{"Tl", KindDate, shapeDate, 0, zoned, "when the connection was accepted, local time"},
	{"Tq", KindInt, shapeInt, 0, 0, "ms to get the request: Th + Ti + TR"},
	{"Tr", KindInt, shapeInt, 0, 0, "ms until the server answered, -1 if it did not"},
	{"TR", KindInt, shapeInt, 0, 0, "ms to receive the request, -1 if it was not complete"},
	{"Ts", KindInt, shapeInt, 4, hexed, "when the connection was accepted, Unix seconds"},
	{"Tt", KindInt, shapeInt, 0, plus, "ms from accept to close"},
	{"Tu", KindInt, shapeInt, 0, plus, "ms as the user saw it: Tt - Ti"},
	{"Tw", KindInt, shapeInt, 0, 0, "ms waiting in queues"},
	{"U", KindInt, shapeInt, 0, 0, "bytes from the client to the server"},
	{"ac", KindInt, shapeInt, 0, 0, "connections of the process"},
	{"b", KindText, shapeText, className, textFlags, "backend"},
	{"bc", KindInt, shapeInt, 0, 0, "connections of the backend"},
	{"bi", KindAddr, shapeAddr, 0, textFlags | missing | hexed, "address HAProxy connected to the server from"},
	{"bp", KindInt, shapePort, 0, textFlags | missing | hexed, "port HAProxy connected to the server from"},
	{"bq", KindInt, shapeInt, 0, 0, "requests before this one in the backend's queue"},
	{"ci", KindAddr, shapeAddr, 0, textFlags | missing | hexed, "address of the client"},
	{"cp", KindInt, shapePort, 0, textFlags | missing | hexed, "port of the client, number of the listener on a UNIX socket"},
	{"f", KindText, shapeText, className, textFlags, "frontend"},
	{"fc", KindInt, shapeInt, 0, 0, "connections of the frontend"},
	{"fi", KindAddr, shapeAddr, 0, textFlags | missing | hexed, "address the client connected to"},
	{"fp", KindInt, shapePort, 0, textFlags | missing | hexed, "port the client connected to"},
	{"ft", KindText, shapeText, classFrontend, quotable, "frontend, with ~ on a TLS listener"},
	{"hr", KindList, shapeBlock, 0, varFlags | missing, "headers captured from the request"},
	{"hrl", KindList, shapeItems, classHeader, varFlags | missing, "headers captured from the request, as a list"},
	{"hs", KindList, shapeBlock, 0, varFlags | missing, "headers captured from the response"},
	{"hsl", KindList, shapeItems, classHeader, varFlags | missing, "headers captured from the response, as a list"},
	{"HM", KindText, shapeText, classMethod, quotable | requestPart, "HTTP method"},
	{"HP", KindText, shapeText, classGraph, varFlags | requestPart, "HTTP path, as the client sent it"},
	{"HPO", KindText, shapeText, classGraph, varFlags | requestPart, "HTTP path without host and query"},
	{"HQ", KindText, shapeText, classGraph, varFlags | requestPart, "HTTP query with its question mark"},
	{"HU", KindText, shapeText, classGraph, varFlags | requestPart, "HTTP URI with the query"},
	{"HV", KindText, shapeText, classGraph, quotable | requestPart, "HTTP version"},
	{"lc", KindInt, shapeInt, 4, hexed, "count of log lines of the frontend"},
	{"ms", KindInt, shapeMilli, 2, hexed, "when the connection was accepted, its milliseconds"},
	{"pid", KindInt, shapeInt, 4, hexed, "process ID of HAProxy"},
	{"r", KindRequest, shapeText, classPrint, quotable, "HTTP request line"},
	{"rc", KindInt, shapeInt, 0, plus, "connection retries; + if the request was redispatched"},
	{"rt", KindInt, shapeInt, 4, hexed, "count of requests of the process"},
	{"s", KindText, shapeText, className, textFlags, "server, or what answered in its place"},
	{"sc", KindInt, shapeInt, 0, 0, "connections of the server"},
	{"si", KindAddr, shapeAddr, 0, textFlags | missing | hexed, "address of the server"},
	{"sp", KindInt, shapePort, 0, textFlags | missing | hexed, "port of the server"},
	{"sq", KindInt, shapeInt, 0, 0, "requests before this one in the server's queue"},
	{"sslc", KindText, shapeText, classTLS, textFlags | missing, "TLS cipher of the client's connection"},
	{"sslv", KindText, shapeText, classTLS, textFlags | missing, "TLS version of the client's connection"},
	{"t", KindDate, shapeDate, 0, 0, "when the connection was accepted, with milliseconds"},
	{"tr", KindDate, shapeDate, 0, 0, "when the request began, with milliseconds"},
	{"trg", KindDate, shapeDate, 0, zoned, "when the request began, GMT"},
	{"trl", KindDate, shapeDate, 0, zoned, "when the request began, local time"},
	{"ts", KindText, shapeState, 2, 0, "termination state: who ended the session and when"},
	{"tsc", KindText, shapeState, 4, 0, "termination state with the state of the cookie"},

	// These print what HAProxy writes where no log-format applies; only the well-known formats may name them.
	{"bind", KindText, shapeText, className, legacy, "name or number of the bind line"},
	{"mode", KindText, shapeText, className, legacy, "mode of the frontend"},
	{"message", KindText, shapeText, classAny, legacy, "message"},
	{"state", KindText, shapeText, classAny, legacy, "state of the server or the proxy"},
}

// sampleExpression is how every `%[…]` prints: through lf_text, any byte, and nothing at all if there is no value.
var sampleExpression = alias{ //nolint:gochecknoglobals // constant
	"", KindText, shapeText, classAny, textFlags | missing | expression, "sample expression",
}

// findAlias returns the row of a name, or nil.
func findAlias(name string, allowLegacy bool) *alias {
	for i := range aliases {
		if a := &aliases[i]; a.name == name && (allowLegacy || a.flags&legacy == 0) {
			return a
		}
	}
	return nil
}

// wellKnown are the formats that HAProxy has a name for, as its source writes them out.
var wellKnown = [...]struct{ name, spec string }{ //nolint:gochecknoglobals // a constant table
	{"httplog", httplog},
	{"httpslog", httplog + ` %[fc_err]/%[ssl_fc_err,hex]/%[ssl_c_err]/%[ssl_c_ca_err]/%[ssl_fc_is_resumed] %[ssl_fc_sni]/%sslv/%sslc`},
	{"clf", `%{+Q}o %{-Q}ci - - [%trg] %r %ST %B "" "" %cp %ms %ft %b %s %TR %Tw %Tc %Tr %Ta %tsc %ac %fc %bc %sc %rc %sq %bq %CC %CS %hrl %hsl`},
	{"tcplog", `%ci:%cp [%t] %ft %b/%s %Tw/%Tc/%Tt %B %ts %ac/%fc/%bc/%sc/%rc %sq/%bq`},
	{"tcplog-clf", `%{+Q}o %{-Q}ci - - [%T] "TCP " 000 %B "" "" %cp %ms %ft %b %s %Th %Tw %Tc %Tt %U %ts-- %ac %fc %bc %sc %rc %sq %bq "" "" `},
	{"default", `Connect from %ci:%cp to %fi:%fp (%f/%mode)`},
	{"error", `%ci:%cp [%t] %f/%bind: %message`},
}

const httplog = `%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc %sq/%bq %hr %hs %{+Q}r`

// WellKnown returns the names that Compile knows.
func WellKnown() []string {
	names := make([]string, len(wellKnown))
	for i := range wellKnown {
		names[i] = wellKnown[i].name
	}
	return names
}
