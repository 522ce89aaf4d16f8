package aggregator

import (
	"errors"
	"fmt"
	"os"

	"github.com/loghaul/loghaul/internal/config"
	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/haproxycfg"
)

// checkFormats reports what is wrong with the formats or the files that they
// are read from.
func (c *Config) checkFormats() error {
	var errs []error
	bad := func(key, format string, a ...any) { errs = append(errs, config.Invalid(key, format, a...)) }
	for i, f := range c.Formats {
		if _, err := parser.Compile(f); err != nil {
			bad(fmt.Sprintf("formats[%d]", i), "%v", err)
		}
	}
	switch {
	case c.HAProxyConfig != nil && len(c.HAProxyConfig) == 0:
		bad("haproxy_config", "name at least one file, such as /etc/haproxy/haproxy.cfg, or leave the key out")
	case len(c.HAProxyConfig) > 0 && c.Formats != nil:
		bad("haproxy_config", "formats is given, too; keep one of the two: haproxy_config reads the formats from HAProxy's own files, formats lists them")
	case len(c.HAProxyConfig) > 0:
		_, err := c.readHAProxy()
		if problems, ok := errors.AsType[haproxycfg.Problems](err); ok {
			for _, p := range problems {
				bad("haproxy_config", "%v", p)
			}
		} else if err != nil {
			bad("haproxy_config", "%v", err)
		}
	case c.Formats != nil && len(c.Formats) == 0:
		bad("formats", "name at least one, such as httplog")
	}
	return errors.Join(errs...)
}

func (c *Config) readHAProxy() (*haproxycfg.Config, error) {
	sys := haproxycfg.System{Stat: os.Stat, ReadDir: os.ReadDir, ReadFile: os.ReadFile, LookupEnv: os.LookupEnv}
	return haproxycfg.Load(sys, c.HAProxyConfig...)
}

// formats gives the formats to try, in order, and what the operator should
// know about those that were read from HAProxy's configuration.
func (c *Config) formats() (formats []*parser.Format, notes []haproxycfg.Problem, err error) {
	if len(c.HAProxyConfig) > 0 {
		read, err := c.readHAProxy()
		if err != nil {
			return nil, nil, fmt.Errorf("haproxy_config: %w", err)
		}
		return read.Candidates(), read.Notes, nil
	}
	specs := c.Formats
	if specs == nil {
		specs = parser.WellKnown()
	}
	for _, spec := range specs {
		f, err := parser.Compile(spec)
		if err != nil {
			return nil, nil, fmt.Errorf("format %q: %w", spec, err)
		}
		formats = append(formats, f)
	}
	return formats, nil, nil
}

// AllFormats gives the formats that lines can be of, those that are always read
// among them; nil if the configuration is wrong, which Validate reports.
func (c *Config) AllFormats() []*parser.Format {
	formats, _, err := c.formats()
	if err != nil {
		return nil
	}
	return parser.Complete(formats)
}

// FormatNotes gives what is worth knowing about formats that are read from
// HAProxy's configuration: what was assumed, and what is not supported.
func (c *Config) FormatNotes() []string {
	_, notes, err := c.formats()
	if err != nil {
		return nil // Validate reports it
	}
	var all []string
	for _, n := range notes {
		all = append(all, n.Error())
	}
	return all
}
