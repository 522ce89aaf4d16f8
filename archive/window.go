package archive

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/loghaul/loghaul/internal/wire"
)

// newWindow sorts batches, drops exact repeats and checks what the object
// relies on.
func newWindow(batches []Batch) (*window, error) {
	w := &window{batches: make([]*Batch, 0, len(batches))}
	for i := range batches {
		b := &batches[i]
		if b.Header.Lost == "" {
			w.batches = append(w.batches, b)
		} else if err := w.addLoss(b); err != nil {
			return nil, err
		}
	}
	w.sortLosses()
	sortBatches(w.batches)
	w.batches = slices.CompactFunc(w.batches, func(a, b *Batch) bool {
		x, y := &a.Header, &b.Header
		same := sameSource(&x.Source, &y.Source) && x.From == y.From && x.To == y.To && bytes.Equal(a.Raw, b.Raw)
		if same {
			w.duplicates++
		}
		return same
	})
	sum := sha256.New()
	for _, b := range w.batches {
		if err := w.add(b); err != nil {
			return nil, err
		}
		sum.Write(b.Raw)
	}
	w.sha256 = hex.EncodeToString(sum.Sum(nil))
	switch {
	case w.lines == 0 && len(w.losses) == 0:
		return nil, errors.New("no lines to archive")
	case w.lines > MaxLines || w.bytes > MaxRawBytes:
		return nil, fmt.Errorf("%d lines of %d bytes are too many for one object: at most %d of %d; use smaller windows",
			w.lines, w.bytes, MaxLines, MaxRawBytes)
	}
	return w, nil
}

// sortBatches brings batches into the order of an object's rows.
func sortBatches(batches []*Batch) {
	slices.SortStableFunc(batches, func(a, b *Batch) int {
		x, y := &a.Header, &b.Header
		return cmp.Or(
			strings.Compare(x.Source.Node, y.Source.Node),
			strings.Compare(x.Source.ID, y.Source.ID),
			cmp.Compare(x.From, y.From), cmp.Compare(x.To, y.To))
	})
}

func (w *window) add(b *Batch) error {
	h := &b.Header
	if int64(len(b.Raw)) != h.To-h.From || len(b.Raw) == 0 {
		return fmt.Errorf("batch of source %s has %d bytes for the range [%d, %d)", h.Source.ID, len(b.Raw), h.From, h.To)
	}
	if n := wire.CountRecords(b.Raw); n != h.Records {
		return fmt.Errorf("batch of source %s at %d has %d records, declared %d", h.Source.ID, h.From, n, h.Records)
	}
	r := Range{Source: h.Source, From: h.From, To: h.To}
	r.Source.Node, r.Source.Path = string(text(r.Source.Node)), string(text(r.Source.Path))
	w.lines += h.Records
	w.bytes += int64(len(b.Raw))
	if n := len(w.ranges); n > 0 {
		if last := &w.ranges[n-1]; last.Source == r.Source && last.To == r.From {
			last.To = r.To
			w.rangeOf = append(w.rangeOf, n-1)
			return nil
		}
	}
	w.rangeOf = append(w.rangeOf, len(w.ranges))
	w.ranges = append(w.ranges, r)
	return nil
}

// beginRows readies the ranges for counting rows.
func (w *window) beginRows() {
	for i := range w.ranges {
		w.ranges[i].Lines, w.ranges[i].Row = 0, 0
	}
}

// countRows says that the rows [from, to) are those of a batch.
func (w *window) countRows(batch, from, to int) {
	r := &w.ranges[w.rangeOf[batch]]
	if r.Lines == 0 {
		r.Row = from
	}
	r.Lines += to - from
	w.rows = to
}
