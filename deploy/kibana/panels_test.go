package kibana

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/loghaul/loghaul/internal/testenv"
)

var servers testenv.Shared

func TestMain(m *testing.M) { os.Exit(servers.Run(m)) }

// part is what a panel shows of the lines of one bucket, or of all.
type part struct {
	key     string
	lines   int
	metrics []float64 // NaN: nothing to compute it of
	parts   []part
}

// TestPanelsAgainstTheParser asks a real Elasticsearch what Lens would ask it for
// each panel, and compares with what counting parsed lines gives.
func TestPanelsAgainstTheParser(t *testing.T) {
	url, _, lines := indexed(t)
	for _, p := range Panels() {
		if p.Kind == Text || p.Kind == List || p.ID == "countries" { // see TestStockDashboardFindsItsFields
			continue
		}
		t.Run(p.ID, func(t *testing.T) {
			want := p.count(lines)
			got := p.ask(t, url, real)
			compare(t, "", &want, &got, p.Metrics)
			if want.lines == 0 || len(want.parts) == 0 && len(p.By) > 0 {
				t.Error("the corpus has nothing to show")
			}
			for i, m := range p.Metrics {
				if !want.some(i) {
					t.Errorf("the corpus has nothing for %s", m.Label)
				}
			}
		})
	}
	for _, s := range Searches() {
		t.Run("search "+s.ID, func(t *testing.T) {
			want := 0
			for _, l := range lines {
				if s.Where.holds(l) {
					want++
				}
			}
			var got struct{ Count int }
			request(t, "POST", url+"/"+stream(real)+"/_count", map[string]any{"query": s.Where.query()}, &got)
			if got.Count != want || want == 0 {
				t.Errorf("%d documents, %d lines", got.Count, want)
			}
		})
	}
}

// some reports whether a metric is above 0 anywhere.
func (p *part) some(metric int) bool {
	if len(p.parts) == 0 {
		return p.metrics != nil && p.metrics[metric] > 0
	}
	return slices.ContainsFunc(p.parts, func(sub part) bool { return sub.some(metric) })
}

// compare wants the same parts in the same order, and the same numbers: but for
// percentiles, which Elasticsearch estimates, and the parser gives as bounds.
func compare(t *testing.T, at string, want, got *part, metrics []Metric) {
	t.Helper()
	if want.key != got.key || want.lines != got.lines {
		t.Errorf("%s: %q has %d lines, want %q with %d", at, got.key, got.lines, want.key, want.lines)
		return
	}
	at += "/" + want.key
	if len(want.parts) != len(got.parts) {
		t.Errorf("%s: %d parts, want %d", at, len(got.parts), len(want.parts))
		return
	}
	for i := range want.parts {
		compare(t, at, &want.parts[i], &got.parts[i], metrics)
	}
	for i, m := range metrics {
		if want.metrics == nil { // lines are split further
			break
		}
		w, g := want.metrics[i], got.metrics[i]
		if m.Op == Percentile && w >= 0 {
			// w is exact; an estimate lies between its neighbours in rank.
			if g < want.metrics[len(metrics)+2*i] || g > want.metrics[len(metrics)+2*i+1] {
				t.Errorf("%s: %s is %v, want %v, within %v", at, m.Label, g, w, want.metrics[len(metrics)+2*i:][:2])
			}
			continue
		}
		if w != g && (w == w || g == g) { // both may be NaN
			t.Errorf("%s: %s is %v, want %v", at, m.Label, g, w)
		}
	}
}

// request sends JSON and decodes the answer.
func request(t *testing.T, method, url string, body, into any) {
	t.Helper()
	var text string
	switch b := body.(type) {
	case nil:
	case string:
		text = b
	default:
		j, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		text = string(j)
	}
	if err := try(method, url, text, into); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
}

func try(method, url, body string, into any) error {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	c := &http.Client{Timeout: time.Minute}
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: HTTP %d: %s", method, url, resp.StatusCode, b)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(b, into)
}

func byKey(a, b part) int { return strings.Compare(a.key, b.key) }
