package forwarder

import (
	"fmt"
	"net"
	"net/url"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/loghaul/loghaul/internal/config"
	"github.com/loghaul/loghaul/internal/wire"
)

// Input is one source of lines: a file, or a syslog listener, or standard
// input, or the journal.
type Input struct {
	// File is an absolute path, or a pattern with * ? [ ]. Siblings that a
	// rotation makes of a matching file (its name, a dot or dash, and more)
	// are found without being named.
	File string `yaml:"file"`
	// Wrapper says what a container runtime puts around lines of the file:
	// auto, none, cri or docker. Lines it has cut stay together then.
	Wrapper string `yaml:"wrapper"`

	// Syslog is where to listen: udp://host:port, tcp://host:port,
	// unix:///path (datagrams), unix-stream:///path.
	Syslog string `yaml:"syslog"`
	// Mode, Owner and Group are those of the socket of unix and unix-stream.
	Mode  string `yaml:"mode"`
	Owner string `yaml:"owner"`
	Group string `yaml:"group"`
	// ReceiveBuffer is what the kernel is asked for; udp and unix.
	ReceiveBuffer config.Size `yaml:"receive_buffer"`
	// MaxConnections bounds those of tcp and unix-stream.
	MaxConnections int `yaml:"max_connections"`
	// TLS is for tcp.
	TLS ListenerTLS `yaml:"tls"`

	// Stdin reads standard input until it ends.
	Stdin bool `yaml:"stdin"`

	// Journald reads the systemd journal.
	Journald *Journald `yaml:"journald"`

	// MaxLine is where a longer line is cut; 0 takes that of tail.
	MaxLine config.Size `yaml:"max_line"`
	// Labels are added to those of the forwarder, or replace them.
	Labels map[string]string `yaml:"labels"`
}

// ListenerTLS names PEM files. With a ClientCA only clients with a certificate
// that it signed may connect.
type ListenerTLS struct {
	Cert     string `yaml:"cert"`
	Key      string `yaml:"key"`
	ClientCA string `yaml:"client_ca"`
}

// Journald says which entries of the journal to read.
type Journald struct {
	// Matches are FIELD=value as journalctl takes them: all of one field are
	// alternatives, fields must all match.
	Matches []string `yaml:"matches"`
	// Directory is another journal than the machine's own.
	Directory string `yaml:"directory"`
}

// HAProxy is a process whose own losses are asked for.
type HAProxy struct {
	// Stats is its stats socket: an absolute path, or host:port.
	Stats string `yaml:"stats"`
	// Every is how often it is asked.
	Every config.Duration `yaml:"every"`
}

// Spool is where records that come from no file wait for the broker.
type Spool struct {
	// Bytes bounds it, for each input.
	Bytes config.Size `yaml:"bytes"`
	// Sync is how long a record may be in memory only; 0s: never, each write
	// is synced before the next one is taken.
	Sync config.Duration `yaml:"sync"`
}

// defaultHAProxyEvery keeps asking cheap: one connection each time.
const defaultHAProxyEvery = 10 * time.Second

// HasStdin says whether one of the inputs is standard input.
func (c *Config) HasStdin() bool {
	return slices.ContainsFunc(c.Inputs, func(in Input) bool { return in.Stdin })
}

// kinds names what is set, as the file does.
func (in *Input) kinds() (kinds []string) {
	if in.File != "" {
		kinds = append(kinds, "file")
	}
	if in.Syslog != "" {
		kinds = append(kinds, "syslog")
	}
	if in.Stdin {
		kinds = append(kinds, "stdin")
	}
	if in.Journald != nil {
		kinds = append(kinds, "journald")
	}
	return kinds
}

// Name is what people know the input by: its pattern, its URL, stdin, journald.
func (in *Input) Name() string {
	switch {
	case in.File != "":
		return filepath.Clean(in.File)
	case in.Syslog != "":
		return in.Syslog
	case in.Stdin:
		return "stdin"
	}
	return "journald"
}

// labels merges those of the forwarder with the input's own.
func (in *Input) labels(all map[string]string) (wire.Labels, error) {
	m := map[string]string{}
	for k, v := range all {
		m[k] = v
	}
	for k, v := range in.Labels {
		m[k] = v
	}
	return wire.NewLabels(m)
}

// validateInputs reports everything about inputs that cannot work.
func (c *Config) validateInputs(bad func(key, format string, a ...any)) {
	all := c.Labels
	if _, err := wire.NewLabels(all); err != nil {
		bad("labels", "%v", err)
		all = nil // said once
	}
	names := map[string]int{}
	for i := range c.Inputs {
		in := &c.Inputs[i]
		at := func(key, format string, a ...any) { bad(fmt.Sprintf("inputs[%d]%s", i, key), format, a...) }
		kinds := in.kinds()
		if len(kinds) != 1 {
			at("", "an input has one of file, syslog, stdin and journald, this one has %s", orNone(kinds))
			continue
		}
		if first, twice := names[in.Name()]; twice {
			at("."+kinds[0], "%s is inputs[%d] too", in.Name(), first)
		}
		names[in.Name()] = i
		if _, err := in.labels(all); err != nil {
			at(".labels", "%v", err)
		}
		if in.MaxLine != 0 && (in.MaxLine < 4<<10 || in.MaxLine > 8<<20) {
			at(".max_line", "%v is not 4KiB to 8MiB", in.MaxLine)
		}
		in.validateKind(kinds[0], at)
	}
	for i, h := range c.HAProxy {
		key := fmt.Sprintf("haproxy[%d].", i)
		if !filepath.IsAbs(h.Stats) && !isHostPort(h.Stats) {
			bad(key+"stats", "%q is not the absolute path of a stats socket, nor host:port", h.Stats)
		}
		if h.Every != 0 && h.Every < time.Second {
			bad(key+"every", "%v is below 1s; 10s is usual", h.Every)
		}
	}
}

func (in *Input) validateKind(kind string, at func(key, format string, a ...any)) {
	only := func(key string, set bool, of ...string) {
		if set && !slices.Contains(of, kind) {
			at("."+key, "is for %s only", strings.Join(of, " and "))
		}
	}
	only("wrapper", in.Wrapper != "", "file")
	only("receive_buffer", in.ReceiveBuffer != 0, "syslog")
	only("max_connections", in.MaxConnections != 0, "syslog")
	only("mode", in.Mode != "" || in.Owner != "" || in.Group != "", "syslog")
	only("tls", in.TLS != ListenerTLS{}, "syslog")
	switch kind {
	case "file":
		if _, err := filepath.Match(in.File, ""); err != nil || !filepath.IsAbs(in.File) {
			at(".file", "%q is not an absolute path or pattern such as /var/log/haproxy*.log", in.File)
		}
		if !slices.Contains([]string{"", "auto", "none", "cri", "docker"}, in.Wrapper) {
			at(".wrapper", "%q is not auto, none, cri or docker", in.Wrapper)
		}
	case "syslog":
		in.validateSyslog(at)
	case "journald":
		for _, m := range in.Journald.Matches {
			if field, _, ok := strings.Cut(m, "="); !ok || field == "" || strings.ToUpper(field) != field {
				at(".journald.matches", "%q is not FIELD=value, such as _SYSTEMD_UNIT=haproxy.service", m)
			}
		}
	}
}

func (in *Input) validateSyslog(at func(key, format string, a ...any)) {
	scheme, _, err := in.listener()
	if err != nil {
		at(".syslog", "%v", err)
		return
	}
	of := func(key string, set bool, schemes ...string) {
		if set && !slices.Contains(schemes, scheme) {
			at("."+key, "is for %s only", strings.Join(schemes, " and "))
		}
	}
	of("receive_buffer", in.ReceiveBuffer != 0, "udp", "unix")
	of("max_connections", in.MaxConnections != 0, "tcp", "unix-stream")
	of("mode", in.Mode != "" || in.Owner != "" || in.Group != "", "unix", "unix-stream")
	of("tls", in.TLS != ListenerTLS{}, "tcp")
	if (in.TLS.Cert == "") != (in.TLS.Key == "") || in.TLS.ClientCA != "" && in.TLS.Cert == "" {
		at(".tls", "cert and key belong together, and client_ca needs them")
	}
	if _, err := in.mode(); err != nil {
		at(".mode", "%v", err)
	}
	if in.Owner != "" {
		if _, err := user.Lookup(in.Owner); err != nil {
			at(".owner", "%v", err)
		}
	}
	if in.Group != "" {
		if _, err := user.LookupGroup(in.Group); err != nil {
			at(".group", "%v", err)
		}
	}
	if in.ReceiveBuffer != 0 && (in.ReceiveBuffer < 64<<10 || in.ReceiveBuffer > 1<<30) {
		at(".receive_buffer", "%v is not 64KiB to 1GiB", in.ReceiveBuffer)
	}
	if in.MaxConnections < 0 || in.MaxConnections > 100_000 {
		at(".max_connections", "%d is not 1 to 100000", in.MaxConnections)
	}
}

// listener splits the URL of syslog into its scheme and a path or host:port.
func (in *Input) listener() (scheme, address string, err error) {
	u, err := url.Parse(in.Syslog)
	if err != nil {
		return "", "", fmt.Errorf("%q is not a URL such as udp://127.0.0.1:514 or unix:///run/loghaul/log.sock", in.Syslog)
	}
	switch u.Scheme {
	case "udp", "tcp":
		if u.Path != "" || u.User != nil || !isHostPort(u.Host) {
			return "", "", fmt.Errorf("%q: want %s://host:port; without a host it is every address", in.Syslog, u.Scheme)
		}
		return u.Scheme, u.Host, nil
	case "unix", "unix-stream":
		const longest = 107 // sun_path of unix(7), without its NUL
		if u.Host != "" || !filepath.IsAbs(u.Path) || len(u.Path) > longest {
			return "", "", fmt.Errorf("%q: want %s:///path, absolute and of at most %d bytes", in.Syslog, u.Scheme, longest)
		}
		return u.Scheme, filepath.Clean(u.Path), nil
	}
	return "", "", fmt.Errorf("%q: want udp://, tcp://, unix:// or unix-stream://", in.Syslog)
}

// mode gives the permissions of a socket, by default for its owner and group.
func (in *Input) mode() (uint32, error) {
	if in.Mode == "" {
		return 0o660, nil
	}
	m, err := strconv.ParseUint(in.Mode, 8, 32)
	if err != nil || m > 0o777 {
		return 0, fmt.Errorf("%q is not a mode such as \"0660\"", in.Mode)
	}
	return uint32(m), nil
}

func isHostPort(s string) bool {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n <= 65535
}

func orNone(kinds []string) string {
	if len(kinds) == 0 {
		return "none"
	}
	return strings.Join(kinds, " and ")
}
