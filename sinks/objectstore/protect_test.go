package objectstore_test

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // S3 wants the MD5 of the key
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/sinks"
	"github.com/loghaul/loghaul/sinks/objectstore"
	"github.com/loghaul/loghaul/sinks/objectstore/storetest"
)

const (
	sse         = "X-Amz-Server-Side-Encryption"
	sseKMSKey   = sse + "-Aws-Kms-Key-Id"
	sseAlg      = sse + "-Customer-Algorithm"
	sseKey      = sse + "-Customer-Key"
	sseKeyMD5   = sse + "-Customer-Key-Md5"
	customerKey = "0123456789abcdef0123456789abcdef"
)

// encrypting stands before a real S3 server, which ignores encryption, and
// keeps S3's rules for the headers: it remembers what each object was stored
// with, wants the right key with every read, and says what it did.
type encrypting struct {
	next http.Handler

	mu     sync.Mutex
	stored map[string]http.Header
}

func newEncrypting(t *testing.T, s3 *testenv.S3Server) (*encrypting, *httptest.Server) {
	t.Helper()
	target, err := url.Parse(s3.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	e := &encrypting{stored: map[string]http.Header{}}
	e.next = &httputil.ReverseProxy{
		Transport:      tr,
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
		ModifyResponse: e.answer,
		ErrorLog:       slog.NewLogLogger(slog.DiscardHandler, 0),
	}
	server := httptest.NewTLSServer(e)
	t.Cleanup(server.Close)
	return e, server
}

func (e *encrypting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	refuse := func(code int, message string) {
		w.WriteHeader(code)
		_, _ = w.Write([]byte("<Error><Code>InvalidRequest</Code><Message>" + message + "</Message></Error>"))
	}
	if r.Header.Get(sseAlg) != "" {
		key, err := base64.StdEncoding.DecodeString(r.Header.Get(sseKey))
		sum := md5.Sum(key) //nolint:gosec // as S3 has it
		if err != nil || len(key) != 32 || r.Header.Get(sseAlg) != "AES256" || r.Header.Get(sseKeyMD5) != base64.StdEncoding.EncodeToString(sum[:]) || r.TLS == nil {
			refuse(http.StatusBadRequest, "The calculated MD5 hash of the key did not match, or there is no TLS.")
			return
		}
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		e.mu.Lock()
		was, ok := e.stored[r.URL.Path]
		e.mu.Unlock()
		switch {
		case !ok:
		case was.Get(sseAlg) != "" && r.Header.Get(sseAlg) == "":
			refuse(http.StatusBadRequest, "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.")
			return
		case was.Get(sseAlg) == "" && r.Header.Get(sseAlg) != "":
			refuse(http.StatusBadRequest, "The encryption parameters are not applicable to this object.")
			return
		case was.Get(sseKeyMD5) != r.Header.Get(sseKeyMD5):
			refuse(http.StatusForbidden, "Access Denied")
			return
		}
	}
	e.next.ServeHTTP(w, r)
}

func (e *encrypting) answer(resp *http.Response) error {
	if resp.StatusCode >= 300 {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	path := resp.Request.URL.Path
	if resp.Request.Method == http.MethodPut && resp.Request.URL.RawQuery == "" {
		e.stored[path] = resp.Request.Header.Clone()
	}
	for _, name := range []string{sse, sseKMSKey, sseAlg, sseKeyMD5} {
		if v := e.stored[path].Get(name); v != "" {
			resp.Header.Set(name, v)
		}
	}
	return nil
}

func secureOptions(t *testing.T, s3 *testenv.S3Server, server *httptest.Server) objectstore.Options {
	t.Helper()
	o := s3Options(s3)
	o.CAFile = writePEM(t, server.Certificate())
	return o
}

// lockedBucket makes a bucket with Object Lock, and a client to attack it.
func lockedBucket(t *testing.T, s3 *testenv.S3Server) *minio.Client {
	t.Helper()
	s3.AddLockedBucket("locked")
	return minioClient(t, s3, s3.AccessKey, s3.SecretKey)
}

func lockedURL(s3 *testenv.S3Server, endpoint, prefix string) string {
	return "s3://locked/" + prefix + "?" + url.Values{"endpoint": {endpoint}, "region": {s3.Region}}.Encode()
}

// TestS3LockedAndEncrypted: the whole suite with every option that changes requests.
func TestS3LockedAndEncrypted(t *testing.T) {
	server := testenv.S3WithVersions(t)
	lockedBucket(t, server)
	_, secure := newEncrypting(t, server)
	o := secureOptions(t, server, secure)
	o.Encryption, o.CustomerKey = objectstore.Encryption{Mode: objectstore.SSEC}, []byte(customerKey)
	o.Lock = objectstore.Locks{Lock: objectstore.Lock{Mode: objectstore.Governance, Days: 1}}
	storetest.Run(t, func(t *testing.T) objectstore.Store {
		return openURL(t, lockedURL(server, secure.URL, t.Name()), o)
	})
}

func TestS3Encryption(t *testing.T) {
	server := testenv.S3(t)
	e, secure := newEncrypting(t, server)
	keyFile := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(keyFile, []byte(base64.StdEncoding.EncodeToString([]byte(customerKey))+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		mode objectstore.Encryption
		want map[string]string
	}{
		{objectstore.Encryption{Mode: objectstore.SSES3}, map[string]string{sse: "AES256"}},
		{objectstore.Encryption{Mode: objectstore.SSEKMS, KMSKey: "alias/logs"}, map[string]string{sse: "aws:kms", sseKMSKey: "alias/logs"}},
		{objectstore.Encryption{Mode: objectstore.SSEKMS}, map[string]string{sse: "aws:kms", sseKMSKey: ""}},
		{objectstore.Encryption{Mode: objectstore.SSEC, KeyFile: keyFile}, map[string]string{sseAlg: "AES256", sseKey: base64.StdEncoding.EncodeToString([]byte(customerKey))}},
	} {
		t.Run(c.mode.Mode+c.mode.KMSKey, func(t *testing.T) {
			o := secureOptions(t, server, secure)
			o.Encryption = c.mode
			s := openURL(t, "s3://archive/"+t.Name()+"?endpoint="+secure.URL, o)
			defer s.Close() //nolint:errcheck // never fails
			g := storetest.Group("k", []byte("secret lines"))
			for range 2 { // the second meets the first, and reads it
				if err := s.Write(t.Context(), g); err != nil {
					t.Fatal(err)
				}
			}
			for name, want := range c.want {
				e.mu.Lock()
				got := e.stored["/archive/"+t.Name()+"/k"].Get(name)
				e.mu.Unlock()
				if got != want {
					t.Errorf("the PUT had %s: %q, want %q", name, got, want)
				}
			}
			if b, err := s.Get(t.Context(), "k"); err != nil || !bytes.Equal(b, g.Body) {
				t.Errorf("reading gives %q, %v", b, err)
			}
			p := make([]byte, 5)
			if n, err := s.ReadAt(t.Context(), "k", p, 7); n != 5 || err != nil || string(p) != "lines" {
				t.Errorf("reading a range gives %q, %v", p[:n], err)
			}
		})
	}
}

// A server that ignores the headers stores plain text. versitygw is one.
func TestS3EncryptionThatIsIgnoredIsNoticed(t *testing.T) {
	server := testenv.S3(t)
	proxy := httptest.NewTLSServer(newFaultyProxy(t, server))
	defer proxy.Close()
	for _, mode := range []string{objectstore.SSES3, objectstore.SSEKMS, objectstore.SSEC} {
		o := secureOptions(t, server, proxy)
		o.Encryption, o.CustomerKey = objectstore.Encryption{Mode: mode}, []byte(customerKey)
		s := openURL(t, "s3://archive/"+mode+"?endpoint="+proxy.URL, o)
		for range 2 { // it must not become right because the object is there
			err := s.Write(t.Context(), storetest.Group("k", []byte("x")))
			if !errors.Is(err, sinks.ErrPermanent) || !strings.Contains(err.Error(), "says nothing about it") {
				t.Errorf("%s: %v, want that the server ignores it", mode, err)
			}
		}
		_ = s.Close()
	}
}

func TestS3ObjectsOfBeforeTheKey(t *testing.T) {
	server := testenv.S3(t)
	_, secure := newEncrypting(t, server)
	o := secureOptions(t, server, secure)
	at := "s3://archive/p?endpoint=" + secure.URL
	plain := openURL(t, at, o)
	o.Encryption, o.CustomerKey = objectstore.Encryption{Mode: objectstore.SSEC}, []byte(customerKey)
	keyed := openURL(t, at, o)
	o.CustomerKey = []byte(strings.ToUpper(customerKey))
	wrong := openURL(t, at, o)
	for _, s := range []objectstore.Store{plain, keyed, wrong} {
		defer s.Close() //nolint:errcheck // never fails
	}
	for key, s := range map[string]objectstore.Store{"old": plain, "new": keyed} {
		if err := s.Write(t.Context(), storetest.Group(key, []byte(key))); err != nil {
			t.Fatal(err)
		}
		if b, err := keyed.Get(t.Context(), key); err != nil || string(b) != key {
			t.Errorf("with the key, %s gives %q, %v", key, b, err)
		}
	}
	if _, err := plain.Get(t.Context(), "new"); err == nil || !strings.Contains(err.Error(), "LOGHAUL_S3_SSE_KEY_FILE") {
		t.Errorf("without the key: %v, want how to give it", err)
	}
	if _, err := wrong.Get(t.Context(), "new"); err == nil || errors.Is(err, sinks.ErrNotFound) {
		t.Errorf("with another key: %v", err)
	}
}

func TestS3Lock(t *testing.T) {
	server := testenv.S3WithVersions(t)
	client := lockedBucket(t, server)
	o := s3Options(server)
	o.Lock = objectstore.Locks{
		Lock:      objectstore.Lock{Mode: objectstore.Governance, Days: 2},
		Manifests: objectstore.Lock{Mode: objectstore.Compliance, Days: 3},
	}
	locking := openURL(t, lockedURL(server, server.Endpoint, "p"), o)
	defer locking.Close() //nolint:errcheck // never fails
	plain := openURL(t, lockedURL(server, server.Endpoint, "p"), s3Options(server))
	defer plain.Close() //nolint:errcheck // never fails
	locker, ok := locking.(objectstore.Locker)
	if !ok {
		t.Fatal("an S3 store is no Locker")
	}
	protection := func(key string) objectstore.Protection {
		t.Helper()
		p, err := locker.Protection(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for key, want := range map[string]objectstore.Lock{"dt=2026-11-26/hour=00/o": o.Lock.Lock, "_manifests/m": o.Lock.Manifests} {
		for _, before := range []string{"", "already there without a lock"} {
			g := storetest.Group(key+before, []byte(key))
			if before != "" {
				if err := plain.Write(t.Context(), g); err != nil {
					t.Fatal(err)
				}
				if p := protection(g.Key); p.Mode != "" {
					t.Errorf("%s: %+v before it was locked", g.Key, p)
				}
			}
			if err := locking.Write(t.Context(), g); err != nil {
				t.Fatal(err)
			}
			p := protection(g.Key)
			end := time.Now().Add(time.Duration(want.Days) * 24 * time.Hour)
			if p.Mode != want.Mode || p.Until.After(end) || p.Until.Before(end.Add(-time.Minute)) || p.Version == "" || p.Hold {
				t.Errorf("%s: %+v, want %s until %v", g.Key, p, want.Mode, end)
			}
			if err := client.RemoveObject(t.Context(), "locked", "p/"+g.Key, minio.RemoveObjectOptions{VersionID: p.Version}); err == nil {
				t.Errorf("%s can be deleted", g.Key)
			}
		}
	}
	// What is locked for less is locked for longer, and never less strictly.
	o.Lock = objectstore.Locks{Lock: objectstore.Lock{Mode: objectstore.Governance, Days: 9}}
	longer := openURL(t, lockedURL(server, server.Endpoint, "p"), o)
	defer longer.Close() //nolint:errcheck // never fails
	for key, mode := range map[string]string{"dt=2026-11-26/hour=00/o": objectstore.Governance, "_manifests/m": objectstore.Compliance} {
		if err := longer.Write(t.Context(), storetest.Group(key, []byte(key))); err != nil {
			t.Fatal(err)
		}
		if p := protection(key); p.Mode != mode || time.Until(p.Until) < 8*24*time.Hour {
			t.Errorf("%s: %+v, want %s for nine days", key, p, mode)
		}
	}
	for _, on := range []bool{true, true, false, false} {
		if err := locker.SetHold(t.Context(), "_manifests/m", on); err != nil {
			t.Fatal(err)
		}
		if p := protection("_manifests/m"); p.Hold != on {
			t.Errorf("the hold is %v, want %v", p.Hold, on)
		}
	}
	if err := locker.SetHold(t.Context(), "nothing", true); !errors.Is(err, sinks.ErrNotFound) {
		t.Errorf("a hold on nothing: %v", err)
	}
}

// versitygw stores an object before it finds that it cannot lock it. The next
// attempt meets it, and must not take it for stored.
func TestS3LockInABucketWithoutLock(t *testing.T) {
	server := testenv.S3WithVersions(t)
	o := s3Options(server)
	o.Lock.Lock = objectstore.Lock{Mode: objectstore.Compliance, Days: 400}
	s := openURL(t, server.URL("p"), o)
	defer s.Close() //nolint:errcheck // never fails
	for range 2 {
		err := s.Write(t.Context(), storetest.Group("k", []byte("x")))
		if !errors.Is(err, sinks.ErrPermanent) || !strings.Contains(err.Error(), "the bucket has no Object Lock") {
			t.Errorf("got %v, want that the bucket has no Object Lock", err)
		}
	}
	locker, ok := s.(objectstore.Locker)
	if !ok {
		t.Fatal("an S3 store is no Locker")
	}
	if p, err := locker.Protection(t.Context(), "k"); err != nil || p != (objectstore.Protection{}) {
		t.Errorf("protection %+v, %v, want none", p, err)
	}
	if err := locker.SetHold(context.WithoutCancel(t.Context()), "k", true); !errors.Is(err, sinks.ErrPermanent) {
		t.Errorf("a hold: %v, want that an operator is needed", err)
	}
}

// A server that does not know Object Lock says nothing of it.
func TestS3LockThatIsIgnoredIsNoticed(t *testing.T) {
	server := testenv.S3WithVersions(t)
	lockedBucket(t, server)
	proxy := newFaultyProxy(t, server)
	proxy.change(func(resp *http.Response) error {
		resp.Header.Del("X-Amz-Object-Lock-Mode")
		resp.Header.Del("X-Amz-Object-Lock-Retain-Until-Date")
		return nil
	})
	o := s3Options(server)
	o.Lock.Lock = objectstore.Lock{Mode: objectstore.Governance, Days: 1}
	s := openURL(t, lockedURL(server, proxy.URL, "p"), o)
	defer s.Close() //nolint:errcheck // never fails
	err := s.Write(t.Context(), storetest.Group("k", []byte("x")))
	if !errors.Is(err, sinks.ErrPermanent) || !strings.Contains(err.Error(), "does not show the lock") {
		t.Errorf("got %v, want that the lock is not shown", err)
	}
}

func TestConfigOfProtection(t *testing.T) {
	const at = "s3://bucket?region=x"
	for _, c := range []struct {
		name   string
		config objectstore.Config
		says   string // "" for valid
	}{
		{"nothing", objectstore.Config{URL: at}, ""},
		{"all", objectstore.Config{URL: at, Encryption: objectstore.Encryption{Mode: "sse-kms", KMSKey: "k"}, Lock: objectstore.Locks{
			Lock: objectstore.Lock{Mode: "governance", Days: 400}, Manifests: objectstore.Lock{Mode: "compliance", Days: 400},
		}}, ""},
		{"no url", objectstore.Config{}, "url: is missing"},
		{"slip", objectstore.Config{URL: at, Encryption: objectstore.Encryption{Mode: "sse-kmss"}}, `encryption.mode: there is no "sse-kmss", did you mean "sse-kms"?`},
		{"nonsense", objectstore.Config{URL: at, Encryption: objectstore.Encryption{Mode: "rot13 twice"}}, "one of sse-s3, sse-kms, sse-c"},
		{"key of another mode", objectstore.Config{URL: at, Encryption: objectstore.Encryption{Mode: "sse-s3", KMSKey: "k"}}, "encryption.kms_key: belongs to mode sse-kms"},
		{"file of another mode", objectstore.Config{URL: at, Encryption: objectstore.Encryption{KeyFile: "k"}}, "encryption.key_file: belongs to mode sse-c"},
		{"key over plain HTTP", objectstore.Config{URL: at + "&endpoint=http://h", Encryption: objectstore.Encryption{Mode: "sse-c"}}, "encryption: sse-c would send the key over plain HTTP"},
		{"mode of lock", objectstore.Config{URL: at, Lock: objectstore.Locks{Lock: objectstore.Lock{Mode: "strict", Days: 1}}}, "lock.mode: \"strict\" is neither"},
		{"days left out", objectstore.Config{URL: at, Lock: objectstore.Locks{Lock: objectstore.Lock{Mode: "governance"}}}, "lock.days: 0 is not 1 to 36500"},
		{"days of manifests", objectstore.Config{URL: at, Lock: objectstore.Locks{Manifests: objectstore.Lock{Mode: "compliance", Days: 40000}}}, "lock.manifests.days: 40000"},
		{"lock on a folder", objectstore.Config{URL: "file:///a", Lock: objectstore.Locks{Lock: objectstore.Lock{Mode: "governance", Days: 1}}}, "lock: a folder cannot be locked"},
		{"encryption of a folder", objectstore.Config{URL: "file:///a", Encryption: objectstore.Encryption{Mode: "sse-s3"}}, "encryption: a folder is not encrypted"},
	} {
		err := c.config.Validate()
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
		if err == nil || c.config.URL == "" {
			continue
		}
		o := objectstore.Options{AccessKey: "a", SecretKey: "b", Encryption: c.config.Encryption, CustomerKey: []byte(customerKey), Lock: c.config.Lock}
		if s, err := objectstore.Open(t.Context(), c.config.URL, o); err == nil {
			_ = s.Close()
			t.Errorf("%s: Open takes it", c.name)
		}
	}
}

func TestCustomerKeyFromTheEnvironment(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	for _, c := range []struct{ name, value, file, says string }{
		{"base64", base64.StdEncoding.EncodeToString([]byte(customerKey)), "", ""},
		{"a file of bytes", "", customerKey, ""},
		{"a file of base64", "", base64.StdEncoding.EncodeToString([]byte(customerKey)) + "\n", ""},
		{"a file of bytes that end with white space", "", customerKey[:30] + " \n", ""},
		{"too short", "c2hvcnQ=", "", "openssl rand"},
		{"a file that is empty", "", "\n", "openssl rand"},
	} {
		if err := os.WriteFile(file, []byte(c.file), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("LOGHAUL_S3_SSE_KEY", c.value)
		t.Setenv("LOGHAUL_S3_SSE_KEY_FILE", file)
		o, err := objectstore.OptionsFromEnv()
		switch {
		case c.says == "" && (err != nil || o.Encryption.Mode != objectstore.SSEC || len(o.CustomerKey) != 32):
			t.Errorf("%s: %+v, %v", c.name, o.Encryption, err)
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "c2hvcnQ")):
			t.Errorf("%s: %v, want %q and not the key", c.name, err, c.says)
		}
		if c.says == "" {
			if _, err := o.With(objectstore.Config{Encryption: objectstore.Encryption{Mode: objectstore.SSES3}}); err == nil {
				t.Errorf("%s: another mode in the file is accepted", c.name)
			}
			if o, err := o.With(objectstore.Config{}); err != nil || o.Encryption.Mode != objectstore.SSEC {
				t.Errorf("%s: %v, mode %q", c.name, err, o.Encryption.Mode)
			}
		}
	}
}
