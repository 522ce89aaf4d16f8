package archive

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/wrapper"
)

// sealed is when the tests' windows are closed.
var sealed = time.Date(2026, 11, 22, 9, 30, 0, 123e6, time.UTC)

func wellKnown(t testing.TB) []*parser.Format {
	t.Helper()
	var all []*parser.Format
	for _, name := range parser.WellKnown() {
		all = append(all, compile(t, name))
	}
	return all
}

func compile(t testing.TB, spec string) *parser.Format {
	t.Helper()
	f, err := parser.Compile(spec)
	if err != nil {
		t.Fatalf("compiling %q: %v", spec, err)
	}
	return f
}

func newEncoder(t testing.TB, formats ...*parser.Format) *Encoder {
	t.Helper()
	e, err := NewEncoder(Options{Formats: formats, Writer: "agg-1", Wrapper: wrapper.Auto})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// batch makes a batch that starts at from.
func batch(id byte, from int64, raw []byte) Batch {
	return Batch{Raw: raw, Header: wire.Header{
		Source: wire.Source{ID: fmt.Sprintf("%024x", id), Node: "lb-1", Path: "/var/log/haproxy.log"},
		From:   from, To: from + int64(len(raw)), Records: wire.CountRecords(raw),
		ReadAt: sealed.Add(-time.Second),
	}}
}

// cut splits raw into batches of about size bytes of whole records.
func cut(id byte, raw []byte, size int) []Batch {
	var all []Batch
	at := 0
	for at < len(raw) {
		end := min(at+size, len(raw))
		if i := bytes.IndexByte(raw[end-1:], '\n'); i >= 0 {
			end += i
		} else {
			end = len(raw)
		}
		all = append(all, batch(id, int64(at), raw[at:end]))
		at = end
	}
	return all
}

// readBack gives the bytes that Rows gives.
func readBack(t testing.TB, body []byte) []byte {
	t.Helper()
	r, err := Open(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	sum, err := r.RawSHA256(func(row *Row) error {
		out = append(out, row.Raw...)
		if !row.NoLF {
			out = append(out, '\n')
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if sum != r.Meta().RawSHA256 && r.Meta().Version >= 4 {
		t.Errorf("SHA-256 of the raw bytes %s, the metadata has %s", sum, r.Meta().RawSHA256)
	}
	return out
}
