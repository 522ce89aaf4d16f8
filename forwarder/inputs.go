package forwarder

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/loghaul/loghaul/forwarder/haproxy"
	"github.com/loghaul/loghaul/forwarder/input/journald"
	"github.com/loghaul/loghaul/forwarder/input/stdin"
	"github.com/loghaul/loghaul/forwarder/input/syslog"
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
	// Framing of tcp and unix-stream: auto, lf or octets.
	Framing string `yaml:"framing"`
	// TLS is for tcp.
	TLS ListenerTLS `yaml:"tls"`

	// Stdin reads standard input until it ends.
	Stdin bool `yaml:"stdin"`

	// Journald reads the systemd journal.
	Journald *Journald `yaml:"journald"`

	// MaxLine is where a longer line is cut; 0 takes that of tail for files, and
	// 64 KiB, as HAProxy's longest is, for all others.
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
	// Matches are FIELD=value as journalctl takes them, or + between groups:
	// all of one field are alternatives, different fields must all match.
	Matches []string `yaml:"matches"`
	// Since is where to begin the first time, as journalctl --since takes it;
	// empty: at the beginning of the journal.
	Since string `yaml:"since"`
	// Directory is another journal than the machine's own.
	Directory string `yaml:"directory"`
}

// HAProxy says whom to ask for the lines that HAProxy itself dropped.
type HAProxy struct {
	// Stats are stats sockets, or a master's: absolute paths, or host:port.
	Stats config.OneOrMore `yaml:"stats"`
	// Every is how often they are asked.
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

func (c *Config) haproxy() haproxy.Config {
	h := haproxy.DefaultConfig()
	h.Node, h.Sockets, h.Every = c.Node, c.HAProxy.Stats, c.HAProxy.Every
	h.Labels, _ = wire.NewLabels(c.Labels) // Validate has checked them
	return h
}

// HasStdin says whether one of the inputs is standard input.
func (c *Config) HasStdin() bool {
	return slices.ContainsFunc(c.Inputs, func(in Input) bool { return in.Stdin })
}

// input gives the one of a name that is no file, or nil.
func (c *Config) input(name string) *Input {
	for i := range c.Inputs {
		if in := &c.Inputs[i]; in.File == "" && in.Name() == name {
			return in
		}
	}
	return nil
}

func (c *Config) hasFile() bool {
	return slices.ContainsFunc(c.Inputs, func(in Input) bool { return in.File != "" })
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
	maps.Copy(m, all)
	maps.Copy(m, in.Labels)
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
	h := c.haproxy()
	if err := h.Validate(); err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			bad("haproxy", "%s", line)
		}
	}
}

// Validate says what can't work about an input that is given by itself.
func (in *Input) Validate() error {
	var errs []error
	kinds := in.kinds()
	if len(kinds) != 1 {
		return fmt.Errorf("an input has one of file, syslog, stdin and journald, this one has %s", orNone(kinds))
	}
	in.validateKind(kinds[0], func(_, format string, a ...any) { errs = append(errs, fmt.Errorf(format, a...)) })
	return errors.Join(errs...)
}

func (in *Input) validateKind(kind string, at func(key, format string, a ...any)) {
	only := func(key string, set bool, of ...string) {
		if set && !slices.Contains(of, kind) {
			at("."+key, "is for %s only", strings.Join(of, " and "))
		}
	}
	only("wrapper", in.Wrapper != "", "file")
	only("receive_buffer", in.ReceiveBuffer != 0, "syslog")
	only("framing", in.Framing != "", "syslog")
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
	case "stdin":
		in.atMost(stdin.MaxLine, at)
	case "journald":
		in.atMost(journald.MaxLine, at)
		if d := in.Journald.Directory; d != "" && !filepath.IsAbs(d) {
			at(".journald.directory", "%q is not an absolute path", d)
		}
		for _, m := range in.Journald.Matches {
			if field, _, ok := strings.Cut(m, "="); m != "+" && (!ok || !isField(field)) {
				at(".journald.matches", "%q is not FIELD=value, such as _SYSTEMD_UNIT=haproxy.service", m)
			}
		}
	}
}

// atMost checks max_line where fewer bytes than elsewhere are kept in one piece.
func (in *Input) atMost(most config.Size, at func(key, format string, a ...any)) {
	if in.MaxLine > most {
		at(".max_line", "%v is more than %v, the most for this kind of input", in.MaxLine, most)
	}
}

// isField says whether a name can be that of a journal's field.
func isField(name string) bool {
	return name != "" && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}

func (in *Input) validateSyslog(at func(key, format string, a ...any)) {
	cfg, err := in.syslog()
	if err != nil {
		at(".mode", "%v", err)
		return
	}
	if err := cfg.Validate(); err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			at(".syslog", "%s", line)
		}
		return
	}
	of := func(key string, set bool, schemes ...string) {
		if scheme, _, _ := strings.Cut(in.Syslog, ":"); set && !slices.Contains(schemes, scheme) {
			at("."+key, "is for %s only", strings.Join(schemes, " and "))
		}
	}
	of("max_connections", in.MaxConnections != 0, "tcp", "unix-stream")
	of("framing", in.Framing != "", "tcp", "unix-stream")
	of("mode", in.Mode != "", "unix", "unix-stream")
	if in.Owner != "" && !isNumber(in.Owner) {
		if _, err := user.Lookup(in.Owner); err != nil {
			at(".owner", "%v", err)
		}
	}
	if in.Group != "" && !isNumber(in.Group) {
		if _, err := user.LookupGroup(in.Group); err != nil {
			at(".group", "%v", err)
		}
	}
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 31)
	return err == nil
}

// syslog gives the listener's configuration.
func (in *Input) syslog() (syslog.Config, error) {
	c := syslog.DefaultConfig()
	c.URL, c.Owner, c.Group = in.Syslog, in.Owner, in.Group
	c.TLS = syslog.TLS{Cert: in.TLS.Cert, Key: in.TLS.Key, ClientCA: in.TLS.ClientCA}
	if in.MaxLine > 0 {
		c.MaxLine = int(in.MaxLine)
	}
	if in.MaxConnections != 0 {
		c.MaxConnections = in.MaxConnections
	}
	if in.ReceiveBuffer != 0 {
		c.ReceiveBuffer = int(in.ReceiveBuffer)
	}
	if in.Framing != "" {
		c.Framing = in.Framing
	}
	if in.Mode != "" {
		m, err := strconv.ParseUint(in.Mode, 8, 32)
		if err != nil {
			return c, fmt.Errorf("%q is not a mode such as \"0660\"", in.Mode)
		}
		c.Mode = os.FileMode(m)
	}
	return c, nil
}

func orNone(kinds []string) string {
	if len(kinds) == 0 {
		return "none"
	}
	return strings.Join(kinds, " and ")
}
