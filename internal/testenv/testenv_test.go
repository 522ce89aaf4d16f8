package testenv_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/loghaul/loghaul/internal/testenv"
)

var servers testenv.Shared

func TestMain(m *testing.M) { os.Exit(servers.Run(m)) }

func get(t *testing.T, url string) int {
	t.Helper()
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close() //nolint:errcheck // nothing is read
	return resp.StatusCode
}

func TestToolPrefersTheNamedFolder(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("LOGHAUL_TOOLS", dir)
	want := filepath.Join(dir, "bin", "sh")
	if err := os.Mkdir(filepath.Dir(want), 0o755); err != nil {
		t.Fatal(err)
	}
	if got := testenv.Tool(t, "sh"); got == want {
		t.Fatalf("found %s before it existed", got)
	}
	if err := os.WriteFile(want, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if got := testenv.Tool(t, "sh"); got != want {
		t.Fatalf("found %s, want %s", got, want)
	}
}

func TestKillEndsTheWholeGroup(t *testing.T) {
	p := testenv.Start(t, "sh", exec.Command("sh", "-c", "sleep 1000 & wait"))
	p.Kill()
	if err := syscall.Kill(-p.PID(), 0); err == nil {
		t.Fatal("a child survived")
	}
}

func TestS3StopsAndComesBack(t *testing.T) {
	s := testenv.S3(t)
	if code := get(t, s.Endpoint+"/"+s.Bucket); code != http.StatusForbidden {
		t.Fatalf("a request without a signature got %d, want 403", code)
	}
	s.Stop()
	if code := get(t, s.Endpoint); code != 0 {
		t.Fatalf("a stopped server answered %d", code)
	}
	s.Start()
	if code := get(t, s.Endpoint); code == 0 {
		t.Fatal("the server did not come back")
	}
}

func TestElasticPausesAndResumes(t *testing.T) {
	s := servers.Elastic(t)
	health := s.URL + "/_cluster/health"
	s.Pause()
	if code := get(t, health); code != 0 {
		t.Fatalf("a paused server answered %d", code)
	}
	s.Resume()
	testenv.Eventually(t, testenv.Patience, "an answer after Resume", func() bool { return get(t, health) == 200 })
}
