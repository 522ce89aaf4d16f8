package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// maxAnswer bounds the answer that is read: some 100 bytes per document.
const maxAnswer = 64 << 20

// filterPath leaves of the answer what is needed. The status keeps every item
// in its place: with errors alone, good items are left out and the others
// can't be attributed.
const filterPath = "errors,items.*.status,items.*.error.type,items.*.error.reason"

// body collects the documents of one bulk request.
type body struct {
	limit int
	buf   []byte
	ends  []int // where each document ends in buf
	rows  []int // the row of each document
	users *atomic.Int32
}

func newBody(limit int) body { return body{limit: limit, users: new(atomic.Int32)} }

// reset empties b. The buffer is kept unless the HTTP client may still read
// it, which it may do after a request has failed.
func (b *body) reset() {
	if b.users.Load() > 0 {
		b.buf, b.users = nil, new(atomic.Int32)
	}
	if b.buf == nil {
		b.buf = make([]byte, 0, b.limit+b.limit/8)
	}
	b.buf, b.ends, b.rows = b.buf[:0], b.ends[:0], b.rows[:0]
}

func (b *body) len() int { return len(b.rows) }

// begin starts the document of a row: its id comes from the line's identity,
// so that offering a line twice makes one document.
func (b *body) begin(row int, source string, offset int64) {
	b.buf = append(b.buf, `{"create":{"_id":"`...)
	b.buf = append(b.buf, source...) // hexadecimal digits
	b.buf = append(b.buf, '-')
	b.buf = strconv.AppendInt(b.buf, offset, 36)
	b.buf = append(b.buf, "\"}}\n"...)
	b.rows = append(b.rows, row)
}

// end ends the document and reports whether the body is full.
func (b *body) end() bool {
	b.buf = append(b.buf, '\n')
	b.ends = append(b.ends, len(b.buf))
	return len(b.buf) >= b.limit
}

// leave takes the document back that begin has started at length at.
func (b *body) leave(at int) {
	b.buf, b.rows = b.buf[:at], b.rows[:len(b.rows)-1]
}

// all gives the indices of all documents.
func (b *body) all() []int {
	docs := make([]int, len(b.rows))
	for i := range docs {
		docs[i] = i
	}
	return docs
}

func (b *body) doc(i int) []byte {
	if i == 0 {
		return b.buf[:b.ends[0]]
	}
	return b.buf[b.ends[i-1]:b.ends[i]]
}

// only gives a body of some of the documents, in a buffer of its own.
func (b *body) only(docs []int) body {
	part := body{limit: b.limit, users: new(atomic.Int32)}
	for _, i := range docs {
		part.buf = append(part.buf, b.doc(i)...)
		part.ends, part.rows = append(part.ends, len(part.buf)), append(part.rows, b.rows[i])
	}
	return part
}

// reader gives the bytes of the documents as a request body.
func (b *body) reader(docs []int) (io.ReadCloser, int64) {
	data := b.buf
	if len(docs) < len(b.rows) {
		data = b.only(docs).buf
	}
	b.users.Add(1)
	users := b.users
	var closed atomic.Bool
	return &closeFunc{bytes.NewReader(data), func() {
		if closed.CompareAndSwap(false, true) {
			users.Add(-1)
		}
	}}, int64(len(data))
}

type closeFunc struct {
	io.Reader
	fn func()
}

func (c *closeFunc) Close() error { c.fn(); return nil }

// answer is what came back for a bulk request.
type answer struct {
	allGood    bool
	items      []item // in the order of the documents; nil without an answer for each
	retryAfter time.Duration
}

type item struct {
	Status int `json:"status"`
	Error  struct {
		Type   string `json:"type"`
		Reason string `json:"reason"`
	} `json:"error"`
}

// bulk sends the documents once. Without an answer for each document the
// result is the reason.
func (s *sender) bulk(ctx context.Context, docs []int) (answer, string) {
	reqCtx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	start := time.Now()
	status, a, err := s.post(reqCtx, docs)
	s.seconds.Observe(time.Since(start).Seconds())
	label := "error"
	if status != 0 {
		label = strconv.Itoa(status)
	}
	s.reg.Counter(metricRequests, label).Inc()
	if ctx.Err() == nil && status != http.StatusTooManyRequests { // pushing back is not an outage
		s.answered(err)
	}
	switch {
	case err == nil:
		return a, ""
	case ctx.Err() != nil:
		return a, dropShutdown
	case status == 0 || status == http.StatusOK, status == http.StatusInternalServerError:
		return a, dropUnreachable
	case temporary(status):
		return a, dropOverloaded
	case status == http.StatusRequestEntityTooLarge:
		return a, dropTooLarge
	}
	return a, dropRefused
}

func (s *sender) post(ctx context.Context, docs []int) (status int, a answer, err error) {
	rd, size := s.body.reader(docs)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "/"+s.cfg.stream()+"/_bulk?filter_path="+filterPath, rd)
	if err != nil {
		return 0, a, errors.Join(err, rd.Close())
	}
	req.ContentLength = size
	req.Header.Set("Content-Type", "application/x-ndjson")
	resp, err := s.client.Perform(req)
	if err != nil {
		return 0, a, err
	}
	defer resp.Body.Close() //nolint:errcheck // it has been read
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return 0, a, fmt.Errorf("reading the answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		if n, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
			a.retryAfter = time.Duration(n) * time.Second
		}
		return resp.StatusCode, a, fmt.Errorf("HTTP %d: %s", resp.StatusCode, explain(text))
	}
	a, err = parseAnswer(text, len(docs))
	return resp.StatusCode, a, err
}

// parseAnswer reads the answer to n documents.
func parseAnswer(text []byte, n int) (answer, error) {
	// The common case without decoding: no errors, and as many items.
	if bytes.HasPrefix(text, []byte(`{"errors":false,`)) && bytes.Count(text, []byte(`{"status":201}`)) == n {
		return answer{allGood: true, items: []item{}}, nil
	}
	var all struct {
		Items []map[string]item `json:"items"`
	}
	if err := json.Unmarshal(text, &all); err != nil {
		return answer{}, fmt.Errorf("the answer is not that of Elasticsearch: %w", err)
	}
	if len(all.Items) != n {
		return answer{}, fmt.Errorf("the answer has %d items for %d documents", len(all.Items), n)
	}
	a := answer{items: make([]item, n)}
	for i, m := range all.Items {
		for _, it := range m {
			a.items[i] = it
		}
	}
	return a, nil
}

// explain gives the reason in an error answer of Elasticsearch, or its
// beginning.
func explain(text []byte) string {
	var e struct {
		Error struct {
			Type   string `json:"type"`
			Reason string `json:"reason"`
		} `json:"error"`
	}
	if json.Unmarshal(text, &e) == nil && e.Error.Type != "" {
		return e.Error.Type + ": " + oneLine(e.Error.Reason)
	}
	return oneLine(string(text))
}

func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 200 {
		s = s[:200] + "…"
	}
	return s
}
