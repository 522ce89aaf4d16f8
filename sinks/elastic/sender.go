package elastic

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/sinks"
)

// sender decodes groups and sends rows of them, one body after the other.
type sender struct {
	*Sink
	opener  archive.Opener // keeps what objects of the same formats have in common
	docs    Documents
	body    body
	copied  buffer // documents of body that do not lie together
	packed  buffer // what is sent, compressed
	zip     *gzip.Writer
	answers answers
	order   []int
	parts   []part

	// Of the group at hand:
	account
	key     string
	expires time.Time // see gate.enter
	low     bool      // it fills gaps
	retries int       // what is left of them for each part
}

func newSender(s *Sink) *sender {
	return &sender{Sink: s, docs: Documents{Namespace: s.cfg.Namespace, NoMessage: !s.cfg.Message, Rules: s.rules, Geo: s.geo}}
}

// run sends groups until the queue is closed and empty, or ctx ends.
func (s *sender) run(ctx context.Context) {
	for e := s.queue.take(ctx); e.Group != nil; e = s.queue.take(ctx) {
		s.account, s.expires = &live{s.Sink, e.Key}, e.at.Add(s.cfg.Wait)
		if s.gate.expired(s.expires) {
			s.dropGroup(e.Group, dropUnreachable)
			s.done(e.Group)
			continue
		}
		_, err := s.send(ctx, e.Group, []Span{{0, e.Lines - 1}})
		if err != nil && s.samples.first("unreadable") {
			s.log.Error("an archived object can't be read back for the index", "object", e.Key, "error", err)
		}
		s.done(e.Group)
	}
}

// errEnough ends the reading of an object.
var errEnough = errors.New("enough")

// send sends rows of g and tells the account of each, once. The result is the
// reason why not all were tried, if so, and with dropUnreadable the error.
func (s *sender) send(ctx context.Context, g *sinks.Group, spans []Span) (reason string, err error) {
	s.key, s.retries = g.Key, s.cfg.Retries
	s.body.reset()
	next, todo := 0, spans // rows before next are in the body or told of
	limit := s.gate.bodySize()
	err = s.rows(g, func(row *archive.Row) error {
		for len(todo) > 0 && row.Index > todo[0].Last {
			todo = todo[1:]
		}
		switch {
		case len(todo) == 0:
			return errEnough
		case row.Index < todo[0].First:
			return nil
		}
		next = row.Index + 1
		if !s.body.add(&s.docs, row, g.Key) {
			s.excluded(s.docs.ExcludedBy())
			return nil
		}
		if len(s.body.buf) < limit {
			return nil
		}
		if reason = s.deliver(ctx); reason != "" {
			return errEnough
		}
		limit = s.gate.bodySize()
		return nil
	})
	if reason == "" {
		reason = s.deliver(ctx)
	}
	if errors.Is(err, errEnough) {
		err = nil
	}
	if reason == "" && err != nil {
		reason = dropUnreadable
	}
	if reason != "" {
		for _, r := range spans {
			if first := max(r.First, next); first <= r.Last {
				s.dropped(first, r.Last, reason)
			}
		}
	}
	return reason, err
}

func (s *sender) rows(g *sinks.Group, fn func(*archive.Row) error) error {
	r, err := s.opener.Open(bytes.NewReader(g.Body), int64(len(g.Body)))
	if err != nil {
		return err
	}
	if lines := r.Meta().Lines; lines != g.Lines {
		return fmt.Errorf("the object has %d lines, the group says %d", lines, g.Lines)
	}
	return r.Rows(fn)
}

// part is documents of the body that are sent together, if the window allows.
type part struct {
	docs    []int
	attempt int
	again   bool // they were sent before
	unseen  bool // and it is not known what became of them
}

// deliver sends the documents of the body, again what is refused, until the
// account was told of each, and empties the body. The result is "" if the group
// may go on, or the reason to give it up: the server does not answer or refuses
// everything, and each further body would only take the same time to fail.
func (s *sender) deliver(ctx context.Context) string {
	defer s.body.reset()
	if len(s.body.docs) == 0 {
		return ""
	}
	s.order = s.body.all(s.order[:0])
	docs := s.order
	if s.low {
		var reason string
		if docs, reason = s.absent(ctx, docs); reason != "" {
			s.drop(docs, reason)
			return reason
		}
		if len(docs) == 0 {
			return ""
		}
	}
	s.parts = append(s.parts[:0], part{docs: docs})
	for len(s.parts) > 0 {
		p := s.parts[len(s.parts)-1]
		s.parts = s.parts[:len(s.parts)-1]
		if reason := s.step(ctx, p); reason != "" {
			for _, p := range s.parts {
				s.drop(p.docs, reason)
			}
			return reason
		}
	}
	return ""
}

// step sends one request with documents of p. What else there is to be done for
// p goes to s.parts.
func (s *sender) step(ctx context.Context, p part) (giveUp string) {
	pass, reason := s.gate.enter(ctx, s.expires, s.low)
	if reason != "" {
		s.drop(p.docs, reason)
		return reason
	}
	n, size := s.body.fit(p.docs, s.gate.bodySize())
	if n < len(p.docs) {
		s.parts = append(s.parts, part{p.docs[n:], p.attempt, p.again, p.unseen})
		p.docs = p.docs[:n]
	}
	r, left, mended := s.exchange(ctx, pass, p, size)
	if len(mended) > 0 {
		s.parts = append(s.parts, part{mended, p.attempt, true, false})
	}
	again := part{left, p.attempt, true, r.unseen}
	switch {
	case len(left) == 0:
		s.retries = s.cfg.Retries
		return ""
	case r.how == outcomeTooLarge && n > 1: // the window is smaller now
		s.parts = append(s.parts, again)
		return ""
	case r.how == outcomeLeft, r.how == outcomeRejected, r.how == outcomeTooLarge:
	case pass.probe && !s.low: // bounded by expires
		s.parts = append(s.parts, again)
		return ""
	case p.attempt < s.retries:
		again.attempt++
		s.parts = append(s.parts, again)
		return ""
	}
	s.drop(left, r.reason)
	if r.how == outcomeTooLarge {
		return ""
	}
	if r.items && !s.low {
		// It takes others. These will hardly fare better: one attempt is enough.
		s.retries = 0
		return ""
	}
	return r.reason
}

// exchange sends the documents of p, which have size bytes, and gives what is left of
// them: those to be sent again as they are, and those to be sent again mended. Of
// those of which it is not known what became it asks first.
func (s *sender) exchange(ctx context.Context, pass pass, p part, size int) (r result, left, mended []int) {
	left = p.docs
	if p.unseen {
		if left, r = s.unseen(ctx, pass, left); r.reason != "" {
			r.unseen = true
		}
		if len(left) == 0 || r.reason != "" {
			return r, left, nil
		}
		_, size = s.body.fit(left, size)
	}
	if p.again {
		s.resent.Add(len(left))
	}
	r = s.request(ctx, pass, left, size)
	if r.items {
		left, mended = s.settle(left, r.all)
	}
	return r, left, mended
}

// drop tells the account of documents that are given up, in stretches of
// consecutive rows.
func (s *sender) drop(docs []int, reason string) {
	for len(docs) > 0 {
		n := 1
		for n < len(docs) && s.body.docs[docs[n]].row == s.body.docs[docs[n-1]].row+1 {
			n++
		}
		s.dropped(s.body.docs[docs[0]].row, s.body.docs[docs[n-1]].row, reason)
		docs = docs[n:]
	}
}

// settle tells the account of the documents that have their answer in
// s.answers, and gives those to be sent again as they are, and those to be sent
// again mended.
func (s *sender) settle(docs []int, all bool) (again, mended []int) {
	if all {
		s.indexed(len(docs))
		return nil, nil
	}
	again = docs[:0] // what is behind has been looked at
	for i := range docs {
		doc, it := docs[i], &s.answers.items[i].Create
		switch {
		case it.Status >= 200 && it.Status < 300:
			s.indexed(1)
		case it.Status == 409:
			s.exists(1)
		case passing(it.Status):
			again = append(again, doc)
		case it.Status != 400:
			// Not for what it holds: a closed index, a lost right.
			s.explainRefusal(it.Status, failure(it.Error))
			s.dropped(s.body.docs[doc].row, s.body.docs[doc].row, dropRefused)
		case s.cfg.Unmapped && s.mend(doc, it):
			mended = append(mended, doc)
		default:
			s.rejected(s.body.docs[doc].row, it)
		}
	}
	return again, mended
}
