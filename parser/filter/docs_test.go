package filter_test

import (
	"os"
	"strings"
	"testing"

	"github.com/loghaul/loghaul/parser/filter"
)

// TestPage parses the examples of docs/filter.md, and finds every field there.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/filter.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := 0
	for line := range strings.Lines(string(page)) {
		if text, _, ok := strings.Cut(line, "  #"); ok && strings.HasPrefix(text, "    ") {
			examples++
			parse(t, strings.TrimSpace(text))
		}
	}
	if examples < 10 {
		t.Errorf("%d examples", examples)
	}
	_, table, ok := strings.Cut(string(page), "\n## Fields\n")
	table, _, _ = strings.Cut(table, "\n## ")
	words := strings.FieldsFunc(table, func(r rune) bool { return r == '`' || r == ' ' || r == ',' || r == '\n' })
	there := map[string]bool{}
	for _, word := range words {
		there[word] = true
	}
	for _, name := range filter.Names() {
		switch {
		case strings.Contains(name, "header_"), strings.HasPrefix(name, "req."), strings.HasPrefix(name, "res."):
			continue // the first and the last are
		}
		if ok && !there[name] {
			t.Errorf("the page does not have %s", name)
		}
	}
}
