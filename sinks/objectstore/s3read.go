package objectstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/encrypt"

	"github.com/loghaul/loghaul/sinks"
)

// pageSize is how many keys one listing request asks for: S3's own limit.
const pageSize = 1000

func (b *bucket) List(ctx context.Context, prefix string, fn func(Info) error) error {
	after := ""
	for {
		page, err := b.page(ctx, prefix, after, pageSize)
		if err != nil {
			return b.fail(ctx, "listing", err)
		}
		for _, o := range page {
			if strings.HasSuffix(o.Key, "/") {
				continue // a folder as some tools mark it
			}
			info := Info{Key: strings.TrimPrefix(o.Key, b.prefix), Size: o.Size, Modified: o.LastModified, ETag: strings.Trim(o.ETag, `"`)}
			if err := fn(info); err != nil {
				return err
			}
		}
		if len(page) < pageSize {
			return nil
		}
		after = page[pageSize-1].Key
	}
}

// page asks for the keys after the given one, at most limit of them; fewer
// mean that there are no more. They are collected so that the deadline is that
// of the request and not that of what is done with the keys.
func (b *bucket) page(ctx context.Context, prefix, after string, limit int) ([]minio.ObjectInfo, error) {
	reqCtx, cancel := b.deadline(ctx, 0)
	defer cancel()
	owner := false
	var page []minio.ObjectInfo
	opts := minio.ListObjectsOptions{Prefix: b.prefix + prefix, Recursive: true, MaxKeys: limit, StartAfter: after, FetchOwner: &owner}
	x, ok := ctx.Value(exchangeKey{}).(*exchange)
	if !ok {
		x = &exchange{}
	}
	x.root = "ListBucketResult"
	for o := range b.core.ListObjectsIter(x.in(reqCtx), b.name, opts) {
		if o.Err != nil {
			return nil, o.Err
		}
		if o.Key <= after {
			return nil, fmt.Errorf("the server lists %q after %q: it does not keep the order of keys", o.Key, after)
		}
		page, after = append(page, o), o.Key
		if len(page) == limit {
			return page, nil
		}
	}
	// The iterator ends without a word when its context does.
	return page, reqCtx.Err()
}

func (b *bucket) Get(ctx context.Context, key string) ([]byte, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	body, size, _, err := b.get(ctx, key, minio.GetObjectOptions{})
	if err != nil {
		return nil, err
	}
	defer body.Close() //nolint:errcheck // only read
	if size < 0 || size > MaxGet {
		return nil, fmt.Errorf("archive %s: %s has %d bytes, too many to read whole", b, key, size)
	}
	p := make([]byte, size)
	if _, err := io.ReadFull(body, p); err != nil {
		return nil, b.fail(ctx, "reading "+key, err)
	}
	return p, nil
}

func (b *bucket) ReadAt(ctx context.Context, key string, p []byte, off int64) (int, error) {
	if err := checkKey(key); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, fmt.Errorf("archive %s: reading %s: negative offset %d", b, key, off)
	}
	if len(p) == 0 {
		return 0, nil
	}
	var opts minio.GetObjectOptions
	opts.Set("Range", fmt.Sprintf("bytes=%d-%d", off, off+int64(len(p))-1))
	body, size, header, err := b.get(ctx, key, opts)
	if errors.Is(err, errRange) {
		return 0, io.EOF
	}
	if err != nil {
		return 0, err
	}
	defer body.Close() //nolint:errcheck // only read
	if err := checkRange(header.Get("Content-Range"), off, int64(len(p)), size); err != nil {
		return 0, b.fail(ctx, "reading "+key, err)
	}
	n, err := io.ReadFull(body, p)
	if n == int(size) && (errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)) {
		return n, io.EOF // the object ends here
	}
	if err != nil {
		return n, b.fail(ctx, "reading "+key, err)
	}
	return n, nil
}

// checkRange compares what was asked for, size bytes at off, with the
// Content-Range of an answer of got bytes (RFC 9110, 14.4): other bytes, or
// fewer though the object goes on, must not pass for its content.
func checkRange(said string, off, size, got int64) error {
	if said == "" && got == 0 && off == 0 {
		return nil // an empty object has no ranges
	}
	var first, last, total int64
	if _, err := fmt.Sscanf(said, "bytes %d-%d/%d", &first, &last, &total); err != nil {
		return fmt.Errorf("the server answers with the range %q", said)
	}
	if first != off || last-first+1 != got || got > size || got < size && last != total-1 {
		return fmt.Errorf("the server answers with %d bytes, %q, to %d bytes at %d", got, said, size, off)
	}
	return nil
}

// errRange means that an object ends before the wanted range begins.
var errRange = errors.New("range not satisfiable")

// get asks for an object or a range of it. The answer has to begin within the
// timeout of a request without a body, and then to end within that of its size.
func (b *bucket) get(ctx context.Context, key string, opts minio.GetObjectOptions) (io.ReadCloser, int64, http.Header, error) {
	reqCtx, cancel := context.WithCancel(ctx)
	late := &lateness{ctx: ctx, cancel: cancel}
	late.timer = time.AfterFunc(b.limit(0), late.fire)
	opts.ServerSideEncryption = b.readKey()
	body, info, header, err := b.core.GetObject(reqCtx, b.name, b.prefix+key, opts)
	if opts.ServerSideEncryption != nil && minio.ToErrorResponse(err).StatusCode == http.StatusBadRequest {
		// It may be older than the key, and then must be asked for without.
		opts.ServerSideEncryption = nil
		body, info, header, err = b.core.GetObject(reqCtx, b.name, b.prefix+key, opts)
	}
	if err != nil {
		late.stop()
		if minio.ToErrorResponse(err).StatusCode == http.StatusRequestedRangeNotSatisfiable {
			return nil, 0, nil, errRange
		}
		return nil, 0, nil, b.fail(ctx, "reading "+key, late.tell(err))
	}
	late.timer.Reset(b.limit(int(max(0, info.Size))))
	if opts.Header().Get("Range") != "" && header.Get("Content-Range") == "" && info.Size > 0 {
		late.stop()
		return nil, 0, nil, errors.Join(b.fail(ctx, "reading "+key, errors.New("the server ignores Range")), body.Close())
	}
	return &timedBody{body, late}, info.Size, header, nil
}

// lateness ends a request when its timer does, which a context cannot: its
// deadline would have to be known before the size is.
type lateness struct {
	ctx    context.Context //nolint:containedctx // of the caller, to tell its end from ours
	cancel context.CancelFunc
	timer  *time.Timer
	fired  atomic.Bool
}

func (l *lateness) fire() {
	l.fired.Store(true)
	l.cancel()
}

func (l *lateness) stop() {
	l.timer.Stop()
	l.cancel()
}

// tell says what an error of the request means.
func (l *lateness) tell(err error) error {
	if l.fired.Load() && l.ctx.Err() == nil {
		return context.DeadlineExceeded
	}
	return err
}

// timedBody ends the request with its body.
type timedBody struct {
	io.ReadCloser
	late *lateness
}

// Read follows io.Reader.
func (t *timedBody) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = t.late.tell(err)
	}
	return n, err
}

// Close follows io.Closer.
func (t *timedBody) Close() error {
	defer t.late.stop()
	return t.ReadCloser.Close()
}

// readKey is the key that must come with every read, nil without one.
func (b *bucket) readKey() encrypt.ServerSide {
	if b.encryption != nil && b.encryption.Type() == encrypt.SSEC {
		return b.encryption
	}
	return nil
}

// Check lists one key: unlike a HEAD of the bucket the answer says why not.
func (b *bucket) Check(ctx context.Context) error {
	if _, err := b.page(ctx, "", "", 1); err != nil {
		return b.fail(ctx, "checking", err)
	}
	return nil
}

var _ sinks.Durable = (*bucket)(nil)
