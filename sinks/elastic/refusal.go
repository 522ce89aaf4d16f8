package elastic

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// requireStream is a parameter of bulk requests since Elasticsearch 8.13: nothing
// is written to what is no data stream, and none of it is made without a template
// for one.
const requireStream = "require_data_stream"

// failure is the error of an answer, or of a document in it.
type failure struct {
	Type   string `json:"type"`
	Reason string `json:"reason"`
}

// failureOf gives the error of an answer, empty if it has none.
func failureOf(text []byte) failure {
	var e struct {
		Error failure `json:"error"`
	}
	if json.Unmarshal(text, &e) != nil { // some errors are only a text
		return failure{}
	}
	return e.Error
}

// explainRefusal says once in a while why a request, or a document of it, was
// refused, if that can be put right.
func (s *Sink) explainRefusal(status int, why failure) {
	f := s.refusal(status, why)
	if status == http.StatusUnauthorized {
		f = s.unauthorized()
	}
	if f != nil && s.samples.first(f.Says) {
		s.tell(f)
	}
}

// refusal explains the answer to a document, or to a request, that is refused not
// for what it holds but for where it goes; nil if there is nothing to explain.
func (s *Sink) refusal(status int, why failure) *Finding {
	switch {
	case status == http.StatusForbidden && why.Type == "security_exception":
		if lacks := missingPrivilege(why.Reason); lacks != "" {
			return wrong("privileges", fmt.Sprintf("the user lacks the %s on %s (HTTP 403)", lacks, s.cfg.stream()), roleWay)
		}
	case why.Type == "resource_not_found_exception" && strings.Contains(why.Reason, requireStream):
		return s.plainIndex("an index")
	case why.Type == "index_not_found_exception" && strings.Contains(why.Reason, "data stream template"):
		return wrong("template", fmt.Sprintf("there is no index template for %s, and without one it would be an index with guessed types", s.cfg.stream()),
			"let an administrator run loghaul index setup once")
	}
	return nil
}

// missingPrivilege takes the privilege out of the reason of a security_exception,
// "" if it tells none: action [indices:admin/auto_create] is unauthorized for
// user [u] with effective roles [r] on indices [i], this action is granted by the
// index privileges [auto_configure,create_index,manage,all].
func missingPrivilege(reason string) string {
	for _, kind := range []string{"index", "cluster"} {
		_, list, ok := strings.Cut(reason, "granted by the "+kind+" privileges [")
		if !ok {
			continue
		}
		list, _, ok = strings.Cut(list, "]")
		if first, _, _ := strings.Cut(list, ","); ok && first != "" {
			return kind + " privilege " + first
		}
	}
	return ""
}
