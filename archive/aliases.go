package archive

import "github.com/loghaul/loghaul/parser"

// coreOp says which core columns a field belongs in; ok is false for a field
// that has none.
func coreOp(f *parser.Field) (o op, cols []int, ok bool) {
	if f.Truth {
		return op{}, nil, false // whether it is 0, not the number
	}
	switch f.Alias {
	case "":
		if col := expressionColumn(f.Expr); col >= 0 {
			return op{kind: opText, col: col}, []int{col}, true
		}
		return op{}, nil, false
	case "ft":
		return op{kind: opFrontend, col: colFrontend}, []int{colFrontend, colFrontendTLS}, true
	case "rc":
		return op{kind: opRetries, col: colRetries}, []int{colRetries, colRedispatched}, true
	case "r":
		return op{kind: opRequest, col: colMethod}, []int{colMethod, colHTTPPath, colQuery, colHTTPVersion, colRequest}, true
	case "HU":
		return op{kind: opURI, col: colHTTPPath}, []int{colHTTPPath, colQuery}, true
	case "HQ":
		return op{kind: opQuery, col: colQuery}, []int{colQuery}, true
	case "hr", "hrl":
		return op{kind: opList, col: colReqHeader1}, []int{colReqHeader1}, true
	case "hs", "hsl":
		return op{kind: opList, col: colResHeader1}, []int{colResHeader1}, true
	}
	if col := textColumn(f.Alias); col >= 0 {
		return op{kind: opText, col: col}, []int{col}, true
	}
	if col := int32Column(f.Alias); col >= 0 {
		return op{kind: opInt32, col: col, asap: isASAP(f.Alias)}, []int{col}, true
	}
	if col := int64Column(f.Alias); col >= 0 {
		return op{kind: opInt64, col: col, asap: isASAP(f.Alias)}, []int{col}, true
	}
	return op{}, nil, false
}

// isASAP tells the aliases that option logasap prints a + before.
func isASAP(alias string) bool {
	return alias == "Ta" || alias == "Tt" || alias == "Tu" || alias == "B"
}

func textColumn(alias string) int {
	switch alias {
	case "ci":
		return colClientIP
	case "fi":
		return colFrontendIP
	case "bi":
		return colBackendIP
	case "si":
		return colServerIP
	case "f":
		return colFrontend
	case "bind":
		return colBind
	case "mode":
		return colMode
	case "b":
		return colBackend
	case "s":
		return colServer
	case "CC":
		return colRequestCookie
	case "CS":
		return colResponseCookie
	case "ts", "tsc":
		return colTermination
	case "HM":
		return colMethod
	case "HP", "HPO":
		return colHTTPPath
	case "HV":
		return colHTTPVersion
	case "ID":
		return colUniqueID
	case "OG":
		return colOrigin
	case "H":
		return colHostname
	case "sslv":
		return colTLSVersion
	case "sslc":
		return colTLSCipher
	case "message":
		return colMessage
	}
	return -1
}

func int32Column(alias string) int {
	switch alias {
	case "cp":
		return colClientPort
	case "fp":
		return colFrontendPort
	case "bp":
		return colBackendPort
	case "sp":
		return colServerPort
	case "TR":
		return colTimeRequest
	case "Tw":
		return colTimeQueue
	case "Tc":
		return colTimeConnect
	case "Tr":
		return colTimeResponse
	case "Ta":
		return colTimeActive
	case "Tt":
		return colTimeTotal
	case "Th":
		return colTimeHandshake
	case "Ti":
		return colTimeIdle
	case "Tq":
		return colTimeToRequest
	case "Td":
		return colTimeData
	case "Tu":
		return colTimeUser
	case "ST":
		return colStatus
	case "ac":
		return colConnProcess
	case "fc":
		return colConnFrontend
	case "bc":
		return colConnBackend
	case "sc":
		return colConnServer
	case "sq":
		return colQueueServer
	case "bq":
		return colQueueBackend
	case "pid":
		return colPID
	case "ms":
		return colAcceptMilli
	}
	return -1
}

func int64Column(alias string) int {
	switch alias {
	case "B":
		return colBytesRead
	case "U":
		return colBytesUploaded
	case "lc":
		return colFrontendCounter
	case "rt":
		return colRequestCounter
	case "Ts":
		return colAcceptSeconds
	}
	return -1
}

// expressionColumn knows the sample expressions of option httpslog.
func expressionColumn(expr string) int {
	switch expr {
	case "ssl_fc_sni":
		return colTLSSNI
	case "ssl_fc_is_resumed":
		return colTLSResumed
	case "fc_err":
		return colFcErr
	case "ssl_fc_err,hex":
		return colTLSFcErr
	case "ssl_c_err":
		return colTLSClientErr
	case "ssl_c_ca_err":
		return colTLSClientCAErr
	}
	return -1
}
