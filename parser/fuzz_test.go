package parser

import (
	"bytes"
	"testing"
)

// fuzzSpecs are the formats that FuzzParse tries lines on.
func fuzzSpecs() []string {
	return append(WellKnown(),
		`%{+Q,+E}o %ci %cp %tr %ft %b/%s %ST %CC %CS %tsc %hr %hs %[x] %{-Q}[y] %r`,
		`%{+X}o %ci:%cp %Ts.%ms %rt %pid %[x] %{-X}cp`,
		`%{-M}o %ci %CC %CS %ST %[x] %hrl end`,
		`%ci:%cp%ST%tsc%HM%{+Q}HU%HV`,
		`%{+E}o %[x]%hrl %{+Q}hsl %CC|%{+Q}CS %si:%sp`,
		`%{+Q}CC %{+Q}CS %CC;%CS %ID`,
		`%T|%Tl|%Ts|%t|%ms|%tr %HU %HQ %H`,
		`%[x] %[y]/%hr %hs %Ta`,
		`%{+json}o %(a)ci %(b)cp %(c)tr %(d)ft %(e:str)ST %(f:bool)B %(g)CC %(h)hr %(i)hsl %(j)r %(k)[x] %(l:sint)[y] %(m:raw)[z] %(n)ID`,
		`%{+cbor}o %(a)ci %(b)cp %(c)tr %(d)ft %(e:str)ST %(f:bool)B %(g)CC %(h)hr %(i)hsl %(j)r %(k)[x] %(l:sint)[y] %(n)ID`,
		`%{+cbor,+bin,+X}o %(a)ci %(b)cp %(e)Ts %(h)hr %(k)[x]`,
		`%ci %{+json}hr %{+json}[x] %{+cbor}[y] %{+json}ST %[z]`,
		`%{+Q}o %ci %hr %hs %r %[capture.req.hdr(1)] %[capture.res.hdr(0)] %CC`,
	)
}

// FuzzCompile compiles any string: it never panics, and what compiles can be used.
func FuzzCompile(f *testing.F) {
	for _, spec := range fuzzSpecs() {
		f.Add(spec, []byte("1 a \"b\" {c}"))
	}
	for _, spec := range []string{"%", "%%", "%{", "%(a:str){+Q}[x(']')]", "%{+Q}o%{-Q,+E,+X}ci", "%-%\"", "a  b %hr %hs %hr "} {
		f.Add(spec, []byte(spec))
	}
	f.Fuzz(func(t *testing.T, spec string, line []byte) {
		format, err := Compile(spec)
		if err != nil {
			if syntax, ok := err.(*SyntaxError); !ok || syntax.Pos < 0 || syntax.Pos > len(spec) { //nolint:errorlint // never wrapped
				t.Fatalf("%v: position outside the string", err)
			}
			return
		}
		if len(format.nodes) > 64 || len(line) > 1024 {
			return
		}
		var fast, slow Record
		agree(t, format, line, &fast, &slow)
		var empty Record
		empty.Reset(format)
		format.Append(nil, &empty)
	})
}

// FuzzParse reads any bytes under many formats: it never panics, what matches renders to the same bytes, and the
// program and the solver agree.
func FuzzParse(f *testing.F) {
	specs := fuzzSpecs()
	formats := make([]*Format, len(specs))
	for i, spec := range specs {
		var err error
		if formats[i], err = Compile(spec); err != nil {
			f.Fatal(err)
		}
	}
	for _, name := range []string{"http/httplog.log", "http/clf.log", "http/escaped.log", "tcp/custom.log", "custom/c08-dates.log", "custom/c12-adjacent.log", "custom/c22-json.log", "custom/c23-cbor.log", "custom/c24-quotes-all.log", "http/quoted.log"} {
		lines := readLines(f, corpusDir+"/"+name, "").lines
		for i := 0; i < len(lines); i += 200 {
			f.Add(lines[i])
		}
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		if len(line) > 4096 || bytes.IndexByte(line, '\n') >= 0 {
			return
		}
		var fast, slow Record
		var p Printer
		for _, format := range formats {
			if !agree(t, format, line, &fast, &slow) {
				continue
			}
			// What the values alone render to is the line as well, unless the record says otherwise.
			if got := renderStored(format, &fast); fast.Exact() && !bytes.Equal(got, line) {
				t.Fatalf("%s\nvalues render to %q, want\n%q", format.Spec(), got, line)
			}
			if fast.Exact() {
				agreePrint(t, &p, format, &fast)
			}
		}
	})
}
