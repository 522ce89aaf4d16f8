package aggregator

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/internal/config"
)

// Mask says which fields are overwritten before lines are archived. Without
// fields nothing is.
type Mask struct {
	// Fields gives for each field how: hash or truncate. A field is an alias of
	// HAProxy, req.NAME or res.NAME for a captured header, or the name of an
	// expression.
	Fields map[string]string `yaml:"fields"`
	// IPv4 and IPv6 are how many bits of an address truncate keeps.
	IPv4 int `yaml:"ipv4"`
	IPv6 int `yaml:"ipv6"`
	// Unparsed says what becomes of a line that does not tell for certain where
	// a field is: keep archives it as it came, blank overwrites it with x.
	Unparsed string `yaml:"unparsed"`
	// Key is for hash.
	Key string `yaml:"-" env:"LOGHAUL_MASK_KEY"`
}

const (
	keepUnparsed  = "keep"
	blankUnparsed = "blank"
)

// check reports what cannot work in a configuration with masks.
func (m *Mask) check(c *Config) error {
	var errs []error
	if m.Unparsed != keepUnparsed && m.Unparsed != blankUnparsed {
		errs = append(errs, config.Invalid("unparsed", "%q is neither %s nor %s", m.Unparsed, keepUnparsed, blankUnparsed))
	}
	if m.IPv4 != 8 && m.IPv4 != 16 && m.IPv4 != 24 {
		errs = append(errs, config.Invalid("ipv4", "%d is not 8, 16 or 24; 24 is usual", m.IPv4))
	}
	if m.IPv6 < 16 || m.IPv6 > 124 || m.IPv6%4 != 0 {
		errs = append(errs, config.Invalid("ipv6", "%d is no multiple of 4 from 16 to 124; 48 is usual", m.IPv6))
	}
	for _, field := range slices.Sorted(maps.Keys(m.Fields)) {
		switch method := m.Fields[field]; {
		case method != archive.MaskHash && method != archive.MaskTruncate:
			errs = append(errs, config.Invalid("fields."+field, "there is no method %q: write %s or %s", method, archive.MaskHash, archive.MaskTruncate))
		case method == archive.MaskHash && len(m.Key) < archive.MinMaskKey:
			errs = append(errs, config.Invalid("fields."+field, "a hash needs a key of at least %d bytes: set LOGHAUL_MASK_KEY, or LOGHAUL_MASK_KEY_FILE to a file that holds it, such as `openssl rand -hex 32` makes", archive.MinMaskKey))
		}
	}
	if len(errs) == 0 {
		if _, err := c.newMasker(); err != nil {
			errs = append(errs, config.Invalid("fields", "%v", err))
		}
	}
	return errors.Join(errs...)
}

// newMasker makes the masker that the configuration asks for; nil if it asks
// for none.
func (c *Config) newMasker() (*archive.Masker, error) {
	if len(c.Mask.Fields) == 0 {
		return nil, nil //nolint:nilnil // none is an answer
	}
	o, err := c.archiveOptions()
	if err != nil {
		return nil, err
	}
	m, err := archive.NewMasker(o, archive.MaskOptions{
		Fields: c.Mask.Fields, IPv4: c.Mask.IPv4, IPv6: c.Mask.IPv6,
		Blank: c.Mask.Unparsed == blankUnparsed, Key: []byte(c.Mask.Key),
	})
	if err != nil {
		return nil, fmt.Errorf("masks: %w", err)
	}
	return m, nil
}

// mask overwrites what is to be masked in the window, once, before anything is
// made of it.
func (a *Aggregator) mask() {
	if a.masker == nil {
		return
	}
	n := a.masker.Mask(a.window.Batches())
	a.count.masked.Add(n.Masked)
	a.count.maskKept.Add(n.Kept)
	a.count.maskBlanked.Add(n.Blanked)
}
