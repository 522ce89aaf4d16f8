package objectstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/encrypt"

	"github.com/loghaul/loghaul/sinks"
)

// Write stores g with one PUT: a multipart upload would lose create-only.
func (b *bucket) Write(ctx context.Context, g *sinks.Group) error {
	if err := checkGroup(g); err != nil {
		return err
	}
	reqCtx, cancel := b.deadline(ctx, len(g.Body))
	defer cancel()
	return b.hedge(reqCtx, len(g.Body), func(ctx context.Context, x *exchange, sent *atomic.Int64) error {
		return b.put(ctx, g, x, sent)
	})
}

// put is one attempt of Write.
//
// The checksum is sent twice. As the signed payload hash every server checks
// it, over HTTP and TLS; as x-amz-checksum-sha256 the server keeps it too and
// reports it later, and a locked PUT needs one. No trailer is used: minio-go
// sends a wrong one when it repeats a request.
func (b *bucket) put(ctx context.Context, g *sinks.Group, x *exchange, sent *atomic.Int64) error {
	opts := minio.PutObjectOptions{
		ContentType:          contentType(g.Key),
		DisableContentSha256: true, // no signed chunks: the hash of the whole is signed
		UserMetadata:         map[string]string{"x-amz-checksum-sha256": base64.StdEncoding.EncodeToString(g.SHA256[:])},
		ServerSideEncryption: b.encryption,
	}
	opts.SetMatchETagExcept("*")
	lock := b.lock.of(g.Key)
	if lock.set() {
		opts.Mode, opts.RetainUntilDate = lock.mode(), lock.until(time.Now())
	}
	info, err := b.core.PutObject(x.in(ctx), b.name, b.prefix+g.Key, &counted{bytes.NewReader(g.Body), sent}, int64(len(g.Body)),
		"", hex.EncodeToString(g.SHA256[:]), opts)
	switch {
	case minio.ToErrorResponse(err).StatusCode == http.StatusPreconditionFailed:
		if err := b.compare(ctx, g); err != nil {
			return err
		}
		return b.ensureLocked(ctx, g.Key, lock)
	case err != nil:
		return b.fail(ctx, "storing "+g.Key, err)
	case info.ChecksumSHA256 != "" && info.ChecksumSHA256 != base64.StdEncoding.EncodeToString(g.SHA256[:]):
		return b.fail(ctx, "storing "+g.Key, fmt.Errorf("the server answers with the checksum %s of other content", info.ChecksumSHA256))
	}
	if err := b.checkEncrypted("storing "+g.Key, x.header); err != nil {
		return err
	}
	shown := b.shownFor(g.Key)
	if !lock.set() || shown.Load() {
		return nil
	}
	if err := b.ensureLocked(ctx, g.Key, lock); err != nil {
		return err
	}
	shown.Store(true)
	return nil
}

// RemoveGap follows Store. In a bucket with versions it leaves a delete marker
// and a version behind, which a lifecycle rule ends.
func (b *bucket) RemoveGap(ctx context.Context, key string) error {
	if err := checkGapKey(key); err != nil {
		return err
	}
	reqCtx, cancel := b.deadline(ctx, 0)
	defer cancel()
	if err := b.core.RemoveObject(reqCtx, b.name, b.prefix+key, minio.RemoveObjectOptions{}); err != nil {
		if err = b.fail(ctx, "deleting "+key, err); errors.Is(err, sinks.ErrNotFound) {
			return nil
		}
		return err
	}
	return nil
}

// contentType is for people and for tools that show a bucket.
func contentType(key string) string {
	switch path.Ext(key) {
	case ".parquet":
		return "application/vnd.apache.parquet"
	case ".zst":
		return "application/zstd"
	}
	return "application/octet-stream"
}

// compare decides what a taken key means: our own object when an answer was
// lost, else a conflict. It reads the object, since neither an ETag nor a
// stored checksum says the same on every server, and this happens rarely.
func (b *bucket) compare(ctx context.Context, g *sinks.Group) error {
	body, size, header, err := b.get(ctx, g.Key, minio.GetObjectOptions{})
	if errors.Is(err, sinks.ErrNotFound) {
		// Another writer's PUT is under way, or a delete marker hides the key.
		return b.fail(ctx, "storing "+g.Key, errors.New("the key is taken, but there is no object to read"))
	}
	if err != nil {
		return err
	}
	defer body.Close() //nolint:errcheck // only read
	if size == int64(len(g.Body)) {
		h := sha256.New()
		if _, err := io.Copy(h, body); err != nil {
			return b.fail(ctx, "comparing with the existing "+g.Key, err)
		}
		if [sha256.Size]byte(h.Sum(nil)) == g.SHA256 {
			return b.checkEncrypted("comparing with the existing "+g.Key, header)
		}
	}
	return fmt.Errorf("archive %s at %s: storing %s: %w", b, b.endpoint, g.Key, sinks.ErrConflict)
}

// checkEncrypted looks for the server's word that an object is encrypted as it
// was asked to be (S3 API reference, PutObject and GetObject): some servers
// ignore what they do not know.
func (b *bucket) checkEncrypted(doing string, answer http.Header) error {
	if b.encryption == nil {
		return nil
	}
	said, want, mode := answer.Get(encrypt.SseGenericHeader), "AES256", SSES3
	switch b.encryption.Type() {
	case encrypt.KMS:
		want, mode = "aws:kms", SSEKMS
	case encrypt.SSEC:
		said, mode = answer.Get(encrypt.SseCustomerAlgorithm), SSEC
	case encrypt.S3:
	}
	if said == want || mode == SSEKMS && said == "aws:kms:dsse" {
		return nil
	}
	if said == "" {
		said = "nothing"
	}
	return fmt.Errorf("archive %s at %s: %s: %w: the object was to be encrypted (%s), and the server says %s about it: "+
		"it may ignore what it cannot do; encrypt its disks and take archive.encryption out, or use a server that can",
		b, b.endpoint, doing, sinks.ErrPermanent, mode, said)
}

// limit bounds a request that moves size bytes.
func (b *bucket) limit(size int) time.Duration {
	return b.timeout + time.Duration(size>>20)*time.Second
}

func (b *bucket) deadline(ctx context.Context, size int) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, b.limit(size))
}
