package broker

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// minDelay is the least wait before any attempt but the first: windows of zero
// must not become a busy loop.
const minDelay = 20 * time.Millisecond

// maxTroubles bounds how many different asynchronous errors are logged: the
// text of a permission error holds a subject, and nothing else bounds those.
const maxTroubles = 64

// dialing is the memory of one connection between attempts. nats.go calls it
// from its reconnect goroutine and from its callback goroutine.
type dialing struct {
	cfg  Config
	log  *slog.Logger
	rand func() float64 // [0, 1)

	mu       sync.Mutex
	attempts int       // since the last success
	round    time.Time // end of the round of the last attempt
	last     string    // URL of the server that was connected last
	why      string    // the failure that was logged, "" when all is well
	since    time.Time
	troubles map[string]bool // asynchronous errors already logged
}

// window gives the width of round n, counted from 0.
func (d *dialing) window(n int) time.Duration {
	c := d.cfg.Delay
	if n == 0 {
		return c.First
	}
	w := c.Max
	if n < 32 && c.Step<<n < w && c.Step<<n >= 0 {
		w = c.Step << n
	}
	return max(w, c.First)
}

// delay draws the wait before attempt n, counted from 0. Each attempt has a
// round of its own, which begins where the one before ended, and falls at
// random within it. So the rounds of a fleet that lost its broker at one
// moment do not overlap: however long the broker is away, in no second are
// there more attempts than fleet / First.
func (d *dialing) delay(n int, now time.Time) time.Duration {
	if n == 0 || d.round.Before(now) { // the attempt itself can take long
		d.round = now
	}
	window := d.window(n)
	w := d.round.Sub(now) + time.Duration(d.rand()*float64(window))
	d.round = d.round.Add(window)
	if n > 0 {
		w = max(w, minDelay)
	}
	return w
}

// choose is called by nats.go before every attempt to reconnect: it picks the
// server that failed least, at random among equals, and avoids the one that
// was just lost when there is another. The connection's lock is held.
func (d *dialing) choose(servers []nats.Server, _ nats.ServerInfo) (*nats.Server, time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var best *nats.Server
	equals := 0
	for i := range servers {
		s := &servers[i]
		if s.URL == nil || d.attempts == 0 && len(servers) > 1 && s.URL.String() == d.last {
			continue
		}
		switch {
		case best == nil || s.Reconnects < best.Reconnects:
			best, equals = s, 1
		case s.Reconnects == best.Reconnects:
			if equals++; d.rand()*float64(equals) < 1 {
				best = s
			}
		}
	}
	w := d.delay(d.attempts, time.Now())
	d.attempts++
	return best, w
}

// connected ends a failure.
func (d *dialing) connected(url string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.why != "" {
		d.log.Info("connected to the broker again", "server", url, "after", time.Since(d.since).Round(time.Millisecond))
	} else {
		d.log.Info("connected to the broker", "server", url)
	}
	d.attempts, d.last, d.why = 0, url, ""
}

// lost begins a failure.
func (d *dialing) lost(err error) {
	if err == nil {
		return // closed by us
	}
	d.failed(fmt.Errorf("the connection broke: %w", err))
}

// failed logs a failure that was not logged yet. Reasons that follow the first
// are logged when what an operator must do has changed. A socket that we have
// closed is no failure.
func (d *dialing) failed(err error) {
	if errors.Is(err, net.ErrClosed) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	hint := advice(err)
	switch {
	case d.why == "":
		d.since = time.Now()
	case hint == "" || hint == d.why:
		return
	}
	d.why = hint
	if hint == "" {
		d.why = "unreachable"
	}
	d.log.Warn("cannot reach the broker; trying until it works", "error", err)
}

// trouble logs errors that belong to no call, each text once.
func (d *dialing) trouble(s *nats.Subscription, err error) {
	if err == nil {
		return
	}
	text := err.Error()
	d.mu.Lock()
	if d.troubles == nil {
		d.troubles = map[string]bool{}
	}
	known := d.troubles[text] || len(d.troubles) >= maxTroubles
	if !known {
		d.troubles[text] = true
	}
	d.mu.Unlock()
	if known {
		return
	}
	attrs := []any{"error", err}
	if s != nil {
		attrs = append(attrs, "subject", s.Subject)
	}
	if hint := advice(err); hint != "" {
		attrs = append(attrs, "do", hint)
	}
	d.log.Error("the broker reports an error", attrs...)
}

// explain adds what to do to an error of connecting.
func explain(url string, err error) error {
	at := ""
	if url != "" {
		at = " at " + url
	}
	if hint := advice(err); hint != "" {
		return fmt.Errorf("connect to the broker%s: %w: %s", at, err, hint)
	}
	return fmt.Errorf("connect to the broker%s: %w", at, err)
}

// advice says what an operator must do about an error, "" if waiting is all.
func advice(err error) string {
	var unknownCA x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthRevoked):
		return "the login was refused: check broker.credentials or broker.nkey, or LOGHAUL_NATS_USER and LOGHAUL_NATS_PASSWORD, against the server's users"
	case errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAccountAuthExpired):
		return "the credentials have expired: issue new ones and replace the file that broker.credentials names"
	case errors.Is(err, nats.ErrPermissionViolation):
		return "grant this user the subject, see docs/formats/wire.md for the permissions each tier needs"
	case errors.As(err, &unknownCA):
		return "the server's certificate is signed by a CA that is not trusted here: set broker.tls.ca to the CA's PEM file"
	case errors.As(err, &host):
		return "the certificate is for other names: use one of them in broker.servers, or issue a certificate for this one"
	case errors.As(err, &invalid):
		return "the server's certificate is not valid: check its dates and this machine's clock"
	case errors.As(err, &alert):
		return "the server refused our TLS handshake: check broker.tls.cert and broker.tls.key against the CA that the server trusts"
	case errors.Is(err, nats.ErrSecureConnRequired):
		return "the server wants TLS: write tls:// in broker.servers, or set broker.tls.ca"
	case errors.Is(err, nats.ErrSecureConnWanted), errors.As(err, &record):
		return "the server does not speak TLS on this port: write nats:// in broker.servers and leave broker.tls out, or correct the port"
	case errors.Is(err, nats.ErrMaxConnectionsExceeded), errors.Is(err, nats.ErrMaxAccountConnectionsExceeded):
		return "the server has no connection left: raise its max_connections or add servers"
	}
	return ""
}
