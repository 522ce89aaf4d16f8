package elastic

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// maxAnswer bounds the answer that is read: some 30 bytes for a document that
// was taken, some 300 for another one.
const maxAnswer = 64 << 20

// filterPath leaves of the answer what is needed. The status keeps every item
// in its place: with errors alone, good items are left out and the others
// can't be attributed.
const filterPath = "errors,items.*.status,items.*.error.type,items.*.error.reason"

// item is what became of one document.
type item struct {
	Status int `json:"status"`
	Error  struct {
		Type   string `json:"type"`
		Reason string `json:"reason"`
	} `json:"error"`
}

// action is an item with the action around it. VictoriaLogs answers a create
// with "create" as Elasticsearch does.
type action struct {
	Create item `json:"create"`
}

// answers reads what comes back for bulk requests. It keeps its memory between
// them.
type answers struct {
	text  bytes.Buffer
	items []action
}

// parse reads the text as the answer to n documents: all says that every one was
// indexed, otherwise items has theirs in order.
func (a *answers) parse(n int) (all bool, err error) {
	text := a.text.Bytes()
	if allTaken(text, n) { // the common case, without decoding
		return true, nil
	}
	clear(a.items[:cap(a.items)])
	answer := struct {
		Items *[]action `json:"items"`
	}{&a.items}
	a.items = a.items[:0]
	if err := json.Unmarshal(text, &answer); err != nil {
		return false, fmt.Errorf("the answer is not that of Elasticsearch: %w", err)
	}
	if answer.Items == nil || len(a.items) != n {
		return false, fmt.Errorf("the answer has %d items for %d documents", len(a.items), n)
	}
	for i := range a.items {
		if a.items[i].Create.Status == 0 {
			return false, fmt.Errorf("the answer has no status for document %d of %d", i+1, n)
		}
	}
	return false, nil
}

// What Elasticsearch answers if all is well, but for the comma after the last item.
const (
	takenHead = `{"errors":false,"items":[`
	takenItem = `{"create":{"status":201}},`
	takenTail = `]}`
)

// allTaken reports whether text is the answer for n documents that were all indexed,
// as Elasticsearch writes it. Of another one that says the same it knows nothing.
func allTaken(text []byte, n int) bool {
	if n < 1 || n > len(text) || len(text) != len(takenHead)+n*len(takenItem)-1+len(takenTail) || string(text[:len(takenHead)]) != takenHead {
		return false
	}
	text = text[len(takenHead):]
	for range n - 1 {
		if string(text[:len(takenItem)]) != takenItem {
			return false
		}
		text = text[len(takenItem):]
	}
	return string(text) == takenItem[:len(takenItem)-1]+takenTail
}

// temporary reports whether a status means that the same may work later.
func temporary(status int) bool {
	return status == 429 || status == 502 || status == 503 || status == 504
}

// passing reports whether the status of one document means that the same may
// work later: beside those of requests 500, of a mapping that could not be
// changed in time.
func passing(status int) bool { return temporary(status) || status == 500 }

// explain gives the reason in an error answer of Elasticsearch, or its
// beginning.
func explain(text []byte) string {
	var e struct {
		Error struct {
			Type   string `json:"type"`
			Reason string `json:"reason"`
		} `json:"error"`
	}
	if json.Unmarshal(text, &e) == nil && e.Error.Type != "" {
		return e.Error.Type + ": " + oneLine(e.Error.Reason)
	}
	return oneLine(string(text))
}

func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 200 {
		s = s[:200] + "…"
	}
	return s
}
