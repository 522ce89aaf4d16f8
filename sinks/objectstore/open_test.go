package objectstore_test

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/loghaul/loghaul/sinks/objectstore"
)

func writePEM(t *testing.T, cert *x509.Certificate) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpenRefusesMistakes(t *testing.T) {
	keys := objectstore.Options{AccessKey: "id", SecretKey: "secret"}
	notPEM := filepath.Join(t.TempDir(), "not.pem")
	if err := os.WriteFile(notPEM, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		url     string
		options objectstore.Options
		says    string
	}{
		{"/var/archive", keys, "write file:///var/archive"},
		{"file://var/archive", keys, "three slashes"},
		{"file://", keys, "folder is missing"},
		{"file:///a?region=x", keys, "no settings"},
		{"s4://bucket", keys, `did you mean "s3"`},
		{"ftp://bucket", keys, `unknown scheme "ftp"`},
		{"s3://", keys, "bucket is missing"},
		{"s3:///prefix", keys, "bucket is missing"},
		{"s3://Under_Score", keys, "cannot be a bucket"},
		{"s3://bucket/a/../b?region=x", keys, "prefix"},
		{"s3://bucket?endpont=http://h", keys, `did you mean "endpoint"`},
		{"s3://bucket?colour=red", keys, "there are endpoint, region, style"},
		{"s3://bucket?secret_key=hunter2", keys, "AWS_SECRET_ACCESS_KEY"},
		{"s3://id:hunter2@bucket", keys, "do not belong"},
		{"s3://bucket?endpoint=host:9000", keys, "http://host:port"},
		{"s3://bucket?endpoint=http://host/path", keys, "nothing more"},
		{"s3://bucket?endpoint=http://a&endpoint=http://b", keys, "once"},
		{"s3://bucket?region=", keys, "with a value"},
		{"s3://bucket?style=both&region=x", keys, "path"},
		{"s3://bucket#x", keys, "%23"},
		{"s3://bucket", keys, "say where it is"},
		{"s3://bucket?region=x", objectstore.Options{}, "no credentials"},
		{"s3://bucket?region=x", objectstore.Options{AccessKey: "id"}, "only one of"},
		{"s3://bucket?region=x", objectstore.Options{AccessKey: "id", SecretKey: "s", CAFile: "/nonexistent"}, "/nonexistent"},
		{"s3://bucket?region=x", objectstore.Options{AccessKey: "id", SecretKey: "s", CAFile: notPEM}, "no PEM certificate"},
		{"s3://bucket?region=x", objectstore.Options{AccessKey: "id", SecretKey: "s", Proxy: "nonsense"}, "proxy"},
		{"%zz", keys, "not a URL"},
	} {
		_, err := objectstore.Open(t.Context(), c.url, c.options)
		if err == nil {
			t.Errorf("%s is accepted", c.url)
			continue
		}
		if !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s gives %q, want one line with %q and without secrets", c.url, err, c.says)
		}
	}
}

func TestOpenAcceptsWhatTheDocumentationShows(t *testing.T) {
	keys := objectstore.Options{AccessKey: "id", SecretKey: "secret"}
	for url, want := range map[string]string{
		"file:///var/lib/loghaul/archive/":                         "file:///var/lib/loghaul/archive",
		"file:///with%20blank":                                     "file:///with%20blank",
		"s3://bucket?region=eu-central-1":                          "s3://bucket/",
		"s3://bucket/a/b/?endpoint=http://host:9000&region=x":      "s3://bucket/a/b",
		"s3://bucket/p?endpoint=https://host&style=path&region=xx": "s3://bucket/p",
	} {
		s, err := objectstore.Open(t.Context(), url, keys)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if s.String() != want {
			t.Errorf("%s is called %s, want %s", url, s, want)
		}
	}
}

func TestOptionsFromEnv(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY_FILE", secret)
	t.Setenv("AWS_REGION", "eu-west-1")
	t.Setenv("LOGHAUL_S3_CA", "/ca.pem")
	o, err := objectstore.OptionsFromEnv()
	if err != nil || o.AccessKey != "id" || o.SecretKey != "from a file" || o.Region != "eu-west-1" || o.CAFile != "/ca.pem" {
		t.Errorf("got %+v, %v", o, err)
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY_FILE", "/nonexistent")
	if _, err := objectstore.OptionsFromEnv(); err == nil || !strings.Contains(err.Error(), "AWS_SECRET_ACCESS_KEY_FILE") {
		t.Errorf("a missing secret file gives %v", err)
	}
}
