package objectstore_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"

	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// probe gives what a store's Probe finds, by name.
func probe(t *testing.T, s objectstore.Store) map[string]objectstore.Finding {
	t.Helper()
	p, ok := s.(objectstore.Prober)
	if !ok {
		t.Fatalf("%s is no Prober", s)
	}
	found := map[string]objectstore.Finding{}
	err := p.Probe(t.Context(), func(f objectstore.Finding) {
		if _, twice := found[f.Name]; twice {
			t.Errorf("%s is told twice", f.Name)
		}
		if f.Verdict != objectstore.OK && f.Verdict != objectstore.Weak && f.Verdict != objectstore.Missing || f.Says == "" || f.Verdict == objectstore.Missing && f.Do == "" {
			t.Errorf("%+v does not say what it should", f)
		}
		t.Logf("%-8s %-16s %s; %s", f.Verdict, f.Name, f.Says, f.Do)
		found[f.Name] = f
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func wantVerdicts(t *testing.T, found map[string]objectstore.Finding, want map[string]string) {
	t.Helper()
	for name, verdict := range want {
		if got := found[name].Verdict; got != verdict {
			t.Errorf("%s: %q (%s), want %q", name, got, found[name].Says, verdict)
		}
	}
}

func TestProbeOfS3(t *testing.T) {
	server := testenv.S3WithVersions(t)
	client := lockedBucket(t, server)
	needed := map[string]string{
		"clock": "OK", "transport": "weak", "create-only": "OK", "overwriting": "weak", "checksum": "OK", "stored checksum": "OK",
		"encryption": "weak", "ranges": "OK", "read after write": "OK", "listing": "OK", "listing in pages": "OK", "deleting": "weak",
	}
	t.Run("plain bucket", func(t *testing.T) {
		s := openURL(t, server.URL("p"), s3Options(server))
		defer s.Close() //nolint:errcheck // never fails
		found := probe(t, s)
		wantVerdicts(t, found, needed)
		wantVerdicts(t, found, map[string]string{"versions": "weak", "Object Lock": "weak", "locked objects": ""})
		if keys := listed(t, s, ""); len(keys) > 0 {
			t.Errorf("it left %q behind", keys)
		}
	})
	t.Run("bucket with Object Lock", func(t *testing.T) {
		s := openURL(t, lockedURL(server, server.Endpoint, "p"), s3Options(server))
		defer s.Close() //nolint:errcheck // never fails
		found := probe(t, s)
		wantVerdicts(t, found, needed)
		wantVerdicts(t, found, map[string]string{"versions": "OK", "Object Lock": "OK", "locked objects": "OK", "governance": "weak", "left behind": ""})
		for o := range client.ListObjectsIter(t.Context(), "locked", minio.ListObjectsOptions{Recursive: true, WithVersions: true}) {
			t.Errorf("it left %s behind, version %q, %v", o.Key, o.VersionID, o.Err)
		}
	})
}

// With a default retention even what the check makes is locked: it says so, and
// what stays.
func TestProbeOfABucketThatLocksEverything(t *testing.T) {
	server := testenv.S3WithVersions(t)
	client := lockedBucket(t, server)
	mode, days, unit := minio.Compliance, uint(1), minio.Days
	if err := client.SetObjectLockConfig(t.Context(), "locked", &mode, &days, &unit); err != nil {
		t.Fatal(err)
	}
	s := openURL(t, lockedURL(server, server.Endpoint, "p"), s3Options(server))
	defer s.Close() //nolint:errcheck // never fails
	found := probe(t, s)
	wantVerdicts(t, found, map[string]string{"Object Lock": "OK", "locked objects": "OK", "create-only": "OK", "deleting": "weak", "left behind": "OK"})
	if says := found["Object Lock"].Says; !strings.Contains(says, "1 days (compliance)") {
		t.Errorf("Object Lock: %s", says)
	}
	if says := found["deleting"].Says; !strings.Contains(says, "delete marker") {
		t.Errorf("deleting: %s", says)
	}
}

// What a server lacks must be found: each fault takes one property away.
func TestProbeFindsWhatIsMissing(t *testing.T) {
	server := testenv.S3WithVersions(t)
	for _, c := range []struct {
		name    string
		request func(*http.Request)
		answer  func(*http.Response) error
		want    map[string]string
	}{
		{"checksums are not told", nil, func(r *http.Response) error {
			r.Header.Del("X-Amz-Checksum-Sha256")
			return nil
		}, map[string]string{"stored checksum": "weak", "create-only": "OK"}},
		{"the clock is wrong", nil, func(r *http.Response) error {
			r.Header.Set("Date", "Thu, 26 Nov 2020 00:00:00 GMT")
			return nil
		}, map[string]string{"clock": "weak"}},
		{"412 becomes 200", nil, func(r *http.Response) error {
			if r.StatusCode == http.StatusPreconditionFailed {
				r.StatusCode = http.StatusOK
			}
			return nil
		}, map[string]string{"create-only": "missing"}},
		{"400 becomes 200", nil, func(r *http.Response) error {
			if r.StatusCode == http.StatusBadRequest && r.Request.Method == http.MethodPut {
				r.StatusCode = http.StatusOK
			}
			return nil
		}, map[string]string{"checksum": "missing"}},
		{"ranges are other bytes", nil, func(r *http.Response) error {
			if r.StatusCode == http.StatusPartialContent && r.Request.Header.Get("Range") == "bytes=3-7" {
				r.Body = http.NoBody
				r.ContentLength = 0
				r.Header.Set("Content-Length", "0")
			}
			return nil
		}, map[string]string{"ranges": "missing"}},
		{"the listing is late", nil, func(r *http.Response) error {
			if r.Request.URL.Query().Get("list-type") == "2" {
				body := page(nil, false, "")
				r.Body = http.NoBody
				rec := httptest.NewRecorder()
				rec.WriteString(body) //nolint:errcheck // cannot fail
				res := rec.Result()
				r.Body, r.ContentLength = res.Body, int64(len(body))
				r.Header.Del("Content-Length")
			}
			return nil
		}, map[string]string{"listing": "missing", "listing in pages": "missing"}},
		{"deletes are refused", nil, func(r *http.Response) error {
			if r.Request.Method == http.MethodDelete {
				r.StatusCode = http.StatusForbidden
			}
			return nil
		}, map[string]string{"deleting": "OK", "left behind": "OK"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newFaultyProxy(t, server)
			p.change(c.answer)
			s := openURL(t, "s3://archive/"+strings.ReplaceAll(t.Name(), " ", "-")+"?endpoint="+p.URL, s3Options(server))
			defer s.Close() //nolint:errcheck // never fails
			wantVerdicts(t, probe(t, s), c.want)
		})
	}
}

func TestProbeOfFolder(t *testing.T) {
	dir := t.TempDir()
	s := openURL(t, folderURL(dir), objectstore.Options{})
	wantVerdicts(t, probe(t, s), map[string]string{
		"create-only": "OK", "read after write": "OK", "ranges": "OK", "listing": "OK", "deleting": "weak",
	})
	if left := files(t, dir); len(left) > 0 {
		t.Errorf("it left %q behind", left)
	}
	memory := smallDisk(t, "1m")
	wantVerdicts(t, probe(t, openURL(t, folderURL(memory), objectstore.Options{})), map[string]string{"fsync": "missing", "free space": "weak", "create-only": "OK"})
}
