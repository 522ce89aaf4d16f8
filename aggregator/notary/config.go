package notary

import (
	"fmt"
	"os"
	"time"

	"github.com/loghaul/loghaul/archive/manifest"
	"github.com/loghaul/loghaul/internal/config"
)

// Config of a notary.
type Config struct {
	// KeyFile is the private key that manifests are signed with, as PEM. It is
	// read again for each manifest, so that it can be replaced.
	KeyFile string `yaml:"key_file"`
	// Key is the PEM text itself.
	Key string `env:"LOGHAUL_MANIFEST_KEY" yaml:"-"`
	// Timing is for tests.
	Timing Timing `yaml:"-"`
}

// Timing says when the notary does what.
type Timing struct {
	// Check is how often it looks whether something is to be done.
	Check time.Duration
	// Delay is how long after the hour its manifest is written: a random part of
	// it, so that not all aggregators write at once.
	Delay time.Duration
	// First and Max bound the waits after failures, see backoff.Delay.
	First, Max time.Duration
	// Again is how long after the start a writer that crashed looks a second time
	// for what it had stored: longer than a request to the store may take.
	Again time.Duration
	// Round is how often other writers are looked at, plus a random part of half
	// of it.
	Round time.Duration
	// Dead is how long a writer has to be silent until its chain is closed by
	// another, and how old an object must be to be taken for forgotten.
	Dead time.Duration
	// Back is how far back objects are looked for that no manifest names.
	Back time.Duration
}

// DefaultTiming is right outside of tests.
func DefaultTiming() Timing {
	return Timing{
		Check: 5 * time.Second, Delay: 30 * time.Second, First: time.Second, Max: time.Minute, Again: 5 * time.Minute,
		Round: time.Hour, Dead: 2 * time.Hour, Back: 48 * time.Hour,
	}
}

// DefaultConfig has no key: manifests are not signed.
func DefaultConfig() Config { return Config{Timing: DefaultTiming()} }

// Validate reports everything that cannot work.
func (c *Config) Validate() error {
	if c.KeyFile != "" && c.Key != "" {
		return config.Invalid("key_file", "LOGHAUL_MANIFEST_KEY is set, too; keep one of the two")
	}
	if _, err := c.Signer(); err != nil {
		return config.Invalid("key_file", "%v", err)
	}
	return nil
}

// Signer reads the key, nil if there is none.
func (c *Config) Signer() (*manifest.Signer, error) {
	switch {
	case c.KeyFile != "":
		return ReadSigner(c.KeyFile)
	case c.Key != "":
		s, err := manifest.ParseSigner([]byte(c.Key))
		if err != nil {
			return nil, fmt.Errorf("LOGHAUL_MANIFEST_KEY: %w", err)
		}
		return s, nil
	}
	return nil, nil //nolint:nilnil // no key is no error
}

// ReadSigner reads a private key from a PEM file.
func ReadSigner(path string) (*manifest.Signer, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the key that signs manifests: %w; `loghaul audit keygen` makes one", err)
	}
	s, err := manifest.ParseSigner(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}
