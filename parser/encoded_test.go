package parser

import (
	"testing"
)

// TestEncodedValues reads values as HAProxy's encoders print them, and refuses what they do not print.
func TestEncodedValues(t *testing.T) {
	for _, c := range []struct {
		spec, line string
		want       string // of the first field; "" is absent, "-" no match
		state      State
	}{
		{`%{+json}o %(a)[x]`, `{"a": ""}`, "", 0},
		{`%{+json}o %(a)[x]`, `{"a": "b\"c\\d"}`, `b"c\d`, Present},
		{`%{+json}o %(a)[x]`, `{"a": "b\nc"}`, "-", 0},
		{`%{+json}o %(a)[x]`, `{"a": -12}`, "-12", Present | Bare},
		{`%{+json}o %(a)[x]`, `{"a": 012}`, "-", 0},
		{`%{+json}o %(a)[x]`, `{"a": "12"}`, "12", Present | Quoted},
		{`%{+json}o %(a)[req.hdr(x)]`, `{"a": "12"}`, "12", Present},
		{`%{+json}o %(a)[x]`, `{"a": true}`, "true", Present | Bare},
		{`%{+json}o %(a)[x]`, `{"a": null}`, "-", 0},
		{`%{+json}o %(a:str)[x]`, `{"a": true}`, "-", 0},
		{`%{+json}o %(a:sint)[x]`, `{"a": ""}`, "", 0},
		{`%{+json}o %(a:raw)[x]`, `{"a": [1,2]}`, "[1,2]", Present},
		{`%{+json}o %(a)s skipped %ci`, `{"a": "<NOSRV>"}`, "<NOSRV>", Present},
		{`%{+json}o %(a)hr`, `{"a": null}`, "", 0},
		{`%{+json}o %(a)hr`, `{"a": "{x|y}"}`, "x|y", Present},
		{`%{+json}o %(a)hr`, `{"a": "{x}y}"}`, "-", 0},
		{`%{+json}o %(a)hrl`, `{"a": ["x", "y\\z", ""]}`, `x|y\z|`, Present},
		{`%{+json}o %(a)hrl`, `{"a": ["x","y"]}`, "-", 0},
		{`%{+json}o %(a)hrl`, `{"a": []}`, "-", 0},
		{`%{+json,+X}o %(a)ci`, `{"a": "7F000001"}`, "127.0.0.1", Present | IPv4},
		{`%{+json}o %(a)tsc`, `{"a": "SD--"}`, "SD--", Present},
		{`%{+json}o %(a)r`, `{"a": "GET /#22 \\ HTTP/1.1"}`, `GET /#22 \ HTTP/1.1`, Present},
		{`%{+json}o %(a)b`, `{"a": "no name"}`, "-", 0},
		{`%{+json}o %(a:bool)ST`, `{"a": true}`, "true", Present | Bare},
		{`%{+json}o %(a)ci`, `{"a": "127.0.0.1"} `, "-", 0},
		{`%{+json}[x] %{+json}[y]`, `"a b" 2`, "a b", Present},
		{`%{+cbor,+bin}o %(a)[x]`, "\xBF\x61a\xF6\xFF", "", 0},
		{`%{+cbor,+bin}o %(a)[x]`, "\xBF\x61a\x63abc\xFF", "abc", Present},
		{`%{+cbor,+bin}o %(a)[x]`, "\xBF\x61a\x78\x03abc\xFF", "-", 0},
		{`%{+cbor,+bin}o %(a)[x]`, "\xBF\x61a\x39\x01\x00\xFF", "-257", Present | Bare},
		{`%{+cbor,+bin}o %(a)[x]`, "\xBF\x61a\x5F\x42\x00\xFF\xFF\xFF", "\x00\xFF", Present | Binary},
		{`%{+cbor,+bin}o %(a)[x]`, "\xBF\x61a\xF5\xFF", "true", Present | Bare},
		{`%{+cbor,+bin}o %(a)ft`, "\xBF\x61a\x7F\x62fe\x61~\xFF\xFF", "fe~", Present},
		{`%{+cbor,+bin}o %(a)ft`, "\xBF\x61a\x7F\x63fe~\xFF\xFF", "-", 0},
		{`%{+cbor,+bin}o %(a)HU`, "\xBF\x61a\x7F\x60\x63#22\x61x\xFF\xFF", "#22x", Present},
		{`%{+cbor,+bin}o %(a)HU`, "\xBF\x61a\x7F\x64#22x\xFF\xFF", "-", 0},
		{`%{+cbor,+bin}o %(a)hrl`, "\xBF\x61a\x9F\x7F\x61x\xFF\x7F\xFF\xFF\xFF", "x|", Present},
		{`%{+cbor}o %(a)b`, "BF61616262 65FF", "-", 0},
		{`%{+cbor}o %(a)b`, "BF6161626265FF", "be", Present},
		{`%{+cbor}o %(a)b`, "BF6161626265ff", "-", 0},
		{`%{+json,+cbor}o %(a)b`, `{"a": "be"}`, "be", Present},               // the first encoding stays
		{`%(a)b %{+json}o`, `{"a": "be"}`, "be", Present},                     // for the whole string
		{`%{+json}o %(a)b %{-json}o %(c)s`, `"be" s`, "be", Present},          // no longer for the whole string
		{`%{+json}o %(a){-json}b`, `{"a": "be"}`, "be", Present},              // not for an item alone
		{`%{+json}o %(a)ms %(b)rc`, `{"a": 7, "b": 2}`, "", Present},          // neither padded nor with a plus
		{`%{+Q,+E,+json}o %(a)hrl`, `{"a": ["x]", ""]}`, "x]|", Present},      // +E is void
		{`%{+json}o %(a)t`, `{"a": "22/Nov/2026:16:17:55.857"}`, "", Present}, //
		{`%{+json}o %(a)t`, `{"a": 22/Nov/2026:16:17:55.857}`, "-", 0},        //
		{`%{+json}o %(a:str)B`, `{"a": "12"}`, "", Present},                   //
		{`%{+json}o %(a:str)B`, `{"a": 12}`, "-", 0},                          //
	} {
		f, err := Compile(c.spec)
		if err != nil {
			t.Errorf("%s: %v", c.spec, err)
			continue
		}
		var r Record
		if ok := f.Parse([]byte(c.line), &r); ok != (c.want != "-") {
			t.Errorf("%s: %q matches: %v", c.spec, c.line, ok)
			continue
		} else if !ok {
			continue
		}
		if v := r.Values[0]; v.State != c.state || f.fields[0].Kind != KindInt && f.fields[0].Kind != KindDate && string(v.Text) != c.want && v.State != 0 {
			t.Errorf("%s: %q gives %q, state %b; want %q, %b", c.spec, c.line, v.Text, v.State, c.want, c.state)
		}
		if got := f.Append(nil, &r); string(got) != c.line {
			t.Errorf("%s: %q renders to %q", c.spec, c.line, got)
		}
		if got := renderStored(f, &r); string(got) != c.line && r.Exact() {
			t.Errorf("%s: %q renders from its values to %q", c.spec, c.line, got)
		}
	}
}

// TestCaptures reads lines whose meaning the configuration decides.
func TestCaptures(t *testing.T) {
	known := func(request, response int) *Captures {
		return &Captures{Request: make([]string, request), Response: make([]string, response)}
	}
	const clf = `%{+Q}o %CC %CS %hrl %hsl`
	for _, c := range []struct {
		spec     string
		captures *Captures
		line     string
		hr, hs   string // the items, "?" for unsure, "" for absent, "!" in hr for no match
	}{
		{`%ST %hr %hs %{+Q}r`, nil, `1 {a} "GET / H"`, "?", "?"},
		{`%ST %hr %hs %{+Q}r`, known(1, 0), `1 {a} "GET / H"`, "a", ""},
		{`%ST %hr %hs %{+Q}r`, known(0, 1), `1 {a} "GET / H"`, "", "a"},
		{`%ST %hr %hs %{+Q}r`, known(2, 1), `1 {a|b} {c} "GET / H"`, "a|b", "c"},
		{`%ST %hr %hs %{+Q}r`, known(2, 1), `1 "<BADREQ>"`, "", ""},
		{`%ST %hr %hs %{+Q}r`, known(1, 1), `1 {a|b} {c} "GET / H"`, "!", ""},
		{`%ST %hr %hs %{+Q}r`, known(0, 0), `1 "GET / H"`, "", ""},
		{`%ST %hr %hs %{+Q}r`, known(0, 0), `1 {a} "GET / H"`, "!", ""},
		{clf, nil, `"" "" "a" "b" "c"`, "?", "?"},
		{clf, known(1, 2), `"" "" "a" "b" "c"`, "a", "b|c"},
		{clf, known(2, 1), `"" "" "a" "b" "c"`, "a|b", "c"},
		{clf, known(3, 0), `"" "" "a" "b" "c" `, "a|b|c", ""},
		{clf, known(1, 1), `"" "" "a" "b" "c"`, "!", ""},
		// Without quotes a header that is there but empty prints nothing.
		{`%hrl %hsl %ST`, known(1, 1), `a b 200`, "?", "?"},
		{`%hrl %hsl %ST`, known(1, 0), `200`, "", ""},
		// %[capture.req.hdr(1)] tells that headers are captured, and %hr what it must be.
		{`%{+Q}o %hr %hs %[capture.req.hdr(1)] %[capture.res.hdr(0)] %HM`, nil, `"{a|b}" "{c}" "b" "c" "GET"`, "a|b", "c"},
		{`%{+Q}o %hr %hs %[capture.req.hdr(1)] %[capture.res.hdr(0)] %HM`, nil, `"{a|}" "{}" "" "" "GET"`, "a|", ""},
	} {
		f, err := CompileWith(c.spec, Options{Captures: c.captures})
		if err != nil {
			t.Fatal(err)
		}
		var r Record
		if !f.Parse([]byte(c.line), &r) {
			if c.hr != "!" {
				t.Errorf("%s %+v: no match: %q", c.spec, c.captures, c.line)
			}
			continue
		}
		for _, field := range []struct{ alias, want string }{{"hr", c.hr}, {"hs", c.hs}} {
			for i := range f.fields {
				if a := f.fields[i].Alias; a != field.alias && a != field.alias+"l" {
					continue
				}
				got := string(r.Values[i].Text)
				if r.Values[i].State&Unsure != 0 {
					got = "?"
				}
				if got != field.want || c.hr == "!" {
					t.Errorf("%s %+v: %q: %s is %q, want %q", c.spec, c.captures, c.line, field.alias, got, field.want)
				}
			}
		}
		if got := f.Append(nil, &r); string(got) != c.line {
			t.Errorf("%s: %q renders to %q", c.spec, c.line, got)
		}
	}
}

// TestExpressionTypes knows which expressions print texts and which print numbers.
func TestExpressionTypes(t *testing.T) {
	for expr, want := range map[string]struct {
		text  bool
		class class
	}{
		"capture.req.hdr(0)":               {true, classAny},
		"req.hdr(host),lower":              {true, classAny},
		"fc_err":                           {false, classNumber},
		"ssl_fc_err,hex":                   {true, classMethod},
		"req.hdr(a),length":                {false, classNumber},
		"var(txn.a)":                       {false, classAny},
		"src":                              {true, classAddr},
		"src,ipmask(24,64)":                {true, classAddr},
		"capture.req.uri,regsub(\"a,\",b)": {true, classAny},
		"ssl_fc_is_resumed":                {false, classNumber},
		"req.hdr(a),base64":                {true, classBase64},
		"no.such.fetch":                    {false, classAny},
		// The manual says other things about these.
		"method":                        {true, classAny},
		"req.hdr(a),length,htonl":       {true, classAny},
		"var(a),protobuf(1)":            {false, classAny},
		"var(a),jwt_payload_query($.a)": {false, classAny},
	} {
		if got := printsText(expr); got != want.text {
			t.Errorf("%s: text is %v", expr, got)
		}
		if got := expressionClass(expr); got != want.class {
			t.Errorf("%s: class %b, want %b", expr, got, want.class)
		}
	}
}
