package objectstore_test

import (
	"net/url"
	"testing"

	"go.uber.org/goleak"

	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/sinks/objectstore"
	"github.com/loghaul/loghaul/sinks/objectstore/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func openURL(t *testing.T, rawURL string, o objectstore.Options) objectstore.Store {
	t.Helper()
	s, err := objectstore.Open(t.Context(), rawURL, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func folderURL(dir string) string { return (&url.URL{Scheme: "file", Path: dir}).String() }

func TestFolder(t *testing.T) {
	storetest.Run(t, func(t *testing.T) objectstore.Store {
		return openURL(t, folderURL(t.TempDir()), objectstore.Options{})
	})
}

func s3Options(s *testenv.S3Server) objectstore.Options {
	return objectstore.Options{AccessKey: s.AccessKey, SecretKey: s.SecretKey}
}

func TestS3(t *testing.T) {
	server := testenv.S3(t)
	storetest.Run(t, func(t *testing.T) objectstore.Store {
		return openURL(t, server.URL(t.Name()), s3Options(server))
	})
}
