package elastic

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestCredentials(t *testing.T) {
	var got string
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Get("Authorization") }))
	defer srv.Close()
	for want, set := range map[string]func(*Config){
		"":                   func(*Config) {},
		"Basic dTpwOnc=":     func(c *Config) { c.User, c.Password = "u", "p:w" },
		"ApiKey ZW5jb2RlZA=": func(c *Config) { c.APIKey = "ZW5jb2RlZA=" },
		"ApiKey aWQ6a2V5":    func(c *Config) { c.APIKey = "id:key" },
		"Bearer t0k":         func(c *Config) { c.Token = "t0k" },
	} {
		cfg := testConfig(srv.URL, "credentials")
		set(&cfg)
		c, err := newClient(&cfg)
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequest(http.MethodGet, "/", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Perform(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if c.close(); got != want {
			t.Errorf("Authorization %q, want %q", got, want)
		}
	}
}

// A node that does not answer rests; when all do, the one that rests the
// shortest is asked.
func TestNodesTakeTurns(t *testing.T) {
	cfg := testConfig("http://a:1,http://b:1,http://c:1", "turns")
	c, err := newClient(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	take := func() string { return c.next().url.Host[:1] }
	if got := take() + take() + take() + take(); got != "abca" {
		t.Errorf("in the order %s, want abca", got)
	}
	c.learn(c.nodes[1], false)
	if got := take() + take() + take(); got != "cac" {
		t.Errorf("while b rests in the order %s, want cac", got)
	}
	c.learn(c.nodes[0], false)
	c.learn(c.nodes[2], false)
	c.learn(c.nodes[1], false)
	if got := take(); got != "a" {
		t.Errorf("%s is asked while all rest, want a", got)
	}
	c.learn(c.nodes[1], true)
	if got := take() + take(); got != "bb" {
		t.Errorf("after b has answered %s are asked, want bb", got)
	}
}

func TestCompressedBodies(t *testing.T) {
	target := before(t, func(_ http.ResponseWriter, body []byte) bool {
		r, err := gzip.NewReader(strings.NewReader(string(body)))
		if err != nil {
			t.Error(err)
			return false
		}
		if plain, err := io.ReadAll(r); err != nil || strings.Count(string(plain), "\n") != 100 || len(body) > len(plain)/4 {
			t.Errorf("%d lines of %d bytes in %d: %v", strings.Count(string(plain), "\n"), len(plain), len(body), err)
		}
		return false
	})
	c := testConfig(target, "gzip")
	c.Compress = CompressGzip
	r := run(t, c)
	for i := range 3 {
		r.Offer(group(t, i, lines(50)))
	}
	r.settled()
	if n := r.documents("indexed"); n != 150 {
		t.Errorf("%d indexed, want 150", n)
	}
}
