package testenv

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// CA is a certificate authority for one test. Nobody else trusts it.
type CA struct {
	// File is its certificate, PEM.
	File string

	t    testing.TB
	dir  string
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	n    int64
}

// NewCA makes an authority that keeps its files in dir.
func NewCA(t testing.TB, dir string) *CA {
	t.Helper()
	ca := &CA{t: t, dir: dir, File: filepath.Join(dir, "ca.pem")}
	tmpl := ca.template("test CA")
	tmpl.IsCA, tmpl.BasicConstraintsValid, tmpl.KeyUsage = true, true, x509.KeyUsageCertSign
	ca.cert, ca.key = tmpl, ca.newKey()
	ca.pem(ca.File, "CERTIFICATE", ca.sign(tmpl, ca.key))
	return ca
}

// Issue writes NAME.pem and NAME.key: a certificate for a server on loopback
// or for a client, with name as common name and DNS name. A second call with
// the same name renews it.
func (ca *CA) Issue(name string) (cert, key string) {
	ca.t.Helper()
	tmpl := ca.template(name)
	tmpl.DNSNames = []string{name, "localhost"}
	tmpl.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	tmpl.KeyUsage = x509.KeyUsageDigitalSignature
	tmpl.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	priv := ca.newKey()
	cert, key = filepath.Join(ca.dir, name+".pem"), filepath.Join(ca.dir, name+".key")
	ca.pem(cert, "CERTIFICATE", ca.sign(tmpl, priv))
	der, err := x509.MarshalPKCS8PrivateKey(priv)
	if err != nil {
		ca.t.Fatal(err)
	}
	ca.pem(key, "PRIVATE KEY", der)
	return cert, key
}

func (ca *CA) template(name string) *x509.Certificate {
	ca.n++
	return &x509.Certificate{
		SerialNumber: big.NewInt(ca.n), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
}

func (ca *CA) newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		ca.t.Fatal(err)
	}
	return key
}

func (ca *CA) sign(tmpl *x509.Certificate, key *ecdsa.PrivateKey) []byte {
	der, err := x509.CreateCertificate(rand.Reader, tmpl, ca.cert, &key.PublicKey, ca.key)
	if err != nil {
		ca.t.Fatal(err)
	}
	return der
}

func (ca *CA) pem(path, kind string, der []byte) {
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		ca.t.Fatal(err)
	}
}
