package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

const (
	// mostAsked is how many ids one question may hold: Elasticsearch answers with
	// at most 10,000 hits (index.max_result_window).
	mostAsked = 5000
	// refreshEvery is how old what a search finds may be. A younger document is in
	// the backing index that is written to, which refuses its id a second time.
	refreshEvery = 5 * time.Second
)

// asking is what is known about questions for documents. It is safe for concurrent use.
type asking struct {
	refreshed atomic.Int64 // Unix ms
	forbidden atomic.Bool
}

// absent gives those of docs that are in no backing index of the data stream, and
// tells the account of the others. An id is unique in one backing index alone: a
// document that was indexed though no answer came would be there twice if it were
// sent again after a rollover. So whoever fills gaps asks first, and so does what
// is sent again without knowing what became of it. That takes the privileges read
// and maintenance; without them nothing is asked, which is said once. With a reason
// left has those that could not be asked for, too.
func (s *sender) absent(ctx context.Context, docs []int) (left []int, reason string) {
	left = docs[:0]
	for len(docs) > 0 {
		part := docs[:min(len(docs), mostAsked)]
		there, reason := s.there(ctx, part)
		if reason != "" {
			return append(left, docs...), reason
		}
		docs = docs[len(part):]
		for _, i := range part {
			if there[string(s.body.id(i))] {
				s.exists(1)
			} else {
				left = append(left, i)
			}
		}
	}
	return left, ""
}

// unseen is absent for documents that were sent with p before, and not answered. If
// that cannot be asked, the result says so in the place of that of a request, and
// the gate was told.
func (s *sender) unseen(ctx context.Context, p pass, docs []int) (left []int, r result) {
	s.asking.refreshed.Store(0) // what was sent since is what matters
	left, reason := s.absent(ctx, docs)
	r = result{how: outcomeTaken, reason: reason}
	switch reason {
	case dropShutdown:
		r.how = outcomeLeft
	case dropOverloaded:
		r.how = outcomeRefused
	case "":
		if len(left) > 0 {
			return left, r // the request tells the gate
		}
	default:
		r.how = outcomeFailed
	}
	s.heard(r.how, errUnasked, s.gate.leave(p, r.how, 0, 0))
	return left, r
}

var errUnasked = errors.New("what became of a request without an answer cannot be asked")

// there asks which of docs, at most mostAsked, are in the data stream.
func (s *sender) there(ctx context.Context, docs []int) (ids map[string]bool, reason string) {
	if s.asking.forbidden.Load() {
		return nil, ""
	}
	var q struct {
		Size  int `json:"size"`
		Query struct {
			IDs struct {
				Values []string `json:"values"`
			} `json:"ids"`
		} `json:"query"`
	}
	q.Size = len(docs)
	for _, i := range docs {
		q.Query.IDs.Values = append(q.Query.IDs.Values, string(s.body.id(i)))
	}
	body, err := json.Marshal(&q)
	if err != nil {
		return nil, dropUnreadable
	}
	now := time.Now().UnixMilli()
	if then := s.asking.refreshed.Load(); now-then >= refreshEvery.Milliseconds() && s.asking.refreshed.CompareAndSwap(then, now) {
		if _, reason := s.question(ctx, esapi.IndicesRefreshRequest{Index: []string{s.cfg.stream()}}); reason != "" {
			s.asking.refreshed.CompareAndSwap(now, then)
			return nil, reason
		}
	}
	partial := false
	text, reason := s.question(ctx, esapi.SearchRequest{
		Index: []string{s.cfg.stream()}, Body: bytes.NewReader(body), FilterPath: []string{"hits.hits._id"},
		Source: []string{"false"}, TrackTotalHits: false, AllowPartialSearchResults: &partial,
	})
	if text == nil {
		return nil, reason
	}
	var found struct {
		Hits struct {
			Hits []struct {
				ID string `json:"_id"`
			} `json:"hits"`
		} `json:"hits"`
	}
	if err := json.Unmarshal(text, &found); err != nil {
		return nil, dropUnreachable
	}
	ids = make(map[string]bool, len(found.Hits.Hits))
	for _, h := range found.Hits.Hits {
		ids[h.ID] = true
	}
	return ids, ""
}

// question asks about the data stream. There is neither text nor reason if
// nothing is to be learned: there is no data stream yet, or it may not be asked.
func (s *sender) question(ctx context.Context, what esapi.Request) (text []byte, reason string) {
	limited, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	r, err := s.ask(limited, what)
	switch {
	case ctx.Err() != nil:
		return nil, dropShutdown
	case err != nil:
		return nil, dropUnreachable
	case r.status == http.StatusOK:
		return r.text, ""
	case r.status == http.StatusNotFound:
		return nil, ""
	case temporary(r.status):
		return nil, dropOverloaded
	}
	if s.asking.forbidden.CompareAndSwap(false, true) {
		s.log.Warn("what the index has already cannot be asked before lines are sent again; after a rollover of the data stream a line may be there twice",
			"status", r.status, "reason", explain(r.text), "do", "give the user read and maintenance on "+s.cfg.stream())
	}
	return nil, ""
}

// id is that of a document.
func (b *body) id(i int) []byte {
	id := b.buf[b.docs[i].from+len(actionStart):]
	return id[:bytes.IndexByte(id, '"')]
}
