package main

import (
	"encoding/json"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/loghaul/loghaul/internal/testenv"
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
	memory, err := os.MkdirTemp("/dev/shm", "loghaul-test-")
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
