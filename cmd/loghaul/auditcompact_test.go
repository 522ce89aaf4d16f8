package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/loghaul/loghaul/audit"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// TestAuditCompact copies an archive into its own prefix _derived/, which no
// command then takes for a part of it.
func TestAuditCompact(t *testing.T) {
	archiveURL := demoArchive(t, 2)
	_, before, _ := call(t, "audit", "cat", "--archive", archiveURL)
	target := archiveURL + "/_derived/days"
	code, out, errs := call(t, "audit", "compact", "--archive", archiveURL, "--target", target)
	if code != 0 || !strings.HasPrefix(out, "1 days written, 0 were done before; 2170 lines of ") || !strings.Contains(errs, ": 2170 lines of 2 objects in 1 files\n") {
		t.Errorf("exit code %d, %s%s", code, out, errs)
	}
	code, out, errs = call(t, "audit", "compact", "--archive", archiveURL, "--target", target, "--output", "json")
	var report audit.CompactReport
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != 0 || errs != "" || report != (audit.CompactReport{Done: 1}) {
		t.Errorf("exit code %d, %+v, %v, %s", code, report, err, errs)
	}
	if code, out, errs = call(t, "audit", "cat", "--archive", archiveURL); code != 0 || out != before || errs != "" {
		t.Errorf("cat: exit code %d, %d bytes, %s", code, len(out), errs)
	}
	// A copy is no archive, and says so.
	code, out, errs = call(t, "audit", "cat", "--archive", target)
	if out != "" || !strings.Contains(errs, "not the key of an archive object") {
		t.Errorf("cat of the copy: exit code %d, %d bytes, %s", code, len(out), errs)
	}
	for name, args := range map[string][]string{
		"no target":  {},
		"inside":     {"--target", archiveURL + "/days"},
		"no day":     {"--target", target, "--from", "2026-03-01T12:00:00Z"},
		"no lines":   {"--target", target, "--lines", "0"},
		"no archive": {"--target", target, "--archive", ""},
		"no URL":     {"--target", "days"},
	} {
		code, out, errs := call(t, append([]string{"audit", "compact", "--archive", archiveURL}, args...)...)
		if code != exitUsage || out != "" || !strings.HasPrefix(errs, "loghaul") {
			t.Errorf("%s: exit code %d, %s%s", name, code, out, errs)
		}
	}
	if _, err := os.Stat(filepath.Join(strings.TrimPrefix(archiveURL, "file://"), "days")); err == nil {
		t.Error("a folder was made in the archive")
	}
}

// TestAuditDedupeReport has nothing twice: package audit tests the counts.
func TestAuditDedupeReport(t *testing.T) {
	archiveURL := demoArchive(t, 2)
	code, out, errs := call(t, "audit", "dedupe-report", "--archive", archiveURL)
	if code != 0 || errs != "" || !strings.Contains(out, "total of 2170 lines in 2 objects, 0 of them read") {
		t.Errorf("exit code %d, %s%s", code, out, errs)
	}
	fillArchive(t, archiveURL, objectstore.Options{}, 3) // two are there already: the same objects
	code, out, errs = call(t, "audit", "dedupe-report", "--archive", archiveURL, "--output", "json")
	var report audit.DedupeReport
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != 0 || errs != "" || report.Objects != 3 || report.Repeats != 0 || len(report.Groups) != 0 {
		t.Errorf("exit code %d, %+v, %v, %s", code, report, err, errs)
	}
	if !strings.Contains(out, `"groups":[]`) {
		t.Errorf("no group is not an empty list: %s", out)
	}
}
