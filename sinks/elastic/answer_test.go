package elastic

import (
	"strings"
	"testing"
)

func TestAnswersAreReadInOrder(t *testing.T) {
	const good = `{"create":{"status":201}}`
	const bad = `{"create":{"status":400,"error":{"type":"t","reason":"r"}}}`
	var a answers // one for all: nothing of an answer may be left for the next
	for _, c := range []struct {
		text string
		n    int
		all  bool
		err  string
		want []int
	}{
		{`{"errors":true,"items":[` + bad + `,` + good + `,` + bad + `]}`, 3, false, "", []int{400, 201, 400}},
		{`{"errors":true,"items":[` + good + `,` + bad + `]}`, 2, false, "", []int{201, 400}},
		{`{"errors":false,"items":[` + good + `,` + good + `]}`, 2, true, "", nil},
		{`{"took":1,"errors":false,"items":[` + good + `]}`, 1, false, "", []int{201}},
		{`{"errors":false,"items":[` + good + `]}`, 2, false, "1 items for 2", nil},
		{`{"errors":true,"items":[` + bad + `,{}]}`, 2, false, "no status for document 2", nil},
		{`{"errors":true,"items":[` + bad + `,{"index":{"status":201}}]}`, 2, false, "no status for document 2", nil},
		{`{}`, 1, false, "0 items for 1", nil},
		{`null`, 1, false, "0 items for 1", nil},
		{`{"items":null}`, 1, false, "0 items for 1", nil},
		{`<html>`, 1, false, "not that of Elasticsearch", nil},
	} {
		a.text.Reset()
		a.text.WriteString(c.text)
		all, err := a.parse(c.n)
		if (err == nil) != (c.err == "") || (err != nil && !strings.Contains(err.Error(), c.err)) || all != c.all {
			t.Errorf("%s: %v, %v; want %v, %q", c.text, all, err, c.all, c.err)
		}
		for i, want := range c.want {
			if it := a.items[i].Create; it.Status != want || (it.Error.Type != "") != (want == 400) {
				t.Errorf("%s: item %d is %+v, want %d", c.text, i, it, want)
			}
		}
	}
}

func FuzzAnswers(f *testing.F) {
	f.Add(`{"errors":true,"items":[{"create":{"status":201}},{"create":{"status":429}}]}`, 2)
	f.Add(`{"errors":false,"items":[{"create":{"status":201}}]}`, 1)
	f.Fuzz(func(t *testing.T, text string, n int) {
		var a answers
		a.text.WriteString(text)
		if all, err := a.parse(n); err == nil && !all && len(a.items) != n {
			t.Errorf("%d items for %d documents", len(a.items), n)
		}
	})
}
