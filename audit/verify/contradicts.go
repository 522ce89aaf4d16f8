package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/archive/manifest"
)

// contradicts says what the manifest tells of an object that is not so, "" if
// all of it is. Readers leave out objects because of it. body is the object,
// which was found to be right, and meta what it says of itself.
func (r *run) contradicts(ctx context.Context, n *named, meta *archive.Meta, body []byte) (string, error) {
	d := r.document(ctx, n.link)
	if d.opened.err != nil {
		return "", fmt.Errorf("its manifest could not be read again: %w", d.opened.err)
	}
	if d.filterErr != nil && !errors.Is(d.filterErr, manifest.ErrCorrupt) {
		return "", fmt.Errorf("the filters of its manifest: %w", d.filterErr)
	}
	s, ok := r.summarizers.Get().(*archive.Summarizer)
	if !ok {
		var err error
		if s, err = archive.NewSummarizer(); err != nil {
			return "", err
		}
	}
	defer r.summarizers.Put(s)
	sum, err := s.Summarize(body)
	if err != nil {
		return "", err
	}
	m := d.opened.file.Manifest
	o := &m.Objects[n.object]
	wrong := func(format string, args ...any) (string, error) {
		return n.key + ": " + fmt.Sprintf(format, args...), nil
	}
	if why := differs(m.Meta(o), meta); why != "" {
		return wrong("%s", why)
	}
	for _, column := range slices.Sorted(maps.Keys(sum.Columns)) {
		if want, ok := o.Columns[column]; !ok || !reflect.DeepEqual(want, sum.Columns[column]) {
			return wrong("what it says of column %s is not what the object has", column)
		}
	}
	if len(o.Columns) != len(sum.Columns) {
		return wrong("it tells of columns that the object has not")
	}
	if d.filterErr != nil {
		why := ""
		d.tell.Do(func() { why = d.filterErr.Error() })
		return why, nil
	}
	for _, column := range slices.Sorted(maps.Keys(sum.Blooms)) {
		if !bytes.Equal(sum.Blooms[column], m.Bloom(d.filters, int(n.object), column)) {
			return wrong("the filter of column %s is not that of the object", column)
		}
	}
	return "", nil
}

// differs compares what a manifest says of an object with the object's metadata.
func differs(said, is *archive.Meta) string {
	counts := func(m *archive.Meta) [9]int64 {
		return [...]int64{
			int64(m.Lines), int64(m.Unparsed), int64(m.RawKept), int64(m.Rests), m.RawBytes, m.MinTime, m.MaxTime, int64(m.Timed), int64(len(m.Ranges)),
		}
	}
	a, b := counts(said), counts(is)
	for i, what := range [...]string{"lines", "lines without a format", "lines that keep their bytes", "rests of lines", "raw bytes", "as the first time", "as the last time", "lines with a time", "ranges"} {
		if a[i] != b[i] {
			return fmt.Sprintf("it says %d %s, the object has %d", a[i], what, b[i])
		}
	}
	if said.RawSHA256 != is.RawSHA256 {
		return fmt.Sprintf("it says that the lines have the SHA-256 %s, the object has %s", said.RawSHA256, is.RawSHA256)
	}
	if !slices.Equal(said.Masks, is.Masks) {
		return fmt.Sprintf("it says that the lines were masked by %v, the object has %v", said.Masks, is.Masks)
	}
	for i := range said.Ranges {
		if x, y := said.Ranges[i], is.Ranges[i]; x != y {
			return fmt.Sprintf("it says [%d, %d) of source %s of %s, the object has [%d, %d) of %s of %s",
				x.From, x.To, x.Source.ID, x.Source.Node, y.From, y.To, y.Source.ID, y.Source.Node)
		}
	}
	return differentLosses(said.Losses, is.Losses)
}

func differentLosses(said, is []archive.Loss) string {
	if len(said) != len(is) {
		return fmt.Sprintf("it says %d losses, the object has %d", len(said), len(is))
	}
	for i := range said {
		x, y := said[i], is[i]
		if x.Source != y.Source || x.From != y.From || x.To != y.To || x.Lines != y.Lines || x.Reason != y.Reason || !x.Read.Equal(y.Read) {
			return fmt.Sprintf("it says that [%d, %d) of source %s was lost (%s), the object [%d, %d) of %s (%s)",
				x.From, x.To, x.Source.ID, x.Reason, y.From, y.To, y.Source.ID, y.Reason)
		}
	}
	return ""
}
