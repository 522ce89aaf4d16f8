package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAuditFind has every format parsed back and compared with what loghaul
// parse says of the lines themselves.
func TestAuditFind(t *testing.T) {
	archiveURL := demoArchive(t, 1)
	const where = "ST=404 or Tr>0 not ST=200"
	_, out, errs := callWith(t, string(demoLines), "parse", "--tz", "UTC", "--format", "httplog", "--filter", where)
	if errs != "" {
		t.Fatal(errs)
	}
	type object = map[string]any
	decode := func(text string) (all []object) {
		d := json.NewDecoder(strings.NewReader(text))
		for d.More() {
			var o object
			if err := d.Decode(&o); err != nil {
				t.Fatal(err)
			}
			all = append(all, o)
		}
		return all
	}
	want := decode(out)
	if len(want) == 0 || len(want) == bytes.Count(demoLines, []byte("\n")) {
		t.Fatalf("the filter selects %d lines", len(want))
	}
	lines := strings.SplitAfter(string(demoLines), "\n")
	offsets := map[int]int{} // line by where it begins
	for i, at := 0, 0; i < len(lines); at, i = at+len(lines[i]), i+1 {
		offsets[at] = i
	}

	code, out, errs := call(t, "audit", "find", "--archive", archiveURL, "--format", "json", where)
	if code != 0 || errs != "" {
		t.Fatalf("exit code %d, %s", code, errs)
	}
	got := decode(out)
	last := ""
	var raw []string
	for _, o := range got {
		line := offsets[int(o["offset"].(float64))]                                                       //nolint:errcheck,forcetypeassert // a test
		if o["node"] != "web-1" || o["source"] != strings.Repeat("0a", 12) || o["time"].(string) < last { //nolint:errcheck,forcetypeassert // a test
			t.Errorf("%v after %s", o, last)
		}
		last = o["time"].(string) //nolint:errcheck,forcetypeassert // a test
		raw = append(raw, lines[line])
		o["line"] = float64(line + 1)
		delete(o, "node")
		delete(o, "source")
		delete(o, "offset")
	}
	sorted := slices.Clone(got)
	slices.SortFunc(sorted, func(a, b object) int { return int(a["line"].(float64) - b["line"].(float64)) }) //nolint:errcheck,forcetypeassert // a test
	if diff := cmp.Diff(want, sorted); diff != "" {
		t.Errorf("(-parse +find)\n%.2000s", diff)
	}

	code, out, errs = call(t, "audit", "find", "--archive", archiveURL, where)
	if code != 0 || errs != "" || out != strings.Join(raw, "") {
		t.Errorf("raw: exit code %d, %s, %d bytes, want %d", code, errs, len(out), len(strings.Join(raw, "")))
	}
	code, out, _ = call(t, "audit", "find", "--archive", archiveURL, "--count", where)
	if code != 0 || out != fmt.Sprintln(len(want)) {
		t.Errorf("count: exit code %d, %s", code, out)
	}
	code, out, _ = call(t, "audit", "find", "--archive", archiveURL, "--limit", "3", where)
	if code != 0 || out != strings.Join(raw[:3], "") {
		t.Errorf("limit: exit code %d, %s", code, out)
	}
	code, out, _ = call(t, "audit", "find", "--archive", archiveURL, "--tail", "3", where)
	if code != 0 || out != strings.Join(raw[len(raw)-3:], "") {
		t.Errorf("tail: exit code %d, %s", code, out)
	}

	code, out, errs = call(t, "audit", "find", "--archive", archiveURL, "--format", "csv", "--fields", "ST,r,raw,%(nothing),time,hr", where)
	if code != 0 || errs != "" {
		t.Fatalf("csv: exit code %d, %s", code, errs)
	}
	table, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil || len(table) != len(want)+1 || strings.Join(table[0], " ") != "ST r raw nothing time hr" {
		t.Fatalf("csv: %v, %d rows, %q", err, len(table), table[0])
	}
	for i, row := range table[1:] {
		fields := got[i]["fields"].(object) //nolint:errcheck,forcetypeassert // a test
		if row[0] != fmt.Sprint(fields["ST"]) || row[1] != fields["r"] || row[2]+"\n" != raw[i] || row[3] != "" || row[4] != got[i]["time"] {
			t.Fatalf("csv: row %d is %q of %v", i, row, got[i])
		}
	}
}

// TestAuditFindGrep looks for bytes, with and without a filter.
func TestAuditFindGrep(t *testing.T) {
	archiveURL := demoArchive(t, 1)
	want := map[string]int{}
	for line := range strings.SplitSeq(strings.TrimSuffix(string(demoLines), "\n"), "\n") {
		for _, text := range []string{"GET", `"`, "GET /", " 200 "} {
			if strings.Contains(line, text) {
				want[text]++
			}
		}
		if strings.Contains(line, "GET") && strings.Contains(line, " 200 ") {
			want["both"]++
		}
	}
	for text, n := range want {
		args := []string{"--grep", text}
		if text == "both" {
			args = []string{"--grep", "GET", "--grep", " 200 "}
		}
		code, out, errs := call(t, append([]string{"audit", "find", "--archive", archiveURL, "--count", "--output", "json"}, args...)...)
		if code != 0 || errs != "" || out != fmt.Sprintf("{\"lines\":%d,\"duplicates\":0}\n", n) {
			t.Errorf("%q: exit code %d, %s%s, want %d lines", args, code, out, errs, n)
		}
	}
	code, out, errs := call(t, "audit", "find", "--archive", archiveURL, "--count", "--grep", "GET", "ST!=200", "or", "ST>200")
	if code != 0 || errs != "" || out == "0\n" || out == fmt.Sprintln(want["GET"]) {
		t.Errorf("exit code %d, %s%s", code, out, errs)
	}
}

// TestAuditFindExplains: in words and as JSON, on stderr.
func TestAuditFindExplains(t *testing.T) {
	archiveURL := demoArchive(t, 3)
	code, out, errs := call(t, "audit", "find", "--archive", archiveURL, "--explain", "--count", "ci=192.0.2.254 ST>0 raw~x")
	if code != 0 || out != "0\n" {
		t.Errorf("exit code %d, %s", code, out)
	}
	for _, want := range []string{"listed    3 objects", "left out  3 by bloom filter of client_ip", "bloom filters of client_ip are asked first", "client_ip, status are read", "asked     0 objects"} {
		if !strings.Contains(errs, want) {
			t.Errorf("no %q in\n%s", want, errs)
		}
	}
	code, _, errs = call(t, "audit", "find", "--archive", archiveURL, "--explain", "--output", "json", "--count", "ST>0")
	var report struct {
		Plan struct {
			Filter  string
			Columns []string
		}
		Lines     int64
		Listed    int   `json:"objects_listed"`
		BytesRead int64 `json:"bytes_read"`
		Pruned    map[string]int
	}
	if err := json.Unmarshal([]byte(errs), &report); err != nil || code != 0 || report.Listed != 3 || report.BytesRead == 0 || report.Lines == 0 ||
		report.Plan.Filter != "ST>0" || strings.Join(report.Plan.Columns, "") != "status" || len(report.Pruned) != 0 {
		t.Errorf("exit code %d, %v, %+v", code, err, report)
	}
}

func TestAuditFindRefusesMistakes(t *testing.T) {
	archiveURL := demoArchive(t, 1)
	for args, want := range map[string]string{
		"STT>500":                       "did you mean Tt?",
		"ST>>500":                       "column 4",
		"--limit 3 --tail 3":            "exclude each other",
		"--limit -1":                    "positive",
		"--count --limit 3":             "--count",
		"--format xml":                  "raw or json or csv",
		"--fields ST":                   "--format csv",
		"--format csv --fields STT":     "did you mean ST?",
		"--format csv --fields nonsens": "want fields as loghaul parse prints them",
		"--public-key /does/not/exist":  "no such file",
		"--output xml":                  "text or json",
		"--limti 3":                     "did you mean --limit?",
	} {
		code, out, errs := call(t, append([]string{"audit", "find", "--archive", archiveURL}, strings.Fields(args)...)...)
		if code != exitUsage || out != "" || !strings.Contains(errs, want) {
			t.Errorf("%s: exit code %d, %q, %s", args, code, out, errs)
		}
	}
	code, _, errs := call(t, "audit", "find", "--archive", archiveURL, "--grep", "")
	if code != exitUsage || !strings.Contains(errs, "empty") {
		t.Errorf("exit code %d, %s", code, errs)
	}
	key := t.TempDir() + "/key"
	if err := os.WriteFile(key, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs = call(t, "audit", "find", "--archive", archiveURL, "--public-key", key); code != exitUsage || !strings.Contains(errs, "PEM") {
		t.Errorf("exit code %d, %s", code, errs)
	}
}

// A reader that has seen enough ends find quietly.
func TestFindIntoAClosedPipe(t *testing.T) {
	url := demoArchive(t, 4)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := startProcess(t, w, "audit", "find", "--archive", url)
	if err := errors.Join(w.Close(), r.Close()); err != nil {
		t.Fatal(err)
	}
	p.wait(upLimit)
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || status.Signal() != syscall.SIGPIPE || p.errs.String() != "" {
		t.Errorf("%v, stderr %q", p.cmd.ProcessState, p.errs)
	}
}

// TestAuditFindSaysWhatIsMissing asks for a header whose name nobody knows.
func TestAuditFindSaysWhatIsMissing(t *testing.T) {
	code, out, errs := call(t, "audit", "find", "--archive", demoArchive(t, 1), "--count", "req.Host=www.example.org ST>=0")
	if code != 0 || out != "0\n" || !strings.Contains(errs, "FILTER: no format has req.host; aggregators know captured headers by haproxy_config") {
		t.Errorf("exit code %d, %q, %s", code, out, errs)
	}
}
