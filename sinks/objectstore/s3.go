package objectstore

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/encrypt"

	"github.com/loghaul/loghaul/internal/metrics"
)

const defaultRegion = "us-east-1"

// bucket keeps each object under prefix in an S3 bucket.
type bucket struct {
	core       minio.Core
	wire       *wire
	name       string
	prefix     string
	endpoint   string
	timeout    time.Duration
	encryption encrypt.ServerSide // nil without
	lock       Locks
	pace       pace
	hedged     *metrics.Counter

	// shown says that the server was seen to keep a lock, of objects and of
	// manifests. Once is enough: a server that does it does it always.
	shown, manifestShown atomic.Bool
}

// locate fills in what the URL left out.
func (l *location) locate(region string) error {
	if l.region == "" {
		l.region = region
	}
	if l.endpoint == nil {
		if l.region == "" {
			return errors.New("say where it is: add ?endpoint=https://host:port, or for AWS ?region=… or AWS_REGION")
		}
		l.endpoint = &url.URL{Scheme: "https", Host: "s3." + l.region + ".amazonaws.com"}
	}
	if l.region == "" {
		l.region = defaultRegion // what servers other than AWS expect
	}
	return nil
}

func openS3(l location, o Options) (Store, error) {
	if err := l.locate(o.Region); err != nil {
		return nil, fmt.Errorf("archive s3://%s: %w", l.bucket, err)
	}
	creds, err := o.credentials()
	if err != nil {
		return nil, fmt.Errorf("archive s3://%s: %w", l.bucket, err)
	}
	tr, err := o.transport(l.endpoint.Scheme == "https")
	if err != nil {
		return nil, fmt.Errorf("archive s3://%s: %w", l.bucket, err)
	}
	encryption, err := o.Encryption.server(o.CustomerKey)
	if err != nil {
		return nil, fmt.Errorf("archive s3://%s: %w", l.bucket, err)
	}
	w := newWire(tr)
	style := map[string]minio.BucketLookupType{"": minio.BucketLookupAuto, "path": minio.BucketLookupPath, "host": minio.BucketLookupDNS}
	core, err := minio.NewCore(l.endpoint.Host, &minio.Options{
		Creds: creds, Secure: l.endpoint.Scheme == "https", Transport: w,
		// With the region set no request asks for it first.
		Region: l.region, BucketLookup: style[l.style],
		// The client's own retries last five seconds at most, hide from our
		// metrics, and turn a lost answer into a conflict.
		MaxRetries: 1,
	})
	if err != nil {
		return nil, fmt.Errorf("archive s3://%s at %s: %w", l.bucket, l.endpoint, err)
	}
	core.SetAppInfo("loghaul", "1")
	b := &bucket{
		core: *core, wire: w, name: l.bucket, prefix: l.prefix,
		endpoint: l.endpoint.String(), timeout: o.Timeout, encryption: encryption, lock: o.Lock,
		hedged: new(metrics.Counter),
	}
	if o.Metrics != nil {
		b.hedged = o.Metrics.Counter(metricHedged)
	}
	return b, nil
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
	b.wire.CloseIdleConnections()
	return nil
}
