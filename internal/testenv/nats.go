package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const natsStartLimit = Patience

// NATSServer is a stand-alone nats-server with JetStream on a temporary
// folder, which syncs to disk before every ack.
type NATSServer struct {
	// URL is where clients connect: nats://127.0.0.1:PORT.
	URL string
	// Dir holds its configuration and the streams.
	Dir string

	t       testing.TB
	monitor string
	proc    *Process
}

// NATS starts a nats-server that stores below dir. more is added to its
// configuration, "" for nothing. It ends with the test.
func NATS(t testing.TB, dir, more string) *NATSServer {
	t.Helper()
	port, monitor := FreePort(t), FreePort(t)
	s := &NATSServer{
		URL: fmt.Sprintf("nats://127.0.0.1:%d", port), Dir: dir, t: t,
		monitor: fmt.Sprintf("http://127.0.0.1:%d", monitor),
	}
	config := fmt.Sprintf(`host: 127.0.0.1
port: %d
http: "127.0.0.1:%d"
max_payload: 8MB
jetstream {
  store_dir: %q
  max_memory_store: 64MB
  max_file_store: 8GB
  sync_interval: always
}
%s
`, port, monitor, filepath.Join(dir, "jetstream"), more)
	if err := os.WriteFile(s.config(), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(s.Kill)
	return s
}

// Start runs the server again after a Kill, on the same port and data, and
// returns when it is ready with its streams recovered.
func (s *NATSServer) Start() {
	s.t.Helper()
	s.spawn()
	s.Ready()
}

func (s *NATSServer) spawn() {
	s.t.Helper()
	cmd := exec.Command(Tool(s.t, "nats-server"), "-c", s.config()) //nolint:noctx // ended by Kill
	s.proc = StartIn(s.t, s.Dir, "nats-server", cmd)
}

// Kill ends the server as a crash would. Its data stays.
func (s *NATSServer) Kill() { s.proc.Kill() }

// Pause freezes the server: its connections stay open and nothing answers.
func (s *NATSServer) Pause() { s.proc.Pause() }

// Resume ends a Pause.
func (s *NATSServer) Resume() { s.proc.Resume() }

func (s *NATSServer) config() string { return filepath.Join(s.Dir, "nats.conf") }

// StartIn is Start with the output in dir, in a file called after the
// program, which outlives the test if dir does. A program that is started
// again goes on in the same file.
func StartIn(t testing.TB, dir, name string, cmd *exec.Cmd) *Process {
	t.Helper()
	p := start(t, name, cmd, dir)
	t.Cleanup(p.Kill)
	return p
}
