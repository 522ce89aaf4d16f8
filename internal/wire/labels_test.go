package wire_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loghaul/loghaul/internal/wire"
)

// nastyLabels has what a value can hold.
func nastyLabels() map[string]string {
	return map[string]string{
		"cluster": "eu-1", "empty": "", "a": ",=%", "b": " a b ", "c": "x,y=z,cluster=b", "d": "\r\nLh-Lost: x", "e": "é\u2028\x00\x7f",
		"f": "%2C%", "k_9": strings.Repeat("é", 128), strings.Repeat("k", 63): "v",
	}
}

func TestLabelsRoundTrip(t *testing.T) {
	for _, m := range []map[string]string{nil, {"a": ""}, {"a": "", "b": ""}, {"cluster": "x"}, nastyLabels()} {
		labels, err := wire.NewLabels(m)
		if err != nil {
			t.Fatal(err)
		}
		h := header(text, wire.S2)
		h.Labels = labels
		encoded := h.Encode()
		if _, ok := encoded["Lh-Labels"]; ok != (len(m) > 0) {
			t.Errorf("%v: header Lh-Labels: %v", m, ok)
		}
		for name, v := range encoded {
			if strings.ContainsAny(v[0], "\r\n") || strings.TrimSpace(v[0]) != v[0] {
				t.Errorf("%v: header %s cannot travel: %q", m, name, v)
			}
		}
		got, err := wire.DecodeHeader(encoded)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(h, got); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff(m, got.Labels.Map()); d != "" {
			t.Error(d)
		}
		if h.MsgID() != got.MsgID() || encoded["Lh-V"][0] != "1" {
			t.Errorf("labels change the identity or the version: %v", encoded)
		}
	}
}

func TestLabelsAreBounded(t *testing.T) {
	many := map[string]string{}
	for i := range wire.MaxLabels {
		many[fmt.Sprint("k", i)] = ""
	}
	if _, err := wire.NewLabels(many); err != nil {
		t.Error(err)
	}
	many["x"] = ""
	for name, m := range map[string]map[string]string{
		"too many": many, "no name": {"": "x"}, "upper case": {"A": "x"}, "digit first": {"1a": "x"}, "underscore first": {"_a": "x"}, "dot": {"a.b": "x"},
		"name too long": {strings.Repeat("k", 64): "x"}, "value too long": {"a": strings.Repeat("x", 257)}, "value not UTF-8": {"a": "\xff"},
	} {
		if l, err := wire.NewLabels(m); err == nil {
			t.Errorf("%s: made %v", name, l)
		}
	}
}

func lostHeader() wire.Header {
	h := header("", wire.Plain)
	h.To, h.Lost, h.Records = h.From+1<<40, "spool_full", 12
	return h
}

func TestLossRoundTrip(t *testing.T) {
	d := decoder(t)
	for _, change := range []func(*wire.Header){
		func(*wire.Header) {},
		func(h *wire.Header) { h.Records = 0 },
		func(h *wire.Header) { h.Lost = wire.Joined },
		func(h *wire.Header) { h.To, h.Records = h.From+7, 7 },
		func(h *wire.Header) { h.From, h.To = 0, 1<<63-1 },
		func(h *wire.Header) { h.Labels, _ = wire.NewLabels(nastyLabels()) },
	} {
		h := lostHeader()
		change(&h)
		m := h.Encode()
		if m["Lh-V"][0] != "2" || m["Nats-Msg-Id"][0] != h.MsgID() || !strings.HasSuffix(h.MsgID(), "!") || len(h.MsgID()) > 64 {
			t.Errorf("headers %v", m)
		}
		got, err := wire.DecodeHeader(m)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(h, got); d != "" {
			t.Error(d)
		}
		if raw, err := d.Decode(nil, &got, nil); err != nil || len(raw) != 0 {
			t.Errorf("%d bytes, %v", len(raw), err)
		}
		// The bytes may turn up after all: they are another message.
		h.Lost = ""
		if h.MsgID() == got.MsgID() {
			t.Error("a loss has the id of the batch")
		}
	}
}

func TestRestRoundTrip(t *testing.T) {
	h := header(text, wire.S2)
	h.Rest = true
	got, err := wire.DecodeHeader(h.Encode())
	if err != nil || !got.Rest {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestCorruptLosses has the named corruptions of losses.
func TestCorruptLosses(t *testing.T) {
	h := lostHeader()
	refused(t, h.Encode, nil, []corruption{
		{"loss with a payload", "a loss with 1 bytes of payload", func(_ *testing.T, m *message) { m.payload = []byte("x") }},
		{"loss of version 1", `version "1" with Lh-Lost "spool_full"`, set("Lh-V", "1")},
		{"version 2 without a loss", `version "2" with Lh-Lost ""`, func(_ *testing.T, m *message) { delete(m.header, "Lh-Lost") }},
		{"empty reason", `version "2" with Lh-Lost ""`, set("Lh-Lost", "")},
		{"reason in upper case", "is not a loss", set("Lh-Lost", "Gone")},
		{"reason too long", "is not a loss", set("Lh-Lost", strings.Repeat("x", 33))},
		{"reason twice", "given 2 times", func(_ *testing.T, m *message) { m.header["Lh-Lost"] = []string{"gone", "gone"} }},
		{"more lines than bytes", "is not a loss", set("Lh-To", "4099")},
		{"negative number of lines", "is not a loss", set("Lh-Records", "-1")},
		{"loss of nothing", "is empty or negative", set("Lh-To", "4096")},
		{"loss with a checksum", "is not a loss", set("Lh-Crc", "1")},
		{"loss with an encoding", "is not a loss", set("Lh-Enc", "s2")},
		{"loss that is a rest", "is not a loss", set("Lh-Rest", "1")},
	})
}
