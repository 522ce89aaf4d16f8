package main

import (
	"strings"
	"testing"
	"time"
)

// feed gives the report the events and returns what it printed.
func feed(t *testing.T, events string) (*report, string) {
	t.Helper()
	var out strings.Builder
	r := newReport(&out)
	if err := read(strings.NewReader(events), r); err != nil {
		t.Fatal(err)
	}
	r.close(time.Second)
	return r, out.String()
}

func TestSkipsAreCountedAndNamed(t *testing.T) {
	r, out := feed(t, `
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:3: no server here\n"}
{"Action":"skip","Package":"p","Test":"TestA","Elapsed":0}
{"Action":"pass","Package":"p","Test":"TestB","Elapsed":3}
{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"output","Package":"p","Output":"ok  \tp\t3.0s\n"}
{"Action":"pass","Package":"p","Elapsed":3}
`)
	if len(r.skipped) != 1 || r.passed != 1 {
		t.Errorf("skipped %d, passed %d; want 1 and 1", len(r.skipped), r.passed)
	}
	for _, want := range []string{"no server here", "--- SKIP: p TestA", "ok  \tp\t3.0s\n", "1 passed, 0 failed, 1 skipped\n", "3.0s  p TestB"} {
		if !strings.Contains(out, want) {
			t.Errorf("the output lacks %q:\n%s", want, out)
		}
	}
}

func TestAFailedTestShowsItsOutputAndAGoodOneNot(t *testing.T) {
	_, out := feed(t, `
{"Action":"output","Package":"p","Test":"TestGood","Output":"quiet\n"}
{"Action":"pass","Package":"p","Test":"TestGood","Elapsed":0}
{"Action":"output","Package":"p","Test":"TestBad","Output":"want 1, have 2\n"}
{"Action":"fail","Package":"p","Test":"TestBad","Elapsed":0}
{"Action":"output","Package":"p","Test":"TestHangs","Output":"panic: test timed out\n"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p","Elapsed":0.1}
not an event
`)
	for _, want := range []string{"want 1, have 2", "panic: test timed out", "FAIL\tp\t0.1s\n", "--- FAIL: p TestBad", "not an event"} {
		if !strings.Contains(out, want) {
			t.Errorf("the output lacks %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "quiet") {
		t.Errorf("the output of a passed test is shown:\n%s", out)
	}
}
