package objectstore_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/sinks"
	"github.com/loghaul/loghaul/sinks/objectstore"
	"github.com/loghaul/loghaul/sinks/objectstore/storetest"
)

// policyFile reads a policy of deploy/s3. versitygw does not know the condition
// s3:if-none-match, nor is it spoken to over TLS here: these conditions, or
// the statements that consist of them, are taken out.
func policyFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../deploy/s3", name))
	if err != nil {
		t.Fatal(err)
	}
	var policy struct {
		Version   string
		Statement []map[string]any
	}
	if err := json.Unmarshal(b, &policy); err != nil {
		t.Fatal(err)
	}
	kept := policy.Statement[:0]
	for _, s := range policy.Statement {
		condition, err := json.Marshal(s["Condition"])
		if err != nil {
			t.Fatal(err)
		}
		unknown := strings.Contains(string(condition), "s3:if-none-match")
		switch {
		case (unknown || strings.Contains(string(condition), "SecureTransport")) && s["Effect"] == "Deny":
			continue
		case unknown:
			delete(s, "Condition")
		}
		kept = append(kept, s)
	}
	policy.Statement = kept
	if b, err = json.Marshal(policy); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func minioClient(t *testing.T, s3 *testenv.S3Server, access, secret string) *minio.Client {
	t.Helper()
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	c, err := minio.New(strings.TrimPrefix(s3.Endpoint, "http://"), &minio.Options{
		Creds: credentials.NewStaticV4(access, secret, ""), Region: s3.Region, MaxRetries: 1, Transport: tr,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestPolicies: each role of deploy/s3 as a real user of a real server can do
// its work and nothing else, and with the bucket's policy not even a user who
// may do everything can delete.
func TestPolicies(t *testing.T) {
	server := testenv.S3WithIAM(t)
	const bucket = "haproxy-logs"
	server.AddLockedBucket(bucket)
	at := strings.Replace(server.URL("archive"), "s3://"+server.Bucket, "s3://"+bucket, 1)
	as := func(name string) (objectstore.Store, *minio.Client) {
		access, secret := server.AddUser(name, policyFile(t, name+"-policy.json"))
		o := objectstore.Options{AccessKey: access, SecretKey: secret}
		if name == "writer" {
			o.Lock.Lock = objectstore.Lock{Mode: objectstore.Governance, Days: 1}
		}
		s := openURL(t, at, o)
		t.Cleanup(func() { _ = s.Close() })
		return s, minioClient(t, server.S3Server, access, secret)
	}
	writer, writing := as("writer")
	g := storetest.Group("dt=2026-11-26/hour=00/o", []byte("lines"))
	for range 2 {
		if err := writer.Write(t.Context(), g); err != nil {
			t.Fatalf("the writer cannot store: %v", err)
		}
	}
	if err := writer.Write(t.Context(), storetest.Group(g.Key, []byte("other"))); !errors.Is(err, sinks.ErrConflict) {
		t.Errorf("other content: %v", err)
	}
	// loghaul archive check, as the writer.
	wantVerdicts(t, probe(t, writer), map[string]string{
		"create-only": "OK", "checksum": "OK", "ranges": "OK", "listing": "OK", "versions": "OK", "Object Lock": "OK",
		"locked objects": "OK", "deleting": "OK", "governance": "", "left behind": "OK",
	})

	for _, name := range []string{"writer", "reader", "auditor", "hold", "backfill"} {
		t.Run(name, func(t *testing.T) {
			s, c := writer, writing
			if name != "writer" {
				s, c = as(name)
				if err := s.Write(t.Context(), storetest.Group("dt=2026-11-26/hour=00/"+name, []byte("x"))); !errors.Is(err, sinks.ErrPermanent) {
					t.Errorf("it can store: %v", err)
				}
			}
			if err := s.Check(t.Context()); err != nil {
				t.Errorf("it cannot list: %v", err)
			}
			gapsOf(t, s, name == "writer" || name == "backfill")
			if b, err := s.Get(t.Context(), g.Key); err != nil || string(b) != "lines" {
				t.Errorf("it reads %q, %v", b, err)
			}
			key := "archive/" + g.Key
			if err := c.RemoveObject(t.Context(), bucket, key, minio.RemoveObjectOptions{}); err == nil {
				t.Error("it can hide an object behind a delete marker")
			}
			if err := c.RemoveObject(t.Context(), bucket, key, minio.RemoveObjectOptions{GovernanceBypass: true, VersionID: version(t, server, key)}); err == nil {
				t.Error("it can delete a locked version")
			}
			if _, err := c.PutObject(t.Context(), bucket, "elsewhere", strings.NewReader("x"), 1, minio.PutObjectOptions{}); err == nil {
				t.Error("it can store outside of the archive")
			}
			for o := range c.ListObjectsIter(t.Context(), bucket, minio.ListObjectsOptions{Recursive: true}) {
				if o.Err == nil {
					t.Errorf("it can list the whole bucket: %s", o.Key)
				}
			}
			if err := c.SetBucketPolicy(t.Context(), bucket, "{}"); minio.ToErrorResponse(err).StatusCode != http.StatusForbidden {
				t.Errorf("setting the bucket's policy: %v", err)
			}
			on := minio.LegalHoldEnabled
			err := c.PutObjectLegalHold(t.Context(), bucket, key, minio.PutObjectLegalHoldOptions{Status: &on})
			if (err == nil) != (name == "hold") {
				t.Errorf("setting a legal hold: %v", err)
			}
			l, ok := s.(objectstore.Locker)
			if !ok {
				t.Fatal("no Locker")
			}
			p, err := l.Protection(t.Context(), g.Key)
			switch name {
			case "auditor", "hold":
				if err != nil || p.Mode != objectstore.Governance {
					t.Errorf("it sees %+v, %v", p, err)
				}
			default: // not allowed to see holds: never "off"
				if err == nil {
					t.Errorf("it is told %+v without the permission", p)
				}
			}
		})
	}
	// The bucket's policy.
	b, err := os.ReadFile("../../deploy/s3/bucket-policy.json")
	if err != nil {
		t.Fatal(err)
	}
	if code, body := server.SetBucketPolicy(bucket, string(b)); code != http.StatusBadRequest || !strings.Contains(body, "condition key") {
		t.Errorf("versitygw takes the whole policy now (%d %s): test the whole", code, body)
	}
	if code, body := server.SetBucketPolicy(bucket, policyFile(t, "bucket-policy.json")); code >= 300 {
		t.Fatalf("setting the bucket's policy: %d %s", code, body)
	}
	if err := writer.Write(t.Context(), storetest.Group("dt=2026-11-26/hour=00/after", []byte("x"))); err != nil {
		t.Errorf("with the bucket's policy the writer cannot store: %v", err)
	}
	gapsOf(t, writer, true)
	access, secret := server.AddUser("careless", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`)
	careless := minioClient(t, server.S3Server, access, secret)
	if err := careless.RemoveObject(t.Context(), bucket, "archive/dt=2026-11-26/hour=00/after", minio.RemoveObjectOptions{}); err == nil {
		t.Error("a user who may do everything can delete")
	}
}

// gapsOf checks whether a role can store and remove gap files, and nobody else can;
// they are never locked.
func gapsOf(t *testing.T, s objectstore.Store, may bool) {
	t.Helper()
	g := storetest.Group(objectstore.GapPrefix+"stream/dt=2026-11-26/hour=00/"+strings.ReplaceAll(t.Name(), "/", "-"), []byte("gaps"))
	err := s.Write(t.Context(), g)
	if err == nil {
		err = s.RemoveGap(t.Context(), g.Key)
	}
	if (err == nil) != may {
		t.Errorf("storing and removing a gap file: %v", err)
	}
	if !may {
		return
	}
	if _, err := s.Get(t.Context(), g.Key); !errors.Is(err, sinks.ErrNotFound) {
		t.Errorf("it is still there: %v", err)
	}
	if err := s.RemoveGap(t.Context(), g.Key); err != nil {
		t.Errorf("removing it again: %v", err)
	}
}

// TestLifecycle: every prefix has a rule, and manifests outlive what they list.
// versitygw has no lifecycle rules; when it has, this says so.
func TestLifecycle(t *testing.T) {
	b, err := os.ReadFile("../../deploy/s3/lifecycle.json")
	if err != nil {
		t.Fatal(err)
	}
	var l struct {
		Rules []struct {
			Status     string
			Filter     struct{ Prefix string }
			Expiration struct{ Days int }
		}
	}
	if err := json.Unmarshal(b, &l); err != nil {
		t.Fatal(err)
	}
	days := map[string]int{}
	for _, r := range l.Rules {
		if r.Status != "Enabled" {
			t.Errorf("%+v is not enabled", r)
		}
		days[strings.TrimPrefix(r.Filter.Prefix, "archive/")] = r.Expiration.Days
	}
	objects := days["dt="]
	if days["_quarantine/"] != objects || days["_gaps/"] != objects || days[objectstore.ManifestPrefix] <= objects || objects < 365 || days[objectstore.CheckPrefix] != 1 {
		t.Errorf("days: %v", days)
	}
	server := testenv.S3(t)
	if code, body := server.SetLifecycle(server.Bucket, "<LifecycleConfiguration></LifecycleConfiguration>"); code != http.StatusNotImplemented {
		t.Errorf("versitygw answers %d to lifecycle rules (%s): test deploy/s3/lifecycle.json with it", code, body)
	}
}

// version gives the newest version of a key, as the owner.
func version(t *testing.T, server *testenv.S3IAM, key string) string {
	t.Helper()
	info, err := minioClient(t, server.S3Server, server.AccessKey, server.SecretKey).StatObject(t.Context(), "haproxy-logs", key, minio.StatObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return info.VersionID
}
