package elastic

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/klauspost/compress/gzip"
)

// serverWait bounds how long Elasticsearch itself waits for a shard or a
// mapping: its own default is a minute, during which documents of other shards
// would wait too.
const serverWait = 5 * time.Second

// result is what became of a request.
type result struct {
	how outcome
	// reason is why documents that have to be sent again are dropped if they
	// are not.
	reason string
	// items says that there is an answer for each document, all that all were
	// indexed; otherwise see s.answers.
	items, all bool
	// unseen says that the server may have carried the request out all the same.
	unseen bool
}

// request sends docs, which have size bytes, once, and tells the gate.
func (s *sender) request(ctx context.Context, p pass, docs []int, size int) result {
	limited, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	data, from := s.data(docs)
	status, after, all, err := s.post(limited, from, data, len(docs))
	s.seconds.Since(p.began)
	label := "error"
	if status != 0 {
		label = strconv.Itoa(status)
	}
	s.reg.Counter(metricRequests, label).Inc()
	r := result{how: outcomeTaken, reason: dropOverloaded, items: err == nil, all: all, unseen: err != nil && !refusedWhole(status) && !unconnected(err)}
	switch {
	case err == nil:
		for i := range s.answers.items {
			if passing(s.answers.items[i].Create.Status) {
				r.how = outcomeRefused
			}
		}
	case ctx.Err() != nil:
		r.how, r.reason = outcomeLeft, dropShutdown
	case status == http.StatusTooManyRequests:
		r.how = outcomeRefused
	case temporary(status):
		r.how = outcomeBusy
	case status == 0 || status == http.StatusOK, status == http.StatusInternalServerError:
		r.how, r.reason = outcomeFailed, dropUnreachable
	case status == http.StatusRequestEntityTooLarge:
		r.how, r.reason = outcomeTooLarge, dropTooLarge
		if len(docs) > 1 {
			s.gate.tooLarge(size)
		}
	default:
		r.how, r.reason = outcomeRejected, dropRefused
	}
	s.heard(r.how, err, s.gate.leave(p, r.how, size, after))
	return r
}

// refusedWhole reports whether a status means that nothing of a request was carried
// out. A proxy says 502 and 504, and anybody 500, also after it was.
func refusedWhole(status int) bool {
	switch status {
	case 0, http.StatusOK, http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout:
		return false
	}
	return true
}

// data gives docs as they are sent, and the buffer that this lies in.
func (s *sender) data(docs []int) ([]byte, *buffer) {
	data, together := s.body.stretch(docs)
	from := &s.body.buffer
	if !together {
		s.copied.reset()
		s.body.copy(&s.copied, docs)
		data, from = s.copied.buf, &s.copied
	}
	if s.cfg.Compress != CompressGzip {
		return data, from
	}
	s.packed.reset()
	if s.zip == nil {
		s.zip, _ = gzip.NewWriterLevel(&s.packed, gzip.BestSpeed) //nolint:errcheck // the level is one
	}
	s.zip.Reset(&s.packed)
	_, _ = s.zip.Write(data) //nolint:errcheck // a buffer takes everything
	_ = s.zip.Close()        //nolint:errcheck // the same
	return s.packed.buf, &s.packed
}

// post sends data, which is the body for n documents, and reads the answer into
// s.answers. The status is 0 without one; after is what the server asks to wait.
func (s *sender) post(ctx context.Context, from *buffer, data []byte, n int) (status int, after time.Duration, all bool, err error) {
	target := s.target
	if s.strict.Load() {
		target += "&" + requireStream + "=true"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, from.reader(data))
	if err != nil {
		return 0, 0, false, err
	}
	req.GetBody = func() (io.ReadCloser, error) { return from.reader(data), nil }
	req.ContentLength = int64(len(data))
	req.Header.Set("Content-Type", "application/x-ndjson")
	if s.cfg.Compress == CompressGzip {
		req.Header.Set("Content-Encoding", "gzip")
	}
	resp, err := s.client.Perform(req)
	if err != nil {
		return 0, 0, false, err
	}
	defer resp.Body.Close() //nolint:errcheck // it has been read
	text := &s.answers.text
	text.Reset()
	s.answers.items = s.answers.items[:0]
	if m, err := text.ReadFrom(io.LimitReader(resp.Body, maxAnswer+1)); err != nil || m > maxAnswer {
		return 0, 0, false, fmt.Errorf("reading the answer: %w", errors.Join(err, errLong(m)))
	}
	if resp.StatusCode != http.StatusOK {
		if resp.StatusCode == http.StatusBadRequest && bytes.Contains(text.Bytes(), []byte(requireStream)) && s.strict.CompareAndSwap(true, false) {
			return s.post(ctx, from, data, n) // an older version, which knows no such parameter
		}
		s.explainRefusal(resp.StatusCode, failureOf(text.Bytes()))
		if n, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
			after = time.Duration(n) * time.Second
		}
		return resp.StatusCode, after, false, fmt.Errorf("HTTP %d: %s", resp.StatusCode, explain(text.Bytes()))
	}
	all, err = s.answers.parse(n)
	return resp.StatusCode, 0, all, err
}

func errLong(n int64) error {
	if n > maxAnswer {
		return fmt.Errorf("it has more than %d bytes", maxAnswer)
	}
	return nil
}
