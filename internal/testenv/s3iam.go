package testenv

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// S3IAM is an S3 server with an IAM server beside it, which speaks AWS's IAM
// API: users with access keys and policies of their own.
type S3IAM struct {
	*S3Server
	// IAMEndpoint is the URL of the IAM server.
	IAMEndpoint string
}

// S3WithIAM starts both, and buckets can have versions. They end with the test.
func S3WithIAM(t testing.TB) *S3IAM {
	t.Helper()
	s := newS3(t)
	s.versions = t.TempDir()
	port := FreePort(t)
	dir := tempDir(t) // a short path: it holds a socket
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s.iam = filepath.Join(dir, "iam.sock")
	i := &S3IAM{S3Server: s, IAMEndpoint: "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	cmd := exec.Command(Tool(t, "versitygw"), "--quiet", "-p", strings.TrimPrefix(i.IAMEndpoint, "http://"), //nolint:noctx // ended with the test
		"iam", "--dir", t.TempDir(), "--private-ports", s.iam)
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+s.AccessKey, "ROOT_SECRET_KEY="+s.SecretKey)
	Start(t, "iam", cmd).ready(s3StartLimit, func() bool { return answers(i.IAMEndpoint + "/") })
	s.run()
	return i
}

// AddUser makes a user with one inline policy and gives its access key.
func (i *S3IAM) AddUser(name, policy string) (accessKey, secretKey string) {
	i.t.Helper()
	i.call(url.Values{"Action": {"CreateUser"}, "UserName": {name}})
	i.call(url.Values{"Action": {"PutUserPolicy"}, "UserName": {name}, "PolicyName": {name}, "PolicyDocument": {policy}})
	var key struct {
		AccessKeyID string `xml:"CreateAccessKeyResult>AccessKey>AccessKeyId"`
		Secret      string `xml:"CreateAccessKeyResult>AccessKey>SecretAccessKey"`
	}
	answer := i.call(url.Values{"Action": {"CreateAccessKey"}, "UserName": {name}})
	if err := xml.Unmarshal(answer, &key); err != nil || key.Secret == "" {
		i.t.Fatalf("making an access key for %s: %v, %s", name, err, answer)
	}
	return key.AccessKeyID, key.Secret
}

func (i *S3IAM) call(form url.Values) []byte {
	i.t.Helper()
	form.Set("Version", "2010-05-08")
	code, body := i.signed(http.MethodPost, i.IAMEndpoint+"/", "iam", []byte(form.Encode()),
		http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}})
	if code != http.StatusOK {
		i.t.Fatalf("IAM %s: %d %s", form.Get("Action"), code, body)
	}
	return body
}

// AddLockedBucket makes a bucket with Object Lock, which has versions.
func (s *S3Server) AddLockedBucket(name string) {
	s.t.Helper()
	code, body := s.signed(http.MethodPut, s.Endpoint+"/"+name, "s3", nil, http.Header{"X-Amz-Bucket-Object-Lock-Enabled": {"true"}})
	if code != http.StatusOK {
		s.t.Fatalf("making the bucket %s: %d %s", name, code, body)
	}
}

// SetBucketPolicy puts a policy on a bucket and gives the answer.
func (s *S3Server) SetBucketPolicy(bucket, policy string) (code int, body string) {
	s.t.Helper()
	code, answer := s.signed(http.MethodPut, s.Endpoint+"/"+bucket+"?policy=", "s3", []byte(policy), nil)
	return code, string(answer)
}

// SetLifecycle puts lifecycle rules on a bucket and gives the answer.
func (s *S3Server) SetLifecycle(bucket, rules string) (code int, body string) {
	s.t.Helper()
	code, answer := s.signed(http.MethodPut, s.Endpoint+"/"+bucket+"?lifecycle=", "s3", []byte(rules), nil)
	return code, string(answer)
}

// signed sends a request as the owner (AWS signature version 4).
func (s *S3Server) signed(method, target, service string, body []byte, header http.Header) (int, []byte) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, target, bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	maps.Copy(req.Header, header)
	now := time.Now().UTC()
	sum := sha256.Sum256(body)
	payload := hex.EncodeToString(sum[:])
	req.Header.Set("X-Amz-Date", now.Format("20060102T150405Z"))
	req.Header.Set("X-Amz-Content-Sha256", payload)
	names, lines := []string{"host"}, "host:"+req.URL.Host+"\n"
	for _, name := range slices.Sorted(maps.Keys(req.Header)) {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") {
			names, lines = append(names, lower), lines+lower+":"+req.Header.Get(name)+"\n"
		}
	}
	signed := strings.Join(names, ";")
	canonical := strings.Join([]string{method, req.URL.EscapedPath(), req.URL.RawQuery, lines, signed, payload}, "\n")
	hash := sha256.Sum256([]byte(canonical))
	scope := strings.Join([]string{now.Format("20060102"), s.Region, service, "aws4_request"}, "/")
	key := []byte("AWS4" + s.SecretKey)
	for part := range strings.SplitSeq(scope, "/") {
		key = mac(key, part)
	}
	signature := mac(key, strings.Join([]string{"AWS4-HMAC-SHA256", req.Header.Get("X-Amz-Date"), scope, hex.EncodeToString(hash[:])}, "\n"))
	req.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%x", s.AccessKey, scope, signed, signature))
	tr := &http.Transport{DisableKeepAlives: true}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, answer
}

func mac(key []byte, s string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(s))
	return h.Sum(nil)
}
