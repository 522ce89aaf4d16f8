package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"github.com/loghaul/loghaul/archive"
)

// HourCount is how many documents of a source have their time within an hour.
type HourCount struct {
	// Hour is its beginning, in UTC.
	Hour time.Time
	// Node and Source are "" in documents that have none: those are not of loghaul.
	Node, Source string
	Documents    int64
}

// Counts gives the documents of a data stream by hour, node and source, in that
// order, page by page. One goroutine may use it at a time.
type Counts struct {
	s        *Sink
	from, to time.Time
	page     []HourCount
	after    json.RawMessage
	done     bool
}

// countsPage is how many counts are asked for at once; a search gives 65,536
// buckets at most.
const countsPage = 5000

// Counts counts documents whose @timestamp is within [from, to); zero is no
// bound. It takes the index privilege read.
func (s *Server) Counts(from, to time.Time) *Counts { return &Counts{s: s.sink, from: from, to: to} }

// Refresh makes what was indexed until now visible to searches. It takes the index
// privilege maintenance; without it that happens within the template's
// refresh_interval. It reports whether it was done, or there is no data stream.
func (s *Server) Refresh(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, s.sink.cfg.Timeout)
	defer cancel()
	r, err := s.sink.ask(ctx, esapi.IndicesRefreshRequest{Index: []string{s.sink.cfg.stream()}})
	return err == nil && (r.status == http.StatusOK || r.status == http.StatusNotFound)
}

// Next gives the next count, io.EOF after the last one.
func (c *Counts) Next(ctx context.Context) (HourCount, error) {
	for len(c.page) == 0 {
		if c.done {
			return HourCount{}, io.EOF
		}
		if err := c.fetch(ctx); err != nil {
			return HourCount{}, fmt.Errorf("counting the documents of %s: %w", c.s.cfg.stream(), err)
		}
	}
	n := c.page[0]
	c.page = c.page[1:]
	return n, nil
}

// search is the body of a search: an aggregation of the type composite, which is
// made to be asked page by page.
func (c *Counts) search() ([]byte, error) {
	type object = map[string]any
	within := object{"format": "epoch_millis"}
	if !c.from.IsZero() {
		within["gte"] = c.from.UnixMilli()
	}
	if !c.to.IsZero() {
		within["lt"] = c.to.UnixMilli()
	}
	terms := func(field string) object {
		return object{"terms": object{"field": field, "missing_bucket": true}}
	}
	composite := object{"size": countsPage, "sources": []object{
		{"hour": object{"date_histogram": object{"field": "@timestamp", "fixed_interval": "1h"}}},
		{"node": terms("host.name")},
		{"source": terms("loghaul.source")},
	}}
	if c.after != nil {
		composite["after"] = c.after
	}
	return json.Marshal(object{
		"size": 0, "track_total_hits": false, "query": object{"range": object{"@timestamp": within}},
		"aggs": object{"by": object{"composite": composite}},
	})
}

func (c *Counts) fetch(ctx context.Context) error {
	body, err := c.search()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.s.cfg.Timeout)
	defer cancel()
	// What some shards know is no count.
	partial := false
	r, err := c.s.ask(ctx, esapi.SearchRequest{
		Index: []string{c.s.cfg.stream()}, Body: bytes.NewReader(body), AllowPartialSearchResults: &partial,
		FilterPath: []string{"timed_out", "_shards.failed", "aggregations"},
	})
	if err != nil {
		return c.s.unreachable(ctx, err)
	}
	switch r.status {
	case http.StatusOK:
	case http.StatusNotFound: // no document was ever indexed
		c.done = true
		return nil
	case http.StatusUnauthorized:
		return c.s.unauthorized()
	default:
		if f := c.s.refusal(r.status, failureOf(r.text)); f != nil {
			f.Do = "give the user the index privilege read on " + c.s.cfg.stream()
			return f
		}
		return fmt.Errorf("HTTP %d: %s", r.status, explain(r.text))
	}
	var got struct {
		TimedOut bool `json:"timed_out"`
		Shards   struct {
			Failed int `json:"failed"`
		} `json:"_shards"`
		Aggregations struct {
			By struct {
				After   json.RawMessage `json:"after_key"`
				Buckets []struct {
					Key struct {
						Hour         int64
						Node, Source *string
					} `json:"key"`
					Documents int64 `json:"doc_count"`
				} `json:"buckets"`
			} `json:"by"`
		} `json:"aggregations"`
	}
	if err := json.Unmarshal(r.text, &got); err != nil {
		return fmt.Errorf("the answer is not that of Elasticsearch: %w", err)
	}
	if got.TimedOut || got.Shards.Failed > 0 {
		return fmt.Errorf("%d shards have not answered: not all documents can be counted", got.Shards.Failed)
	}
	by := &got.Aggregations.By
	for _, b := range by.Buckets {
		n := HourCount{Hour: time.UnixMilli(b.Key.Hour).UTC(), Documents: b.Documents}
		if b.Key.Node != nil {
			n.Node = *b.Key.Node
		}
		if b.Key.Source != nil {
			n.Source = *b.Key.Source
		}
		c.page = append(c.page, n)
	}
	c.after, c.done = by.After, by.After == nil || len(by.Buckets) == 0
	return nil
}

// Leave gives what says which rows the rules leave out, a function for each
// goroutine; nil without rules.
func (s *Server) Leave() func() func(row *archive.Row, key string) bool {
	rules := s.sink.rules
	if rules == nil {
		return nil
	}
	return func() func(*archive.Row, string) bool {
		d := &Documents{Rules: rules}
		return func(row *archive.Row, _ string) bool { return d.judge(row).excluded }
	}
}
