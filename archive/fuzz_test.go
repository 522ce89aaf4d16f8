package archive

import (
	"bytes"
	"errors"
	"testing"

	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/filter"
	"github.com/loghaul/loghaul/parser/wrapper"
)

// FuzzOpen reads arbitrary bytes: no panic, no error but the two that Open
// documents, and memory in proportion to the input (the fuzzing engine limits
// it). An object that opens without an error must give its rows or an error.
func FuzzOpen(f *testing.F) {
	e := newEncoder(f, wellKnown(f)...)
	o, err := e.Encode([]Batch{batch(1, 0, []byte(nasty))}, sealed)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(o.Body)
	for _, batches := range [][]Batch{
		{lost(1, 0, 10, 0, "truncated")},
		{batch(1, 0, []byte(cri(1, "stdout", "P", "a")+cri(1, "stderr", "F", "b")+cri(1, "stdout", "F", "c")))},
	} {
		o, err := e.Encode(batches, sealed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(o.Body)
	}
	f.Add([]byte("PAR1"))
	for _, c := range corruptions() {
		if c.file != nil && c.name != "bloom filter without an entry" {
			f.Add(c.file(f, bytes.Clone(o.Body)))
		}
	}
	var filters []*filter.Filter
	for _, text := range []string{"ci=127.0.0.1 ST>=200", "HP~/ or ID=x", "not (b^=a or raw~x)", "message=* or req.1=a"} {
		parsed, err := filter.Parse(text)
		if err != nil {
			f.Fatal(err)
		}
		filters = append(filters, parsed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Open(bytes.NewReader(b), int64(len(b)))
		if err == nil {
			err = r.Rows(func(row *Row) error {
				if row.Record != nil && row.Format == "" {
					t.Error("a record without a format")
				}
				return nil
			})
		}
		if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrVersion) {
			t.Errorf("error %v is neither ErrCorrupt nor ErrVersion", err)
		}
		if r == nil {
			return
		}
		for _, f := range filters {
			if err := ask(r, f); err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrVersion) {
				t.Errorf("%s: error %v is neither ErrCorrupt nor ErrVersion", f, err)
			}
		}
	})
}

// ask counts and reads what a filter selects.
func ask(r *Reader, f *filter.Filter) error {
	q := &Query{Where: f, From: 1, To: 1 << 42}
	s, err := r.Select(q)
	if err != nil {
		return err
	}
	defer s.Close()
	if _, err := s.Count(); err != nil {
		return err
	}
	return s.Rows(func(*Row) error { return nil })
}

// FuzzRoundTrip archives arbitrary bytes as lines.
func FuzzRoundTrip(f *testing.F) {
	formats := []*parser.Format{}
	for _, spec := range append(parser.WellKnown(),
		`%{+Q}o %ci %HM %HU %HV %hrl %CC %ID`, `%T|%Tl|%Ts.%ms|%t|%tr|%trg|%trl %HQ`, `%[src] %rt %pid %{+X}Ts %r %HP`) {
		formats = append(formats, compile(f, spec))
	}
	f.Add([]byte(nasty), 10)
	for _, log := range []string{"/http-asap/clf.log", "/tcp/tcplog.log", "/default/default.log", "/errors-legacy/error.log"} {
		raw := readCorpus(f, corpusDir+log)
		f.Add(raw[:min(len(raw), 1500)], 400)
	}
	for _, raw := range wrappings(f) {
		f.Add(raw[:1500], 400)
	}
	f.Add([]byte(cri(1, "stdout", "P", "a")+cri(1, "stderr", "P", "b")+cri(1, "stdout", "F", "c")+cri(1, "stderr", "F", "d")), 4999)
	f.Add([]byte(dockerRecord(1, "stdout", "a", false)+dockerRecord(1, "stderr", "b", true)+dockerRecord(1, "stdout", "c", true)), 4999)
	e, err := NewEncoder(Options{Formats: formats, Writer: "fuzz", Wrapper: wrapper.Auto})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte, size int) {
		if len(raw) == 0 || len(raw) > 1<<16 {
			return
		}
		batches := cut(1, raw, max(1, size%5000))
		batches[0].Header.Rest = size%7 == 0
		o, err := e.Encode(batches, sealed)
		if err != nil {
			t.Fatal(err)
		}
		if o.Refused > 0 {
			t.Errorf("%d rows did not render back", o.Refused)
		}
		if got := sourceBytes(t, o.Body, 0); !bytes.Equal(got, raw) {
			t.Errorf("got %q", got)
		}
		checkRawSum(t, o.Body, raw)
	})
}

// FuzzMask masks arbitrary bytes: each line keeps its length, and what comes
// out is the same each time and can be archived.
func FuzzMask(f *testing.F) {
	f.Add([]byte(nasty))
	for _, raw := range wrappings(f) {
		f.Add(raw[:2000])
	}
	formats := append(wellKnown(f), compile(f, `%{+json}o%ci %hr %HQ`), compile(f, `%{+E}o "%r" %CC %{+X}ci`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) == 0 {
			return
		}
		fields := map[string]string{"ci": MaskTruncate, "hr": MaskHash, "CC": MaskHash, "HP": MaskHash, "HQ": MaskHash}
		m, err := NewMasker(Options{Formats: formats, Wrapper: wrapper.Auto}, MaskOptions{Fields: fields, IPv4: 24, IPv6: 48, Key: maskKey(), Blank: len(raw)%2 == 0})
		if err != nil {
			t.Fatal(err)
		}
		one, two := []Batch{batch(1, 0, bytes.Clone(raw))}, []Batch{batch(1, 0, bytes.Clone(raw))}
		n := m.Mask(one)
		if again := m.Mask(two); again != n || !bytes.Equal(one[0].Raw, two[0].Raw) {
			t.Errorf("%+v, and the second time %+v", n, again)
		}
		for i, c := range one[0].Raw {
			if (c == '\n') != (raw[i] == '\n') {
				t.Fatalf("a line became longer or shorter at %d", i)
			}
		}
		if _, err := newEncoder(t, formats...).Encode(one, sealed); err != nil {
			t.Error(err)
		}
	})
}
