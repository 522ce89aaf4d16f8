package forwarder

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/internal/config"
	"github.com/loghaul/loghaul/internal/wire"
)

func TestNodeComesFromTheEnvironmentOrTheHost(t *testing.T) {
	t.Setenv("LOGHAUL_NODE", "node-7")
	if got := DefaultConfig().Node; got != "node-7" {
		t.Errorf("node is %q, want LOGHAUL_NODE", got)
	}
	t.Setenv("LOGHAUL_NODE", "")
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if got := DefaultConfig().Node; got != host {
		t.Errorf("node is %q, want the host's name %q", got, host)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for _, test := range []struct{ yaml, want string }{
		{"inputs: [{file: haproxy.log}]", "inputs[0].file"},
		{"inputs: [{file: '/var/log/[a'}]", "inputs[0].file"},
		{"node: n", "inputs"},
		{"batch: {lingr: 1s}", `"linger"`},
		{"batch: {compression: gzip}", "batch.compression"},
		{"in_flight: 0", "in_flight"},
		{"tail: {poll: 1s}", "tail.poll"},
		{"state: ''", "state"},
		{"inputs: [{}]", "inputs[0]: an input has one of file, syslog, stdin and journald, this one has none"},
		{"inputs: [{file: /a, stdin: true}]", "this one has file and stdin"},
		{"inputs: [{file: /a}, {file: /a}]", "inputs[1].file: /a is inputs[0] too"},
		{"inputs: [{file: /a, labels: {Zone: a}}]", `inputs[0].labels: label "Zone"`},
		{"labels: {'': a}", "labels: label"},
		{"inputs: [{file: /a, wrapper: k8s}]", "inputs[0].wrapper"},
		{"inputs: [{file: /a, mode: '0666'}]", "inputs[0].mode: is for syslog only"},
		{"inputs: [{file: /a, max_line: 1KiB}]", "inputs[0].max_line"},
		{"inputs: [{syslog: 'udp://127.0.0.1'}]", "inputs[0].syslog"},
		{"inputs: [{syslog: 'http://127.0.0.1:514'}]", "want udp://addr:port, tcp://addr:port"},
		{"inputs: [{syslog: 'unix://run/log'}]", "the path is not absolute"},
		{"inputs: [{syslog: 'unix:///run/log', mode: '999'}]", "inputs[0].mode"},
		{"inputs: [{syslog: 'unix:///run/log', group: nosuchgroup}]", "inputs[0].group"},
		{"inputs: [{syslog: 'udp://:514', mode: '0600'}]", "inputs[0].mode: is for unix and unix-stream only"},
		{"inputs: [{syslog: 'udp://:514', tls: {cert: a, key: b}}]", "tls is for tcp://"},
		{"inputs: [{syslog: 'tcp://:514', tls: {cert: a}}]", "tls needs both cert and key"},
		{"inputs: [{syslog: 'tcp://:514', receive_buffer: 1KiB}]", "receive_buffer 1024 is not"},
		{"inputs: [{journald: {matches: [haproxy]}}]", "inputs[0].journald.matches"},
		{"inputs: [{journald: {matches: [-n=5]}}]", "inputs[0].journald.matches"},
		{"inputs: [{journald: {directory: journal}}]", "inputs[0].journald.directory"},
		{"inputs: [{journald: {}, max_line: 2MiB}]", "inputs[0].max_line: 2MiB is more than 1MiB"},
		{"inputs: [{stdin: true, max_line: 256KiB}]", "inputs[0].max_line: 256KiB is more than 128KiB"},
		{"haproxy: {stats: admin.sock}", `stats socket "admin.sock"`},
		{"haproxy: {stats: [/a, /a]}", "named twice"},
		{"haproxy: {stats: /run/haproxy/admin.sock, every: 1ms}", "asking every 1ms"},
		{"spool: {bytes: 1MiB}", "spool.bytes"},
		{"spool: {sync: 2m}", "spool.sync"},
		{"process: {memory: 10MiB}", "process.memory"},
		{"process: {nice: 30}", "process.nice"},
		{"process: {io: realtime}", "process.io"},
		{"http: 9127", `http: serve HTTP on "9127": want an address such as 127.0.0.1:8080`},
		{"http: 127.0.0.1:99127", "http: serve HTTP on"},
	} {
		cfg := DefaultConfig()
		err := config.Parse("f.yaml", []byte(test.yaml), &cfg)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want something about %s", test.yaml, err, test.want)
		}
	}
}

func TestEveryKindOfInput(t *testing.T) {
	cfg := DefaultConfig()
	err := config.Parse("f.yaml", []byte(`
labels: {cluster: a, zone: b}
inputs:
  - file: /var/log/haproxy*.log
    labels: {zone: c, role: edge}
  - syslog: udp://:514
    receive_buffer: 16MiB
  - syslog: tcp://[::1]:6514
    max_connections: 10
  - syslog: unix:///run/loghaul/log.sock
    mode: "0666"
    owner: "0"
    group: "12345"
  - syslog: unix-stream:///run/loghaul/stream.sock
  - stdin: true
  - journald: {matches: [_SYSTEMD_UNIT=haproxy.service]}
haproxy:
  stats: [/run/haproxy/admin.sock, "127.0.0.1:9999"]
  every: 1m
`), &cfg)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for i := range cfg.Inputs {
		names = append(names, cfg.Inputs[i].Name())
	}
	want := []string{
		"/var/log/haproxy*.log", "udp://:514", "tcp://[::1]:6514", "unix:///run/loghaul/log.sock",
		"unix-stream:///run/loghaul/stream.sock", "stdin", "journald",
	}
	if d := cmp.Diff(want, names); d != "" {
		t.Error(d)
	}
	files := cfg.tail().Inputs
	if len(files) != 1 {
		t.Fatalf("%d inputs are files, want 1", len(files))
	}
	if d := cmp.Diff(wire.Labels{{Key: "cluster", Value: "a"}, {Key: "role", Value: "edge"}, {Key: "zone", Value: "c"}}, files[0].Labels); d != "" {
		t.Error(d)
	}
}
