package testenv

import (
	"crypto/pbkdf2"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// ElasticUser is a user of a SecureElastic, kept in files: the file realm of
// Elasticsearch.
type ElasticUser struct {
	Name, Password string
	// Role is the body of PUT _security/role, JSON, for a role of his own; or
	// the name of one that is built in.
	Role string
}

// SecureElastic starts an Elasticsearch with security on: with these users, and
// TLS by ca for HTTP. It returns when it is ready and ends with the test.
func SecureElastic(t testing.TB, users ...ElasticUser) (server *ElasticServer, ca string) {
	t.Helper()
	dir := tempDir(t)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := newElastic(t, dir, ElasticVersion, nil)
	conf := filepath.Join(dir, "config")
	authority := NewCA(t, conf) // Elasticsearch reads nothing outside of it
	cert, key := authority.Issue("elasticsearch")
	s.args = append(slices.DeleteFunc(s.args, func(a string) bool { return a == "xpack.security.enabled=false" }),
		"xpack.security.enabled=true", "xpack.security.enrollment.enabled=false", "xpack.security.transport.ssl.enabled=false",
		"xpack.security.http.ssl.enabled=true", "xpack.security.http.ssl.certificate="+cert, "xpack.security.http.ssl.key="+key)
	s.setUsers(conf, users)
	s.URL = strings.Replace(s.URL, "http:", "https:", 1)
	client := HTTPS(t, authority.File)
	s.ready = func() bool {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/_cluster/health", http.NoBody)
		if err != nil {
			return false
		}
		req.SetBasicAuth(users[0].Name, users[0].Password)
		resp, err := client.RoundTrip(req)
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}
	s.own()
	s.Start()
	t.Cleanup(s.Kill)
	return s, authority.File
}

// HTTPS gives a transport that trusts the certificate in a file alone, and keeps
// no connections.
func HTTPS(t testing.TB, ca string) *http.Transport {
	t.Helper()
	pem, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatalf("no certificates in %s", ca)
	}
	return &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
}

// setUsers writes the files of the file realm as bin/elasticsearch-users does, in
// less time than a Java process takes: NAME:HASH, ROLE:NAME, and the roles as YAML.
func (s *ElasticServer) setUsers(conf string, users []ElasticUser) {
	s.t.Helper()
	var names, roles, bodies strings.Builder
	for _, u := range users {
		role := u.Role
		if strings.HasPrefix(role, "{") {
			role = "role_of_" + u.Name
			fmt.Fprintf(&bodies, "%s: %s\n", role, strings.Join(strings.Fields(u.Role), " "))
		}
		fmt.Fprintf(&names, "%s:%s\n", u.Name, s.hash(u.Password))
		fmt.Fprintf(&roles, "%s:%s\n", role, u.Name)
	}
	for name, text := range map[string]string{"users": names.String(), "users_roles": roles.String(), "roles.yml": bodies.String()} {
		if err := os.WriteFile(filepath.Join(conf, name), []byte(text), 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
}

// hash is the form {PBKDF2}ROUNDS$SALT$HASH of Elasticsearch's Hasher.
func (s *ElasticServer) hash(password string) string {
	const rounds = 10000
	salt := []byte("0123456789abcdef")
	key, err := pbkdf2.Key(sha512.New, password, salt, rounds, 32)
	if err != nil {
		s.t.Fatal(err)
	}
	return fmt.Sprintf("{PBKDF2}%d$%s$%s", rounds, base64.StdEncoding.EncodeToString(salt), base64.StdEncoding.EncodeToString(key))
}
