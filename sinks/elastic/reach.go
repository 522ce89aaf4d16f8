package elastic

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"
)

// unreachable explains why there is no answer.
func (s *Sink) unreachable(ctx context.Context, err error) *Finding {
	do := s.wayOut(ctx, err)
	return wrong("server", s.cfg.URL+": "+oneLine(err.Error()), do)
}

// wayOut says what to do about an error of the transport.
func (s *Sink) wayOut(ctx context.Context, err error) string {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var alert tls.AlertError
	var record tls.RecordHeaderError
	var dns *net.DNSError
	switch {
	case errors.As(err, &unknown):
		return "name the certificate of the authority that issued the server's in ca of section index (--ca): of Elasticsearch's own set-up it is config/certs/http_ca.crt"
	case errors.As(err, &host):
		return "use one of the names that the certificate is for, or have one issued for this name"
	case errors.As(err, &invalid):
		return "renew the server's certificate, and check both clocks"
	case errors.As(err, &alert):
		return "the server breaks off TLS; if it wants a client certificate, use http.ssl's client_authentication: optional or none"
	case errors.As(err, &record):
		return "the server does not speak TLS: use http:// in url of section index"
	case errors.As(err, &dns):
		return "check the name in url of section index"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there: check the address and port, and whether Elasticsearch runs"
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return "no answer in time: check the address, firewalls between, and how busy Elasticsearch is"
	case broken(err) && s.speaksTLS(ctx):
		return "the server speaks TLS: use https:// in url of section index"
	}
	return "check the address and what lies between"
}

func isTimeout(err error) bool {
	t, ok := errors.AsType[net.Error](err)
	return ok && t.Timeout()
}

// broken reports whether a connection ended without an answer, or with one that
// is no HTTP.
func broken(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || strings.Contains(err.Error(), "malformed HTTP")
}

const handshakeLimit = 5 * time.Second

// speaksTLS tries a handshake with the servers of http URLs. Nothing is sent to
// them, so it does not matter who they are.
func (s *Sink) speaksTLS(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, handshakeLimit)
	defer cancel()
	urls, err := s.cfg.addresses()
	if err != nil {
		return false
	}
	d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}
	return slices.ContainsFunc(urls, func(u *url.URL) bool {
		port := u.Port()
		if u.Scheme != "http" {
			return false
		}
		if port == "" {
			port = "80"
		}
		conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
		if err != nil {
			return false
		}
		_ = conn.Close() // nothing was said
		return true
	})
}
