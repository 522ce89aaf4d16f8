package wrapper

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/loghaul/loghaul/parser"
)

// export is what journalctl -o export prints, but for some fields.
const export = "__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=1795363718929720\n_HOSTNAME=lb1\nPRIORITY=6\nSYSLOG_FACILITY=3\n" +
	"SYSLOG_IDENTIFIER=haproxy\n_PID=77\nSYSLOG_PID=78\n_TRANSPORT=syslog\nMESSAGE=a=b 200\n\n" +
	"__REALTIME_TIMESTAMP=1795363719000000\nMESSAGE\n\x09\x00\x00\x00\x00\x00\x00\x00x\ny \x01 200\n_PID=77\nPRIORITY=9\n\n\n" +
	"MESSAGE=<6>z 200\n"

func TestScanEntries(t *testing.T) {
	for _, in := range []io.Reader{strings.NewReader(export), iotest.OneByteReader(strings.NewReader(export + "\n")), strings.NewReader(strings.TrimSuffix(export, "\n"))} {
		p := newParser(t, Journald, "%[a] %ST")
		sc := bufio.NewScanner(in)
		sc.Split(ScanEntries)
		var got []string
		for sc.Scan() {
			var h Header
			var r parser.Record
			message, format, ok := p.ParseEntry(sc.Bytes(), &r, &h)
			if !ok || format != 0 {
				t.Errorf("format %d, %v: %q", format, ok, sc.Bytes())
			}
			got = append(got, show(&h)+" "+string(message))
		}
		want := "journald f3 s6 host=lb1 tag=haproxy pid=78 2026-11-22T16:08:38.929720Z a=b 200|" +
			"journald pid=77 2026-11-22T16:08:39.000000Z x\ny \x01 200|journald+short s6 z 200"
		if all := strings.Join(got, "|"); all != want || sc.Err() != nil {
			t.Errorf("%v: got %q, want %q", sc.Err(), all, want)
		}
	}
}

func TestScanEntriesErrors(t *testing.T) {
	for _, in := range []string{
		"Nov 22 16:17:55 lb1 haproxy[1]: x\n", "{}\n", "MESSAGE\n\xff\xff\xff\xff\xff\xff\xff\xffx\n", "MESSAGE\n\x02\x00\x00\x00\x00\x00\x00\x00x",
		"MESSAGE\n\x01\x00\x00\x00\x00\x00\x00\x00xx\n", "=x\n", "MESS", strings.Repeat("A", 100) + "=x\n",
	} {
		sc := bufio.NewScanner(strings.NewReader(in))
		sc.Split(ScanEntries)
		for sc.Scan() {
		}
		if sc.Err() == nil {
			t.Errorf("no error for %q", in)
		}
	}
	var h Header
	var r parser.Record
	p := newParser(t, Journald, "%ST")
	for _, entry := range []string{"PRIORITY=6\n", "x\n", ""} {
		if _, _, ok := p.ParseEntry([]byte(entry), &r, &h); ok {
			t.Errorf("%q is taken for an entry with a message", entry)
		}
	}
	if advance, token, err := ScanEntries([]byte("\n\n"), true); advance != 0 && token != nil || err != nil {
		t.Errorf("%d %q %v", advance, token, err)
	}
	if !bytes.Contains([]byte(errEntry.Error()), []byte("journalctl -o export")) {
		t.Error("the error does not say what to do")
	}
}
