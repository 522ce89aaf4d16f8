package elastic

import (
	"context"
	"net/http"
	"strings"

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// victoriaPath ends the URL of VictoriaLogs' endpoint for bulk requests of
// Elasticsearch. It has no data streams, templates or ids: every document that it
// is given is stored, also one that it has.
// See https://docs.victoriametrics.com/victorialogs/data-ingestion/#elasticsearch-bulk-api.
const victoriaPath = "/insert/elasticsearch"

// victoria is the path and query of a bulk request to VictoriaLogs: which of our
// fields are its time, its message, and what its streams are told apart by.
const victoria = "/_bulk?_time_field=@timestamp&_msg_field=message&_stream_fields=host.name,haproxy.frontend_name"

// isVictoria reports whether the URL says that the index is VictoriaLogs.
func (c Config) isVictoria() bool {
	urls, err := c.addresses()
	return err == nil && strings.HasSuffix(strings.TrimSuffix(urls[0].Path, "/"), victoriaPath)
}

// askVictoria makes sure that VictoriaLogs answers.
func (s *Sink) askVictoria(ctx context.Context) *Finding {
	r, err := s.ask(ctx, esapi.InfoRequest{})
	switch {
	case err != nil:
		return s.unreachable(ctx, err)
	case r.status == http.StatusUnauthorized:
		return s.unauthorized()
	case r.status != http.StatusOK:
		return wrong("server", s.cfg.URL+" is not VictoriaLogs: "+resembles(r), "check the address and port")
	}
	return found("server", s.cfg.URL+" is VictoriaLogs")
}
