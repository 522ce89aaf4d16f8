package archive

import "github.com/loghaul/loghaul/archive/parquet"

// columnDef is one column of the schema.
type columnDef struct {
	parquet.Column
	// encoding is how integers are stored; which one is smallest was measured.
	encoding parquet.Encoding
	// bloom asks for a bloom filter: for values that people look for one by one.
	bloom bool
	// since is the version of the format that brought the column. In objects
	// of an older one it is null.
	since int
	// doc says what the column holds; it starts with HAProxy's alias where
	// the column is what HAProxy printed for it.
	doc string
}

// The core columns, in the order of the schema. All of them are in every
// object, so that SQL can name them; an all-null column takes about 70 bytes.
// Names are lower case and unlike each other in every letter case, because SQL
// engines would take HAProxy's %TR, %Tr and %tr for the same column.
const (
	colNode = iota
	colSource
	colOffset
	colPath
	colReadTime
	colFlags
	colFormat
	colRaw
	colTime
	colUTCOffset
	colClientIP
	colClientPort
	colFrontendIP
	colFrontendPort
	colBackendIP
	colBackendPort
	colServerIP
	colServerPort
	colFrontend
	colFrontendTLS
	colBind
	colMode
	colBackend
	colServer
	colTimeRequest
	colTimeQueue
	colTimeConnect
	colTimeResponse
	colTimeActive
	colTimeTotal
	colTimeHandshake
	colTimeIdle
	colTimeToRequest
	colTimeData
	colTimeUser
	colStatus
	colBytesRead
	colBytesUploaded
	colASAP
	colRequestCookie
	colResponseCookie
	colTermination
	colConnProcess
	colConnFrontend
	colConnBackend
	colConnServer
	colRetries
	colRedispatched
	colQueueServer
	colQueueBackend
	colMethod
	colHTTPPath
	colQuery
	colHTTPVersion
	colRequest
	colReqHeader1
	colReqHeader2
	colReqHeader3
	colReqHeader4
	colReqHeader5
	colReqHeader6
	colReqHeader7
	colReqHeader8
	colResHeader1
	colResHeader2
	colResHeader3
	colResHeader4
	colResHeader5
	colResHeader6
	colResHeader7
	colResHeader8
	colHeader1
	colHeader2
	colHeader3
	colHeader4
	colHeader5
	colHeader6
	colHeader7
	colHeader8
	colUniqueID
	colOrigin
	colHostname
	colPID
	colFrontendCounter
	colRequestCounter
	colAcceptMilli
	colAcceptSeconds
	colTLSVersion
	colTLSCipher
	colTLSSNI
	colTLSResumed
	colFcErr
	colTLSFcErr
	colTLSClientErr
	colTLSClientCAErr
	colMessage
	colWrapper
	colPrefix
	colPrefixFraction
	colSyslogFacility
	colSyslogSeverity
	colSyslogHost
	colSyslogTag
	colSyslogPID
	colSyslogMsgID
	colStructuredData
	colStream
	colWrapperTime
	colParts
	colLabels
	colNamespace
	colPod
	colContainer
	colContainerID
	coreCount
)

func define(name string, typ parquet.Type, logical parquet.Logical, optional bool, enc parquet.Encoding, bloom bool, doc string) columnDef {
	return columnDef{
		Column:   parquet.Column{Name: name, Type: typ, Logical: logical, Optional: optional},
		encoding: enc, bloom: bloom, doc: doc,
	}
}

// coreColumns gives the core columns, indexed by the constants above.
func coreColumns() []columnDef {
	defs := []columnDef{
		colNode:            define("node", parquet.ByteArray, parquet.String, false, 0, false, "name of the machine the line was read on"),
		colSource:          define("source", parquet.ByteArray, parquet.String, false, 0, false, "identity of the byte stream the line comes from, 24 hexadecimal digits"),
		colOffset:          define("offset", parquet.Int64, parquet.None, false, parquet.DeltaBinaryPacked, false, "where the line starts in its source, in bytes"),
		colPath:            define("path", parquet.ByteArray, parquet.String, false, 0, false, "where the source lay when the line was read"),
		colReadTime:        define("read_time", parquet.Int64, parquet.TimestampMillis, false, parquet.RLEDictionary, false, "when the forwarder read the line"),
		colFlags:           define("flags", parquet.Int32, parquet.None, false, parquet.RLEDictionary, false, "1: the record has no LF at its end; 2: a container runtime cut the line, and this is a part of it; 4: time may be another one, as the clock was set back or forward then; 8: HAProxy cut the line, and the fields are those before the cut; 16: this is the rest of a line that the forwarder cut"),
		colFormat:          define("format", parquet.ByteArray, parquet.String, true, 0, false, "name of the format; null when no format matched"),
		colRaw:             define("raw", parquet.ByteArray, parquet.None, true, 0, false, "the line itself, where the columns do not give it back; null otherwise"),
		colTime:            define("time", parquet.Int64, parquet.TimestampMillis, true, parquet.DeltaBinaryPacked, false, "when the request began, or else when the connection was accepted"),
		colUTCOffset:       define("utc_offset", parquet.Int32, parquet.None, true, parquet.RLEDictionary, false, "offset of the printed clock from UTC, in seconds"),
		colClientIP:        define("client_ip", parquet.ByteArray, parquet.String, true, 0, true, "%ci"),
		colClientPort:      define("client_port", parquet.Int32, parquet.None, true, parquet.RLEDictionary, false, "%cp"),
		colFrontendIP:      define("frontend_ip", parquet.ByteArray, parquet.String, true, 0, false, "%fi"),
		colFrontendPort:    define("frontend_port", parquet.Int32, parquet.None, true, parquet.RLEDictionary, false, "%fp"),
		colBackendIP:       define("backend_ip", parquet.ByteArray, parquet.String, true, 0, false, "%bi"),
		colBackendPort:     define("backend_port", parquet.Int32, parquet.None, true, parquet.RLEDictionary, false, "%bp"),
		colServerIP:        define("server_ip", parquet.ByteArray, parquet.String, true, 0, false, "%si"),
		colServerPort:      define("server_port", parquet.Int32, parquet.None, true, parquet.RLEDictionary, false, "%sp"),
		colFrontend:        define("frontend", parquet.ByteArray, parquet.String, true, 0, false, "%f, or %ft without its ~"),
		colFrontendTLS:     define("frontend_tls", parquet.Boolean, parquet.None, true, 0, false, "%ft ended with ~: a TLS listener"),
		colBind:            define("bind", parquet.ByteArray, parquet.String, true, 0, false, "%bind"),
		colMode:            define("mode", parquet.ByteArray, parquet.String, true, 0, false, "%mode"),
		colBackend:         define("backend", parquet.ByteArray, parquet.String, true, 0, false, "%b"),
		colServer:          define("server", parquet.ByteArray, parquet.String, true, 0, false, "%s"),
		colTimeRequest:     define("time_request_ms", parquet.Int32, parquet.None, true, parquet.RLEDictionary, false, "%TR"),
		colTimeQueue:       define("time_queue_ms", parquet.Int32, parquet.None, true, parquet.RLEDictionary, false, "%Tw"),
		colTimeConnect:     define("time_connect_ms", parquet.Int32, parquet.None, true, parquet.RLEDictionary, false, "%Tc"),
		colTimeResponse:    define("time_response_ms", parquet.Int32, parquet.None, true, parquet.RLEDictionary, false, "%Tr"),
		colTimeActive:      define("time_active_ms", parquet.Int32, parquet.None, true, parquet.RLEDictionary, false, "%Ta"),
		colTimeTotal:       define("time_total_ms", parquet.Int32, parquet.None, true, parquet.RLEDictionary, false, "%Tt"),
		colTimeHandshake:   define("time_handshake_ms", parquet.Int32, parquet.None, true, parquet.RLEDictionary, false, "%Th"),
		colTimeIdle:        define("time_idle_ms", parquet.Int32, parquet.None, true, parquet.RLEDictionary, false, "%Ti"),
		colTimeToRequest:   define("time_to_request_ms", parquet.Int32, parquet.None, true, parquet.RLEDictionary, false, "%Tq"),
		colTimeData:        define("time_data_ms", parquet.Int32, parquet.None, true, parquet.RLEDictionary, false, "%Td"),
		colTimeUser:        define("time_user_ms", parquet.Int32, parquet.None, true, parquet.RLEDictionary, false, "%Tu"),
		colStatus:          define("status", parquet.Int32, parquet.None, true, parquet.RLEDictionary, false, "%ST"),
		colBytesRead:       define("bytes_read", parquet.Int64, parquet.None, true, parquet.RLEDictionary, false, "%B"),
		colBytesUploaded:   define("bytes_uploaded", parquet.Int64, parquet.None, true, parquet.RLEDictionary, false, "%U"),
		colASAP:            define("asap", parquet.Boolean, parquet.None, true, 0, false, "a + stood before %Ta, %Tt, %Tu and %B: option logasap, the values are not final"),
		colRequestCookie:   define("request_cookie", parquet.ByteArray, parquet.String, true, 0, false, "%CC"),
		colResponseCookie:  define("response_cookie", parquet.ByteArray, parquet.String, true, 0, false, "%CS"),
		colTermination:     define("termination_state", parquet.ByteArray, parquet.String, true, 0, false, "%tsc, or %ts"),
		colConnProcess:     define("connections_process", parquet.Int32, parquet.None, true, parquet.RLEDictionary, false, "%ac"),
		colConnFrontend:    define("connections_frontend", parquet.Int32, parquet.None, true, parquet.RLEDictionary, false, "%fc"),
		colConnBackend:     define("connections_backend", parquet.Int32, parquet.None, true, parquet.RLEDictionary, false, "%bc"),
		colConnServer:      define("connections_server", parquet.Int32, parquet.None, true, parquet.RLEDictionary, false, "%sc"),
		colRetries:         define("retries", parquet.Int32, parquet.None, true, parquet.RLEDictionary, false, "%rc"),
		colRedispatched:    define("redispatched", parquet.Boolean, parquet.None, true, 0, false, "a + stood before %rc"),
		colQueueServer:     define("queue_server", parquet.Int32, parquet.None, true, parquet.RLEDictionary, false, "%sq"),
		colQueueBackend:    define("queue_backend", parquet.Int32, parquet.None, true, parquet.RLEDictionary, false, "%bq"),
		colMethod:          define("http_method", parquet.ByteArray, parquet.String, true, 0, false, "%HM, or from %r"),
		colHTTPPath:        define("http_path", parquet.ByteArray, parquet.String, true, 0, false, "%HP or %HPO, or %HU or %r up to the question mark"),
		colQuery:           define("http_query", parquet.ByteArray, parquet.String, true, 0, false, "%HQ, or what follows the question mark of %HU or %r"),
		colHTTPVersion:     define("http_version", parquet.ByteArray, parquet.String, true, 0, false, "%HV, or from %r"),
		colRequest:         define("http_request", parquet.ByteArray, parquet.String, true, 0, false, "%r where it has no parts, as <BADREQ>; null otherwise"),
		colReqHeader1:      define("req_header_1", parquet.ByteArray, parquet.String, true, 0, false, "item 1 of %hr or %hrl"),
		colReqHeader2:      define("req_header_2", parquet.ByteArray, parquet.String, true, 0, false, "item 2 of %hr or %hrl"),
		colReqHeader3:      define("req_header_3", parquet.ByteArray, parquet.String, true, 0, false, "item 3 of %hr or %hrl"),
		colReqHeader4:      define("req_header_4", parquet.ByteArray, parquet.String, true, 0, false, "item 4 of %hr or %hrl"),
		colReqHeader5:      define("req_header_5", parquet.ByteArray, parquet.String, true, 0, false, "item 5 of %hr or %hrl"),
		colReqHeader6:      define("req_header_6", parquet.ByteArray, parquet.String, true, 0, false, "item 6 of %hr or %hrl"),
		colReqHeader7:      define("req_header_7", parquet.ByteArray, parquet.String, true, 0, false, "item 7 of %hr or %hrl"),
		colReqHeader8:      define("req_header_8", parquet.ByteArray, parquet.String, true, 0, false, "item 8 of %hr or %hrl"),
		colResHeader1:      define("res_header_1", parquet.ByteArray, parquet.String, true, 0, false, "item 1 of %hs or %hsl"),
		colResHeader2:      define("res_header_2", parquet.ByteArray, parquet.String, true, 0, false, "item 2 of %hs or %hsl"),
		colResHeader3:      define("res_header_3", parquet.ByteArray, parquet.String, true, 0, false, "item 3 of %hs or %hsl"),
		colResHeader4:      define("res_header_4", parquet.ByteArray, parquet.String, true, 0, false, "item 4 of %hs or %hsl"),
		colResHeader5:      define("res_header_5", parquet.ByteArray, parquet.String, true, 0, false, "item 5 of %hs or %hsl"),
		colResHeader6:      define("res_header_6", parquet.ByteArray, parquet.String, true, 0, false, "item 6 of %hs or %hsl"),
		colResHeader7:      define("res_header_7", parquet.ByteArray, parquet.String, true, 0, false, "item 7 of %hs or %hsl"),
		colResHeader8:      define("res_header_8", parquet.ByteArray, parquet.String, true, 0, false, "item 8 of %hs or %hsl"),
		colHeader1:         define("header_1", parquet.ByteArray, parquet.String, true, 0, false, "item 1 of the only block of a line that may have two: request or response, only the configuration tells"),
		colHeader2:         define("header_2", parquet.ByteArray, parquet.String, true, 0, false, "item 2 of the only block of a line that may have two: request or response, only the configuration tells"),
		colHeader3:         define("header_3", parquet.ByteArray, parquet.String, true, 0, false, "item 3 of the only block of a line that may have two: request or response, only the configuration tells"),
		colHeader4:         define("header_4", parquet.ByteArray, parquet.String, true, 0, false, "item 4 of the only block of a line that may have two: request or response, only the configuration tells"),
		colHeader5:         define("header_5", parquet.ByteArray, parquet.String, true, 0, false, "item 5 of the only block of a line that may have two: request or response, only the configuration tells"),
		colHeader6:         define("header_6", parquet.ByteArray, parquet.String, true, 0, false, "item 6 of the only block of a line that may have two: request or response, only the configuration tells"),
		colHeader7:         define("header_7", parquet.ByteArray, parquet.String, true, 0, false, "item 7 of the only block of a line that may have two: request or response, only the configuration tells"),
		colHeader8:         define("header_8", parquet.ByteArray, parquet.String, true, 0, false, "item 8 of the only block of a line that may have two: request or response, only the configuration tells"),
		colUniqueID:        define("unique_id", parquet.ByteArray, parquet.String, true, 0, true, "%ID"),
		colOrigin:          define("log_origin", parquet.ByteArray, parquet.String, true, 0, false, "%OG"),
		colHostname:        define("hostname", parquet.ByteArray, parquet.String, true, 0, false, "%H"),
		colPID:             define("pid", parquet.Int32, parquet.None, true, parquet.RLEDictionary, false, "%pid"),
		colFrontendCounter: define("frontend_log_counter", parquet.Int64, parquet.None, true, parquet.DeltaBinaryPacked, false, "%lc"),
		colRequestCounter:  define("request_counter", parquet.Int64, parquet.None, true, parquet.DeltaBinaryPacked, false, "%rt"),
		colAcceptMilli:     define("accept_ms", parquet.Int32, parquet.None, true, parquet.RLEDictionary, false, "%ms"),
		colAcceptSeconds:   define("accept_seconds", parquet.Int64, parquet.None, true, parquet.DeltaBinaryPacked, false, "%Ts"),
		colTLSVersion:      define("tls_version", parquet.ByteArray, parquet.String, true, 0, false, "%sslv"),
		colTLSCipher:       define("tls_cipher", parquet.ByteArray, parquet.String, true, 0, false, "%sslc"),
		colTLSSNI:          define("tls_sni", parquet.ByteArray, parquet.String, true, 0, false, "%[ssl_fc_sni]"),
		colTLSResumed:      define("tls_resumed", parquet.ByteArray, parquet.String, true, 0, false, "%[ssl_fc_is_resumed]"),
		colFcErr:           define("fc_err", parquet.ByteArray, parquet.String, true, 0, false, "%[fc_err]"),
		colTLSFcErr:        define("tls_fc_err", parquet.ByteArray, parquet.String, true, 0, false, "%[ssl_fc_err,hex]"),
		colTLSClientErr:    define("tls_client_err", parquet.ByteArray, parquet.String, true, 0, false, "%[ssl_c_err]"),
		colTLSClientCAErr:  define("tls_client_ca_err", parquet.ByteArray, parquet.String, true, 0, false, "%[ssl_c_ca_err]"),
		colMessage:         define("message", parquet.ByteArray, parquet.String, true, 0, false, "%message"),
		colWrapper:         define("wrapper", parquet.ByteArray, parquet.String, true, 0, false, "what the line was wrapped in, such as rfc3164 or cri, or cri+short for one in another; null for a bare line"),
		colPrefix:          define("prefix", parquet.ByteArray, parquet.String, true, 0, false, "what stood before the message, with {f} for prefix_fraction and {sd} for structured_data; null for a bare line, and where raw has the line"),
		colPrefixFraction:  define("prefix_fraction", parquet.ByteArray, parquet.String, true, 0, false, "digits of the fraction of the second in prefix"),
		colSyslogFacility:  define("syslog_facility", parquet.Int32, parquet.None, true, parquet.RLEDictionary, false, "facility, 0 to 23"),
		colSyslogSeverity:  define("syslog_severity", parquet.Int32, parquet.None, true, parquet.RLEDictionary, false, "severity, 0 to 7"),
		colSyslogHost:      define("syslog_host", parquet.ByteArray, parquet.String, true, 0, false, "host that sent the message"),
		colSyslogTag:       define("syslog_tag", parquet.ByteArray, parquet.String, true, 0, false, "tag (RFC 3164) or APP-NAME (RFC 5424): HAProxy's log-tag"),
		colSyslogPID:       define("syslog_pid", parquet.ByteArray, parquet.String, true, 0, false, "process id, or PROCID (RFC 5424)"),
		colSyslogMsgID:     define("syslog_msgid", parquet.ByteArray, parquet.String, true, 0, false, "MSGID (RFC 5424)"),
		colStructuredData:  define("structured_data", parquet.ByteArray, parquet.String, true, 0, false, "STRUCTURED-DATA (RFC 5424): HAProxy's log-format-sd"),
		colStream:          define("stream", parquet.ByteArray, parquet.String, true, 0, false, "stdout or stderr of a container"),
		colWrapperTime:     define("wrapper_time", parquet.Int64, parquet.TimestampMillis, true, parquet.DeltaBinaryPacked, false, "when the message was sent, as the wrapper says; a date without year gets one from read_time"),
		colParts:           define("parts", parquet.ByteArray, parquet.String, true, 0, false, "of a line that a container runtime wrote as several records: how many bytes lay between one and the next; raw has the records; null for any other line"),
		colLabels:          define("labels", parquet.ByteArray, parquet.String, true, 0, false, "labels of the forwarder and its input, as a JSON object; null without any"),
		colNamespace:       define("namespace", parquet.ByteArray, parquet.String, true, 0, false, "Kubernetes namespace, if path tells it"),
		colPod:             define("pod", parquet.ByteArray, parquet.String, true, 0, false, "Kubernetes pod, if path tells it"),
		colContainer:       define("container", parquet.ByteArray, parquet.String, true, 0, false, "name of the container in its pod, if path tells it"),
		colContainerID:     define("container_id", parquet.ByteArray, parquet.String, true, 0, false, "64 hexadecimal digits, if path tells them"),
	}
	for i := colWrapper; i < coreCount; i++ {
		defs[i].since = 2
		if i > colWrapperTime {
			defs[i].since = 3
		}
	}
	return defs
}
