package objectstore

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
)

// probeLock is how long the one locked object of a Probe is locked.
const probeLock = time.Minute

func (p *s3probe) versioning(ctx context.Context) {
	const name, on = "versions", "turn versioning on: then a deleted or replaced object is hidden and can be brought back"
	reqCtx, cancel := p.b.deadline(ctx, 0)
	defer cancel()
	v, err := p.b.core.GetBucketVersioning(reqCtx, p.b.name)
	switch {
	case denied(err):
		p.is(name, Weak, "not known: this access key may not ask", "allow s3:GetBucketVersioning to see it here")
	case err != nil:
		p.is(name, Weak, "the server has no versions ("+statusOf(err)+"): what is deleted or replaced is gone", on)
	case v.Enabled():
		p.is(name, OK, "on: what is deleted or replaced can be brought back", "")
	default:
		p.is(name, Weak, "off: what is deleted or replaced is gone", on)
	}
}

// lock looks at the bucket's Object Lock and, if it has one, tries to delete a
// locked version.
func (p *s3probe) lock(ctx context.Context) {
	const name = "Object Lock"
	reqCtx, cancel := p.b.deadline(ctx, 0)
	defer cancel()
	enabled, mode, days, unit, err := p.b.core.GetObjectLockConfig(reqCtx, p.b.name)
	switch {
	case denied(err):
		p.is(name, Weak, "not known: this access key may not ask", "allow s3:GetBucketObjectLockConfiguration to see it here")
		return
	case err != nil || enabled != "Enabled":
		p.is(name, Weak, "off: who may delete can delete the archive", "turn Object Lock on and set archive.lock, if the logs are kept as evidence (PCI DSS 10.5.1: 12 months)")
		return
	case mode != nil && days != nil && unit != nil:
		p.is(name, OK, fmt.Sprintf("on, and every object is locked for %d %s (%s), those of this check too", *days, strings.ToLower(string(*unit)), strings.ToLower(string(*mode))), "")
	default:
		p.is(name, OK, "on, without a default: what archive.lock asks for is locked", "")
	}
	p.lockedObject(ctx)
}

func (p *s3probe) lockedObject(ctx context.Context) {
	const name = "locked objects"
	info, err := p.put(ctx, "locked", []byte(probeContent), func(o *minio.PutObjectOptions) {
		o.Mode, o.RetainUntilDate = minio.Governance, time.Now().Add(probeLock).Truncate(time.Second)
	})
	if denied(err) {
		p.is(name, Weak, "not known: this access key may not lock", "allow s3:PutObjectRetention if archive.lock is set")
		return
	}
	if err != nil {
		p.is(name, Missing, "an object with a lock was refused: "+p.b.fail(ctx, "storing", err).Error(), "take archive.lock out, or use a store that can")
		return
	}
	switch got, err := p.b.retention(ctx, p.dir+"locked"); {
	case err != nil:
		p.is(name, Missing, err.Error(), "allow s3:GetObject")
		return
	case got.Mode == "":
		p.is(name, Missing, "a lock was taken and is not shown", "allow s3:GetObjectRetention; if it is, do not rely on this store's Object Lock")
		return
	}
	// The same content on top: a new version, or a refusal. The old one stays.
	_, overErr := p.put(ctx, "locked", []byte(probeContent), func(o *minio.PutObjectOptions) { *o = unconditional(*o) })
	if err := p.remove(ctx, madeObject{p.dir + "locked", info.VersionID}, false); err == nil {
		p.is(name, Missing, "a locked version was deleted", "do not rely on this store's Object Lock")
		return
	}
	opts := minio.StatObjectOptions{VersionID: info.VersionID, ServerSideEncryption: p.b.readKey()}
	reqCtx, cancel := p.b.deadline(ctx, 0)
	defer cancel()
	_, err = p.b.core.StatObject(reqCtx, p.b.name, p.b.prefix+p.dir+"locked", opts)
	if minio.ToErrorResponse(err).StatusCode == http.StatusNotFound {
		p.is(name, Missing, "a locked version could not be deleted, but is not there any more", "do not rely on this store's Object Lock")
		return
	}
	over := "a PUT on top of it is refused"
	if overErr == nil {
		over = "a PUT on top of it makes another version"
	}
	p.is(name, OK, "a locked version cannot be deleted; "+over, "")
}

// deletion tries whether this credential can delete, which a writer need not.
func (p *s3probe) deletion(ctx context.Context, first minio.UploadInfo) {
	const do = "give the writer deploy/s3/writer-policy.json: who can delete can lose the archive, by mistake or by a stolen key"
	bare := p.remove(ctx, madeObject{key: p.dir + "first"}, false)
	version := bare
	if first.VersionID != "" {
		version = p.remove(ctx, madeObject{p.dir + "first", first.VersionID}, false)
	}
	switch {
	case version == nil:
		p.is("deleting", Weak, "this access key can delete objects for good", do)
	case bare == nil:
		p.is("deleting", Weak, "this access key can hide objects behind a delete marker, but not delete their versions", do)
	default:
		p.is("deleting", OK, fmt.Sprintf("this access key cannot delete (%s)", statusOf(version)), "")
	}
}

// remove deletes a version, or what the key shows.
func (p *s3probe) remove(ctx context.Context, m madeObject, bypass bool) error {
	reqCtx, cancel := p.b.deadline(ctx, 0)
	defer cancel()
	return p.b.core.RemoveObject(reqCtx, p.b.name, p.b.prefix+m.key, minio.RemoveObjectOptions{VersionID: m.version, GovernanceBypass: bypass})
}

// cleanUp takes away what was made, delete markers included, and says what
// stays.
func (p *s3probe) cleanUp(ctx context.Context) error {
	stay, bypassed := 0, false
	for _, m := range p.everything(ctx) {
		err := p.remove(ctx, m, false)
		if err != nil && strings.HasSuffix(m.key, "/locked") {
			if err = p.remove(ctx, m, true); err == nil {
				bypassed = true
			}
		}
		if err != nil && minio.ToErrorResponse(err).StatusCode != http.StatusNotFound {
			stay++
		}
	}
	if bypassed {
		p.is("governance", Weak, "this access key can end a governance lock early", "take s3:BypassGovernanceRetention from it, or lock with compliance")
	}
	if stay > 0 {
		p.is("left behind", OK, fmt.Sprintf("%d objects of some 50 bytes below %s%s", stay, p.b.prefix, p.dir), "")
	}
	return ctx.Err()
}

// everything gives all versions of what was made, as far as they can be listed.
func (p *s3probe) everything(ctx context.Context) []madeObject {
	reqCtx, cancel := p.b.deadline(ctx, 0)
	defer cancel()
	var all []madeObject
	for o := range p.b.core.ListObjectsIter(reqCtx, p.b.name, minio.ListObjectsOptions{Prefix: p.b.prefix + p.dir, Recursive: true, WithVersions: true}) {
		if o.Err != nil {
			return p.made
		}
		all = append(all, madeObject{strings.TrimPrefix(o.Key, p.b.prefix), o.VersionID})
	}
	if len(all) < len(p.made) { // a server without versions may list nothing
		return p.made
	}
	return all
}

func denied(err error) bool {
	r, ok := errors.AsType[minio.ErrorResponse](err)
	return ok && r.StatusCode == http.StatusForbidden
}
