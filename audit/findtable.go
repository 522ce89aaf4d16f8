package audit

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/loghaul/loghaul/archive"
)

// FindTable is Find whose lines become the rows of one Parquet file, in the order
// of time: with all columns of the archive, a derived file as Compact makes them.
// Nothing is written before everything was found, and the rows are held in
// memory: those that take more than o.Memory are an error. o.Render is not used.
// createdBy is the version of the program.
func FindTable(ctx context.Context, store Store, w io.Writer, o FindOptions, createdBy string) (FindReport, error) {
	if o.Memory <= 0 {
		o.Memory = DefaultMemory
	}
	o.schema = archive.NewSchema()
	t := &table{limit: o.Memory}
	report, err := Find(ctx, store, t, o)
	var incomplete *IncompleteError
	if err != nil && !errors.As(err, &incomplete) {
		return report, err
	}
	from := ""
	if s, ok := store.(fmt.Stringer); ok {
		from = s.String()
	}
	return report, errors.Join(t.write(w, o.schema, archive.DerivedMeta{From: from, Lines: report.Lines}, createdBy), err)
}

// table takes rows as Find writes them: each with its length before it.
type table struct {
	rows  []byte
	limit int64
}

func (t *table) Write(p []byte) (int, error) {
	if int64(len(t.rows)+len(p)) > t.limit {
		return 0, fmt.Errorf("one Parquet file of more than %d bytes of rows: raise --memory, find fewer lines (--limit, --from, --to), or make a copy with loghaul audit compact", t.limit)
	}
	t.rows = append(t.rows, p...)
	return len(p), nil
}

func (t *table) write(w io.Writer, schema *archive.Schema, meta archive.DerivedMeta, createdBy string) error {
	d, err := archive.NewDerived(schema, createdBy)
	if err != nil {
		return err
	}
	for rest := t.rows; len(rest) > 0; {
		size, n := binary.Uvarint(rest)
		if n <= 0 || size > uint64(len(rest)-n) {
			return errors.New("rows of a Parquet file are cut short") // Find writes whole ones
		}
		row := rest[n : n+int(size)] //nolint:gosec // checked
		if err := d.Add(row); err != nil {
			return err
		}
		rest = rest[n+len(row):]
	}
	file, err := d.Finish(meta)
	if err != nil {
		return err
	}
	if _, err := w.Write(file); err != nil {
		return fmt.Errorf("write the lines: %w", err)
	}
	return nil
}
