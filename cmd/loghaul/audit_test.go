package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/audit"
	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/parser/wrapper"
	"github.com/loghaul/loghaul/sinks/archivetest"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// demoArchive makes a folder archive of n objects, each with the demo's lines
// once, and gives its URL.
func demoArchive(t *testing.T, n int) string {
	t.Helper()
	dir := "file://" + t.TempDir()
	fillArchive(t, dir, objectstore.Options{}, n)
	return dir
}

func fillArchive(t *testing.T, url string, o objectstore.Options, n int) {
	t.Helper()
	fillArchiveAt(t, url, o, n, time.Unix(1_800_000_000, 0))
}

// fillArchiveAt seals the objects a second apart, from a time on.
func fillArchiveAt(t *testing.T, url string, o objectstore.Options, n int, sealed time.Time) {
	t.Helper()
	store, err := objectstore.Open(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	options := archive.Options{Formats: archivetest.Formats(t, "httplog"), Writer: "agg-1", CreatedBy: "test"}
	size := int64(len(demoLines))
	for i := range int64(n) {
		g := archivetest.Group(t, options, sealed.Add(time.Duration(i)*time.Second), archive.Batch{
			Header: wire.Header{
				Source: wire.Source{ID: strings.Repeat("0a", 12), Node: "web-1", Path: "/var/log/haproxy.log"},
				From:   i * size, To: (i + 1) * size, Records: wire.CountRecords(demoLines), CRC: wire.Checksum(demoLines), ReadAt: time.Unix(1_800_000_000, 0),
			},
			Raw: demoLines,
		})
		if err := store.Write(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAuditCommands(t *testing.T) {
	archiveURL := demoArchive(t, 2)
	code, out, errs := call(t, "audit", "cat", "--archive", archiveURL)
	if code != 0 || errs != "" || out != string(demoLines)+string(demoLines) {
		t.Errorf("cat: exit code %d, %d bytes, %s", code, len(out), errs)
	}
	code, out, errs = call(t, "audit", "cat", "--archive", archiveURL, "--node", "web-2")
	if code != 0 || errs != "" || out != "" {
		t.Errorf("cat of another node: exit code %d, %d bytes, %s", code, len(out), errs)
	}

	code, out, errs = call(t, "audit", "sources", "--archive", archiveURL)
	if code != 0 || errs != "" {
		t.Errorf("sources: exit code %d, %s", code, errs)
	}
	golden(t, "audit-sources.txt", out)
	code, out, _ = call(t, "audit", "sources", "--archive", archiveURL, "--output", "json")
	var sources []audit.Source
	if err := json.Unmarshal([]byte(out), &sources); err != nil || code != 0 || len(sources) != 1 || sources[0].Node != "web-1" {
		t.Errorf("sources: exit code %d, %v, %s", code, err, out)
	}
	if !strings.Contains(out, `"missing":[]`) {
		t.Errorf("no gap is not an empty list: %s", out)
	}

	code, out, _ = call(t, "audit", "ls", "--archive", archiveURL)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != 0 || len(lines) != 4 || !strings.HasPrefix(lines[0], "FIRST EVENT") || !strings.HasSuffix(lines[3], "total         2 objects") ||
		!strings.Contains(lines[3], fmt.Sprint(2*len(demoLines))) {
		t.Errorf("ls: exit code %d\n%s", code, out)
	}
	code, out, _ = call(t, "audit", "ls", "--archive", archiveURL, "--output", "json")
	dec, n := json.NewDecoder(strings.NewReader(out)), 0
	for dec.More() {
		var o audit.Object
		if err := dec.Decode(&o); err != nil || o.Lines != bytes.Count(demoLines, []byte("\n")) || o.Writer != "agg-1" {
			t.Errorf("%v, %+v", err, o)
		}
		n++
	}
	if code != 0 || n != 2 {
		t.Errorf("ls: exit code %d, %d objects", code, n)
	}
}

// TestAuditCatRef goes from what audit ls names to lines by their rows.
func TestAuditCatRef(t *testing.T) {
	archiveURL := demoArchive(t, 2)
	_, out, _ := call(t, "audit", "ls", "--archive", archiveURL, "--output", "json")
	var o audit.Object
	if err := json.NewDecoder(strings.NewReader(out)).Decode(&o); err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(demoLines), "\n")
	code, out, errs := call(t, "audit", "cat", "--archive", archiveURL, "--ref", o.Key+"#5", "--ref", o.Key+"#0-2")
	if want := lines[5] + lines[0] + lines[1] + lines[2]; code != 0 || errs != "" || out != want {
		t.Errorf("exit code %d, %s\n%s", code, errs, out)
	}
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no row":        {[]string{"--ref", o.Key}, exitUsage, "want " + audit.RefForm},
		"no such row":   {[]string{"--ref", o.Key + "#100000"}, exitFailed, fmt.Sprintf("the object has %d rows, 0 to %d", o.Lines, o.Lines-1)},
		"no object":     {[]string{"--ref", strings.Replace(o.Key, "agg-1", "agg-2", 1) + "#0"}, exitFailed, "it is in another archive"},
		"and a time":    {[]string{"--ref", o.Key + "#0", "--from", "-1h"}, exitUsage, "--ref names rows: it takes no --from"},
		"and more":      {[]string{"--ref", o.Key + "#0", o.Key + "#1"}, exitUsage, "unexpected argument"},
		"another store": {[]string{"--ref", o.Key + "#0", "--archive", "file://" + t.TempDir()}, exitFailed, "it is in another archive"},
	} {
		code, out, errs := call(t, append([]string{"audit", "cat", "--archive", archiveURL}, c.args...)...)
		if code != c.code || out != "" || !strings.Contains(errs, c.want) {
			t.Errorf("%s: exit code %d, %q, %s", name, code, out, errs)
		}
	}
}

// TestAuditOfLossesAndContainers has lines of a container, what a forwarder
// declared as lost, and lines that HAProxy dropped itself.
func TestAuditOfLossesAndContainers(t *testing.T) {
	url := "file://" + t.TempDir()
	store, err := objectstore.Open(t.Context(), url, objectstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	raw := []byte("2026-11-22T16:17:55.1Z stdout P one \n2026-11-22T16:17:55.2Z stdout F line\n")
	at := time.Unix(1_800_000_000, 0)
	lost := func(id, path string, from, to int64, lines int, reason string) archive.Batch {
		return archive.Batch{Header: wire.Header{
			Source: wire.Source{ID: strings.Repeat(id, 12), Node: "web-1", Path: path},
			From:   from, To: to, Records: lines, Lost: reason, Encoding: wire.Plain, ReadAt: at,
		}}
	}
	g := archivetest.Group(t, archive.Options{Writer: "agg-1", CreatedBy: "test", Wrapper: wrapper.Auto}, at,
		archive.Batch{Header: wire.Header{
			Source: wire.Source{ID: strings.Repeat("0a", 12), Node: "web-1", Path: "/var/log/pods/n_p_1/c/0.log"},
			To:     int64(len(raw)), Records: 2, CRC: wire.Checksum(raw), ReadAt: at,
		}, Raw: raw},
		lost("0a", "/var/log/pods/n_p_1/c/0.log", 100, 150, 0, "truncated"),
		lost("0a", "/var/log/pods/n_p_1/c/0.log", 150, 250, 2, "gone"),
		lost("0b", "haproxy:/run/haproxy.sock", 0, 1, 1, "haproxy_dropped"),
		lost("0c", "udp://127.0.0.1:514", 0, 12, 12, "kernel_dropped"),
		lost("0d", "/var/log/pods/n_p_1/c/1.log", 0, 70, 0, "joined"))
	if err := store.Write(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	code, out, errs := call(t, "audit", "sources", "--archive", url)
	if code != 0 || errs != "" {
		t.Errorf("sources: exit code %d, %s", code, errs)
	}
	golden(t, "audit-losses.txt", out)
	const said = "loghaul: warning: forwarders declared 150 bytes as lost, and 15 lines as far as they were counted: see loghaul audit sources\n"
	code, out, errs = call(t, "audit", "cat", "--archive", url)
	if code != 0 || errs != said || out != "one line\n" {
		t.Errorf("cat: exit code %d, %q, %q", code, out, errs)
	}
	code, out, errs = call(t, "audit", "cat", "--wrapped", "--archive", url)
	if code != 0 || errs != said || out != string(raw) {
		t.Errorf("cat --wrapped: exit code %d, %q, %q", code, out, errs)
	}
}

func TestAuditOfAnEmptyArchive(t *testing.T) {
	url := "file://" + t.TempDir()
	for args, want := range map[string]string{
		"audit cat":                   "",
		"audit ls":                    "",
		"audit ls --output json":      "",
		"audit sources --output json": "[]\n",
	} {
		if code, out, errs := call(t, append(strings.Fields(args), "--archive", url)...); code != 0 || out != want || errs != "" {
			t.Errorf("%s: exit code %d, %q, %q", args, code, out, errs)
		}
	}
}

func TestAuditNamesDamageAndGoesOn(t *testing.T) {
	archiveURL := demoArchive(t, 2)
	root, err := url.Parse(archiveURL)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := filepath.Glob(root.Path + "/dt=*/hour=*/*.parquet")
	if err != nil || len(objects) != 2 {
		t.Fatal(err, objects)
	}
	if err := os.WriteFile(objects[0], []byte("gone"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(root.Path+"/_quarantine/x", 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(root.Path+"/_quarantine/x/y.bin", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, cmd := range []string{"cat", "ls", "sources"} {
		code, out, errs := call(t, "audit", cmd, "--archive", archiveURL)
		if code != exitFailed || out == "" || !strings.Contains(errs, filepath.Base(objects[0])+": corrupt object") ||
			!strings.Contains(errs, "loghaul: 1 object could not be read") {
			t.Errorf("%s: exit code %d, %d bytes, %s", cmd, code, len(out), errs)
		}
		if cmd == "ls" && !strings.Contains(errs, "1 malformed batches lie under _quarantine/") {
			t.Errorf("ls does not mention the quarantine: %s", errs)
		}
	}
}

func TestArchivesThatCannotBeUsed(t *testing.T) {
	s3 := testenv.S3(t)
	at := func(bucket, endpoint string) string {
		return "s3://" + bucket + "/p?region=us-east-1&endpoint=" + url.QueryEscape(endpoint)
	}
	missing := filepath.Join(t.TempDir(), "none")
	for name, tc := range map[string]struct {
		url, key, secret string
		code             int
		want             []string
	}{
		"folder":       {"file://" + missing, "", "", exitUsage, []string{missing}},
		"bucket":       {at("nosuch", s3.Endpoint), s3.AccessKey, s3.SecretKey, exitUsage, []string{"nosuch", "bucket"}},
		"secret":       {at(s3.Bucket, s3.Endpoint), s3.AccessKey, "wrong", exitUsage, []string{"AWS_SECRET_ACCESS_KEY"}},
		"no secret":    {at(s3.Bucket, s3.Endpoint), "", "", exitUsage, []string{"AWS_ACCESS_KEY_ID"}},
		"nobody there": {at(s3.Bucket, fmt.Sprintf("http://127.0.0.1:%d", testenv.FreePort(t))), "x", "y", exitFailed, []string{"127.0.0.1", "refused"}},
		"scheme":       {"s4://x/y", "", "", exitUsage, []string{`"s4"`, `"s3"`}},
		"relative":     {"file://some/where", "", "", exitUsage, []string{"file:///"}},
		"plain path":   {"/some/where", "", "", exitUsage, []string{"file:///some/where"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("AWS_ACCESS_KEY_ID", tc.key)
			t.Setenv("AWS_SECRET_ACCESS_KEY", tc.secret)
			code, out, errs := call(t, "audit", "cat", "--archive", tc.url)
			if code != tc.code || out != "" || strings.Count(errs, "\n") != 1 {
				t.Errorf("exit code %d, want %d; %q, %q", code, tc.code, out, errs)
			}
			for _, want := range tc.want {
				if !strings.Contains(errs, want) {
					t.Errorf("no %q in %s", want, errs)
				}
			}
		})
	}
}
