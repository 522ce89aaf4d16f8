package parser

import (
	"bytes"
	"encoding/json"
	"strconv"
	"testing"
)

// TestNastyMessages reads messages with line feeds, NULs, escape sequences and bytes that are not UTF-8 in them, each as
// HAProxy sent it in a datagram. What is read is what HAProxy had, and the exact message comes back.
func TestNastyMessages(t *testing.T) {
	dir := corpusDir + "/nasty/"
	var specs map[string]string
	if err := json.Unmarshal(readFile(t, dir+"octets.json"), &specs); err != nil {
		t.Fatal(err)
	}
	truths := readTruth(t, dir+"truth.jsonl")
	for name, spec := range specs {
		f := mustCompile(t, spec)
		var r Record
		rest := readFile(t, dir+name+".octets")
		read, unsure, feeds := 0, 0, 0
		for i := 0; len(rest) > 0; i++ {
			size, after, _ := bytes.Cut(rest, []byte(" "))
			n, err := strconv.Atoi(string(size))
			if err != nil {
				t.Fatalf("%s: message %d has the length %q", name, i, size)
			}
			message := bytes.TrimSuffix(after[:n], []byte("\n"))
			if _, behind, ok := bytes.Cut(message, []byte(" - - ")); ok { // a header of RFC 5424
				message = behind
			}
			rest = after[n:]
			if !f.Parse(message, &r) {
				t.Errorf("%s: message %d is refused: %q", name, i, message)
				continue
			}
			read++
			if bytes.IndexByte(message, '\n') >= 0 {
				feeds++
			}
			if got := f.Append(nil, &r); !bytes.Equal(got, message) {
				t.Errorf("%s: message %d renders to %q, want %q", name, i, got, message)
			}
			for j := range f.fields {
				field, v := &f.fields[j], &r.Values[j]
				if v.State&Unsure != 0 {
					unsure++
					continue
				}
				if msg := compareNasty(field, v, truths[i]); msg != "" {
					t.Errorf("%s: message %d %%%s: %s: %q", name, i, field.Name, msg, message)
				}
			}
		}
		t.Logf("%-10s %d messages, %d with a line feed, %d fields unsure", name, read, feeds, unsure)
		if read < 100 {
			t.Errorf("%s: %d messages read", name, read)
		}
	}
}

// compareNasty compares the expressions with their bytes; other fields are compared as everywhere.
func compareNasty(field *Field, v *Value, want truth) string {
	key := map[string]string{"var(txn.body)": "body_x", "capture.req.uri,url_dec": "dec_x"}[field.Expr]
	if key == "" {
		return compareField(field, v, want, true)
	}
	raw, _ := unhex(want[key])
	if v.State&Binary == 0 { // printed as text, which a NUL ends
		text, _, _ := bytes.Cut([]byte(raw), []byte{0})
		raw = string(text)
	}
	if string(v.Text) != raw && (v.State&Present != 0 || raw != "") {
		return strconv.Quote(string(v.Text)) + ", want " + strconv.Quote(raw)
	}
	return ""
}
