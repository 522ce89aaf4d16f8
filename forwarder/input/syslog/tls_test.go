package syslog

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/loghaul/loghaul/forwarder/input/inputtest"
)

// authority signs certificates for 127.0.0.1.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir(), pool: x509.NewCertPool()}
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	a.cert, a.key = a.sign("ca", a.cert)
	a.pool.AddCert(a.cert)
	return a
}

// sign makes NAME.pem and NAME.key in the authority's folder.
func (a *authority) sign(name string, c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	signer := a.key
	if signer == nil {
		signer = key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{".pem": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(a.path(name)+file, pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

func (a *authority) leaf(name string) {
	a.t.Helper()
	a.sign(name, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) pair(name string) tls.Certificate {
	a.t.Helper()
	p, err := tls.LoadX509KeyPair(a.path(name)+".pem", a.path(name)+".key")
	if err != nil {
		a.t.Fatal(err)
	}
	return p
}

func TestTLS(t *testing.T) {
	ours, others := newAuthority(t, "ours"), newAuthority(t, "others")
	ours.leaf("server")
	ours.leaf("client")
	others.leaf("client")
	cfg := config(tcpURL(t))
	cfg.TLS = TLS{Cert: ours.path("server.pem"), Key: ours.path("server.key"), ClientCA: ours.path("ca.pem")}
	w := listen(t, cfg, &inputtest.Spool{})
	addr := strings.TrimPrefix(cfg.URL, "tcp://")

	c, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: ours.pool, Certificates: []tls.Certificate{ours.pair("client")}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	long := strings.Repeat("x", 50_000) // several records of TLS
	send(t, c, octets("<6>one", long, "two"), "5 ab", "cde")
	if got := w.records(4); got[0] != "<6>one" || got[1] != long || got[2] != "two" || got[3] != "abcde" {
		t.Errorf("%.60q", got)
	}

	// Nobody else gets a line in.
	for name, config := range map[string]*tls.Config{
		"no certificate":      {RootCAs: ours.pool},
		"another authority's": {RootCAs: ours.pool, Certificates: []tls.Certificate{others.pair("client")}},
	} {
		before := w.in.Stats().Refused.Load()
		bad, err := tls.Dial("tcp", addr, config)
		if err == nil { // TLS 1.3: the client hears of it later
			_, _ = bad.Write([]byte("intruder\n"))
			bad.Close()
		}
		w.eventually(name+" is refused", func() bool { return w.in.Stats().Refused.Load() == before+1 })
	}
	plain := dial(t, cfg.URL)
	send(t, plain, "<6>no TLS at all, and long enough for a header\n")
	w.eventually("a connection without TLS is refused", func() bool { return w.in.Stats().Refused.Load() == 3 })
	w.logged("a TLS handshake failed")
	send(t, c, "3 end")
	w.records(5)
	c.Close()
	w.eventually("the connections are gone", func() bool { return w.in.Stats().Connections.Load() == 0 })
	w.stop()
	if n, _ := w.spool.Records(); n != 5 {
		t.Errorf("%d records: %q", n, w.spool.Data())
	}
}

// TestTheEndOverTLS stops the listener while a connection is open.
func TestTheEndOverTLS(t *testing.T) {
	a := newAuthority(t, "ours")
	a.leaf("server")
	cfg := config(tcpURL(t))
	cfg.TLS = TLS{Cert: a.path("server.pem"), Key: a.path("server.key")}
	w := listen(t, cfg, &inputtest.Spool{})
	c, err := tls.Dial("tcp", strings.TrimPrefix(cfg.URL, "tcp://"), &tls.Config{RootCAs: a.pool})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	send(t, c, "first\n")
	w.records(1)
	send(t, c, strings.Repeat("line\n", 20_000), "half")
	w.stop()
	if n, _ := w.spool.Records(); n != 20_002 {
		t.Errorf("%d records", n)
	}
}

func TestFilesOfTLS(t *testing.T) {
	a := newAuthority(t, "ours")
	a.leaf("server")
	good := TLS{Cert: a.path("server.pem"), Key: a.path("server.key"), ClientCA: a.path("ca.pem")}
	for want, tl := range map[string]TLS{
		"missing.pem":                 {Cert: a.path("missing.pem"), Key: good.Key},
		"private key does not match":  {Cert: good.Cert, Key: a.path("ca.key")},
		"missing-ca.pem":              {Cert: good.Cert, Key: good.Key, ClientCA: a.path("missing-ca.pem")},
		"has no certificate in PEM":   {Cert: good.Cert, Key: good.Key, ClientCA: good.Key},
		"tls needs both cert and key": {ClientCA: good.ClientCA},
	} {
		cfg := config(tcpURL(t))
		cfg.TLS = tl
		refused(t, cfg, want)
	}
}
