package aggregator

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/internal/wire"
)

// TestHAProxyConfigReachesTheArchive: what HAProxy's configuration says about
// captured headers is in the footer of the objects, where readers find it.
func TestHAProxyConfigReachesTheArchive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(path, []byte("frontend web\n log stdout local0\n log-format '%ci %ST %hr'\n capture request header Host len 40\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := DefaultConfig()
	c.Name, c.HAProxyConfig = "agg-1", []string{path}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	e, err := newEncoder(&c, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw := []byte("127.0.0.1 200 {example.com}\n")
	object, err := e.Encode([]archive.Batch{{Raw: raw, Header: wire.Header{
		Source: wire.Source{ID: strings.Repeat("0", 24), Node: "lb-1", Path: "/var/log/haproxy.log"},
		To:     int64(len(raw)), Records: 1, ReadAt: time.Unix(1e9, 0),
	}}}, time.Unix(1e9, 0))
	if err != nil {
		t.Fatal(err)
	}
	r, err := archive.Open(bytes.NewReader(object.Body), int64(len(object.Body)))
	if err != nil {
		t.Fatal(err)
	}
	formats := r.Meta().Formats
	want := archive.FormatInfo{
		Name: "%ci %ST %hr", Spec: "%ci %ST %hr",
		Captures: &archive.CaptureInfo{Request: []string{"Host"}, Response: []string{}}, MaxLens: []int{1024},
	}
	if diff := cmp.Diff(want, formats[0]); diff != "" || len(formats) != 4 || formats[1].Name != "error" || object.Unparsed != 0 {
		t.Errorf("%d formats, %d lines unparsed (-want +got)\n%s", len(formats), object.Unparsed, diff)
	}
}
