package elastic

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
)

// labels writes static labels as labels.NAME of ECS. It keeps what it read
// last: nearly all rows of an object have the same.
type labels struct {
	source []byte   // the JSON object that the rest was made of
	names  []string // of the fields
	values []string
}

// append writes the labels of a row, which are a JSON object of texts. A field
// of the line that has the same name, as one of a format's own variables may
// have, counts instead: p may have such fields, nil has none. Those that hide
// drops are left out.
func (l *labels) append(w *writer, source []byte, p *plan, hide *hiding) {
	if !bytes.Equal(source, l.source) {
		l.read(source)
	}
	for i, name := range l.names {
		if (p == nil || !p.labels[name]) && (hide == nil || hide.methods[name] == methodKeep) {
			w.key(name)
			w.text(l.values[i])
		}
	}
}

func (l *labels) read(source []byte) {
	l.source = append(l.source[:0], source...)
	l.names, l.values = l.names[:0], l.values[:0]
	var m map[string]string
	if json.Unmarshal(source, &m) != nil {
		return // an object that somebody else made
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		field := labelName(name)
		if slices.Contains(l.names, field) {
			continue // no name may stand twice
		}
		l.names, l.values = append(l.names, field), append(l.values, m[name])
	}
}
