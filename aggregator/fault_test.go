package aggregator_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/loghaul/loghaul/aggregator"
	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/sinks"
)

func TestEndStoresAndAcknowledgesWhatIsHeld(t *testing.T) {
	r := newRig(t, 2, nil)
	sent := r.send([]string{"a", "b", "c"}, 10, 10)
	c := r.config("a1")
	c.Window.Age = time.Hour
	s := &store{}
	run := r.run(c, aggregator.Deps{Archive: s})
	eventually(t, "all messages are in a window", func() bool { return run.Status().InFlight == 30 })
	run.stop()
	s.same(t, sent)
	eventually(t, "everything is acknowledged", func() bool { return r.messages() == 0 })
}

func TestEndIsBoundedAndGivesTheRestBackAtOnce(t *testing.T) {
	r := newRig(t, 2, nil)
	sent := r.send([]string{"a", "b"}, 10, 10)
	c := r.config("a1")
	c.DrainTimeout = 100 * time.Millisecond
	var l log
	run := r.run(c, aggregator.Deps{Logger: l.logger(), Archive: &store{before: func(ctx context.Context, _ *sinks.Group) error {
		<-ctx.Done()
		return ctx.Err()
	}}})
	eventually(t, "all messages are held", func() bool { return run.Status().InFlight == 20 })
	start := time.Now()
	run.stop()
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("the end took %v", d)
	}
	if !l.contains("not everything was archived before the end") {
		t.Error("the log does not say that something was given back")
	}
	// AckWait is 90 s: only what was given back comes this soon.
	s := &store{}
	next := r.run(r.config("a2"), aggregator.Deps{Archive: s})
	eventually(t, "another one archives it", func() bool { return r.messages() == 0 })
	next.stop()
	s.same(t, sent)
}

func TestEndBeforeTheBrokerIsThere(t *testing.T) {
	r := newRig(t, 1, nil)
	conn := &cuttable{server: r.server, cut: true}
	run := r.run(r.config("a1"), aggregator.Deps{Archive: &store{}, Broker: broker.Options{InProcess: conn}})
	if err := run.Ready(); err == nil || !strings.Contains(err.Error(), "not connected to the broker") {
		t.Errorf("ready: %v", err)
	}
	run.stop()
}

func TestMissingStreamsAreNamedAndWaitedFor(t *testing.T) {
	r := &rig{t: t, dir: t.TempDir(), shards: 2, streams: broker.DefaultStreams()}
	r.start()
	var l log
	s := &store{}
	run := r.run(r.config("a1"), aggregator.Deps{Archive: s, Logger: l.logger()})
	eventually(t, "readiness says what to do", func() bool {
		err := run.Ready()
		return err != nil && strings.Contains(err.Error(), "stream RAW-00 is missing: run `loghaul broker setup --config FILE`")
	})
	eventually(t, "the log too", func() bool { return l.contains("stream RAW-01 is missing: run `loghaul broker setup --config FILE`") })
	r.streams.MaxBytes = 64 << 20
	r.setup()
	eventually(t, "it goes on by itself", func() bool { return run.Ready() == nil })
	sent := r.send([]string{"a"}, 2, 2)
	eventually(t, "everything is archived", func() bool { return r.messages() == 0 })
	s.same(t, sent)
}

// restarting hands connections to whichever server runs.
type restarting struct{ *cuttable }

func TestItGoesOnAfterTheBrokerWasRestarted(t *testing.T) {
	r := newRig(t, 2, func(s *broker.Streams) { s.AckWait = 2 * time.Second })
	conn := restarting{&cuttable{server: r.server}}
	s := &store{}
	run := r.run(r.config("a1"), aggregator.Deps{Archive: s, Broker: broker.Options{InProcess: conn}})
	first := r.send([]string{"a"}, 5, 5)
	eventually(t, "the first is archived", func() bool { return run.Status().Lines == 25 })

	release := make(chan struct{})
	s.before = func(context.Context, *sinks.Group) error { <-release; return nil }
	second := r.send([]string{"b"}, 5, 5)
	eventually(t, "the second is held", func() bool { return run.Status().InFlight == 5 })
	r.server.Stop()
	r.nc.Close()
	eventually(t, "it is not ready without a broker", func() bool { return run.Ready() != nil })
	r.start()
	conn.mu.Lock()
	conn.server = r.server
	conn.mu.Unlock()
	close(release)
	third := r.send([]string{"c"}, 5, 5)
	eventually(t, "everything is archived", func() bool { return r.messages() == 0 })
	eventually(t, "it is ready again", func() bool { return run.Ready() == nil })
	run.stop()
	s.same(t, append(append(first, second...), third...))
}

func TestConfigProblemsSayWhatToDo(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*aggregator.Config)
		want   string
	}{
		"name":         {func(c *aggregator.Config) { c.Name = "a/b" }, `name: "a/b" is not`},
		"format":       {func(c *aggregator.Config) { c.Formats = []string{"httplog", "%{"} }, "formats[1]: "},
		"no format":    {func(c *aggregator.Config) { c.Formats = []string{} }, "formats: name at least one"},
		"wrapper":      {func(c *aggregator.Config) { c.Wrapper = "rfc" }, "wrapper: there is no \"rfc\": write auto, none or one of local, "},
		"journald":     {func(c *aggregator.Config) { c.Wrapper = "journald" }, "wrapper: journald is not one line a record"},
		"zone":         {func(c *aggregator.Config) { c.Timezone = "Mars" }, "timezone: "},
		"lines":        {func(c *aggregator.Config) { c.Window.Lines = 0 }, "window.lines: 0 is not"},
		"bytes":        {func(c *aggregator.Config) { c.Window.Bytes = 1 }, "window.bytes: 1B is not 16MiB"},
		"age":          {func(c *aggregator.Config) { c.Window.Age = 0 }, "window.age: 0s is not"},
		"pull":         {func(c *aggregator.Config) { c.Pull.Bytes = 64 << 20 }, "pull.bytes: 64MiB is not 1MiB to 48MiB"},
		"mask method":  {func(c *aggregator.Config) { c.Mask.Fields = map[string]string{"ci": "md5"} }, `mask.fields.ci: there is no method "md5"`},
		"mask key":     {func(c *aggregator.Config) { c.Mask.Fields = map[string]string{"CC": "hash"} }, "mask.fields.CC: a hash needs a key of at least 16 bytes: set LOGHAUL_MASK_KEY"},
		"mask field":   {func(c *aggregator.Config) { c.Mask.Fields = map[string]string{"cj": "truncate"} }, "mask.fields: masks: cj: no format has such a field that can be masked: write one of ci, "},
		"mask bits":    {func(c *aggregator.Config) { c.Mask.IPv4 = 20 }, "mask.ipv4: 20 is not 8, 16 or 24"},
		"mask prefix":  {func(c *aggregator.Config) { c.Mask.IPv6 = 50 }, "mask.ipv6: 50 is no multiple of 4"},
		"mask rest":    {func(c *aggregator.Config) { c.Mask.Unparsed = "drop" }, `mask.unparsed: "drop" is neither keep nor blank`},
		"drain":        {func(c *aggregator.Config) { c.DrainTimeout = -1 }, "drain_timeout: "},
		"broker below": {func(c *aggregator.Config) { c.Broker.Shards = 0 }, "broker.shards: 0 is not"},
	} {
		c := aggregator.DefaultConfig()
		tc.change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
	c := aggregator.DefaultConfig()
	if err := c.Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
}
