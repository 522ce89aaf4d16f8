package elastic

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/loghaul/loghaul/internal/testenv"
)

// answering is a server that answers everything in the same way.
func answering(t *testing.T, status int, header map[string]string, text string) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for k, v := range header {
			w.Header().Set(k, v)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// ask gives what a check finds.
func ask(t *testing.T, c Config) (all []*Finding, err error) {
	t.Helper()
	s, err := Connect(c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.Check(t.Context(), func(f *Finding) { all = append(all, f) })
	return all, err
}

// texts is all that findings say.
func texts(all []*Finding) string {
	var b strings.Builder
	for _, f := range all {
		b.WriteString(f.Verdict + " " + f.Name + ": " + f.Error() + "\n")
	}
	return b.String()
}

// TestWhatIsThatServer asks what is there instead of Elasticsearch, or of the one
// that was meant. The answers are those that the programs give.
func TestWhatIsThatServer(t *testing.T) {
	closed := "http://127.0.0.1:" + strconv.Itoa(testenv.FreePort(t))
	selfSigned := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(selfSigned.Close)
	plain := answering(t, 200, nil, "")
	product := map[string]string{"X-Elastic-Product": "Elasticsearch", "Content-Type": "application/json"}
	for _, c := range []struct{ name, url, verdict, says, do string }{
		{"nothing listens", closed, Wrong, "connection refused", "nothing listens there"},
		{"no such name", "http://elasticsearch.invalid:9200", Wrong, "elasticsearch.invalid", "check the name"},
		{"a certificate of nobody", selfSigned.URL, Wrong, "certificate signed by unknown authority", "ca of section index"},
		{"https for http", strings.Replace(plain, "http:", "https:", 1), Wrong, "does not look like a TLS handshake", "use http://"},
		{"http for https", strings.Replace(selfSigned.URL, "https:", "http:", 1), Wrong, "HTTP 400", "check the address and port"},
		{"a web page", answering(t, 200, map[string]string{"Content-Type": "text/html"}, "<html><head><TITLE>Welcome to\n nginx!</TITLE>"), Wrong, `text/html, a page titled "Welcome to nginx!"`, "check the address and port"},
		{"a proxy without the way", answering(t, 404, nil, ""), Wrong, "HTTP 404, but is not Elasticsearch: an empty answer", "check the address and port"},
		{"a proxy whose server is away", answering(t, 503, nil, "no available server"), Wrong, "HTTP 503: no available server", "tried again"},
		{"Kibana", answering(t, 302, map[string]string{"Kbn-Name": "kibana", "Location": "/spaces/enter"}, ""), Wrong, "is Kibana", "9200"},
		{"credentials wanted", answering(t, 401, nil, `{"error":{"type":"security_exception","reason":"missing authentication credentials for REST request [/]"},"status":401}`), Wrong, "wants credentials", "LOGHAUL_ELASTIC_USER"},
		{"OpenSearch", answering(t, 200, nil, `{"name":"o","version":{"distribution":"opensearch","number":"2.19.6"},"tagline":"The OpenSearch Project: https://opensearch.org/"}`), Wrong, "is OpenSearch 2.19.6, not Elasticsearch", "product_check: false"},
		{"Elasticsearch 6", answering(t, 200, nil, `{"name":"e","version":{"number":"6.8.23"},"tagline":"You Know, for Search"}`), Wrong, "version 6.8.23 of Elasticsearch", "upgrade it to 8 or later"},
		{"Elasticsearch 7", answering(t, 200, product, `{"version":{"number":"7.17.28"},"tagline":"You Know, for Search"}`), Weak, "is Elasticsearch 7.17.28", "upgrade it to 8"},
		{"Elasticsearch 9", answering(t, 200, product, `{"version":{"number":"9.2.0"},"tagline":"You Know, for Search"}`), OK, "is Elasticsearch 9.2.0", ""},
		{"Elasticsearch, and no right to ask", answering(t, 403, nil, `{"error":{"type":"security_exception","reason":"action [cluster:monitor/main] is unauthorized for user [u] with effective roles [r], this action is granted by the cluster privileges [monitor,manage,all]"},"status":403}`), OK, "is Elasticsearch", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			all, err := ask(t, testConfig(c.url, "what"))
			if len(all) == 0 {
				t.Fatalf("nothing is found: %v", err)
			}
			f := all[0]
			if f.Verdict != c.verdict || !strings.Contains(f.Says, c.says) || !strings.Contains(f.Do, c.do) || (c.do == "" && f.Do != "") {
				t.Errorf("%s: %s\n  → %s", f.Verdict, f.Says, f.Do)
			}
			if wrong := c.verdict == Wrong; wrong != (err != nil) || wrong && len(all) > 1 {
				t.Errorf("error %v, findings:\n%s", err, texts(all))
			}
		})
	}
	frozen := testConfig(servers.Elastic(t).URL, "what")
	frozen.Timeout = 200 * time.Millisecond
	servers.Elastic(t).Pause()
	defer servers.Elastic(t).Resume()
	if all, _ := ask(t, frozen); len(all) != 1 || !strings.Contains(all[0].Do, "no answer in time") {
		t.Errorf("a frozen server: %s", texts(all))
	}
}

// TestProductCheckIsRefusedUntilAllowed sends nothing to what is not
// Elasticsearch, unless it is told to.
func TestProductCheckIsRefusedUntilAllowed(t *testing.T) {
	target, bulks := withoutProduct(t)
	c := testConfig(target, "product")
	r := run(t, c)
	r.Offer(group(t, 1, lines(10)))
	testenv.Eventually(t, patience, "the refusal", func() bool { return strings.Contains(r.log.String(), "not in the header X-Elastic-Product") })
	if n := r.documents("indexed"); n != 0 || bulks() != 0 {
		t.Errorf("%d lines were indexed in %d requests by what may be anything", n, bulks())
	}
	if r.sum(metricUp, "") != 0 {
		t.Error("the index is up")
	}
	c.ProductCheck = false
	allowed := run(t, c)
	allowed.Offer(group(t, 1, lines(10)))
	allowed.settled()
	if n := allowed.documents("indexed"); n != 10 {
		t.Errorf("%d lines are indexed, want 10", n)
	}
}

// withoutProduct is the real server behind a proxy that takes the header away and
// answers GET / as a whole Elasticsearch does.
func withoutProduct(t *testing.T) (url string, bulks func() int64) {
	t.Helper()
	var n atomic.Int64
	proxy := reverse(t, func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/_bulk") {
			n.Add(1)
		}
		if r.URL.Path == "/" {
			_, _ = io.WriteString(w, `{"version":{"number":"8.19.4"},"tagline":"You Know, for Search"}`)
		}
		return r.URL.Path == "/"
	}, func(resp *http.Response) error { resp.Header.Del("X-Elastic-Product"); return nil })
	return proxy, n.Load
}

// reverse puts fn in front of the real server; fn reports whether it has
// answered. change may be nil.
func reverse(t *testing.T, fn func(http.ResponseWriter, *http.Request) bool, change func(*http.Response) error) string {
	t.Helper()
	target, err := url.Parse(servers.Elastic(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	next := &httputil.ReverseProxy{Transport: tr, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, ModifyResponse: change}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !fn(w, r) {
			next.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// TestPlainIndexInTheWay has an index where the data stream would be: nothing is
// written into it, it is said once, and after it is gone all goes on.
func TestPlainIndexInTheWay(t *testing.T) {
	server := servers.Elastic(t)
	for _, c := range []struct {
		name string
		may  bool // ask for the names of indices
		do   string
	}{{"plain-asked", true, "delete it or give it another name"}, {"plain-unasked", false, "delete it or give it another name"}} {
		t.Run(c.name, func(t *testing.T) {
			namespace := strings.ReplaceAll(c.name, "-", "_")
			makeIndex(t, server, namespace)
			target := reverse(t, func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasPrefix(r.URL.Path, "/_resolve") || c.may {
					return false
				}
				http.Error(w, `{"error":{"type":"security_exception","reason":"unauthorized"},"status":403}`, http.StatusForbidden)
				return true
			}, nil)
			r := run(t, testConfig(target, namespace))
			r.Offer(group(t, 1, lines(30)))
			testenv.Eventually(t, patience, "the finding", func() bool { return strings.Contains(r.log.String(), "is an index, not a data stream") })
			if !c.may {
				r.settled()
				if n := r.dropped(dropRefused); n != 30 {
					t.Errorf("%d lines are dropped as refused, want 30", n)
				}
			}
			if n := count(t, server, namespace, ""); n != 0 {
				t.Errorf("%d lines were written into the index", n)
			}
			if log := r.log.String(); strings.Count(log, "not a data stream") != 1 || !strings.Contains(log, c.do) {
				t.Errorf("it is not said once:\n%s", log)
			}
			if code := request(t, http.MethodDelete, server.URL+"/logs-haproxy.log-"+namespace, "", nil); code != 200 {
				t.Fatalf("HTTP %d", code)
			}
			r.untilIndexed()
		})
	}
}

// makeIndex makes a plain index, which templates for data streams do not allow.
func makeIndex(t *testing.T, server *testenv.ElasticServer, namespace string) {
	t.Helper()
	name := "logs-haproxy.log-" + namespace
	for _, step := range []struct{ method, path, body string }{
		{http.MethodPut, "/_index_template/plain", `{"index_patterns":["` + name + `"],"priority":950}`},
		{http.MethodPut, "/" + name, `{}`},
		{http.MethodDelete, "/_index_template/plain", ""},
	} {
		if code := request(t, step.method, server.URL+step.path, step.body, nil); code != 200 {
			t.Fatalf("%s %s: HTTP %d", step.method, step.path, code)
		}
	}
}

// TestServerWithoutRequireDataStream is one before 8.13.
func TestServerWithoutRequireDataStream(t *testing.T) {
	var refused atomic.Int64
	target := reverse(t, func(w http.ResponseWriter, r *http.Request) bool {
		if !r.URL.Query().Has(requireStream) {
			return false
		}
		refused.Add(1)
		http.Error(w, `{"error":{"root_cause":[],"type":"illegal_argument_exception","reason":"request [/logs-haproxy.log-x/_bulk] contains unrecognized parameter: [require_data_stream]"},"status":400}`, http.StatusBadRequest)
		return true
	}, nil)
	c := testConfig(target, "older")
	c.Senders = 1
	r := run(t, c)
	r.Offer(group(t, 1, lines(100)))
	r.settled()
	if n := r.documents("indexed"); n != 100 || refused.Load() != 1 {
		t.Errorf("%d lines are indexed after %d refused requests, want 100 after 1", n, refused.Load())
	}
}

func TestCheckEnds(t *testing.T) {
	s, err := Connect(testConfig(servers.Elastic(t).URL, "ends"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Setup(ctx, func(*Finding) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v of an ended context", err)
	}
}

func TestRoleOfDeploy(t *testing.T) {
	deployed, err := os.ReadFile("../../deploy/elasticsearch/role.json")
	if err != nil {
		t.Fatal(err)
	}
	if string(deployed) != string(Role()) {
		t.Errorf("deploy/elasticsearch/role.json is not what loghaul index setup --print-role prints")
	}
}

func TestMissingPrivilege(t *testing.T) {
	for reason, want := range map[string]string{
		"action [indices:admin/auto_create] is unauthorized for user [u] with effective roles [r] on indices [i], this action is granted by the index privileges [auto_configure,create_index,manage,all]": "index privilege auto_configure",
		"action [cluster:monitor/main] is unauthorized for API key id [k] of user [u], this action is granted by the cluster privileges [monitor]":                                                         "cluster privilege monitor",
		"action [x] is unauthorized": "", "granted by the index privileges [": "", "granted by the index privileges []": "", "": "",
	} {
		if got := missingPrivilege(reason); got != want {
			t.Errorf("%q for %q, want %q", got, reason, want)
		}
	}
}
