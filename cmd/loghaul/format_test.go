package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFormatExplain compares what is printed with golden files; -update writes them anew.
func TestFormatExplain(t *testing.T) {
	for name, formats := range map[string][]string{
		"httplog":    {"httplog"},
		"clf":        {"clf"},
		"tcplog":     {"tcplog"},
		"expression": {`%ci %(agent)[req.hdr(a)] %ST`},
		"several":    {"httplog", "error", "%[a] %[b]", "tcplog"},
	} {
		code, out, errs := callWith(t, "", append([]string{"format", "explain"}, formats...)...)
		if code != exitDone || errs != "" {
			t.Errorf("%s: exit code %d, %s", name, code, errs)
		}
		golden := filepath.Join("testdata", "explain", name+".txt")
		if *update {
			if err := os.WriteFile(golden, []byte(out), 0o644); err != nil { //nolint:gosec // a text for everybody
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), out); diff != "" {
			t.Errorf("%s: run with -update if this is right (-want +got):\n%s", name, diff)
		}
	}
}

func TestFormatExplainJSON(t *testing.T) {
	_, out, _ := callWith(t, "", "format", "explain", "httplog", "--output", "json")
	var one struct {
		explainedFormat
		Overlaps []explainedOverlap
	}
	if err := json.Unmarshal([]byte(out), &one); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := explainedField{
		Name: "ci", Alias: "ci", Type: "address", Doc: "address of the client",
		Columns: []string{"client_ip"}, Elastic: []string{"source.address", "source.ip", "related.ip"},
	}
	if diff := cmp.Diff(want, one.Fields[0]); diff != "" || len(one.Fields) != 26 {
		t.Errorf("%d fields, %s", len(one.Fields), diff)
	}
	if len(one.Ambiguities) != 2 || !strings.HasPrefix(one.Spec[one.Ambiguities[0].Position:], "%CC %CS") || one.Suggestion == "" || one.JSON == "" || len(one.Overlaps) != 0 {
		t.Errorf("%s", out)
	}
	_, out, _ = callWith(t, "", "format", "explain", "%[a]", "tcplog", "--output", "json")
	var several explanation
	if err := json.Unmarshal([]byte(out), &several); err != nil || len(several.Formats) != 2 || len(several.Overlaps) != 2 ||
		several.Overlaps[0].Winner != "%[a]" || several.Overlaps[0].Loser != "tcplog" || several.Overlaps[1].Loser != "event" {
		t.Errorf("%v: %s", err, out)
	}
}
