// Package objectstore keeps the archive's objects in a folder or in an S3
// bucket. Both adapters are create-only: a key never changes its content, and
// an object is visible whole or not at all. Neither tries again by itself,
// which is for sinks.Retry. storetest holds what every adapter must do.
package objectstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/loghaul/loghaul/internal/metrics"
	"github.com/loghaul/loghaul/sinks"
)

const (
	// MaxGet bounds the objects that Get reads whole. Larger ones are read in
	// parts with ReadAt.
	MaxGet = 1 << 30
	// MaxKey bounds a key, and maxSegment each of its parts between slashes:
	// a file name may have 255 bytes, and temporary names are longer.
	MaxKey     = 900
	maxSegment = 200
	// tempPrefix begins the names of files that are still being written.
	tempPrefix = ".tmp-"
)

// Store is an archive: what aggregators write and readers read. It is safe
// for concurrent use.
type Store interface {
	sinks.Durable

	// List calls fn for every object whose key begins with prefix, in the
	// order of the keys' bytes. An error of fn ends it and is returned.
	List(ctx context.Context, prefix string, fn func(Info) error) error
	// Get reads a whole object of at most MaxGet bytes. The error wraps
	// sinks.ErrNotFound when there is none.
	Get(ctx context.Context, key string) ([]byte, error)
	// ReadAt fills p from the given offset of an object, like io.ReaderAt: it
	// returns io.EOF when the object ends before p is full.
	ReadAt(ctx context.Context, key string, p []byte, off int64) (int, error)
	// RemoveGap deletes an object below GapPrefix; it is no error when there is
	// none. Any other key is refused: nothing else of an archive may be deleted by
	// who writes it.
	RemoveGap(ctx context.Context, key string) error
	// Check asks the store whether it can be used: reachable, there, and the
	// credentials right. The error says what to do, and wraps
	// sinks.ErrPermanent when only an operator can cure it.
	Check(ctx context.Context) error
	// String is the store's URL without query.
	String() string
	// Close lets go of idle connections.
	Close() error
}

// Info describes an object.
type Info struct {
	Key      string
	Size     int64
	Modified time.Time
	// ETag is what the listing says about the content, without quotes; of a
	// file its time of modification. Two objects of one ETag need not be equal,
	// nor has an object the same ETag everywhere, but content that is replaced
	// changes it (S3 API reference, Object).
	ETag string
}

// Options is what an archive URL does not say.
type Options struct {
	// Create makes the folder of a file:// archive if it is missing. Without
	// it a missing folder is an error: it may be a disk that is not mounted.
	Create bool
	// Region, for s3, when the URL has none.
	Region string
	// AccessKey, SecretKey and SessionToken are the credentials for s3. An
	// empty AccessKey with Role takes those of the machine's or pod's role.
	AccessKey, SecretKey, SessionToken string
	Role                               bool
	// CAFile holds PEM certificates to trust beside the system's.
	CAFile string
	// Proxy is the URL of an HTTP proxy; "" takes HTTPS_PROXY, HTTP_PROXY and
	// NO_PROXY from the environment, and "direct" uses none.
	Proxy string
	// Encryption is what is asked of s3 for new objects; with SSEC also what
	// objects are read with.
	Encryption Encryption
	// CustomerKey is the key for SSEC, if Encryption names no file: 32 bytes.
	CustomerKey []byte
	// Lock is set on every object that is written to s3.
	Lock Locks
	// Metrics must hold Metrics(); nil counts nothing.
	Metrics *metrics.Registry
	// Timeout bounds every request, apart from one second more for every MiB
	// of body; 0 is a minute.
	Timeout time.Duration
}

// Open makes the store of an archive URL: file:///folder or
// s3://bucket/prefix?endpoint=https://host:port&region=… . It does not contact
// the store, see Check. Every error is a mistake in the URL or the options.
func Open(_ context.Context, rawURL string, o Options) (Store, error) {
	u, err := parse(rawURL)
	if err != nil {
		return nil, openError(rawURL, err)
	}
	if err := errors.Join(o.Encryption.Validate(), o.Lock.Validate(), o.checkProtection(u)); err != nil {
		return nil, fmt.Errorf("archive %s: %w", redact(rawURL), err)
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	if u.dir != "" {
		return openFolder(u.dir, o)
	}
	return openS3(u, o)
}

func openError(rawURL string, err error) error {
	return fmt.Errorf("archive URL %q: %w", redact(rawURL), err)
}

// checkGroup refuses groups that must not be stored whatever the store is.
func checkGroup(g *sinks.Group) error {
	if err := checkKey(g.Key); err != nil {
		return fmt.Errorf("%w: %w", sinks.ErrCorrupt, err)
	}
	if sum := sha256.Sum256(g.Body); sum != g.SHA256 {
		return fmt.Errorf("%w: %s: the body's SHA-256 is %s, not %s as declared",
			sinks.ErrCorrupt, g.Key, hex.EncodeToString(sum[:]), hex.EncodeToString(g.SHA256[:]))
	}
	return nil
}

// checkGapKey refuses keys of anything but gap files.
func checkGapKey(key string) error {
	if !strings.HasPrefix(key, GapPrefix) {
		return fmt.Errorf("%q is not below %s: it must not be deleted", key, GapPrefix)
	}
	return checkKey(key)
}

// checkKey refuses keys that mean different things to different stores.
func checkKey(key string) error {
	if key == "" || len(key) > MaxKey || !utf8.ValidString(key) {
		return fmt.Errorf("key %.100q is empty, longer than %d bytes or not UTF-8", key, MaxKey)
	}
	for seg := range strings.SplitSeq(key, "/") {
		if seg == "" || seg == "." || seg == ".." || len(seg) > maxSegment || strings.HasPrefix(seg, tempPrefix) {
			return fmt.Errorf("key %q has the part %q, which no key may have", key, seg)
		}
	}
	if strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' }) {
		return fmt.Errorf("key %q has control characters or a backslash", key)
	}
	return nil
}
