package archive

import (
	"bytes"
	"encoding/json"

	"github.com/loghaul/loghaul/internal/wire"
)

// originText is one column about where a batch comes from: the same text for
// all of its rows, nil for null.
type originText struct {
	col  int
	text []byte
}

// originOf gives the texts of a batch.
func originOf(h *wire.Header) [8]originText {
	c := containerOf(h.Source.Path)
	orNull := func(s string) []byte {
		if s == "" {
			return nil
		}
		return []byte(s)
	}
	return [...]originText{
		{colNode, text(h.Source.Node)},
		{colSource, []byte(h.Source.ID)},
		{colPath, text(h.Source.Path)},
		{colLabels, labelsText(h.Labels)},
		{colNamespace, orNull(c.namespace)},
		{colPod, orNull(c.pod)},
		{colContainer, orNull(c.name)},
		{colContainerID, orNull(c.id)},
	}
}

// labelsText gives labels as a JSON object with sorted keys, nil without any.
func labelsText(l wire.Labels) []byte {
	if len(l) == 0 {
		return nil
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(l.Map()); err != nil {
		panic("archive: labels: " + err.Error()) // texts only
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'})
}

// addOrigin adds what all rows of a batch have in common.
func (e *Encoder) addOrigin(from, to int, h *wire.Header) {
	t := e.table.columns
	for _, o := range originOf(h) {
		if o.text != nil {
			t[o.col].addRun(from, to, o.text)
		}
	}
	readAt := h.ReadAt.UnixMilli()
	for range to - from {
		t[colReadTime].chunk.Int64s = append(t[colReadTime].chunk.Int64s, readAt)
	}
}
