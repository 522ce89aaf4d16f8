package broker_test

import (
	"context"
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

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/loghaul/loghaul/internal/broker"
)

// certificate makes a self-signed certificate for loopback and its PEM file.
func certificate(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, path
}

func TestTLS(t *testing.T) {
	cert, ca := certificate(t)
	s := start(t, t.TempDir(), listening(-1, func(o *server.Options) {
		o.TLS = true
		o.TLSTimeout = 10
		o.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	}))
	url := "tls://" + s.Addr()
	c := fast(url)
	c.TLS.CA = ca
	if nc := connect(t, c, broker.Options{Name: "n"}); nc.ConnectedUrl() != url {
		t.Errorf("connected to %s", nc.ConnectedUrl())
	}

	// Without the CA one line says what to do. The client goes over to TLS by
	// itself when the server asks for it.
	for _, u := range []string{url, "nats://" + s.Addr()} {
		_, err := broker.Connect(t.Context(), fast(u), broker.Options{Name: "n", Once: true})
		if err == nil || !strings.Contains(err.Error(), "set broker.tls.ca to the CA's PEM file") {
			t.Errorf("%s: %v", u, err)
		}
	}
}

func TestTLSAgainstAServerWithout(t *testing.T) {
	s := start(t, t.TempDir(), listening(-1))
	_, err := broker.Connect(t.Context(), fast("tls://"+s.Addr()), broker.Options{Name: "n", Once: true})
	if err == nil || !strings.Contains(err.Error(), "the server does not speak TLS") {
		t.Errorf("%v", err)
	}
}

func TestNKeyAndToken(t *testing.T) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "user.nk")
	if err := os.WriteFile(path, append(seed, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, t.TempDir(), listening(-1, func(o *server.Options) { o.Nkeys = []*server.NkeyUser{{Nkey: public}} }))
	c := fast(s.ClientURL())
	c.NKey = path
	connect(t, c, broker.Options{Name: "n"})

	if err := os.WriteFile(path, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := broker.Connect(t.Context(), c, broker.Options{Name: "n", Once: true}); err == nil || !strings.Contains(err.Error(), "nk -gen user") {
		t.Errorf("a file without a seed: %v", err)
	}

	s = start(t, t.TempDir(), listening(-1, func(o *server.Options) { o.Authorization = "secret" }))
	c = fast(s.ClientURL())
	c.Token = "secret"
	connect(t, c, broker.Options{Name: "n"})
}

// TestAFleetComesBackSpreadOverTheWindow: with two servers in the list,
// nats.go alone would reconnect all of them within milliseconds.
func TestAFleetComesBackSpreadOverTheWindow(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, listening(-1))
	url := s.ClientURL()
	c := fast(url, "nats://127.0.0.1:1")
	c.Delay = broker.Delay{First: 500 * time.Millisecond, Step: 500 * time.Millisecond, Max: time.Second}
	const fleet = 50
	states := make(chan broker.State, 8*fleet)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range fleet {
		go func() {
			nc, err := broker.Connect(ctx, c, broker.Options{Name: "n", OnState: func(s broker.State) { states <- s }})
			if err == nil {
				<-ctx.Done()
				nc.Close()
			}
			states <- broker.Closed
		}()
	}
	wait := func(want broker.State) (spread time.Duration) {
		t.Helper()
		var first time.Time
		for n := 0; n < fleet; {
			select {
			case got := <-states:
				if got == want {
					if n == 0 {
						first = time.Now()
					}
					n++
				}
			case <-time.After(30 * time.Second):
				t.Fatalf("only %d of %d", n, fleet)
			}
		}
		return time.Since(first)
	}
	if d := wait(broker.Connected); d < 200*time.Millisecond {
		t.Errorf("the fleet started within %v", d)
	}
	s.Stop()
	wait(broker.Disconnected)
	start(t, dir, listening(portOf(t, url)))
	if d := wait(broker.Connected); d < 200*time.Millisecond {
		t.Errorf("the fleet came back within %v", d)
	}
	cancel()
	wait(broker.Closed)
}
