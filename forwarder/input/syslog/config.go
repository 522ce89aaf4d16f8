package syslog

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/loghaul/loghaul/forwarder/input"
)

// Config is one listener.
type Config struct {
	// URL is udp://addr:port, tcp://addr:port, unix:///path (datagrams) or
	// unix-stream:///path. An empty addr is every address of the machine.
	URL string
	// Mode, Owner and Group are those of a socket in the file system. Owner and
	// Group are names or numbers; empty: those of the process.
	Mode         os.FileMode
	Owner, Group string
	// TLS, with tcp only.
	TLS TLS
	// MaxConnections bounds the connections of a stream; more are refused.
	MaxConnections int
	// ReceiveBuffer is what the kernel may hold for udp, or for one connection
	// of a stream, in bytes. The kernel counts its own overhead too.
	ReceiveBuffer int
	// MaxLine is where a line of a stream is cut.
	MaxLine int
	// Framing of a stream: auto, lf or octets.
	Framing string
}

// TLS names files in PEM format.
type TLS struct {
	// Cert and Key are the listener's own.
	Cert, Key string
	// ClientCA, if set, signs the certificates that clients must have.
	ClientCA string
}

// DefaultConfig gives the defaults; URL is left empty.
func DefaultConfig() Config {
	return Config{
		Mode: 0o666, MaxConnections: 1000, ReceiveBuffer: 16 << 20, MaxLine: 64 << 10, Framing: "auto",
	}
}

// Validate says what is wrong.
func (c *Config) Validate() error {
	var errs []error
	bad := func(format string, a ...any) { errs = append(errs, fmt.Errorf(format, a...)) }
	a, err := parse(c.URL)
	if err != nil {
		return err
	}
	if c.Mode&^os.ModePerm != 0 || c.Mode&0o222 == 0 {
		bad("mode %#o lets nobody write to the socket; 0666 and 0660 are usual", c.Mode)
	}
	if (c.Owner != "" || c.Group != "") && a.path == "" {
		bad("owner and group are for unix:// and unix-stream://, not for %s", c.URL)
	}
	if c.TLS != (TLS{}) {
		if a.scheme != "tcp" {
			bad("tls is for tcp://, not for %s", c.URL)
		}
		if c.TLS.Cert == "" || c.TLS.Key == "" {
			bad("tls needs both cert and key")
		}
	}
	if c.MaxConnections < 1 || c.MaxConnections > 100_000 {
		bad("max_connections %d is not 1 to 100000; 1000 is usual", c.MaxConnections)
	}
	if c.ReceiveBuffer < 64<<10 || c.ReceiveBuffer > 1<<30 {
		bad("receive_buffer %d is not 64 KiB to 1 GiB", c.ReceiveBuffer)
	}
	if c.MaxLine < input.MinLine || c.MaxLine > 1<<20 {
		bad("max_line %d is not %d bytes to 1 MiB", c.MaxLine, input.MinLine)
	}
	if _, err := framing(c.Framing); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func framing(s string) (input.Framing, error) {
	switch s {
	case "auto":
		return input.Detect, nil
	case "lf":
		return input.Lines, nil
	case "octets":
		return input.Octets, nil
	}
	return 0, fmt.Errorf("framing %q is not auto, lf or octets", s)
}

// address is where to listen: path in the file system, or host and port.
type address struct {
	scheme, path, host string
	port               int
}

func (a address) hostPort() string { return net.JoinHostPort(a.host, strconv.Itoa(a.port)) }

func (a address) stream() bool { return a.scheme == "tcp" || a.scheme == "unix-stream" }

// maxPath is how long the path of a socket can be (sun_path, with its NUL).
const maxPath = 107

func parse(s string) (address, error) {
	const want = "want udp://addr:port, tcp://addr:port, unix:///path or unix-stream:///path"
	if scheme, path, ok := strings.Cut(s, "://"); ok && (scheme == "unix" || scheme == "unix-stream") {
		// A path is taken as it stands, whatever is in it.
		switch {
		case !strings.HasPrefix(path, "/"):
			return address{}, fmt.Errorf("%s: the path is not absolute: %s", s, want)
		case len(path) > maxPath:
			return address{}, fmt.Errorf("%s: a socket's path has at most %d bytes, this one has %d", s, maxPath, len(path))
		}
		return address{scheme: scheme, path: path}, nil
	}
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "udp" && u.Scheme != "tcp") || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
		return address{}, fmt.Errorf("%q: %s", s, want)
	}
	if u.Port() == "" {
		return address{}, fmt.Errorf("%q has no port: %s; 514 is usual", s, want)
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil {
		return address{}, fmt.Errorf("%q: a port is at most 65535; 514 is usual", s)
	}
	return address{scheme: u.Scheme, host: u.Hostname(), port: int(port)}, nil
}
