package objectstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/loghaul/loghaul/sinks"
)

// Locker is a Store whose objects can be locked: S3's. A lock protects a
// version of an object from everybody; it does not keep the key from getting
// another version or a delete marker on top, which is what create-only writes
// and the bucket's policy are for.
type Locker interface {
	// Protection says how the newest version of an object is protected. The
	// error wraps sinks.ErrNotFound when there is none.
	Protection(ctx context.Context, key string) (Protection, error)
	// SetHold puts a legal hold on the newest version of an object, or takes it
	// off. It may be repeated.
	SetHold(ctx context.Context, key string, on bool) error
}

// Protection is what keeps an object from being deleted.
type Protection struct {
	// Version is the version it is about, "" in a bucket without versions.
	Version string
	// Mode is Governance, Compliance or "" without retention; Until is its end,
	// in whole seconds, UTC. Both are empty too if this credential may not see
	// them (s3:GetObjectRetention).
	Mode  string
	Until time.Time
	// Hold says that there is a legal hold.
	Hold bool
}

// lockSlack is how much earlier than wanted a lock may end: the object may be
// that of an earlier attempt.
const lockSlack = time.Hour

// covers reports whether p is what l asks for at now, or more.
func (p *Protection) covers(l Lock, now time.Time) bool {
	return (p.Mode == l.Mode || p.Mode == Compliance) && !p.Until.Before(l.until(now).Add(-lockSlack))
}

func (b *bucket) shownFor(key string) *atomic.Bool {
	if b.lock.Manifests.set() && strings.HasPrefix(key, ManifestPrefix) {
		return &b.manifestShown
	}
	return &b.shown
}

// ensureLocked makes sure that an object that is there is locked, and that the
// server says so. A lock is only ever made longer, which S3 lets everybody do
// who may set one. It is needed where a server stores an object and only then
// finds that it cannot lock it: the next attempt meets the object, unlocked.
func (b *bucket) ensureLocked(ctx context.Context, key string, l Lock) error {
	if !l.set() {
		return nil
	}
	p, err := b.retention(ctx, key)
	if err != nil || p.covers(l, time.Now()) {
		return err
	}
	if p.Mode == Compliance {
		l.Mode = Compliance // what is locked so cannot be locked less
	}
	mode, until := l.mode(), l.until(time.Now())
	opts := minio.PutObjectRetentionOptions{Mode: &mode, RetainUntilDate: &until, VersionID: p.Version}
	reqCtx, cancel := b.deadline(ctx, 0)
	defer cancel()
	if err := b.core.PutObjectRetention(reqCtx, b.name, b.prefix+key, opts); err != nil {
		return b.fail(ctx, "locking "+key, err)
	}
	if p, err = b.retention(ctx, key); err != nil || p.covers(l, time.Now()) {
		return err
	}
	return fmt.Errorf("archive %s at %s: locking %s: %w: the object does not show the lock that was set: "+
		"allow s3:GetObjectRetention to this access key; if it is, the server ignores Object Lock, see loghaul archive check",
		b, b.endpoint, key, sinks.ErrPermanent)
}

// retention asks for Version, Mode and Until. It takes HEAD: GetObjectRetention
// is answered with another XML by some servers.
func (b *bucket) retention(ctx context.Context, key string) (Protection, error) {
	reqCtx, cancel := b.deadline(ctx, 0)
	defer cancel()
	info, err := b.core.StatObject(reqCtx, b.name, b.prefix+key, minio.StatObjectOptions{ServerSideEncryption: b.readKey()})
	if err != nil {
		return Protection{}, b.fail(ctx, "looking at "+key, err)
	}
	p := Protection{Version: info.VersionID, Mode: strings.ToLower(info.Metadata.Get("X-Amz-Object-Lock-Mode"))}
	if s := info.Metadata.Get("X-Amz-Object-Lock-Retain-Until-Date"); s != "" {
		if p.Until, err = time.Parse(time.RFC3339, s); err != nil {
			return p, b.fail(ctx, "looking at "+key, fmt.Errorf("the server says it is locked until %q: %w", s, err))
		}
	}
	return p, nil
}

func (b *bucket) Protection(ctx context.Context, key string) (Protection, error) {
	if err := checkKey(key); err != nil {
		return Protection{}, err
	}
	p, err := b.retention(ctx, key)
	if err != nil {
		return p, err
	}
	reqCtx, cancel := b.deadline(ctx, 0)
	defer cancel()
	// HEAD leaves a hold out for those who may not see it, and this refuses.
	status, err := b.core.GetObjectLegalHold(reqCtx, b.name, b.prefix+key, minio.GetObjectLegalHoldOptions{VersionID: p.Version})
	switch r := minio.ToErrorResponse(err); {
	case err == nil:
		p.Hold = status != nil && *status == minio.LegalHoldEnabled
	case r.Code == "NoSuchObjectLockConfiguration", isUnlockedBucket(r):
		// Nothing was ever set.
	default:
		return p, b.fail(ctx, "looking for a legal hold on "+key, err)
	}
	return p, nil
}

func (b *bucket) SetHold(ctx context.Context, key string, on bool) error {
	if err := checkKey(key); err != nil {
		return err
	}
	p, err := b.retention(ctx, key)
	if err != nil {
		return err
	}
	status := minio.LegalHoldDisabled
	if on {
		status = minio.LegalHoldEnabled
	}
	reqCtx, cancel := b.deadline(ctx, 0)
	defer cancel()
	opts := minio.PutObjectLegalHoldOptions{Status: &status, VersionID: p.Version}
	if err := b.core.PutObjectLegalHold(reqCtx, b.name, b.prefix+key, opts); err != nil {
		return b.fail(ctx, "setting the legal hold of "+key, err)
	}
	now, err := b.Protection(ctx, key)
	if err == nil && now.Hold != on {
		err = b.fail(ctx, "setting the legal hold of "+key, errors.New("the server took it, but does not show it"))
	}
	return err
}

// isUnlockedBucket reports whether a refusal means that the bucket has no
// Object Lock: S3 has no code of its own for that.
func isUnlockedBucket(r minio.ErrorResponse) bool {
	return strings.Contains(strings.ReplaceAll(r.Message, " ", ""), "missingObjectLockConfiguration")
}

var _ Locker = (*bucket)(nil)
