package main

import (
	"crypto/sha256"
	"encoding/json"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/loghaul/loghaul/audit"
	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/config"
	"github.com/loghaul/loghaul/internal/metrics"
	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/sinks"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

func TestArchiveCheck(t *testing.T) {
	dir := t.TempDir()
	code, out, errs := call(t, "archive", "check", "--archive", "file://"+dir)
	if code != 0 || errs != "" || !strings.Contains(out, "\nOK       create-only       hard links:") || !strings.Contains(out, "keeps what loghaul relies on") {
		t.Errorf("folder: exit code %d, %s\n%s", code, errs, out)
	}
	for line := range strings.SplitSeq(out, "\n") {
		if n := len([]rune(line)); n > 120 && !strings.Contains(line, dir) {
			t.Errorf("a line of %d characters: %s", n, line)
		}
	}
	server := testenv.S3(t)
	t.Setenv("AWS_ACCESS_KEY_ID", server.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", server.SecretKey)
	code, out, errs = call(t, "archive", "check", "--archive", server.URL("p"), "--output", "json")
	var found []objectstore.Finding
	if err := json.Unmarshal([]byte(out), &found); err != nil || code != 0 || errs != "" || len(found) < 12 {
		t.Errorf("S3: exit code %d, %s, %v\n%s", code, errs, err, out)
	}
	// Memory is no place for an archive, and /dev/shm is memory.
	memory, err := os.MkdirTemp("/dev/shm", "loghaul-test-") //nolint:usetesting // it has to be there
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(memory) //nolint:errcheck // it is empty
	code, out, errs = call(t, "archive", "check", "--archive", "file://"+memory)
	if code != exitFailed || !strings.Contains(errs, "do not keep logs in file:///dev/shm") || !strings.Contains(out, "\nmissing") && !strings.HasPrefix(out, "missing") {
		t.Errorf("memory: exit code %d, %s\n%s", code, errs, out)
	}
	code, _, errs = call(t, "archive", "check", "--archive", strings.Replace(server.URL("p"), "archive", "nothere", 1))
	if code != exitUsage || !strings.Contains(errs, `make the bucket "nothere"`) {
		t.Errorf("no bucket: exit code %d, %s", code, errs)
	}
}

func TestArchiveHold(t *testing.T) {
	server := testenv.S3WithVersions(t)
	server.AddLockedBucket("locked")
	t.Setenv("AWS_ACCESS_KEY_ID", server.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", server.SecretKey)
	at := "s3://locked/p?" + url.Values{"endpoint": {server.Endpoint}, "region": {server.Region}}.Encode()
	o, err := objectstore.OptionsFromEnv()
	if err != nil {
		t.Fatal(err)
	}
	o.Lock.Lock = objectstore.Lock{Mode: objectstore.Governance, Days: 1}
	fillArchive(t, at, o, 3)
	status := func(args ...string) (holds []held) {
		t.Helper()
		code, out, errs := call(t, append([]string{"archive", "hold", "status", "--archive", at, "--output", "json"}, args...)...)
		if code != 0 || errs != "" {
			t.Fatalf("status: exit code %d, %s", code, errs)
		}
		for line := range strings.Lines(out) {
			var h held
			if err := json.Unmarshal([]byte(line), &h); err != nil {
				t.Fatal(err)
			}
			holds = append(holds, h)
		}
		return holds
	}
	all := status("dt=2027-01-15/")
	if len(all) != 3 || all[0].Hold || all[0].Mode != objectstore.Governance || all[0].Until == nil {
		t.Fatalf("at first: %+v", all)
	}
	code, out, errs := call(t, "archive", "hold", "on", "--archive", at, all[0].Key, all[1].Key)
	if code != 0 || errs != "" || strings.Count(out, "\non ") != 2 || !strings.Contains(out, "governance") {
		t.Errorf("on: exit code %d, %s\n%s", code, errs, out)
	}
	if now := status("dt=2027-01-15/"); !now[0].Hold || !now[1].Hold || now[2].Hold {
		t.Errorf("after on: %+v", now)
	}
	// By filters: everything of a node, and nothing of another one.
	if code, _, errs = call(t, "archive", "hold", "on", "--archive", at, "--node", "web-1"); code != 0 {
		t.Errorf("by node: exit code %d, %s", code, errs)
	}
	if now := status("--node", "web-1"); len(now) != 3 || !now[2].Hold {
		t.Errorf("after on by node: %+v", now)
	}
	code, _, errs = call(t, "archive", "hold", "off", "--archive", at, "--node", "web-9")
	if code != exitFailed || !strings.Contains(errs, "no object was selected") {
		t.Errorf("another node: exit code %d, %s", code, errs)
	}
	// One that is not there is named, the others are done.
	code, _, errs = call(t, "archive", "hold", "off", "--archive", at, "dt=2027-01-15/nothing", all[1].Key)
	if code != exitFailed || !strings.Contains(errs, "nothing") || !strings.Contains(errs, "1 objects failed, 1 were done") {
		t.Errorf("a missing key: exit code %d, %s", code, errs)
	}
	if now := status("dt=2027-01-15/"); !now[0].Hold || now[1].Hold || !now[2].Hold {
		t.Errorf("after off: %+v", now)
	}
}

func TestArchiveHoldWrongUse(t *testing.T) {
	folder := "file://" + t.TempDir()
	for _, c := range []struct{ args, says string }{
		{"", "say what to do: archive hold on, off or status"},
		{"of --archive " + folder, "say what to do"},
		{"on --archive " + folder, "say which objects"},
		{"on --archive " + folder + " --node a key", "keep one of the two"},
		{"on --archive " + folder + " key", "only S3 with Object Lock has legal holds"},
	} {
		code, _, errs := call(t, append([]string{"archive", "hold"}, strings.Fields(c.args)...)...)
		if code != exitUsage || !strings.Contains(errs, c.says) {
			t.Errorf("%s: exit code %d, %s, want %q", c.args, code, errs, c.says)
		}
	}
}

func TestArchiveExpire(t *testing.T) {
	archive := demoArchive(t, 2) // sealed in January 2027
	dir := strings.TrimPrefix(archive, "file://")
	old := filepath.Join(dir, "dt=2020-03-01", "hour=07", "old.parquet")
	manifest := filepath.Join(dir, "_manifests", "dt=2020-03-01", "hour=07", "m")
	for _, path := range []string{old, manifest} {
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("12345"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	exists := func(path string) bool { _, err := os.Stat(path); return err == nil }
	code, out, errs := call(t, "archive", "expire", "--archive", archive, "--older-than", "400d", "--dry-run")
	if code != 0 || errs != "" || !strings.Contains(out, "1 objects and 1 beside them, 10B, would be deleted") || !exists(old) {
		t.Errorf("dry run: exit code %d, %s\n%s", code, errs, out)
	}
	code, out, errs = call(t, "archive", "expire", "--archive", archive, "--older-than", "400d", "--output", "json")
	if code != 0 || errs != "" || out != `[{"day":"2020-03-01","objects":1,"beside":1,"bytes":10}]`+"\n" {
		t.Errorf("exit code %d, %s\n%s", code, errs, out)
	}
	for _, gone := range []string{filepath.Join(dir, "dt=2020-03-01"), filepath.Join(dir, "_manifests")} {
		if exists(gone) {
			t.Errorf("%s is still there", gone)
		}
	}
	if code, out, _ := call(t, "audit", "cat", "--archive", archive); code != 0 || out != string(demoLines)+string(demoLines) {
		t.Errorf("what is young: exit code %d, %d bytes", code, len(out))
	}
	for args, says := range map[string]string{
		"":                      "say how old",
		"--older-than 400":      "is not an age such as 400d",
		"--older-than 23h":      "less than a day",
		"--older-than -2d":      "is not an age",
		"--older-than 2d extra": "unexpected argument",
	} {
		code, _, errs := call(t, append([]string{"archive", "expire", "--archive", archive}, strings.Fields(args)...)...)
		if code != exitUsage || !strings.Contains(errs, says) {
			t.Errorf("%s: exit code %d, %s", args, code, errs)
		}
	}
	server := testenv.S3(t)
	t.Setenv("AWS_ACCESS_KEY_ID", server.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", server.SecretKey)
	code, _, errs = call(t, "archive", "expire", "--archive", server.URL("p"), "--older-than", "400d")
	if code != exitUsage || !strings.Contains(errs, "deploy/s3/lifecycle.json") {
		t.Errorf("S3: exit code %d, %s", code, errs)
	}
}

func TestAuditDu(t *testing.T) {
	archive := demoArchive(t, 2)
	code, out, errs := call(t, "audit", "du", "--archive", archive, "--prices", "put=5,list=5,get=0.5,gib-month=0.02")
	if code != 0 || errs != "" || !regexp.MustCompile(`^DAY +OBJECTS +LINES +RAW +STORED +RATIO\n2027-01-15 +2 +2170 +579908 +\d+ +\d\.\dx\n\n`+
		`Requests: 2 PUT so far; to list all once 1 LIST, to read each object once 2 GET\.\n`+
		`Costs: the PUTs 0\.0100; storage 0\.0000 a month; listing all once 0\.0050, reading each object once 0\.0010\.\n$`).MatchString(out) {
		t.Errorf("exit code %d, %s\n%s", code, errs, out)
	}
	code, out, errs = call(t, "audit", "du", "--archive", archive, "--by", "frontend", "--node", "web-1", "--output", "json")
	var d struct{ Usage []audit.Usage }
	if err := json.Unmarshal([]byte(out), &d); err != nil || code != 0 || errs != "" || len(d.Usage) < 1 {
		t.Fatalf("exit code %d, %s, %v\n%s", code, errs, err, out)
	}
	raw := int64(0)
	for _, u := range d.Usage {
		raw += u.RawBytes
	}
	if raw != 2*int64(len(demoLines)) {
		t.Errorf("by frontend there are %d bytes, want %d\n%s", raw, 2*len(demoLines), out)
	}
	for args, says := range map[string]string{
		"--by colour":                "--by: got \"colour\", want day or source",
		"--prices put":               "is not a price",
		"--prices tax=1":             "--prices: got \"tax\"",
		"--prices put=1 --node web1": "about the whole archive",
	} {
		code, _, errs := call(t, append([]string{"audit", "du", "--archive", archive}, strings.Fields(args)...)...)
		if code != exitUsage || !strings.Contains(errs, says) {
			t.Errorf("%s: exit code %d, %s", args, code, errs)
		}
	}
}

// What the file says of lock and encryption reaches the store.
func TestAggregatorLocksWhatItsFileSays(t *testing.T) {
	server := testenv.S3WithVersions(t)
	server.AddLockedBucket("locked")
	t.Setenv("AWS_ACCESS_KEY_ID", server.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", server.SecretKey)
	tierOf := func(archive string) *tier {
		t.Helper()
		at := "s3://locked/p?" + url.Values{"endpoint": {server.Endpoint}, "region": {server.Region}}.Encode()
		text := regexp.MustCompile(`(?m)^  url: s3:.*$`).ReplaceAllLiteralString(example(t, "aggregator"), "  url: "+at+"\n  "+archive)
		cfg := defaultAggregatorFile()
		if err := config.Load(write(t, "aggregator.yaml", text), &cfg); err != nil {
			t.Fatal(err)
		}
		a, err := newTier(t.Context(), cfg, broker.Options{}, objectstore.Options{}, metrics.New(aggregatorMetrics()...), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = a.store.Close() })
		return a
	}
	locking := tierOf("lock: {mode: governance, days: 2, manifests: {mode: governance, days: 3}}")
	locker, ok := locking.store.(objectstore.Locker)
	if !ok {
		t.Fatal("no Locker")
	}
	for key, days := range map[string]int{"dt=2026-11-26/hour=00/o": 2, "_manifests/dt=2026-11-26/hour=00/m": 3} {
		body := []byte(key)
		if err := locking.store.Write(t.Context(), &sinks.Group{Key: key, Body: body, SHA256: sha256.Sum256(body)}); err != nil {
			t.Fatal(err)
		}
		p, err := locker.Protection(t.Context(), key)
		end := time.Now().Add(time.Duration(days) * 24 * time.Hour)
		if err != nil || p.Mode != objectstore.Governance || p.Until.After(end) || p.Until.Before(end.Add(-time.Minute)) {
			t.Errorf("%s: %+v, %v, want a lock until %v", key, p, err, end)
		}
	}
	// This server ignores encryption, and that is how it shows that it was asked.
	body := []byte("x")
	err := tierOf("encryption: {mode: sse-s3}").store.Write(t.Context(), &sinks.Group{Key: "dt=2026-11-26/hour=00/e", Body: body, SHA256: sha256.Sum256(body)})
	if err == nil || !strings.Contains(err.Error(), "archive.encryption") {
		t.Errorf("encryption: %v", err)
	}
}
