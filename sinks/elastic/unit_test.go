package elastic

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/loghaul/loghaul/internal/metrics"
	"github.com/loghaul/loghaul/sinks"
)

func TestMetricsAreDeclaredRight(t *testing.T) {
	if err := metrics.Check(append(Metrics(), sinks.Metrics()...)...); err != nil {
		t.Error(err)
	}
}

func sized(n int) *sinks.Group { return &sinks.Group{Body: make([]byte, n), Lines: 1} }

func TestQueueIsBoundedByBytes(t *testing.T) {
	q := newQueue(100)
	for i, c := range []struct {
		size int
		why  string
	}{{60, ""}, {41, dropQueueFull}, {40, ""}, {1, dropQueueFull}} {
		if why := q.offer(sized(c.size)); why != c.why {
			t.Errorf("offer %d of %d bytes: %q, want %q", i, c.size, why, c.why)
		}
	}
	g := q.take(t.Context())
	if why := q.offer(sized(1)); why != dropQueueFull {
		t.Errorf("a group that is being sent does not count: %q", why)
	}
	q.done(g.Group)
	if why := q.offer(sized(60)); why != "" {
		t.Errorf("room that was given back is not used: %q", why)
	}
	q.done(q.take(t.Context()).Group)
	q.done(q.take(t.Context()).Group)
	if why := q.offer(sized(1000)); why != "" || q.size() != 1000 {
		t.Errorf("a group larger than an empty queue: %q", why)
	}
}

func TestQueueWakesEverySender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1000)
		ctx, cancel := context.WithCancel(t.Context())
		taken := make(chan *sinks.Group, 10)
		for range 4 {
			go func() { taken <- q.take(ctx).Group }()
		}
		synctest.Wait()
		q.offer(sized(1))
		q.offer(sized(1))
		synctest.Wait()
		if len(taken) != 2 {
			t.Errorf("%d senders have a group, want 2", len(taken))
		}
		q.offer(sized(1))
		q.close()
		synctest.Wait()
		if len(taken) != 4 {
			t.Errorf("%d senders have come back after close, want 4", len(taken))
		}
		if why := q.offer(sized(1)); why != dropShutdown {
			t.Errorf("a closed queue says %q", why)
		}
		cancel()
	})
}

func TestConfigSaysWhatIsWrong(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	for _, c := range []struct {
		says   string
		change func(*Config)
	}{
		{"url: want http", func(c *Config) { c.URL = "localhost:9200" }},
		{"url: credentials", func(c *Config) { c.URL = "http://u:p@h:9200" }},
		{"url: an index URL takes nothing", func(c *Config) { c.URL = "http://h:9200?x=y" }},
		{"namespace", func(c *Config) { c.Namespace = "Prod-1" }},
		{"queue", func(c *Config) { c.Queue = 1 }},
		{"senders", func(c *Config) { c.Senders = 5 }},
		{"bulk", func(c *Config) { c.Bulk = 1 }},
		{"timeout", func(c *Config) { c.Timeout = 0 }},
		{"retries", func(c *Config) { c.Retries = -1 }},
		{"drain", func(c *Config) { c.Drain = -1 }},
		{"wait", func(c *Config) { c.Wait = -1 }},
		{`compress: "gzp" is not none or gzip; did you mean "gzip"?`, func(c *Config) { c.Compress = "gzp" }},
		{`compress: "zstd" is not none or gzip, which is all that Elasticsearch takes`, func(c *Config) { c.Compress = "zstd" }},
		{"LOGHAUL_ELASTIC_API_KEY and LOGHAUL_ELASTIC_USER are set: choose one", func(c *Config) { c.APIKey, c.User = "k", "u" }},
		{"LOGHAUL_ELASTIC_API_KEY and LOGHAUL_ELASTIC_TOKEN are set: choose one", func(c *Config) { c.APIKey, c.Token = "k", "u" }},
		{"without LOGHAUL_ELASTIC_PASSWORD", func(c *Config) { c.User = "u" }},
		{"without LOGHAUL_ELASTIC_USER", func(c *Config) { c.Password = "p" }},
	} {
		cfg := DefaultConfig()
		cfg.URL = "http://h:9200,https://i:9200"
		c.change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("got %v, want an error with %q", err, c.says)
		}
	}
}

func TestNewReportsAMissingCA(t *testing.T) {
	c := testConfig("https://127.0.0.1:1", "ca")
	c.CA = "/nonexistent.pem"
	_, err := New(c, Deps{Logger: slog.New(slog.DiscardHandler), Metrics: metrics.New(Metrics()...)})
	if err == nil || !strings.Contains(err.Error(), c.CA) {
		t.Errorf("got %v", err)
	}
	c.CA = "unit_test.go"
	_, err = New(c, Deps{Logger: slog.New(slog.DiscardHandler), Metrics: metrics.New(Metrics()...)})
	if err == nil || !strings.Contains(err.Error(), "no PEM certificate") {
		t.Errorf("got %v", err)
	}
}
