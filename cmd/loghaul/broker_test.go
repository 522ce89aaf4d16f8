package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/broker/embedded"
	"github.com/loghaul/loghaul/internal/testenv"
)

// brokerServer runs a real JetStream server on a port.
func brokerServer(t *testing.T, configure func(*server.Options)) *embedded.Server {
	t.Helper()
	srv, err := embedded.Start(t.TempDir(), embedded.Options{Configure: func(o *server.Options) {
		o.DontListen, o.Host, o.Port = false, "127.0.0.1", -1
		if configure != nil {
			configure(o)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Stop)
	return srv
}

func TestBrokerSetupAndStatus(t *testing.T) {
	srv := brokerServer(t, nil)
	section := fmt.Sprintf("broker:\n  servers: [%q]\n  shards: 2\n", srv.ClientURL())
	small := section + "streams: {max_bytes: 64MiB}\n"
	path := write(t, "broker.yaml", small)

	code, out, errs := call(t, "broker", "status", "--config", path)
	if code != exitFailed || !strings.Contains(errs, "stream RAW-01 is missing: run `loghaul broker setup --config FILE`") || !strings.Contains(out, "RAW-00  missing") {
		t.Errorf("status before: exit code %d\n%s%s", code, out, errs)
	}
	for range 2 { // the second one changes nothing
		if code, out, errs = call(t, "broker", "setup", "--config", path); code != 0 || errs != "" {
			t.Errorf("setup: exit code %d\n%s%s", code, out, errs)
		}
	}
	if strings.Count(out, "ok") != 4 {
		t.Errorf("the second setup says\n%s", out)
	}
	// The same through the files of the daemons.
	agg := write(t, "aggregator.yaml", small+"archive: {url: \"file:///x\"}\n")
	code, out, errs = call(t, "broker", "status", "--config", agg, "--output", "json")
	var report broker.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != 0 || len(report.Shards) != 2 || report.Shards[0].MaxBytes != 64<<20 {
		t.Errorf("status: exit code %d, %v\n%s%s", code, err, out, errs)
	}

	larger := write(t, "larger.yaml", section+"streams: {max_bytes: 128MiB}\n")
	code, _, errs = call(t, "broker", "setup", "--config", larger)
	if code != exitFailed || !strings.Contains(errs, "stream.max_bytes is 64MiB, configured 128MiB") {
		t.Errorf("setup with other limits: exit code %d\n%s", code, errs)
	}
	if code, out, errs = call(t, "broker", "setup", "--config", larger, "--update"); code != 0 || !strings.Contains(out, "updated") {
		t.Errorf("setup --update: exit code %d\n%s%s", code, out, errs)
	}
}

func TestBrokersThatCannotBeUsed(t *testing.T) {
	srv := brokerServer(t, func(o *server.Options) { o.Username, o.Password = "hauler", "right" })
	nobody := fmt.Sprintf("nats://127.0.0.1:%d", testenv.FreePort(t))
	for name, tc := range map[string]struct {
		config string
		code   int
		want   []string
	}{
		"wrong password": {fmt.Sprintf("broker: {servers: [%q]}", srv.ClientURL()), exitFailed, []string{"uthoriz", srv.ClientURL()}},
		"nobody there":   {fmt.Sprintf("broker: {servers: [%q]}", nobody), exitFailed, []string{strings.TrimPrefix(nobody, "nats://")}},
		"wrong URL":      {`broker: {servers: ["http://x:4222"]}`, exitUsage, []string{"broker.servers[0]", "http://x:4222", "nats://"}},
		"login in URL":   {`broker: {servers: ["nats://a:secret@x:4222"]}`, exitUsage, []string{"LOGHAUL_NATS_PASSWORD"}},
		"typo":           {`broker: {server: ["nats://x:4222"]}`, exitUsage, []string{`did you mean "servers"?`}},
		"streams":        {`streams: {replicas: 9}`, exitUsage, []string{"streams.replicas"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("LOGHAUL_NATS_USER", "hauler")
			t.Setenv("LOGHAUL_NATS_PASSWORD", "wrong")
			code, _, errs := call(t, "broker", "setup", "--config", write(t, "b.yaml", tc.config))
			if code != tc.code || strings.Contains(errs, "secret@") || strings.Contains(errs, "wrong\n") {
				t.Errorf("exit code %d, want %d\n%s", code, tc.code, errs)
			}
			for _, want := range tc.want {
				if !strings.Contains(errs, want) {
					t.Errorf("no %q in\n%s", want, errs)
				}
			}
		})
	}
}
