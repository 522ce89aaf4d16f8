package objectstore

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/encrypt"

	"github.com/loghaul/loghaul/internal/config"
)

// Config is the archive section of a writer's configuration file. What is
// secret comes from the environment, see OptionsFromEnv.
type Config struct {
	// URL is file:///folder or s3://bucket/prefix?endpoint=…&region=….
	URL        string     `yaml:"url"`
	Encryption Encryption `yaml:"encryption"`
	Lock       Locks      `yaml:"lock"`
}

// Ways of encryption, by their names in S3's manual.
const (
	// SSES3 leaves the keys to the store.
	SSES3 = "sse-s3"
	// SSEKMS takes a key that a key management service holds.
	SSEKMS = "sse-kms"
	// SSEC takes a key that is sent with every request and that the store
	// forgets. Whoever loses it has lost the archive.
	SSEC = "sse-c"
)

// keySize is what S3 wants of a customer's key: AES-256.
const keySize = 32

// Encryption is what the store is asked to do to objects before they reach
// its disks (S3 user guide, "Protecting data with encryption").
type Encryption struct {
	// Mode is SSES3, SSEKMS or SSEC; "" leaves it to the bucket's default.
	Mode string `yaml:"mode"`
	// KMSKey is the key's id or ARN; "" is the account's default key for S3.
	KMSKey string `yaml:"kms_key"`
	// KeyFile holds the key for SSEC: 32 bytes, or base64 of them. The key may
	// come from LOGHAUL_S3_SSE_KEY or LOGHAUL_S3_SSE_KEY_FILE instead, where
	// commands that read the archive look for it.
	KeyFile string `yaml:"key_file"`
}

// Validate reports everything that cannot work. It reads no file.
func (e *Encryption) Validate() error {
	var errs []error
	bad := func(key, format string, a ...any) { errs = append(errs, config.Invalid(key, format, a...)) }
	modes := []string{SSES3, SSEKMS, SSEC}
	switch e.Mode {
	case "", SSES3, SSEKMS, SSEC:
	default:
		if near := config.Nearest(e.Mode, modes); near != "" {
			bad("mode", "there is no %q, did you mean %q?", e.Mode, near)
		} else {
			bad("mode", "there is no %q: write one of %s", e.Mode, strings.Join(modes, ", "))
		}
		return errors.Join(errs...)
	}
	if e.KMSKey != "" && e.Mode != SSEKMS {
		bad("kms_key", "belongs to mode sse-kms, and the mode is %q", e.Mode)
	}
	if e.KeyFile != "" && e.Mode != SSEC {
		bad("key_file", "belongs to mode sse-c, and the mode is %q", e.Mode)
	}
	return errors.Join(errs...)
}

// parseKey reads a key for SSEC: 32 bytes, or base64 of them with white space
// around it.
func parseKey(b []byte) ([]byte, error) {
	if len(b) == keySize {
		return b, nil
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(b)))
	if err != nil || len(key) != keySize {
		return nil, fmt.Errorf("the key for sse-c has to be %d bytes, or base64 of them: make one with: openssl rand -base64 %d", keySize, keySize)
	}
	return key, nil
}

// server makes what minio-go takes; nil without encryption. The key is that of
// the environment; a file's comes first.
func (e *Encryption) server(key []byte) (encrypt.ServerSide, error) {
	switch e.Mode {
	case SSES3:
		return encrypt.NewSSE(), nil
	case SSEKMS:
		return encrypt.NewSSEKMS(e.KMSKey, nil)
	case SSEC:
		if e.KeyFile != "" {
			b, err := os.ReadFile(e.KeyFile)
			if err != nil {
				return nil, fmt.Errorf("reading the key for sse-c: %w", err)
			}
			if key, err = parseKey(b); err != nil {
				return nil, fmt.Errorf("%s: %w", e.KeyFile, err)
			}
		}
		if key == nil {
			return nil, errors.New("encryption sse-c needs a key: name a file with 32 random bytes, or base64 of them, in key_file or in LOGHAUL_S3_SSE_KEY_FILE")
		}
		return encrypt.NewSSEC(key)
	}
	return nil, nil //nolint:nilnil // no encryption is no error
}

// Modes of a lock (S3 user guide, "Locking objects with Object Lock").
const (
	// Governance lets those end a lock early who have a permission for that.
	Governance = "governance"
	// Compliance lets nobody end it, the account's owner included.
	Compliance = "compliance"
	// maxLockDays is S3's own bound: a hundred years.
	maxLockDays = 36500
)

const (
	// ManifestPrefix begins the keys of manifests.
	ManifestPrefix = "_manifests/"
	// GapPrefix begins the keys of what says which lines the index lacks. It goes
	// when they are indexed, so it is the one thing that is never locked.
	GapPrefix = "_gaps/"
)

// Lock is Object Lock's retention: an object can neither be deleted nor
// replaced until it ends. The zero value locks nothing, and leaves a bucket's
// default retention to the bucket.
type Lock struct {
	// Mode is Governance or Compliance.
	Mode string `yaml:"mode"`
	// Days counts from the moment when an object is stored.
	Days int `yaml:"days"`
}

func (l Lock) set() bool { return l != Lock{} }

// Validate reports everything that cannot work.
func (l Lock) Validate() error {
	if !l.set() {
		return nil
	}
	var errs []error
	if l.Mode != Governance && l.Mode != Compliance {
		errs = append(errs, config.Invalid("mode", "%q is neither governance (ends early by a permission) nor compliance (nobody can end it)", l.Mode))
	}
	if l.Days < 1 || l.Days > maxLockDays {
		errs = append(errs, config.Invalid("days", "%d is not 1 to %d; 400 days are the 12 months of PCI DSS and a month to spare", l.Days, maxLockDays))
	}
	return errors.Join(errs...)
}

func (l Lock) mode() minio.RetentionMode { return minio.RetentionMode(strings.ToUpper(l.Mode)) }

// until is the end of a lock that begins now. S3 keeps whole seconds.
func (l Lock) until(now time.Time) time.Time {
	return now.Add(time.Duration(l.Days) * 24 * time.Hour).UTC().Truncate(time.Second)
}

// Locks are the locks of an archive: its own for everything, and another one
// for manifests if that is set.
type Locks struct {
	Lock      `yaml:",inline"`
	Manifests Lock `yaml:"manifests"`
}

// Validate reports everything that cannot work.
func (l *Locks) Validate() error {
	return errors.Join(l.Lock.Validate(), config.Under("manifests", l.Manifests.Validate()))
}

// of gives the lock for a key, which is below the archive's prefix.
func (l *Locks) of(key string) Lock {
	if strings.HasPrefix(key, GapPrefix) {
		return Lock{}
	}
	if l.Manifests.set() && strings.HasPrefix(key, ManifestPrefix) {
		return l.Manifests
	}
	return l.Lock
}

func (l *Locks) set() bool { return l.Lock.set() || l.Manifests.set() }

// Validate finds the mistakes that show without contacting anything; the
// credentials and keys may be those of another machine.
func (c *Config) Validate() error {
	errs := []error{config.Under("encryption", c.Encryption.Validate()), config.Under("lock", c.Lock.Validate())}
	if c.URL == "" {
		errs = append(errs, config.Invalid("url", "is missing: write file:///dir or s3://bucket/prefix?endpoint=https://host:port"))
		return errors.Join(errs...)
	}
	l, err := checkURL(c.URL)
	if err != nil {
		errs = append(errs, config.Invalid("url", "%v", err))
		return errors.Join(errs...)
	}
	o := Options{Encryption: c.Encryption, Lock: c.Lock}
	if err := o.checkProtection(l); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// CheckURL finds the mistakes in an archive URL that show without contacting
// anything.
func CheckURL(rawURL string) error {
	_, err := checkURL(rawURL)
	return err
}

func checkURL(rawURL string) (location, error) {
	l, err := parse(rawURL)
	if err == nil && l.dir == "" {
		region := ""
		if env, envErr := OptionsFromEnv(); envErr == nil {
			region = env.Region
		}
		err = l.locate(region)
	}
	if err != nil {
		return l, openError(rawURL, err)
	}
	return l, nil
}

// checkProtection refuses what the place of an archive cannot do. Its errors
// are config.KeyErrors.
func (o Options) checkProtection(l location) error {
	var errs []error
	if l.dir != "" {
		if o.Lock.set() {
			errs = append(errs, config.Invalid("lock", "a folder cannot be locked: take lock out and keep deletion from the writer "+
				"(a file system of its own with snapshots, or chattr +i from a cron job), or archive to S3 with Object Lock"))
		}
		if o.Encryption.Mode != "" {
			errs = append(errs, config.Invalid("encryption", "a folder is not encrypted by loghaul: take encryption out and encrypt the disk (LUKS)"))
		}
		return errors.Join(errs...)
	}
	if o.Encryption.Mode == SSEC && l.endpoint != nil && l.endpoint.Scheme == "http" {
		errs = append(errs, config.Invalid("encryption", "sse-c would send the key over plain HTTP: write https:// in the endpoint"))
	}
	return errors.Join(errs...)
}
