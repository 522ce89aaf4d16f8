//go:build !race

// Other tests show the race detector the same code, without one more server.

package elastic

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/loghaul/loghaul/internal/testenv"
)

// secure is a server with users, seen by one of them.
type secure struct {
	*testenv.ElasticServer
	ca string
}

// as gives the configuration of a user.
func (s *secure) as(user, namespace string) Config {
	c := testConfig(s.URL, namespace)
	c.User, c.Password, c.CA = user, user+"-password", s.ca
	return c
}

// ask sends a request as the administrator.
func (s *secure) ask(t *testing.T, method, path, body string, into any) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("admin", "admin-password")
	req.Header.Set("Content-Type", "application/json")
	resp, err := testenv.HTTPS(t, s.ca).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && into != nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatalf("%s %s: %v: %s", method, path, err, text)
	}
	return resp.StatusCode
}

// count gives the number of documents of a data stream.
func (s *secure) count(t *testing.T, namespace string) int {
	t.Helper()
	var got struct{ Count int }
	s.ask(t, http.MethodPost, "/logs-haproxy.log-"+namespace+"/_refresh", "", nil)
	s.ask(t, http.MethodGet, "/logs-haproxy.log-"+namespace+"/_count", "", &got)
	return got.Count
}

// TestSecurity has a server with TLS by a CA of its own, and users who may do
// what their roles say.
func TestSecurity(t *testing.T) {
	role := func(privileges string) string {
		return fmt.Sprintf(`{"indices":[{"names":["logs-haproxy.log-*"],"privileges":[%s]}]}`, privileges)
	}
	user := func(name, role string) testenv.ElasticUser {
		return testenv.ElasticUser{Name: name, Password: name + "-password", Role: role}
	}
	server, ca := testenv.SecureElastic(t, user("admin", "superuser"), user("loghaul", string(Role())),
		user("stranger", `{"cluster":["monitor"]}`), user("adder", role(`"create_doc"`)), user("reader", role(`"read","view_index_metadata"`)))
	s := &secure{server, ca}
	t.Run("no template", s.noTemplate) // first
	t.Run("least privilege", s.leastPrivilege)
	t.Run("missing privileges", s.missingPrivileges)
	t.Run("credentials", s.credentials)
	t.Run("TLS", s.tls)
}

// noTemplate: a user who may not install it, before an administrator did.
func (s *secure) noTemplate(t *testing.T) {
	r := run(t, s.as("loghaul", "least"))
	r.Offer(group(t, 1, lines(20)))
	r.settled()
	log := r.log.String()
	if n := r.dropped(dropRefused); n != 20 || !strings.Contains(log, "there is no index template for logs-haproxy.log-least") || !strings.Contains(log, "let an administrator run loghaul index setup") {
		t.Errorf("%d dropped as refused, want 20; log:\n%s", n, log)
	}
	if code := s.ask(t, http.MethodGet, "/logs-haproxy.log-least", "", nil); code != http.StatusNotFound {
		t.Errorf("an index with guessed types was made: HTTP %d", code)
	}
	said, err := setUp(t, s.as("admin", "least"))
	if err != nil || !strings.Contains(said, "is installed") {
		t.Fatalf("%v: %s", err, said)
	}
	r.Offer(group(t, 1, lines(20)))
	r.settled()
	if n := r.documents("indexed"); n != 20 {
		t.Errorf("%d lines are indexed once the template is there, want 20", n)
	}
}

// leastPrivilege: create_doc and auto_configure are enough, for a data stream
// that is not there, documents that are, and new labels.
func (s *secure) leastPrivilege(t *testing.T) {
	r := run(t, s.as("loghaul", "new"))
	for range 2 {
		r.Offer(group(t, 1, lines(1000)))
		r.settled()
	}
	if indexed, exists := r.documents("indexed"), r.documents("exists"); indexed != 1000 || exists != 1000 || s.count(t, "new") != 1000 {
		t.Errorf("%d indexed, %d there already, %d found; want 1000 of each", indexed, exists, s.count(t, "new"))
	}
	if log := r.log.String(); strings.Count(log, "lacks the cluster privilege manage_index_templates") != 1 || strings.Contains(log, "level=ERROR") {
		t.Errorf("that it may not install the template is not said once:\n%s", log)
	}
	c := s.as("loghaul", "new")
	c.Template = false
	quiet := run(t, c)
	quiet.Offer(group(t, 2, lines(10)))
	quiet.settled()
	if strings.Contains(quiet.log.String(), "level=WARN") {
		t.Errorf("it warns of what is as it should be:\n%s", quiet.log)
	}
	said, err := setUp(t, s.as("loghaul", "new"))
	if err == nil || !strings.Contains(said, `OK privileges: user "loghaul" has create_doc and auto_configure`) || !strings.Contains(said, "weak template: asking for the index templates") {
		t.Errorf("setup by a user who may not: %v\n%s", err, said)
	}
}

// missingPrivileges names what is missing, and goes on once it is there.
func (s *secure) missingPrivileges(t *testing.T) {
	r := run(t, s.as("stranger", "missing"))
	r.Offer(group(t, 1, lines(10)))
	testenv.Eventually(t, patience, "the finding", func() bool {
		return strings.Contains(r.log.String(), `user \"stranger\" lacks the index privilege create_doc on logs-haproxy.log-missing`)
	})
	r.stop()
	if n := r.dropped(dropShutdown); n != 10 {
		t.Errorf("%d lines are dropped at the end, want 10", n)
	}
	r = run(t, s.as("adder", "missing"))
	r.Offer(group(t, 1, lines(10)))
	r.settled()
	log := r.log.String()
	if n := r.dropped(dropRefused); n != 10 || !strings.Contains(log, `lacks the index privilege auto_configure`) || strings.Count(log, "the user lacks the index privilege auto_configure") != 1 {
		t.Errorf("%d lines are dropped as refused, want 10; log:\n%s", n, log)
	}
}

func (s *secure) credentials(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Config)
		says   string
	}{
		{"none", func(c *Config) { c.User, c.Password = "", "" }, "wants credentials (HTTP 401)"},
		{"wrong password", func(c *Config) { c.Password = "wrong" }, `refuses the user "loghaul" or the password (HTTP 401)`},
		{"unknown user", func(c *Config) { c.User = "nobody" }, `refuses the user "nobody" or the password (HTTP 401)`},
		{"API key", func(c *Config) { c.User, c.Password, c.APIKey = "", "", "id:key" }, "refuses the API key (HTTP 401)"},
		{"token", func(c *Config) { c.User, c.Password, c.Token = "", "", "token" }, "refuses the bearer token (HTTP 401)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := s.as("loghaul", "credentials")
			c.change(&cfg)
			if all, err := ask(t, cfg); err == nil || len(all) != 1 || !strings.Contains(texts(all), c.says) || !strings.Contains(all[0].Do, "LOGHAUL_ELASTIC_") {
				t.Errorf("error %v:\n%s", err, texts(all))
			}
		})
	}
}

func (s *secure) tls(t *testing.T) {
	other := testenv.NewCA(t, t.TempDir()).File
	for _, c := range []struct {
		name   string
		change func(*Config)
		says   string
		do     string
	}{
		{"no CA", func(c *Config) { c.CA = "" }, "certificate signed by unknown authority", "ca of section index"},
		{"another CA", func(c *Config) { c.CA = other }, "certificate signed by unknown authority", "ca of section index"},
		{"another name", func(c *Config) { c.URL = strings.Replace(c.URL, "127.0.0.1", "127.0.0.2", 1) }, "127.0.0.2", ""},
		{"http", func(c *Config) { c.URL = strings.Replace(c.URL, "https", "http", 1) }, "EOF", "the server speaks TLS: use https://"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := s.as("loghaul", "tls")
			c.change(&cfg)
			if all, err := ask(t, cfg); err == nil || len(all) != 1 || !strings.Contains(all[0].Says, c.says) || !strings.Contains(all[0].Do, c.do) {
				t.Errorf("error %v:\n%s", err, texts(all))
			}
		})
	}
}
