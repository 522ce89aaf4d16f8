package aggregator

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/loghaul/loghaul/aggregator/consume"
	"github.com/loghaul/loghaul/aggregator/live"
	"github.com/loghaul/loghaul/aggregator/notary"
	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/config"
	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/wrapper"
)

// Config of an aggregator, apart from the archive and the index themselves.
type Config struct {
	// Name tells this aggregator from the others, in the names of its objects.
	Name string `yaml:"name"`
	// Broker is where the batches come from.
	Broker broker.Config `yaml:"broker"`
	// Formats are tried on each line in this order: well-known names or
	// log-format strings. Nil stands for all well-known ones.
	Formats []string `yaml:"formats"`
	// HAProxyConfig is where to read the formats instead: the files, or folders
	// of *.cfg, that HAProxy is started with.
	HAProxyConfig config.OneOrMore `yaml:"haproxy_config"`
	// Wrapper is what lines are wrapped in: auto, none, or one of the kinds of
	// docs/formats/wrappers.md.
	Wrapper string `yaml:"wrapper"`
	// Timezone is that of the nodes, for formats that print no offset: UTC, an
	// IANA name such as Europe/Berlin, or Local.
	Timezone string `yaml:"timezone"`
	// Mask says which fields are not archived as they came.
	Mask Mask `yaml:"mask"`
	// Window says when enough was collected for one object.
	Window Window `yaml:"window"`
	// Pull bounds what is fetched ahead.
	Pull Pull `yaml:"pull"`
	// Manifest says how the manifests of objects are signed.
	Manifest notary.Config `yaml:"manifest"`
	// Tail bounds what `loghaul tail` may cost.
	Tail live.Config `yaml:"tail"`
	// DrainTimeout bounds the end: what is not archived by then goes back to
	// the broker.
	DrainTimeout config.Duration `yaml:"drain_timeout"`
}

// Window closes at whichever comes first.
type Window struct {
	Lines int             `yaml:"lines"`
	Bytes config.Size     `yaml:"bytes"`
	Age   config.Duration `yaml:"age"`
}

// Pull bounds what was fetched from all shards and does not lie in a window.
type Pull struct {
	Bytes config.Size `yaml:"bytes"`
}

// DefaultConfig is right for one of several aggregators with 256 MB of memory:
// usual lines take 150 of it, the worst 200.
func DefaultConfig() Config {
	b := broker.DefaultConfig()
	// Aggregators are few: no need to spread them over a quarter of a minute.
	b.Delay = broker.Delay{First: time.Second, Step: time.Second, Max: 30 * time.Second}
	return Config{
		Name:         defaultName(),
		Broker:       b,
		Wrapper:      wrapper.Auto.String(),
		Timezone:     "UTC",
		Mask:         Mask{IPv4: 24, IPv6: 48, Unparsed: keepUnparsed},
		Window:       Window{Lines: 100_000, Bytes: 48 << 20, Age: 10 * time.Second},
		Pull:         Pull{Bytes: 16 << 20},
		Manifest:     notary.DefaultConfig(),
		Tail:         live.DefaultConfig(),
		DrainTimeout: 25 * time.Second,
	}
}

// defaultName is the host's name, made fit for the names of objects.
func defaultName() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "aggregator"
	}
	name = strings.Map(func(r rune) rune {
		if nameRune(r) {
			return r
		}
		return '_'
	}, name)
	return name[:min(len(name), maxName)]
}

const maxName = 64

func nameRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-'
}

// Bounds of the window: the archive's limits, and the largest batch.
const (
	maxWindowLines = 1_000_000
	maxWindowBytes = archive.MaxRawBytes - wire.MaxBatch
)

// Validate reports everything that cannot work.
func (c *Config) Validate() error {
	errs := []error{config.Under("broker", c.Broker.Validate()), config.Under("manifest", c.Manifest.Validate()), config.Under("tail", c.Tail.Validate()), c.checkFormats()}
	bad := func(key, format string, a ...any) { errs = append(errs, config.Invalid(key, format, a...)) }
	if c.Name == "" || len(c.Name) > maxName || strings.ContainsFunc(c.Name, func(r rune) bool { return !nameRune(r) }) {
		bad("name", "%q is not 1 to %d of A-Z a-z 0-9 . _ -", c.Name, maxName)
	}
	switch kind, ok := wrapper.ParseKind(c.Wrapper); {
	case !ok:
		bad("wrapper", "there is no %q: write auto, none or one of %s", c.Wrapper, strings.Join(lineKinds(), ", "))
	case kind == wrapper.Journald:
		bad("wrapper", "journald is not one line a record: ship the file that a syslog daemon or journalctl -o short-iso writes, with auto")
	}
	if _, err := time.LoadLocation(c.Timezone); err != nil {
		bad("timezone", "%v: write UTC, Local or an IANA name such as Europe/Berlin", err)
	}
	if c.Window.Lines < 1 || c.Window.Lines > maxWindowLines {
		bad("window.lines", "%d is not 1 to %d; 100000 is usual", c.Window.Lines, maxWindowLines)
	}
	if b := int64(c.Window.Bytes); b < wire.MaxBatch || b > maxWindowBytes {
		bad("window.bytes", "%v is not %v to %v; 48MiB is usual", c.Window.Bytes, config.Size(wire.MaxBatch), config.Size(maxWindowBytes))
	}
	if c.Window.Age < 100*time.Millisecond || c.Window.Age > time.Hour {
		bad("window.age", "%v is not 100ms to 1h; 10s is usual", c.Window.Age)
	}
	if b := int64(c.Pull.Bytes); b < 1<<20 || b > consume.MaxBytes {
		bad("pull.bytes", "%v is not 1MiB to %v; 16MiB is usual", c.Pull.Bytes, config.Size(consume.MaxBytes))
	}
	if c.DrainTimeout < 0 {
		bad("drain_timeout", "%v is negative; 25s is usual", c.DrainTimeout)
	}
	if err := errors.Join(errs...); err != nil {
		return err // masks are looked at in formats that are right
	}
	return config.Under("mask", c.Mask.check(c))
}

// lineKinds are the wrappers of single lines.
func lineKinds() []string {
	return wrapper.Kinds()[wrapper.Local:wrapper.Journald]
}

// archiveOptions are those for what a valid configuration archives.
func (c *Config) archiveOptions() (archive.Options, error) {
	formats, _, err := c.formats()
	if err != nil {
		return archive.Options{}, err
	}
	zone, err := time.LoadLocation(c.Timezone)
	if err != nil {
		return archive.Options{}, fmt.Errorf("timezone: %w", err)
	}
	kind, ok := wrapper.ParseKind(c.Wrapper)
	if !ok {
		return archive.Options{}, fmt.Errorf("wrapper: there is no %q", c.Wrapper)
	}
	return archive.Options{
		Formats: formats, Wrapper: kind, Zone: parser.NewZone(zone), Writer: c.Name, CreatedBy: "loghaul",
	}, nil
}

// newView makes the live view that a valid configuration asks for, nil for none.
func newView(c *Config, d *Deps) (*live.View, error) {
	o, err := c.archiveOptions() // of its own: it reads lines beside the encoder
	if err != nil {
		return nil, err
	}
	masker, err := c.newMasker()
	if err != nil {
		return nil, err
	}
	return live.New(c.Tail, live.Deps{Name: c.Name, Options: o, Masker: masker, Render: d.Render, Logger: d.Logger, Metrics: d.Metrics})
}

// newEncoder makes the encoder that a valid configuration asks for.
func newEncoder(c *Config, masks []archive.Mask) (Encoder, error) {
	o, err := c.archiveOptions()
	if err != nil {
		return nil, err
	}
	o.Masks = masks
	return archive.NewEncoder(o)
}
