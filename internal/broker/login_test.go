package broker_test

import (
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/testenv"
)

// single starts one nats-server with more in its configuration.
func single(t *testing.T, dir, more string) (*testenv.NATSServer, string) {
	t.Helper()
	p := testenv.FreeNATSPorts(t, 1)[0]
	s := testenv.NATSWith(t, filepath.Join(dir, "nats"), fmt.Sprintf(`host: 127.0.0.1
port: %d
http: "127.0.0.1:%d"
jetstream { store_dir: %q, sync_interval: always, max_file_store: 1GB }
%s
`, p.Client, p.Monitor, filepath.Join(dir, "data"), more), p)
	s.Ready()
	return s, fmt.Sprint("tls://127.0.0.1:", p.Client)
}

// TestCertificateIsTheLogin: verify_and_map, and the handshake before the
// server's greeting.
func TestCertificateIsTheLogin(t *testing.T) {
	dir := t.TempDir()
	ca := testenv.NewCA(t, dir)
	cert, key := ca.Issue("broker")
	_, url := single(t, dir, fmt.Sprintf(`
tls { cert_file: %q, key_file: %q, ca_file: %q, verify_and_map: true, handshake_first: true, timeout: 10 }
authorization { users: [
  { user: "web-1", permissions: { publish: ["raw.*.web-1"], subscribe: ["_INBOX.web-1.>"] } }
  { user: "operator" }
] }`, cert, key, ca.File))
	config := func(name string) broker.Config {
		c := fast(url)
		c.TLS.CA, c.TLS.First = ca.File, true
		c.TLS.Cert, c.TLS.Key = ca.Issue(name)
		return c
	}
	makeStreams(t, config("operator"))
	var errs errorLog
	onlyItself(t, connect(t, config("web-1"), broker.Options{Name: "web-1", OnError: errs.add}), &errs, "web-1", 2)

	_, err := broker.Connect(t.Context(), config("web-2"), broker.Options{Name: "web-2", Once: true})
	if err == nil || !strings.Contains(err.Error(), "the login was refused") {
		t.Errorf("a certificate that no user has: %v", err)
	}
}

func makeStreams(t *testing.T, c broker.Config) {
	t.Helper()
	js, err := jetstream.New(connect(t, c, broker.Options{Name: "operator"}))
	if err != nil {
		t.Fatal(err)
	}
	if r, err := broker.Setup(ctx(t), js, setup(2)); err != nil || r.Err() != nil {
		t.Fatal(err, r.Err())
	}
}

// TestRenewedCertificatesAreReadAtReconnect replaces the authority and all
// that it signed. Nothing of the old helps to connect again.
func TestRenewedCertificatesAreReadAtReconnect(t *testing.T) {
	dir := t.TempDir()
	ca := testenv.NewCA(t, dir)
	cert, key := ca.Issue("broker")
	c := broker.Config{}
	c.TLS.Cert, c.TLS.Key = ca.Issue("web-1")
	s, url := single(t, dir, fmt.Sprintf(`tls { cert_file: %q, key_file: %q, ca_file: %q, verify: true, timeout: 10 }`, cert, key, ca.File))
	old := c.TLS
	c = fast(url)
	c.TLS = old
	c.TLS.CA = ca.File
	up := make(chan struct{}, 16)
	sock := &broker.Socket{}
	connect(t, c, broker.Options{Name: "web-1", Socket: sock, OnState: func(st broker.State) {
		if st == broker.Connected {
			up <- struct{}{}
		}
	}})
	<-up
	before := serverCertificate(t, url)

	ca = testenv.NewCA(t, dir)
	ca.Issue("broker")
	ca.Issue("web-1")
	s.Signal(syscall.SIGHUP)
	eventually(t, "the server has its new certificate", func() bool { return serverCertificate(t, url) != before })
	sock.Cut()
	select {
	case <-up:
	case <-time.After(20 * time.Second):
		t.Fatal("it does not come back with the new certificates")
	}
}

func serverCertificate(t *testing.T, url string) string {
	t.Helper()
	// It is refused for lack of a certificate, after it has seen the server's.
	var seen string
	nc, err := nats.Connect(url, nats.Secure(&tls.Config{
		InsecureSkipVerify: true, MinVersion: tls.VersionTLS12,
		VerifyConnection: func(s tls.ConnectionState) error {
			seen = s.PeerCertificates[0].NotBefore.String() + string(s.PeerCertificates[0].Signature)
			return nil
		},
	}))
	if err == nil {
		nc.Close()
		t.Fatal("connected without a certificate")
	}
	if seen == "" {
		t.Fatalf("no certificate: %v", err)
	}
	return seen
}

// TestScopedSigningKey: one template in the account limits every node to
// itself; the server is told of no node.
func TestScopedSigningKey(t *testing.T) {
	dir := t.TempDir()
	operator, account, signer := newKey(t, nkeys.CreateOperator), newKey(t, nkeys.CreateAccount), newKey(t, nkeys.CreateAccount)
	system := newKey(t, nkeys.CreateAccount)

	oc := jwt.NewOperatorClaims(operator.public)
	oc.SystemAccount = system.public
	ac := jwt.NewAccountClaims(account.public)
	ac.Limits.DiskStorage = 1 << 30
	ac.Limits.Streams, ac.Limits.Consumer = -1, -1
	scope := jwt.NewUserScope()
	scope.Key, scope.Role = signer.public, "forwarder"
	scope.Template.Pub.Allow.Add("raw.*.{{name()}}")
	scope.Template.Sub.Allow.Add("_INBOX.{{name()}}.>")
	ac.SigningKeys.AddScopedSigner(scope)

	_, url := single(t, dir, fmt.Sprintf(`
operator: %s
system_account: %s
resolver: MEMORY
resolver_preload: { %s: %s, %s: %s }`, encode(t, oc, operator), system.public,
		account.public, encode(t, ac, operator), system.public, encode(t, jwt.NewAccountClaims(system.public), operator)))
	url = strings.Replace(url, "tls:", "nats:", 1)

	creds := func(name string, by key, scoped bool) string {
		user := newKey(t, nkeys.CreateUser)
		uc := jwt.NewUserClaims(user.public)
		uc.Name, uc.IssuerAccount = name, account.public
		uc.SetScoped(scoped)
		seed, err := user.pair.Seed()
		if err != nil {
			t.Fatal(err)
		}
		b, err := jwt.FormatUserConfig(encode(t, uc, by), seed)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name+".creds")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	config := func(name string, by key, scoped bool) broker.Config {
		c := fast(url)
		c.Credentials = creds(name, by, scoped)
		return c
	}
	makeStreams(t, config("operator", account, false))
	for _, node := range []string{"web-1", "web-2"} {
		var errs errorLog
		onlyItself(t, connect(t, config(node, signer, true), broker.Options{Name: node, OnError: errs.add}), &errs, node, 2)
	}
}

type key struct {
	pair   nkeys.KeyPair
	public string
}

func newKey(t *testing.T, create func() (nkeys.KeyPair, error)) key {
	t.Helper()
	pair, err := create()
	if err != nil {
		t.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return key{pair, public}
}

func encode(t *testing.T, c interface {
	Encode(nkeys.KeyPair) (string, error)
}, by key,
) string {
	t.Helper()
	s, err := c.Encode(by.pair)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
