package syslog

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/loghaul/loghaul/forwarder/input/inputtest"
)

func TestSocketFile(t *testing.T) {
	for _, scheme := range []string{"unix", "unix-stream"} {
		t.Run(scheme, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			cfg := config(scheme + "://" + path)
			cfg.Mode, cfg.Owner, cfg.Group = 0o620, strconv.Itoa(os.Geteuid()), strconv.Itoa(os.Getegid())
			w := listen(t, cfg, &inputtest.Spool{})
			st, err := os.Lstat(path)
			if err != nil || st.Mode() != fs.ModeSocket|0o620 {
				t.Fatalf("%v %v", st.Mode(), err)
			}
			refused(t, cfg, "somebody listens on "+path)
			refused(t, config(map[string]string{"unix": "unix-stream", "unix-stream": "unix"}[scheme]+"://"+path), "somebody listens on "+path)
			send(t, dial(t, cfg.URL), "still here\n")
			w.records(1)
			w.stop()
			if _, err := os.Lstat(path); err == nil {
				t.Error("the socket is left behind")
			}

			// What a crash leaves is taken over.
			stale, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
			if err != nil {
				t.Fatal(err)
			}
			stale.Close()
			if _, err := os.Lstat(path); err != nil {
				t.Fatal("there is no stale socket:", err)
			}
			w = listen(t, cfg, &inputtest.Spool{})
			send(t, dial(t, cfg.URL), "again\n")
			w.records(1)

			// What somebody put in its place is left alone.
			if err := os.Rename(path, path+".old"); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			w.stop()
			if st, err := os.Lstat(path); err != nil || !st.Mode().IsRegular() {
				t.Error("a file that is not ours was removed:", err)
			}
			refused(t, cfg, path+" exists and is no socket")
			refused(t, config(scheme+"://"+filepath.Join(path+".d", "log")), "make the folder "+path+".d")
		})
	}
}

func TestOwnerThatDoesNotExist(t *testing.T) {
	cfg := config("unix://" + filepath.Join(t.TempDir(), "log"))
	cfg.Group = "no-such-group"
	refused(t, cfg, "no-such-group")
	cfg.Group, cfg.Owner = "", "no-such-user"
	refused(t, cfg, "no-such-user")
	if _, err := os.Lstat(strings.TrimPrefix(cfg.URL, "unix://")); err == nil {
		t.Error("a socket is left behind")
	}
}

func TestPortThatIsTaken(t *testing.T) {
	w := listen(t, config(udpURL(t, "127.0.0.1")), &inputtest.Spool{})
	port := w.in.Name()[strings.LastIndexByte(w.in.Name(), ':')+1:]
	refused(t, config(w.in.Name()), "the port is taken", "ss -lnp sport = :"+port)
	refused(t, config("udp://192.0.2.1:"+port), "no interface of this machine has that address")
}

// TestPrivilegedPort asks as a user who may not have it.
func TestPrivilegedPort(t *testing.T) {
	err := explain(address{scheme: "udp", host: "127.0.0.1", port: 514}, syscall.EACCES)
	if !strings.Contains(err.Error(), "CAP_NET_BIND_SERVICE") || !strings.Contains(err.Error(), "udp://127.0.0.1:514") {
		t.Error(err)
	}
}

func TestConfigurations(t *testing.T) {
	with := func(url string, change func(*Config)) Config {
		c := config(url)
		change(&c)
		return c
	}
	for want, cfg := range map[string]Config{
		"want udp://addr:port":                config("http://x:1"),
		"has no port":                         config("udp://127.0.0.1"),
		"has no port: want":                   config("tcp://127.0.0.1:"),
		"a port is at most 65535":             config("tcp://127.0.0.1:99999"),
		"the path is not absolute":            config("unix://run/log"),
		"a socket's path has at most 107":     config("unix:///" + strings.Repeat("x", 107)),
		"tls is for tcp":                      with("udp://:1", func(c *Config) { c.TLS.Cert, c.TLS.Key = "c", "k" }),
		"tls needs both cert and key":         with("tcp://:1", func(c *Config) { c.TLS.Cert = "c" }),
		"owner and group are for unix":        with("tcp://:1", func(c *Config) { c.Group = "adm" }),
		"mode 0440 lets nobody write":         with("unix:///x", func(c *Config) { c.Mode = 0o440 }),
		"max_connections 0 is not 1 to":       with("tcp://:1", func(c *Config) { c.MaxConnections = 0 }),
		"receive_buffer 1000 is not 64 KiB":   with("udp://:1", func(c *Config) { c.ReceiveBuffer = 1000 }),
		"max_line 100 is not 512 bytes to":    with("tcp://:1", func(c *Config) { c.MaxLine = 100 }),
		`framing "crlf" is not auto, lf or `:  with("tcp://:1", func(c *Config) { c.Framing = "crlf" }),
		`"udp://127.0.0.1:1/x": want udp://`:  config("udp://127.0.0.1:1/x"),
		"want udp://addr:port, tcp://addr:po": config(""),
	} {
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", cfg, err, want)
		}
	}
	for _, url := range []string{"udp://:514", "udp://[::]:514", "tcp://127.0.0.1:514", "unix:///run/a b%20?#.sock", "unix-stream:///x"} {
		if cfg := config(url); cfg.Validate() != nil {
			t.Error(cfg.Validate())
		}
	}
}
