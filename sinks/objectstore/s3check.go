package objectstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/encrypt"
)

// maxSkew is S3's own bound for the clock of a request; a tenth of it is weak:
// keys and locks go by our clock, expiry by the server's.
const maxSkew = 15 * time.Minute

// s3probe is one Probe of a bucket.
type s3probe struct {
	probing
	b    *bucket
	made []madeObject // to be taken away
}

type madeObject struct{ key, version string }

// Probe follows Prober. Its requests carry no lock of Options.Lock.
func (b *bucket) Probe(ctx context.Context, found func(Finding)) error {
	p := &s3probe{probing: newProbing(found), b: b}
	if err := p.clock(ctx); err != nil {
		return err
	}
	p.transport()
	first, err := p.put(ctx, "first", []byte(probeContent), nil)
	if err != nil {
		return b.fail(ctx, "storing "+p.dir+"first (check with the writer's access key)", err)
	}
	p.createOnly(ctx)
	p.overwrite(ctx)
	p.checksum(ctx)
	p.stored(ctx)
	p.probeRanges(ctx, b, p.dir+"first", probeContent)
	if err := p.listing(ctx); err != nil {
		return err
	}
	p.versioning(ctx)
	p.lock(ctx)
	p.deletion(ctx, first)
	return p.cleanUp(ctx)
}

const probeContent = "loghaul archive check wrote this; it may be deleted\n"

// put stores an object as Write does, apart from what change does to it.
func (p *s3probe) put(ctx context.Context, name string, body []byte, change func(*minio.PutObjectOptions)) (minio.UploadInfo, error) {
	sum := sha256.Sum256(body)
	opts := minio.PutObjectOptions{
		ContentType: "text/plain", DisableContentSha256: true, ServerSideEncryption: p.b.encryption,
		UserMetadata: map[string]string{"x-amz-checksum-sha256": base64.StdEncoding.EncodeToString(sum[:])},
	}
	opts.SetMatchETagExcept("*")
	if change != nil {
		change(&opts)
	}
	reqCtx, cancel := p.b.deadline(ctx, len(body))
	defer cancel()
	info, err := p.b.core.PutObject(reqCtx, p.b.name, p.b.prefix+p.dir+name, bytes.NewReader(body), int64(len(body)), "", hex.EncodeToString(sum[:]), opts)
	if err == nil {
		p.made = append(p.made, madeObject{p.dir + name, info.VersionID})
	}
	return info, err
}

// clock compares the server's Date with ours.
func (p *s3probe) clock(ctx context.Context) error {
	var x exchange
	start := time.Now()
	if _, err := p.b.page(x.in(ctx), p.dir, "", 1); err != nil {
		return p.b.fail(ctx, "listing", err)
	}
	date, err := http.ParseTime(x.header.Get("Date"))
	if err != nil {
		p.is("clock", Weak, "the server does not tell its time", "")
		return nil //nolint:nilerr // that is the finding
	}
	skew := date.Sub(start).Truncate(time.Second) // Date has whole seconds
	if skew.Abs() > maxSkew/10 {
		p.is("clock", Weak, fmt.Sprintf("the server's clock is %v from this machine's", skew), "set both by NTP: hours, locks and expiry go by them, and S3 refuses requests at 15 minutes")
	} else {
		p.is("clock", OK, fmt.Sprintf("within %v of this machine's", max(skew.Abs(), time.Second)), "")
	}
	return nil
}

func (p *s3probe) transport() {
	if p.b.core.EndpointURL().Scheme != "https" {
		p.is("transport", Weak, "plain HTTP: who is on the way can read the logs, though not change them unseen", "write https:// in the endpoint")
		return
	}
	p.is("transport", OK, "TLS", "")
}

// createOnly stores the same key again, and then another one from several
// writers at once: exactly one may succeed.
func (p *s3probe) createOnly(ctx context.Context) {
	const name, do = "create-only", "use a store that keeps If-None-Match: * on PUT; without it two writers can replace each other's objects"
	_, err := p.put(ctx, "first", []byte("other content"), nil)
	if minio.ToErrorResponse(err).StatusCode != http.StatusPreconditionFailed {
		p.is(name, Missing, fmt.Sprintf("a second PUT of the same key gave %v instead of 412", statusOf(err)), do)
		return
	}
	const writers = 8
	results := make([]error, writers)
	var all sync.WaitGroup
	for i := range writers {
		q := &s3probe{probing: p.probing, b: p.b} // its own list of what it made
		all.Go(func() {
			_, results[i] = q.put(ctx, "race", fmt.Appendf(nil, "writer %d", i), nil)
		})
	}
	all.Wait()
	won, conflict := 0, 0
	for _, err := range results {
		switch minio.ToErrorResponse(err).StatusCode {
		case http.StatusPreconditionFailed:
		case http.StatusConflict:
			conflict++
		default:
			if err == nil {
				won++
			} else {
				p.is(name, Missing, fmt.Sprintf("of %d writers at once one got: %v", writers, p.b.fail(ctx, "storing", err)), do)
				return
			}
		}
	}
	p.made = append(p.made, madeObject{p.dir + "race", p.versionOf(ctx, "race")})
	if won != 1 {
		p.is(name, Missing, fmt.Sprintf("of %d writers of one key at once %d succeeded", writers, won), do)
		return
	}
	p.is(name, OK, fmt.Sprintf("a key that is taken gives 412, and of %d writers at once one succeeded (%d were told to try again, 409)", writers, conflict), "")
}

// overwrite tries what other software than loghaul may do.
func (p *s3probe) overwrite(ctx context.Context) {
	_, err := p.put(ctx, "first", []byte(probeContent), func(o *minio.PutObjectOptions) { *o = unconditional(*o) })
	if err != nil {
		p.is("overwriting", OK, fmt.Sprintf("a PUT without If-None-Match is refused (%s)", statusOf(err)), "")
		return
	}
	p.is("overwriting", Weak, "a PUT without If-None-Match replaces an object; loghaul never sends one, others may",
		"put deploy/s3/bucket-policy.json on the bucket")
}

// unconditional takes If-None-Match out of what put would send.
func unconditional(o minio.PutObjectOptions) minio.PutObjectOptions {
	return minio.PutObjectOptions{
		ContentType: o.ContentType, DisableContentSha256: true, ServerSideEncryption: o.ServerSideEncryption, UserMetadata: o.UserMetadata,
	}
}

// checksum sends content that is not what its checksums say, one at a time.
func (p *s3probe) checksum(ctx context.Context) {
	wrong := sha256.Sum256([]byte("other content"))
	_, header := p.put(ctx, "header", []byte(probeContent), func(o *minio.PutObjectOptions) {
		o.UserMetadata = map[string]string{"x-amz-checksum-sha256": base64.StdEncoding.EncodeToString(wrong[:])}
	})
	body := []byte(probeContent)
	opts := minio.PutObjectOptions{DisableContentSha256: true, ServerSideEncryption: p.b.encryption}
	opts.SetMatchETagExcept("*")
	reqCtx, cancel := p.b.deadline(ctx, 0)
	defer cancel()
	info, payload := p.b.core.PutObject(reqCtx, p.b.name, p.b.prefix+p.dir+"payload", bytes.NewReader(body), int64(len(body)), "", hex.EncodeToString(wrong[:]), opts)
	if payload == nil {
		p.made = append(p.made, madeObject{p.dir + "payload", info.VersionID})
	}
	switch {
	case header != nil && payload != nil:
		p.is("checksum", OK, fmt.Sprintf("content that is not what x-amz-checksum-sha256 says is refused (%s), and not what was signed too (%s)", statusOf(header), statusOf(payload)), "")
	case payload != nil:
		p.is("checksum", OK, "content that is not what was signed is refused; x-amz-checksum-sha256 is not looked at", "")
	case header != nil:
		p.is("checksum", OK, "content that is not what x-amz-checksum-sha256 says is refused; the signed hash is not looked at", "")
	default:
		p.is("checksum", Missing, "content with a wrong SHA-256 was stored: what is damaged on its way would be acknowledged", "use a store that checks x-amz-checksum-sha256 or the signed payload hash")
	}
}

// stored asks what the server knows about an object: checksum and encryption.
func (p *s3probe) stored(ctx context.Context) {
	reqCtx, cancel := p.b.deadline(ctx, 0)
	defer cancel()
	var x exchange
	info, err := p.b.core.StatObject(x.in(reqCtx), p.b.name, p.b.prefix+p.dir+"first",
		minio.StatObjectOptions{Checksum: true, ServerSideEncryption: p.b.readKey()})
	sum := sha256.Sum256([]byte(probeContent))
	switch {
	case err != nil:
		p.is("stored checksum", Weak, p.b.fail(ctx, "asking for the checksum", err).Error(), "")
	case info.ChecksumSHA256 == base64.StdEncoding.EncodeToString(sum[:]):
		p.is("stored checksum", OK, "the server keeps an object's SHA-256 and tells it", "")
	default:
		p.is("stored checksum", Weak, "the server does not tell an object's SHA-256: only reading an object shows that it is unchanged", "run loghaul audit verify --deep now and then")
	}
	said := x.header.Get(encrypt.SseGenericHeader)
	if said == "" && x.header.Get(encrypt.SseCustomerAlgorithm) != "" {
		said = "with a customer's key"
	}
	if said == "" {
		p.is("encryption", Weak, "the server says nothing of encryption at rest", "set a default encryption of the bucket, or archive.encryption, or encrypt its disks")
	} else {
		p.is("encryption", OK, "at rest: "+said, "")
	}
}

func (p *s3probe) listing(ctx context.Context) error {
	seen := map[string]bool{}
	for _, m := range p.made {
		seen[m.key] = true
	}
	for _, name := range listedNames() {
		if _, err := p.put(ctx, name, []byte(probeContent), nil); err != nil {
			return p.b.fail(ctx, "storing "+p.dir+name, err)
		}
		got, err := p.b.Get(ctx, p.dir+name)
		if err != nil || string(got) != probeContent {
			p.is("read after write", Missing, fmt.Sprintf("an object was not there right after it was stored: %v", err), "use a store that is consistent: S3 is since 2020")
			return nil
		}
	}
	p.is("read after write", OK, "an object can be read as soon as it is stored", "")
	p.probeListing(ctx, p.b, listedNames(), seen)
	// In pages of two, as a large archive comes in pages of a thousand.
	after, n := "", 0
	for {
		page, err := p.b.page(ctx, p.dir+"list/", after, 2)
		if err != nil {
			p.is("listing in pages", Missing, p.b.fail(ctx, "listing", err).Error(), "use a store with ListObjectsV2")
			return nil
		}
		n += len(page)
		if len(page) < 2 {
			break
		}
		after = page[1].Key
	}
	if n != len(listedNames()) {
		p.is("listing in pages", Missing, fmt.Sprintf("in pages of two it lists %d of %d objects", n, len(listedNames())), "use a store with ListObjectsV2 and start-after")
		return nil
	}
	p.is("listing in pages", OK, "pages follow on each other", "")
	return nil
}

// versionOf gives the newest version of an object, "" if that is not known.
func (p *s3probe) versionOf(ctx context.Context, name string) string {
	r, err := p.b.retention(ctx, p.dir+name)
	if err != nil {
		return ""
	}
	return r.Version
}

// statusOf says in a word what an attempt gave.
func statusOf(err error) string {
	if err == nil {
		return "success"
	}
	if r, ok := errors.AsType[minio.ErrorResponse](err); ok {
		return fmt.Sprintf("%d %s", r.StatusCode, r.Code)
	}
	return err.Error()
}

var _ Prober = (*bucket)(nil)
