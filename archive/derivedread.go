package archive

import (
	"bytes"
	"encoding/json"
	"fmt"

	pq "github.com/parquet-go/parquet-go"
)

// ReadDerived reads a derived file with another library than the one that wrote
// it, and calls fn for each row with its values as Cells gives them, which are
// valid during the call. The file is one that Derived made with s just now:
// unlike that of objects, what is read here is trusted not to ask for absurd
// sizes.
func ReadDerived(file []byte, s *Schema, fn func(cells []byte) error) (meta DerivedMeta, err error) {
	defer recovered(&err, "decode")
	f, err := pq.OpenFile(bytes.NewReader(file), int64(len(file)), pq.SkipPageIndex(true), pq.ReadBufferSize(64<<10))
	if err != nil {
		return meta, corrupt("footer", "", -1, "%w", err)
	}
	text, ok := f.Lookup(derivedKey)
	if !ok {
		return meta, corrupt("metadata", "", -1, "no entry %q: not a derived file", derivedKey)
	}
	if err := json.Unmarshal([]byte(text), &meta); err != nil {
		return meta, corrupt("metadata", "", -1, "%w", err)
	}
	if meta.Version > DerivedVersion {
		return meta, fmt.Errorf("%w: derived file of version %d", ErrVersion, meta.Version)
	}
	places := make([]int, len(s.defs))
	for i := range places {
		places[i] = i
	}
	for _, group := range f.RowGroups() {
		if err := readGroup(group, s, places, fn); err != nil {
			return meta, err
		}
	}
	if meta.Lines != f.NumRows() {
		return meta, corrupt("metadata", "", -1, "%d lines in %d rows", meta.Lines, f.NumRows())
	}
	return meta, nil
}

func readGroup(group pq.RowGroup, s *Schema, places []int, fn func(cells []byte) error) error {
	chunks := group.ColumnChunks()
	if len(chunks) != len(s.defs) {
		return corrupt("schema", "", -1, "%d columns, want %d", len(chunks), len(s.defs))
	}
	rows := int(group.NumRows())
	d := decoded{columns: make([]decodedColumn, len(s.defs))}
	defer d.release()
	for i := range s.defs {
		d.columns[i].def = &s.defs[i]
		if err := d.columns[i].read(chunks[i], rows); err != nil {
			return err
		}
	}
	var cells []byte
	for row := range rows {
		var err error
		if cells, err = d.appendCells(cells[:0], row, places); err != nil {
			return err
		}
		if err := fn(cells); err != nil {
			return err
		}
	}
	return nil
}
