package elastic

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	// A node that failed is left alone for firstRest, after each further failure
	// twice as long, up to lastRest, while another one does.
	firstRest = 5 * time.Second
	lastRest  = time.Minute
	// dialLimit is how long a node may take to accept a connection.
	dialLimit = 5 * time.Second
)

// client sends requests to the nodes of a cluster in turn. It is safe for
// concurrent use, and an esapi.Transport. What nodes a cluster has it is told,
// it does not ask: asking gives addresses that may not be reachable from here.
type client struct {
	transport     *http.Transport
	authorization string

	mu    sync.Mutex
	nodes []*node
	turn  int
}

type node struct {
	url      *url.URL
	failures int       // in a row
	resting  time.Time // until then others are asked
}

func newClient(cfg *Config) (*client, error) {
	urls, err := cfg.addresses()
	if err != nil {
		return nil, fmt.Errorf("index URL %q: %w", cfg.URL, err)
	}
	c := &client{authorization: cfg.authorization(), transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dial,
		ReadBufferSize:        32 << 10, // the default makes a call for every 4 KiB
		MaxIdleConnsPerHost:   cfg.Senders + 1,
		IdleConnTimeout:       time.Minute,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		// Answers are small, and unzipping them would be paid for each document.
		DisableCompression: true,
	}}
	for _, u := range urls {
		c.nodes = append(c.nodes, &node{url: u})
	}
	if cfg.CA != "" {
		pem, err := os.ReadFile(cfg.CA)
		if err != nil {
			return nil, fmt.Errorf("reading the CA certificates of the index: %w", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("index: %s has no PEM certificate", cfg.CA)
		}
		c.transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	return c, nil
}

// authorization is the header of that name, "" without credentials.
func (c Config) authorization() string {
	switch {
	case c.APIKey != "":
		key := c.APIKey
		if strings.Contains(key, ":") { // ID:KEY, as Elasticsearch also shows it
			key = base64.StdEncoding.EncodeToString([]byte(key))
		}
		return "ApiKey " + key
	case c.Token != "":
		return "Bearer " + c.Token
	case c.User != "":
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(c.User+":"+c.Password))
	default:
		return ""
	}
}

// Perform sends a request, whose URL has a path and a query only. A node that
// cannot be connected to is left out, and the next one gets the request; any
// other error may mean that the request was carried out, and is returned.
func (c *client) Perform(req *http.Request) (*http.Response, error) {
	for tried := 1; ; tried++ {
		n := c.next()
		r := req.WithContext(req.Context())
		u := *n.url
		u.Path, u.RawQuery = strings.TrimSuffix(n.url.Path, "/")+req.URL.Path, req.URL.RawQuery
		r.URL, r.Host = &u, u.Host
		r.Header.Set("User-Agent", "loghaul")
		if c.authorization != "" {
			r.Header.Set("Authorization", c.authorization)
		}
		if tried > 1 && req.Body != nil {
			body, err := req.GetBody()
			if err != nil {
				return nil, err
			}
			r.Body = body
		}
		resp, err := c.transport.RoundTrip(r)
		c.learn(n, err == nil)
		if err == nil || tried == len(c.nodes) || !unconnected(err) || (req.Body != nil && req.GetBody == nil) {
			return resp, err
		}
	}
}

// unconnected reports whether an error means that nothing was sent.
func unconnected(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// next gives the node whose turn it is; while all rest, the one that rests the
// shortest.
func (c *client) next() *node {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	var best *node
	for i := range c.nodes {
		n := c.nodes[(c.turn+i)%len(c.nodes)]
		if !n.resting.After(now) {
			c.turn += i + 1
			return n
		}
		if best == nil || n.resting.Before(best.resting) {
			best = n
		}
	}
	return best
}

// learn notes whether a node has answered.
func (c *client) learn(n *node, answered bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if answered {
		n.failures, n.resting = 0, time.Time{}
		return
	}
	n.resting = time.Now().Add(min(firstRest<<min(n.failures, 10), lastRest))
	n.failures++
}

func (c *client) close() { c.transport.CloseIdleConnections() }
