package forwarder

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/loghaul/loghaul/forwarder/haproxy"
	"github.com/loghaul/loghaul/forwarder/ship"
	"github.com/loghaul/loghaul/forwarder/tail"
	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/config"
	"github.com/loghaul/loghaul/internal/logging"
	"github.com/loghaul/loghaul/internal/ops"
	"github.com/loghaul/loghaul/internal/wire"
)

// Config is the file of a forwarder.
type Config struct {
	// Node is this machine's name in the archive and in identities: changing
	// it changes the identities of files that are new from then on.
	Node string `yaml:"node"`
	// State is the folder that keeps the positions. One forwarder uses it.
	State string `yaml:"state"`
	// Labels are static fields of every line: cluster, zone, role.
	Labels map[string]string `yaml:"labels"`
	// Inputs are where lines come from.
	Inputs []Input `yaml:"inputs"`
	// HAProxy says whom to ask for what HAProxy itself dropped.
	HAProxy HAProxy `yaml:"haproxy"`
	// Tail is how files are followed.
	Tail Tail `yaml:"tail"`
	// Spool keeps what does not come from a file until the broker has it.
	Spool Spool `yaml:"spool"`
	// Batch is how lines are packed.
	Batch Batch `yaml:"batch"`
	// InFlight bounds the batches that the broker has not answered yet, and
	// so the memory and what is sent again after a crash.
	InFlight int `yaml:"in_flight"`
	// AckTimeout is how long an answer may take before a batch is sent again.
	AckTimeout config.Duration `yaml:"ack_timeout"`
	// DrainTimeout bounds the wait for answers at the end. What is not
	// answered by then is sent again after the next start.
	DrainTimeout config.Duration `yaml:"drain_timeout"`
	// Process is how much of the machine the forwarder may take.
	Process Process `yaml:"process"`
	// Broker is where batches go.
	Broker broker.Config `yaml:"broker"`
	// HTTP is the address of /metrics, /healthz and /readyz; empty: none.
	HTTP string `yaml:"http"`
	// Log is the forwarder's own log, on standard error.
	Log logging.Config `yaml:"log"`
}

// Tail is how files are followed.
type Tail struct {
	// Poll is how often folders are looked through in case inotify missed
	// something; PollOnly how often when there is no inotify.
	Poll     config.Duration `yaml:"poll"`
	PollOnly config.Duration `yaml:"poll_only"`
	// Inotify false makes it poll only: for file systems that report no
	// changes, such as NFS.
	Inotify bool `yaml:"inotify"`
	// MaxLine is where a longer line is cut; its rest follows as a line of
	// its own.
	MaxLine config.Size `yaml:"max_line"`
	// MaxOpen bounds the files held open.
	MaxOpen int `yaml:"max_open"`
	// RotatedWait is how long a rotated file must be quiet before it counts
	// as finished, where the kernel does not tell whether a writer is left.
	RotatedWait config.Duration `yaml:"rotated_wait"`
}

// Batch is how lines are packed.
type Batch struct {
	// Bytes is the size of a full batch before compression.
	Bytes config.Size `yaml:"bytes"`
	// Linger is how long fewer bytes wait for more.
	Linger config.Duration `yaml:"linger"`
	// Compression is s2, zstd or none.
	Compression string `yaml:"compression"`
	// MaxMessage bounds a compressed batch. It must not be above max_message
	// of the streams; the server's max_payload is known by itself.
	MaxMessage config.Size `yaml:"max_message"`
}

// DefaultConfig gives all defaults. There is no default input.
func DefaultConfig() Config {
	t := tail.DefaultConfig()
	return Config{
		Node:  defaultNode(),
		State: "/var/lib/loghaul-forwarder",
		Tail: Tail{
			Poll: t.Poll, PollOnly: t.PollOnly, Inotify: true, MaxLine: config.Size(t.MaxLine),
			MaxOpen: t.MaxOpen, RotatedWait: t.RotatedWait,
		},
		Batch: Batch{
			Bytes: config.Size(t.Batch), Linger: t.Linger, Compression: wire.S2.String(),
			MaxMessage: broker.DefaultStreams().MaxMessage,
		},
		HAProxy:      HAProxy{Every: haproxy.DefaultConfig().Every},
		Spool:        Spool{Bytes: 1 << 30, Sync: 200 * time.Millisecond},
		Process:      defaultProcess(),
		InFlight:     4,
		AckTimeout:   8 * time.Second,
		DrainTimeout: 10 * time.Second,
		Broker:       broker.DefaultConfig(),
		Log:          logging.Default(),
	}
}

// defaultNode is LOGHAUL_NODE or the host's name. In a pod the host's name is
// the pod's, which changes with each restart; the environment can tell the
// node's.
func defaultNode() string {
	if name := os.Getenv("LOGHAUL_NODE"); name != "" {
		return name
	}
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}

const maxNode = 128

// Validate reports everything that cannot work.
func (c *Config) Validate() error {
	errs := []error{config.Under("broker", c.Broker.Validate()), config.Under("log", c.Log.Validate())}
	bad := func(key, format string, a ...any) { errs = append(errs, config.Invalid(key, format, a...)) }
	if c.Node == "" || len(c.Node) > maxNode {
		bad("node", "%q is not 1 to %d bytes; the host's name is usual", c.Node, maxNode)
	}
	if err := ops.CheckAddress(c.HTTP); err != nil {
		bad("http", "%v", err)
	}
	if c.State == "" {
		bad("state", "name a folder that survives restarts, such as /var/lib/loghaul-forwarder")
	} else if st, err := os.Stat(c.State); err == nil && !st.IsDir() {
		bad("state", "%s is not a folder", c.State)
	}
	if len(c.Inputs) == 0 {
		bad("inputs", "name at least one, such as\ninputs:\n  - file: /var/log/haproxy.log")
	}
	c.validateInputs(bad)
	c.Process.validate(bad)
	if _, err := wire.ParseEncoding(c.Batch.Compression); err != nil {
		bad("batch.compression", "%v", err)
	}
	atLeast := func(key string, v, least config.Duration) {
		if v < least {
			bad(key, "%v is below %v", v, least)
		}
	}
	atLeast("batch.linger", c.Batch.Linger, time.Millisecond)
	atLeast("tail.poll", c.Tail.Poll, 5*time.Second)
	atLeast("tail.poll_only", c.Tail.PollOnly, 50*time.Millisecond)
	atLeast("tail.rotated_wait", c.Tail.RotatedWait, time.Second)
	atLeast("ack_timeout", c.AckTimeout, 100*time.Millisecond)
	atLeast("drain_timeout", c.DrainTimeout, 0)
	within := func(key string, v, lo, hi config.Size) {
		if v < lo || v > hi {
			bad(key, "%v is not %v to %v", v, lo, hi)
		}
	}
	within("batch.bytes", c.Batch.Bytes, 4<<10, 8<<20)
	within("batch.max_message", c.Batch.MaxMessage, 64<<10, broker.MaxPull)
	within("spool.bytes", c.Spool.Bytes, 16<<20, 1<<50)
	if c.Spool.Sync < 0 || c.Spool.Sync > time.Minute {
		bad("spool.sync", "%v is not 0s (always) to 1m", c.Spool.Sync)
	}
	within("tail.max_line", c.Tail.MaxLine, 4<<10, 8<<20)
	if c.InFlight < 1 || c.InFlight > ship.MaxInFlight {
		bad("in_flight", "%d is not 1 to %d; 4 is usual", c.InFlight, ship.MaxInFlight)
	}
	if c.Tail.MaxOpen < 1 {
		bad("tail.max_open", "%d is below 1; 1024 is usual", c.Tail.MaxOpen)
	}
	return errors.Join(errs...)
}

func (c *Config) tail() tail.Config {
	t := tail.DefaultConfig()
	t.Node, t.Links = c.Node, filepath.Join(c.State, "links")
	for i := range c.Inputs {
		in := &c.Inputs[i]
		if in.File != "" {
			labels, _ := in.labels(c.Labels) // Validate has checked them
			t.Inputs = append(t.Inputs, tail.Input{Pattern: in.Name(), Labels: labels, MaxLine: int(in.MaxLine), Wrapper: in.Wrapper})
		}
	}
	t.Batch, t.Linger = int64(c.Batch.Bytes), c.Batch.Linger
	t.MaxLine, t.MaxOpen = int(c.Tail.MaxLine), c.Tail.MaxOpen
	t.Poll, t.PollOnly, t.NoInotify = c.Tail.Poll, c.Tail.PollOnly, !c.Tail.Inotify
	t.RotatedWait = c.Tail.RotatedWait
	t.Links = filepath.Join(c.State, "links")
	return t
}

func (c *Config) ship() ship.Config {
	e, _ := wire.ParseEncoding(c.Batch.Compression) // Validate has checked it
	return ship.Config{
		Node: c.Node, Batch: int64(c.Batch.Bytes), MaxMessage: int64(c.Batch.MaxMessage), Encoding: e,
		InFlight: c.InFlight, Payloads: c.Process.payloads(), AckTimeout: c.AckTimeout, Broker: c.Broker,
	}
}
