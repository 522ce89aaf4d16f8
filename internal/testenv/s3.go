package testenv

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

const s3StartLimit = 20 * time.Second

// S3Server is a versitygw over a temporary folder. It is a peer for the
// protocol, not a model of durability: it does not fsync.
type S3Server struct {
	// Endpoint is the URL of the server: http://127.0.0.1:PORT.
	Endpoint string
	// Bucket exists and is empty at first.
	Bucket string
	// Region is the region requests must be signed for.
	Region string
	// AccessKey and SecretKey are the credentials of its owner.
	AccessKey, SecretKey string
	// Dir holds one folder per bucket, and in it one file per object.
	Dir string

	t        testing.TB
	port     int
	sidecar  string
	versions string // folder of old versions, "" without
	iam      string // socket of an IAM server, "" without
	proc     *Process
}

// S3 starts an S3 server with one bucket. It ends with the test.
func S3(t testing.TB) *S3Server {
	t.Helper()
	s := newS3(t)
	s.run()
	return s
}

// S3WithVersions is S3 with a server whose buckets can have versions, and so
// Object Lock. Bucket has neither: see AddLockedBucket.
func S3WithVersions(t testing.TB) *S3Server {
	t.Helper()
	s := newS3(t)
	s.versions = t.TempDir()
	s.run()
	return s
}

func (s *S3Server) run() {
	s.t.Helper()
	s.Start()
	s.t.Cleanup(s.Stop)
}

func newS3(t testing.TB) *S3Server {
	t.Helper()
	s := &S3Server{
		Bucket: "archive", Region: "us-east-1", AccessKey: "loghaul-test", SecretKey: "loghaul-test-secret",
		Dir: t.TempDir(), t: t, port: FreePort(t),
	}
	s.Endpoint = fmt.Sprintf("http://127.0.0.1:%d", s.port)
	if syscall.Setxattr(s.Dir, "user.loghaul", []byte("1"), 0) != nil {
		s.sidecar = t.TempDir() // the file system keeps no attributes
	}
	s.AddBucket(s.Bucket)
	return s
}

// AddBucket makes a bucket.
func (s *S3Server) AddBucket(name string) {
	s.t.Helper()
	if err := os.Mkdir(filepath.Join(s.Dir, name), 0o700); err != nil {
		s.t.Fatal(err)
	}
}

// Start runs the server again after a Stop, on the same port and data, and
// returns when it answers.
func (s *S3Server) Start() {
	s.t.Helper()
	args := []string{"--quiet", "--region", s.Region, "-p", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)), "--keep-alive"}
	if s.iam != "" {
		args = append(args, "--iam-standalone-endpoint", s.iam)
	}
	args = append(args, "posix")
	if s.versions != "" {
		args = append(args, "--versioning-dir", s.versions)
	}
	if s.sidecar != "" {
		args = append(args, "--sidecar", s.sidecar)
	}
	cmd := exec.Command(Tool(s.t, "versitygw"), append(args, s.Dir)...) //nolint:noctx // ended by Stop
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+s.AccessKey, "ROOT_SECRET_KEY="+s.SecretKey)
	s.proc = Start(s.t, "versitygw", cmd)
	s.proc.ready(s3StartLimit, func() bool { return answers(s.Endpoint + "/") })
}

// Stop kills the server as a crash would. Its data stays.
func (s *S3Server) Stop() { s.proc.Kill() }

// Pause freezes the server; Resume lets it go on.
func (s *S3Server) Pause() { s.proc.Pause() }

// Resume ends a Pause.
func (s *S3Server) Resume() { s.proc.Resume() }

// URL gives the archive URL of a prefix in the bucket.
func (s *S3Server) URL(prefix string) string {
	q := url.Values{"endpoint": {s.Endpoint}, "region": {s.Region}}
	return "s3://" + s.Bucket + "/" + prefix + "?" + q.Encode()
}

// Env gives the environment with the credentials, for a child process.
func (s *S3Server) Env() []string {
	return []string{"AWS_ACCESS_KEY_ID=" + s.AccessKey, "AWS_SECRET_ACCESS_KEY=" + s.SecretKey}
}

// answers reports whether url gives any HTTP answer within a second.
func answers(url string) bool { return status(url) != 0 }

func status(url string) int {
	code, _ := fetch(url)
	return code
}

// fetch is status that also gives the body.
func fetch(url string) (code int, body []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, nil
	}
	// A transport of its own, so that no connection outlives the call.
	tr := &http.Transport{DisableKeepAlives: true}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close() //nolint:errcheck // nothing is written
	if body, err = io.ReadAll(resp.Body); err != nil {
		return 0, nil
	}
	return resp.StatusCode, body
}
