package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/loghaul/loghaul/archive/manifest"
	"github.com/loghaul/loghaul/internal/testenv"
)

// cluster is the whole path as separate processes:
//
//	input file → loghaul-forwarder → nats-server → loghaul aggregate (two) → S3, Elasticsearch
type cluster struct {
	t     *testing.T
	dir   string
	node  string
	input string            // the file that is tailed
	state string            // the forwarder's state folder
	url   string            // of the archive
	step  time.Duration     // between the times of two lines
	lossy bool              // losses are declared, and audit cat says so
	keys  *manifest.Keyring // of the manifests

	nats      *testenv.NATSServer
	s3        *testenv.S3Server
	elastic   *testenv.ElasticServer // nil unless asked for
	ca        string                 // of elastic, "" without TLS
	user      testenv.ElasticUser    // with all rights there
	forwarder *daemon
	agg       [2]*daemon
}

// settings change what newCluster makes. The zero value is the usual case.
type settings struct {
	elastic  *testenv.ElasticServer // also index here
	ca       string                 // of elastic, "" without TLS
	user     testenv.ElasticUser    // with all rights there, for what the tests ask
	endpoint string                 // S3 endpoint instead of the server's own: a proxy before it
	s3       *testenv.S3Server      // the server behind endpoint, if made already
	state    string                 // state folder of the forwarder
	batch    string                 // largest batch of the forwarder, such as "256KiB"
	nats     string                 // more lines for nats-server's configuration
	env      []string               // for all our processes
	noSetup  bool                   // leave streams and consumers to the test
	inputs   string                 // more lines below the forwarder's inputs
	stream   string                 // bound of a shard's stream, "" is 1GiB
	index    string                 // more settings of the index, "heal: off, retries: 1"
	indexURL string                 // URL of the index instead of the server's own: a proxy before it
}

// newCluster starts the servers, sets the broker up and writes the
// configuration files. No daemon runs yet.
func newCluster(t *testing.T, s settings) *cluster {
	t.Helper()
	dir := workDir(t)
	c := &cluster{
		t: t, dir: dir, node: "edge-1", elastic: s.elastic, ca: s.ca, user: s.user, s3: s.s3, state: s.state,
		input: filepath.Join(dir, "haproxy.log"), step: time.Second / fullRate,
	}
	if c.state == "" {
		c.state = filepath.Join(dir, "state")
	}
	if c.s3 == nil {
		c.s3 = testenv.S3(t)
	}
	c.url = c.s3.URL("logs")
	aggURL := c.url
	if s.endpoint != "" {
		aggURL = strings.Replace(c.url, escaped(c.s3.Endpoint), escaped(s.endpoint), 1)
	}
	c.nats = testenv.NATS(t, mkdir(t, dir, "nats"), s.nats)

	c.makeKeys()

	env := append(c.s3.Env(), s.env...)
	c.forwarder = newDaemon(t, dir, "forwarder", c.address(), "loghaul-forwarder", "--config", filepath.Join(dir, "forwarder.yaml"))
	c.forwarder.env = s.env
	c.write("forwarder.yaml", c.forwarderConfig(c.forwarder.http, s))
	for i := range c.agg {
		name := fmt.Sprintf("aggregator-%d", i+1)
		c.agg[i] = newDaemon(t, dir, name, c.address(), "loghaul", "aggregate", "--config", filepath.Join(dir, name+".yaml"))
		c.agg[i].env = env
		c.write(name+".yaml", c.aggregatorConfig(name, c.agg[i].http, aggURL, s))
	}
	if !s.noSetup {
		c.setup()
	}
	return c
}

// setup makes the streams and consumers, as an operator does.
func (c *cluster) setup() {
	c.t.Helper()
	config := filepath.Join(c.dir, "aggregator-1.yaml")
	if _, stderr, code := command(c.t, c.agg[0].env, "loghaul", "broker", "setup", "--config", config); code != 0 {
		c.t.Fatalf("loghaul broker setup ended with %d:\n%s", code, stderr)
	}
}

// env adds variables to the environment of all our processes.
func (c *cluster) env(vars ...string) {
	for _, d := range append([]*daemon{c.forwarder}, c.agg[:]...) {
		d.env = append(d.env, vars...)
	}
}

// start runs the forwarder and both aggregators, and waits until they are ready.
func (c *cluster) start() {
	c.t.Helper()
	c.forwarder.Start()
	for _, a := range c.agg {
		a.Start()
	}
	c.forwarder.AwaitReady()
	for _, a := range c.agg {
		a.AwaitReady()
	}
}

// stop drains everything, the forwarder first, and wants clean exits.
func (c *cluster) stop() {
	c.t.Helper()
	c.forwarder.Stop()
	for _, a := range c.agg {
		a.Stop()
	}
}

// brokerConfig comes back at once: the default delays protect a broker from a
// fleet of thousands.
func (c *cluster) brokerConfig() string {
	return fmt.Sprintf(`broker:
  servers: [%q]
  shards: 2
  delay: { first: 50ms, step: 50ms, max: 500ms }
`, c.nats.URL)
}

func (c *cluster) forwarderConfig(http string, s settings) string {
	more := ""
	if s.batch != "" {
		more = "batch: { bytes: " + s.batch + " }\n"
	}
	return fmt.Sprintf(`node: %s
state: %s
inputs:
  - file: %s
%shttp: %s
ack_timeout: 3s
%s%s`, c.node, c.state, c.input, s.inputs, http, more, c.brokerConfig())
}

func (c *cluster) aggregatorConfig(name, http, url string, s settings) string {
	index, stream := "", s.stream
	if stream == "" {
		stream = "1GiB"
	}
	if c.elastic != nil {
		target := s.indexURL
		if target == "" {
			target = c.elastic.URL
		}
		index = fmt.Sprintf("index: { url: %q, namespace: %s, %s }\n", target, c.namespace(), s.index)
	}
	// Windows of a second instead of ten: the tests wait for the last one.
	return fmt.Sprintf(`name: %s
archive:
  url: %q
window: { age: 1s }
manifest: { key_file: %s }
formats: [httplog]
timezone: UTC
# What a killed aggregator held comes back after this time.
streams: { ack_wait: 5s, max_bytes: %s }
http: %s
%s%s`, name, url, filepath.Join(c.dir, "manifest.key"), stream, http, index, c.brokerConfig())
}

// namespace keeps this test's documents apart in a shared Elasticsearch.
func (c *cluster) namespace() string {
	return "e2e" + strings.TrimPrefix(filepath.Base(c.dir), "loghaul-e2e-")
}

// address gives a host:port that is free now.
func (c *cluster) address() string {
	return fmt.Sprintf("127.0.0.1:%d", testenv.FreePort(c.t))
}

func (c *cluster) write(name, text string) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

func mkdir(t *testing.T, dir, name string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// escaped is how an endpoint stands in an archive URL.
func escaped(endpoint string) string {
	return strings.NewReplacer(":", "%3A", "/", "%2F").Replace(endpoint)
}
