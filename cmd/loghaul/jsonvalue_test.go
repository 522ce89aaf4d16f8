package main

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"unicode/utf8"
)

// TestAppendText prints texts of every length with every kind of byte: what a JSON reader gets is the text.
func TestAppendText(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	kinds := []string{"a", " ", `"`, `\`, "\x00", "\t", "\x1f", "~", "\x7f", "é", "\xff"}
	for range 50_000 {
		text := ""
		for range rng.IntN(20) {
			kind := 0
			if rng.IntN(6) == 0 {
				kind = rng.IntN(len(kinds))
			}
			text += kinds[kind]
		}
		out := appendText(nil, []byte(text))
		var got any
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatalf("%q: %s: %v", text, out, err)
		}
		if s, ok := got.(string); ok && s == text {
			continue
		}
		if hexed, ok := got.(map[string]any); !ok || hexed["hex"] == nil || utf8.ValidString(text) {
			t.Fatalf("%q is printed as %s", text, out)
		}
	}
}
