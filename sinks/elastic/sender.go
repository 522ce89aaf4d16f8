package elastic

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/sinks"
)

const (
	firstWait = 250 * time.Millisecond
	maxWait   = 5 * time.Second
)

// sender decodes groups and sends their rows, one bulk body after the other.
type sender struct {
	*Sink
	docs Documents
	body body
}

func newSender(s *Sink) *sender {
	return &sender{Sink: s, docs: Documents{Namespace: s.cfg.Namespace, NoMessage: !s.cfg.Message}, body: newBody(int(s.cfg.Bulk))}
}

// run sends groups until the queue is closed and empty, or ctx ends.
func (s *sender) run(ctx context.Context) {
	for g := s.queue.take(ctx); g != nil; g = s.queue.take(ctx) {
		s.group(ctx, g)
		s.done(g)
	}
}

// errGiveUp ends a group: the server does not answer, or refuses everything,
// and each further body would only take the same time to fail.
var errGiveUp = errors.New("given up")

// group sends all rows of g. Each row is counted exactly once: as indexed, as
// there already, as rejected, as dropped, or as excluded by a rule.
func (s *sender) group(ctx context.Context, g *sinks.Group) {
	seen, settled := 0, 0 // rows below seen have been encoded or excluded, those below settled are counted
	reason := dropUnreadable
	flush := func() error {
		settled = seen
		if s.body.len() == 0 {
			return nil
		}
		if reason = s.send(ctx, g.Key); reason != "" {
			return errGiveUp
		}
		reason = dropUnreadable
		return nil
	}
	s.body.reset()
	err := s.rows(g, func(row *archive.Row) error {
		at := len(s.body.buf)
		s.body.begin(row.Index, row.Source.ID, row.Offset)
		doc, ok := s.docs.Append(s.body.buf, row, g.Key)
		seen = row.Index + 1
		if !ok {
			s.body.leave(at)
			return nil
		}
		s.body.buf = doc
		if s.body.end() {
			err := flush()
			s.body.reset()
			return err
		}
		return nil
	})
	if err == nil {
		err = flush()
	}
	if err != nil && !errors.Is(err, errGiveUp) && s.samples.first("unreadable") {
		s.log.Error("an archived object can't be read back for the index", "object", g.Key, "error", err)
	}
	s.dropRows(g.Key, settled, g.Lines-1, g.Lines-settled, reason)
}

func (*sender) rows(g *sinks.Group, fn func(*archive.Row) error) error {
	r, err := archive.Open(bytes.NewReader(g.Body), int64(len(g.Body)))
	if err != nil {
		return err
	}
	if lines := r.Meta().Lines; lines != g.Lines {
		return fmt.Errorf("the object has %d lines, the group says %d", lines, g.Lines)
	}
	return r.Rows(fn)
}

// send delivers the body, sending again what is refused, and settles every
// document of it. The result is "" if the group may go on, or the reason to
// give it up.
func (s *sender) send(ctx context.Context, key string) string {
	pending := s.body.all()
	reason := ""
	for attempt := 0; ; attempt++ {
		var a answer
		a, reason = s.bulk(ctx, pending)
		if reason == "" {
			pending, reason = s.settle(key, pending, a)
		}
		switch {
		case len(pending) == 0:
			return ""
		case reason == dropTooLarge && len(pending) > 1:
			return s.halves(ctx, key, pending)
		case reason == dropTooLarge || reason == dropRefused || reason == dropShutdown, attempt >= s.cfg.Retries:
		case !pause(ctx, attempt, a.retryAfter):
			reason = dropShutdown
		default:
			s.resent.Add(len(pending))
			continue
		}
		s.drop(key, pending, reason)
		if a.items != nil || reason == dropTooLarge {
			return "" // it takes others
		}
		return reason
	}
}

// halves sends a body that is too large for the server in two parts.
func (s *sender) halves(ctx context.Context, key string, docs []int) string {
	whole := s.body
	defer func() { s.body = whole }()
	first, second := docs[:len(docs)/2], docs[len(docs)/2:]
	s.body = whole.only(first)
	reason := s.send(ctx, key)
	if reason == "" {
		s.body = whole.only(second)
		return s.send(ctx, key)
	}
	s.body = whole
	s.drop(key, second, reason)
	return reason
}

// drop counts documents as dropped, in stretches of consecutive rows.
func (s *sender) drop(key string, docs []int, reason string) {
	for len(docs) > 0 {
		n := 1
		for n < len(docs) && s.body.rows[docs[n]] == s.body.rows[docs[n-1]]+1 {
			n++
		}
		s.dropRows(key, s.body.rows[docs[0]], s.body.rows[docs[n-1]], n, reason)
		docs = docs[n:]
	}
}

// settle counts the documents that have their answer, and gives those to be
// sent again with the reason.
func (s *sender) settle(key string, docs []int, a answer) (again []int, reason string) {
	if a.allGood {
		s.indexed.Add(len(docs))
		return nil, ""
	}
	for i, item := range a.items {
		switch {
		case item.Status >= 200 && item.Status < 300:
			s.indexed.Inc()
		case item.Status == 409:
			s.exists.Inc()
		case temporary(item.Status):
			again, reason = append(again, docs[i]), dropOverloaded
		default:
			s.reject(key, s.body.rows[docs[i]], item)
		}
	}
	return again, reason
}

func (s *sender) reject(key string, row int, item item) {
	kind := item.Error.Type
	if kind == "" {
		kind = "unknown"
	}
	s.reg.Counter(metricRejected, kind).Inc()
	s.gap(Gap{Key: key, FirstRow: row, LastRow: row, Lines: 1, Reason: "rejected"})
	if s.samples.first("reject " + kind) {
		s.log.Warn("Elasticsearch rejects a document; further ones are only counted",
			"type", kind, "reason", item.Error.Reason, "status", item.Status, "object", key, "row", row)
	}
}

// temporary reports whether a status means that the same may work later.
func temporary(status int) bool {
	return status == 429 || status == 502 || status == 503 || status == 504
}

// pause waits before the next attempt, and reports false when ctx ended.
func pause(ctx context.Context, attempt int, atLeast time.Duration) bool {
	d := min(firstWait<<min(attempt, 10), maxWait)
	return sleep(ctx, max(d/2+rand.N(d/2+1), min(atLeast, maxWait)))
}

// sleep reports false when ctx ended before d was over.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
