package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/archive/gaps"
	"github.com/loghaul/loghaul/backfill"
	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// place is where something that bears a line's identity was found: in the
// archive, or as a document.
type place struct {
	ref     string // KEY#ROW
	message string
}

// checkIndex is the measure of every test of the index: each line of the
// archive is one document, which has its bytes and names its place, and each
// document is a line of the archive. The identity is written here again and not
// asked of the sink: it is a promise. A byte that is no UTF-8 is U+FFFD in a
// document.
func (c *cluster) checkIndex() {
	c.t.Helper()
	lines, documents := c.archivedLines(), c.allDocuments()
	var bad differences
	for _, id := range slices.Sorted(maps.Keys(lines)) {
		stored, found := lines[id], documents[id]
		switch {
		case len(found) == 0:
			bad.add("archived and not in the index", id, stored)
		case len(found) > 1:
			bad.add("in the index more than once", id, found)
		case found[0].message != stored[0].message:
			bad.add("another text in the index", id, found)
		case !slices.ContainsFunc(stored, func(p place) bool { return p.ref == found[0].ref }):
			bad.add("the document names another place in the archive", id, found)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(documents)) {
		if lines[id] == nil {
			bad.add("in the index and not archived", id, documents[id])
		}
	}
	if len(lines) == 0 {
		c.t.Error("nothing is archived: the test proves nothing")
	}
	if bad.n > 0 {
		c.t.Errorf("%d lines are archived, %d identities are in the index, %d differences%s", len(lines), len(documents), bad.n, bad.text.String())
	}
}

// differences collects up to ten of each kind for the message.
type differences struct {
	n     int
	kinds map[string]int
	text  strings.Builder
}

func (d *differences) add(kind, id string, places []place) {
	if d.kinds == nil {
		d.kinds = map[string]int{}
	}
	d.n++
	if d.kinds[kind]++; d.kinds[kind] > 10 {
		return
	}
	fmt.Fprintf(&d.text, "\n%s: %s", kind, id)
	for _, p := range places {
		fmt.Fprintf(&d.text, " at %s %.80q", p.ref, p.message)
	}
}

// open opens the archive.
func (c *cluster) open() objectstore.Store {
	c.t.Helper()
	store, err := objectstore.Open(c.t.Context(), c.url, objectstore.Options{AccessKey: c.s3.AccessKey, SecretKey: c.s3.SecretKey})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = store.Close() })
	return store
}

// ledger counts the lines that are noted as gaps.
func (c *cluster) ledger() int64 {
	c.t.Helper()
	survey, err := gaps.New(backfill.LedgerStore{Store: c.open()}, c.stream()).Survey(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	return survey.Lines
}

// archivedLines reads all objects: identity → where it stands. A line stands
// in several objects when it was delivered again after a crash.
func (c *cluster) archivedLines() map[string][]place {
	c.t.Helper()
	store := c.open()
	lines := map[string][]place{}
	err := store.List(c.t.Context(), "dt=", func(o objectstore.Info) error {
		b, err := store.Get(c.t.Context(), o.Key)
		if err != nil {
			return err
		}
		r, err := archive.Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return fmt.Errorf("%s: %w", o.Key, err)
		}
		return r.Rows(func(row *archive.Row) error {
			id := row.Source.ID + "-" + strconv.FormatInt(row.Offset, 36)
			lines[id] = append(lines[id], place{fmt.Sprintf("%s#%d", o.Key, row.Index), string([]rune(string(row.Message)))})
			return nil
		})
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return lines
}

// allDocuments reads the whole data stream: _id → its documents. More than one
// has an id when backing indices hold it each.
func (c *cluster) allDocuments() map[string][]place {
	c.t.Helper()
	type page struct {
		Scroll string `json:"_scroll_id"`
		Hits   struct {
			Hits []struct {
				ID     string `json:"_id"`
				Source struct {
					Key     string `json:"loghaul.archive.key"`
					Row     *int   `json:"loghaul.archive.row"`
					Message string `json:"message"`
				} `json:"_source"`
			} `json:"hits"`
		} `json:"hits"`
	}
	e := c.api()
	e.want(http.MethodPost, "/"+c.stream()+"/_refresh", "", nil)
	documents := map[string][]place{}
	var p page
	e.want(http.MethodPost, "/"+c.stream()+"/_search?scroll=1m",
		`{"size":5000,"sort":["_doc"],"_source":["message","loghaul.archive.key","loghaul.archive.row"]}`, &p)
	for len(p.Hits.Hits) > 0 {
		for _, h := range p.Hits.Hits {
			if h.Source.Row == nil {
				c.t.Fatalf("document %s does not say where its line is archived", h.ID)
			}
			documents[h.ID] = append(documents[h.ID], place{fmt.Sprintf("%s#%d", h.Source.Key, *h.Source.Row), h.Source.Message})
		}
		scroll := p.Scroll
		p = page{}
		e.want(http.MethodPost, "/_search/scroll", fmt.Sprintf(`{"scroll":"1m","scroll_id":%q}`, scroll), &p)
	}
	return documents
}

// stream is the data stream of this test.
func (c *cluster) stream() string { return "logs-haproxy.log-" + c.namespace() }

// api speaks to Elasticsearch itself, past what stands before it.
func (c *cluster) api() elasticAPI {
	e := elasticAPI{t: c.t, url: c.elastic.URL, client: http.DefaultClient}
	if c.ca != "" {
		e.user, e.client = c.user, &http.Client{Transport: testenv.HTTPS(c.t, c.ca)}
	}
	return e
}

// elasticAPI is what an operator does with curl.
type elasticAPI struct {
	t      *testing.T
	url    string
	client *http.Client
	user   testenv.ElasticUser // nobody if it has no name
}

// call gives the status, 0 without an answer. reply is filled on success; nil
// is fine.
func (e elasticAPI) call(method, path, body string, reply any) (code int, text string) {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), time.Minute)
	defer cancel()
	code, text, err := e.do(ctx, method, path, body)
	if err != nil {
		return 0, err.Error()
	}
	if reply != nil && code < 300 {
		if err := json.Unmarshal([]byte(text), reply); err != nil {
			e.t.Fatalf("%s %s: %v: %.300s", method, path, err, text)
		}
	}
	return code, text
}

func (e elasticAPI) do(ctx context.Context, method, path, body string) (code int, text string, err error) {
	req, err := http.NewRequestWithContext(ctx, method, e.url+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	if e.user.Name != "" {
		req.SetBasicAuth(e.user.Name, e.user.Password)
	}
	resp, err := e.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// want is call for what has to succeed.
func (e elasticAPI) want(method, path, body string, reply any) {
	e.t.Helper()
	if code, text := e.call(method, path, body, reply); code < 200 || code > 299 {
		e.t.Fatalf("%s %s: HTTP %d: %.500s", method, path, code, text)
	}
}
