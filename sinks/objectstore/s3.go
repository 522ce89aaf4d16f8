package objectstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/loghaul/loghaul/sinks"
)

const defaultRegion = "us-east-1"

// bucket keeps each object under prefix in an S3 bucket.
type bucket struct {
	core      minio.Core
	transport *http.Transport
	name      string
	prefix    string
	endpoint  string
	timeout   time.Duration
}

func openS3(l location, o Options) (Store, error) {
	region := l.region
	if region == "" {
		region = o.Region
	}
	if l.endpoint == nil {
		if region == "" {
			return nil, fmt.Errorf("archive s3://%s: say where it is: add ?endpoint=https://host:port, or for AWS ?region=… or AWS_REGION", l.bucket)
		}
		l.endpoint = &url.URL{Scheme: "https", Host: "s3." + region + ".amazonaws.com"}
	}
	if region == "" {
		region = defaultRegion // what servers other than AWS expect
	}
	creds, err := o.credentials()
	if err != nil {
		return nil, fmt.Errorf("archive s3://%s: %w", l.bucket, err)
	}
	tr, err := o.transport(l.endpoint.Scheme == "https")
	if err != nil {
		return nil, fmt.Errorf("archive s3://%s: %w", l.bucket, err)
	}
	style := map[string]minio.BucketLookupType{"": minio.BucketLookupAuto, "path": minio.BucketLookupPath, "host": minio.BucketLookupDNS}
	core, err := minio.NewCore(l.endpoint.Host, &minio.Options{
		Creds: creds, Secure: l.endpoint.Scheme == "https", Transport: tr,
		// With the region set no request asks for it first.
		Region: region, BucketLookup: style[l.style],
		// The client's own retries last five seconds at most, hide from our
		// metrics, and turn a lost answer into a conflict.
		MaxRetries: 1,
	})
	if err != nil {
		return nil, fmt.Errorf("archive s3://%s at %s: %w", l.bucket, l.endpoint, err)
	}
	core.SetAppInfo("loghaul", "1")
	return &bucket{
		core: *core, transport: tr, name: l.bucket, prefix: l.prefix,
		endpoint: l.endpoint.String(), timeout: o.Timeout,
	}, nil
}

func (o Options) credentials() (*credentials.Credentials, error) {
	switch {
	case o.AccessKey != "" && o.SecretKey != "":
		return credentials.NewStaticV4(o.AccessKey, o.SecretKey, o.SessionToken), nil
	case o.AccessKey != "" || o.SecretKey != "":
		return nil, errors.New("only one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is set; both are needed")
	case o.Role:
		return credentials.NewIAM(""), nil
	}
	return nil, errors.New("no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or LOGHAUL_S3_ROLE=1 to use the machine's role")
}

func (o Options) transport(secure bool) (*http.Transport, error) {
	tr, err := minio.DefaultTransport(secure)
	if err != nil {
		return nil, err
	}
	tr.ResponseHeaderTimeout = 0 // every request has a deadline, see bucket.deadline: one bound, one message
	switch o.Proxy {
	case "": // from the environment
	case "direct":
		tr.Proxy = nil
	default:
		u, err := url.Parse(o.Proxy)
		if err != nil || u.Host == "" {
			return nil, errors.New("the proxy has to be a URL such as http://host:port, or \"direct\"")
		}
		tr.Proxy = http.ProxyURL(u)
	}
	if o.CAFile == "" {
		return tr, nil
	}
	pem, err := os.ReadFile(o.CAFile)
	if err != nil {
		return nil, fmt.Errorf("reading the CA certificates: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no PEM certificate", o.CAFile)
	}
	tr.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	return tr, nil
}

func (b *bucket) String() string {
	return "s3://" + b.name + "/" + strings.TrimSuffix(b.prefix, "/")
}

func (b *bucket) Close() error {
	b.transport.CloseIdleConnections()
	return nil
}

// Write stores g with one PUT: a multipart upload would lose create-only.
//
// The checksum is sent twice. As the signed payload hash every server checks
// it, over HTTP and TLS; as x-amz-checksum-sha256 the server keeps it too and
// reports it later. No trailer is used: minio-go sends a wrong one when it
// repeats a request.
func (b *bucket) Write(ctx context.Context, g *sinks.Group) error {
	if err := checkGroup(g); err != nil {
		return err
	}
	opts := minio.PutObjectOptions{
		ContentType:          "application/vnd.apache.parquet",
		DisableContentSha256: true, // no signed chunks: the hash of the whole is signed
		UserMetadata:         map[string]string{"x-amz-checksum-sha256": base64.StdEncoding.EncodeToString(g.SHA256[:])},
	}
	opts.SetMatchETagExcept("*")
	reqCtx, cancel := b.deadline(ctx, len(g.Body))
	defer cancel()
	info, err := b.core.PutObject(reqCtx, b.name, b.prefix+g.Key, bytes.NewReader(g.Body), int64(len(g.Body)),
		"", hex.EncodeToString(g.SHA256[:]), opts)
	switch {
	case minio.ToErrorResponse(err).StatusCode == http.StatusPreconditionFailed:
		return b.compare(ctx, g)
	case err != nil:
		return b.fail(ctx, "storing "+g.Key, err)
	case info.ChecksumSHA256 != "" && info.ChecksumSHA256 != base64.StdEncoding.EncodeToString(g.SHA256[:]):
		return b.fail(ctx, "storing "+g.Key, fmt.Errorf("the server answers with the checksum %s of other content", info.ChecksumSHA256))
	}
	return nil
}

// compare decides what a taken key means: our own object when an answer was
// lost, else a conflict. It reads the object, since neither an ETag nor a
// stored checksum says the same on every server, and this happens rarely.
func (b *bucket) compare(ctx context.Context, g *sinks.Group) error {
	body, size, err := b.get(ctx, g.Key, minio.GetObjectOptions{}, len(g.Body))
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
			return nil
		}
	}
	return fmt.Errorf("archive %s at %s: storing %s: %w", b, b.endpoint, g.Key, sinks.ErrConflict)
}

// deadline bounds a request that moves size bytes.
func (b *bucket) deadline(ctx context.Context, size int) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, b.timeout+time.Duration(size>>20)*time.Second)
}
