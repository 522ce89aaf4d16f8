package tail

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/loghaul/loghaul/forwarder/ledger"
)

func criRecord(stream, tag, text string) string {
	return "2026-11-26T01:02:03.123456789Z " + stream + " " + tag + " " + text + "\n"
}

func dockerRecord(stream, text string) string {
	return fmt.Sprintf(`{"log":%q,"stream":%q,"time":"2026-11-26T01:02:03.123456789Z"}`+"\n", text, stream)
}

func TestClosed(t *testing.T) {
	f, p := criRecord("stdout", "F", "a line P with it"), criRecord("stdout", "P", "a part")
	e, ep := criRecord("stderr", "F", "another"), criRecord("stderr", "P:tag", "its part")
	d, dp := dockerRecord("stdout", "a line\n"), dockerRecord("stdout", "a part")
	dq, de := dockerRecord("stdout", `a part with \n" in it`), dockerRecord("stderr", "x\n")
	for _, test := range []struct {
		wrap        wrapper
		text        string
		first, last int
	}{
		{cri, "", 0, 0},
		{cri, f + f, len(f), 2 * len(f)},
		{cri, p, 0, 0},
		{cri, f + p, len(f), len(f)},
		{cri, p + f, len(p + f), len(p + f)},
		{cri, p + p + f + p, len(p + p + f), len(p + p + f)},
		{cri, p + e + f, len(p + e + f), len(p + e + f)},
		{cri, e + ep + p + e, len(e), len(e)},
		{cri, e + ep + p + f, len(e), len(e)},
		{cri, f + "no record stdout P of a runtime\n", len(f), len(f) + 32},
		{docker, d + dp, len(d), len(d)},
		{docker, dp + d, len(dp + d), len(dp + d)},
		{docker, dp + de, 0, 0},
		{docker, d + dq, len(d), len(d)},
	} {
		if got := test.wrap.closed([]byte(test.text), true); got != test.first {
			t.Errorf("%q: the first end is %d, want %d", test.text, got, test.first)
		}
		if got := test.wrap.closed([]byte(test.text), false); got != test.last {
			t.Errorf("%q: the last end is %d, want %d", test.text, got, test.last)
		}
	}
}

// TestBatchesDoNotEndInsideALine: whatever the moment at which the parts are
// seen, and only for a time.
func TestBatchesDoNotEndInsideALine(t *testing.T) {
	w := plain(t)
	line := criRecord("stdout", "P", "one") + criRecord("stderr", "F", "between") + criRecord("stdout", "P", "two")
	first := criRecord("stdout", "F", "whole")
	w.put(first + line)
	w.drain()
	if got := w.archived(); got != first {
		t.Fatalf("archived %q, want %q", got, first)
	}
	end := criRecord("stdout", "F", "three")
	w.put(end)
	w.drain()
	if got := w.archived(); got != first+line+end {
		t.Fatalf("archived %q, want all", got)
	}
	w.put(line)
	w.drain()
	w.now = w.now.Add(partWait)
	w.drain()
	if got := w.archived(); got != first+line+end+line {
		t.Errorf("archived %q: the part is held for ever", got)
	}
}

func TestWrapperMayBeSet(t *testing.T) {
	w := newWorld(t, 1)
	w.cfg.Inputs[0].Wrapper = "none"
	w.start()
	text := criRecord("stdout", "P", "one")
	w.put(text)
	w.drain()
	if got := w.archived(); got != text {
		t.Errorf("archived %q, want %q", got, text)
	}
	w.cfg.Inputs[0].Wrapper = "crio"
	if err := w.cfg.Validate(); err == nil || !strings.Contains(err.Error(), "crio") {
		t.Errorf("%v", err)
	}
}

// TestLineAcrossARotation: the old file's source has the line, the new one's
// says so, also when the forwarder is killed in between.
func TestLineAcrossARotation(t *testing.T) {
	for _, crash := range []bool{false, true} {
		w := plain(t)
		old, rest, more := criRecord("stdout", "F", "before")+criRecord("stdout", "P", "begun, "), criRecord("stdout", "F", "ended"), criRecord("stdout", "F", "after")
		w.put(old)
		w.drain()
		w.must(os.Rename(w.log, w.log+".20261126-010203"))
		w.must(w.w.f.Close())
		w.create()
		w.put(rest + more)
		w.scan()
		w.ship(9)
		w.save()
		if crash {
			w.crash(1)
			w.start()
		}
		w.drain()
		w.drain()
		var got []string
		for _, s := range w.broker.streams {
			got = append(got, string(s.bytes))
			if s.have[0] == joined && asDigits(s) != strings.Repeat("3", len(rest))+strings.Repeat("1", len(more)) {
				t.Errorf("crash %v: the new file's stream is %s", crash, asDigits(s))
			}
		}
		want := []string{old + rest, strings.Repeat("\x00", len(rest)) + more}
		if len(got) != 2 || got[0] != want[0] && got[1] != want[0] || got[0] != want[1] && got[1] != want[1] {
			t.Errorf("crash %v: archived %q, want %q", crash, got, want)
		}
		w.ledger.Each(func(a *ledger.Account) {
			if a.LostBytes() != 0 || a.InFlight() != 0 {
				t.Errorf("crash %v: lost %d, in flight %d", crash, a.LostBytes(), a.InFlight())
			}
		})
	}
}

// TestLinkedContainerFiles: the kubelet rotates what the link points to.
func TestLinkedContainerFiles(t *testing.T) {
	w := makeWorld(t, t.TempDir(), 1, viaLink)
	t.Cleanup(w.close)
	w.start()
	w.put("first\n")
	w.rotate(true)
	w.put("second\n")
	w.restart()
	w.put("third\n")
	w.settle()
	w.check()
	paths := map[string]bool{}
	for f := range w.tail.files {
		paths[strings.TrimPrefix(f.src.Path, w.dir)] = f.src.ID != ""
	}
	for _, want := range []string{"/pod/0.log-202611000001", "/pod/0.log", "/containers/pod_ns_app.log"} {
		if !paths[want] {
			t.Errorf("no source of %s: %v", want, paths)
		}
	}
}

func BenchmarkClosed(b *testing.B) {
	line := []byte(criRecord("stdout", "F", `10.0.0.1:40000 [26/Nov/2026:01:02:03.123] fe be/s1 0/0/1/2/3 200 512 - - ---- 1/1/0/0/0 0/0 "GET /path HTTP/1.1"`))
	p := []byte(strings.Repeat(string(line), 512<<10/len(line)))
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		cri.closed(p, false)
	}
}
