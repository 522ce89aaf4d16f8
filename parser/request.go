package parser

import "bytes"

// SplitRequest splits the text of a request into its parts. ok is true only when method + " " + path + ["?" + query] +
// [" " + version] is text again; hasQuery tells an empty query from none. A request cut by tune.http.logurilen or
// `<BADREQ>` may lack the version or more: a text without a space is not ok, one without a version has version nil.
func SplitRequest(text []byte) (method, path, query, version []byte, hasQuery, ok bool) {
	first := bytes.IndexByte(text, ' ')
	if first <= 0 {
		return nil, nil, nil, nil, false, false
	}
	method, path = text[:first], text[first+1:]
	if last := bytes.IndexByte(path, ' '); last >= 0 {
		path, version = path[:last], path[last+1:]
		if bytes.IndexByte(version, ' ') >= 0 {
			return nil, nil, nil, nil, false, false
		}
	}
	if mark := bytes.IndexByte(path, '?'); mark >= 0 {
		path, query, hasQuery = path[:mark], path[mark+1:], true
	}
	return method, path, query, version, hasQuery, true
}
