package testenv_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/loghaul/loghaul/internal/testenv"
)

const natsBack = 2 * time.Minute

func TestNATSKeepsWhatItAcked(t *testing.T) {
	s := testenv.NATS(t, t.TempDir(), "")
	nc, err := nats.Connect(s.URL, nats.MaxReconnects(-1))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := nc.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.AddStream(&nats.StreamConfig{Name: "S", Subjects: []string{"s"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish("s", []byte("kept")); err != nil {
		t.Fatal(err)
	}
	s.Kill()
	s.Start()
	var info *nats.StreamInfo
	testenv.Eventually(t, natsBack, "the stream after a restart", func() bool {
		info, err = js.StreamInfo("S")
		return err == nil
	})
	if info.State.Msgs != 1 {
		t.Fatalf("%d messages after kill -9, want 1", info.State.Msgs)
	}
}

func TestHAProxyWritesOneLinePerRequest(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
	}))
	defer origin.Close()
	dir := t.TempDir()
	h := testenv.HAProxy(t, dir, strings.TrimPrefix(origin.URL, "http://"), filepath.Join(dir, "haproxy.log"))
	if code := get(t, h.URL+"/pot"); code != http.StatusTeapot {
		t.Fatalf("got %d through HAProxy, want 418", code)
	}
	h.Stop()
	lines, err := os.ReadFile(h.LogFile)
	if err != nil {
		t.Fatal(err)
	}
	// There are lines about its proxies and about the starter's probe too.
	if n := bytes.Count(lines, []byte(`"GET /pot HTTP/1.1"`)); n != 1 {
		t.Fatalf("want one line for /pot:\n%s", lines)
	}
}
