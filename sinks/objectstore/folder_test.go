package objectstore_test

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
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

// TestFolderSaysWhichRight is missing: to read for a reader, to write for a
// writer. A file in the folder's place denies both, also to root.
func TestFolderSaysWhichRight(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "archive")
	s := openURL(t, folderURL(dir), objectstore.Options{})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := s.List(t.Context(), "", func(objectstore.Info) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "must be able to read it: ") {
		t.Errorf("listing: %v", err)
	}
	if err = s.Write(t.Context(), storetest.Group("a/b", []byte("one"))); err == nil || !strings.Contains(err.Error(), "must be able to write there: ") {
		t.Errorf("storing: %v", err)
	}
}

// TestFolderETag changes a file: its ETag shows it, although its size does not.
func TestFolderETag(t *testing.T) {
	dir := t.TempDir()
	s := openURL(t, folderURL(dir), objectstore.Options{})
	if err := s.Write(t.Context(), storetest.Group("a", []byte("one"))); err != nil {
		t.Fatal(err)
	}
	tag := func() (tag string) {
		if err := s.List(t.Context(), "a", func(i objectstore.Info) error { tag = i.ETag; return nil }); err != nil {
			t.Fatal(err)
		}
		return tag
	}
	first := tag()
	testenv.Eventually(t, testenv.Patience, "another ETag", func() bool { // the clock of a file system ticks slowly
		if err := os.WriteFile(filepath.Join(dir, "a"), []byte("two"), 0o600); err != nil {
			t.Fatal(err)
		}
		return tag() != first
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
