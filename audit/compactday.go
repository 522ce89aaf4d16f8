package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strconv"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/sinks"
)

// sum is the same for the same elements in any order.
type sum [sha256.Size / 8]uint64

func (s *sum) add(h [sha256.Size]byte) {
	for i := range s {
		s[i] += binary.BigEndian.Uint64(h[8*i:])
	}
}

func (s *sum) String() string {
	var b []byte
	for _, v := range s {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	return hex.EncodeToString(b)
}

// step writes one day of one generation: it sorts the rows of all originals,
// writes files, reads each back with another library and compares count and
// checksums of all rows, stores it, and at last says that the day is done. The
// rows of an original cannot be read without rendering their lines and checking
// that its ranges are covered, so what is compared are the values that give the
// lines.
func (c *compaction) step(ctx context.Context, s *step) error {
	plan := c.plans[s.generation-1]
	w := &dayWriter{c: c, step: s, plan: plan, schema: archive.NewSchema(), line: sha256.New()}
	w.day = CompactedDay{
		Version: compactVersion, Archive: c.Archive, CreatedBy: plan.CreatedBy, Day: s.name(), Generation: s.generation,
		Originals: []CompactFile{}, Files: []CompactFile{},
	}
	w.rows = newSorter(c.Memory, c.TempDir)
	defer w.rows.close() //nolint:errcheck // nothing of it is needed any more
	broken := 0
	reader := &scan{store: c.store, whole: true, warn: c.Warn}
	for _, o := range s.originals {
		if err := w.read(ctx, reader, o); err != nil {
			return err
		}
	}
	if broken = reader.broken; broken > 0 {
		c.broken += broken
		c.Warn(fmt.Errorf("%s is not written, as %d of its originals cannot be read", s.name(), broken))
		return nil
	}
	if err := w.write(ctx); err != nil {
		return err
	}
	w.day.Digest = w.digest.String()
	if err := c.save(ctx, s.key(), w.day); err != nil {
		return err
	}
	r := &c.report
	r.Days++
	r.Originals += len(w.day.Originals)
	r.Files += len(w.day.Files)
	r.Lines += w.day.Lines
	r.RawBytes += w.day.RawBytes
	r.Repeats += w.day.Repeats
	for _, f := range w.day.Files {
		r.StoredBytes += f.Bytes
	}
	if c.Progress != nil {
		c.Progress(w.day)
	}
	return nil
}

// dayWriter makes the files of a step.
type dayWriter struct {
	c      *compaction
	step   *step
	plan   compactPlan
	schema *archive.Schema
	rows   *sorter
	day    CompactedDay
	digest sum
	line   hash.Hash
	key    []byte
}

// read puts the rows of an original into the sorter.
func (w *dayWriter) read(ctx context.Context, s *scan, o *original) error {
	file := CompactFile{Key: o.key, Bytes: o.size}
	err := s.readWhole(ctx, o.object, func(rd *archive.Reader) error {
		repeats := o.repeats
		return rd.Cells(w.schema, func(r *archive.Row, cells []byte) error {
			place, err := w.schema.PlaceOf(r, cells)
			if err != nil {
				return err
			}
			day := dayOf(place.Time)
			if day != w.step.day {
				if _, ok := slices.BinarySearch(o.days, day); !ok && w.c.filter.at(day*dayMillis) {
					return fmt.Errorf("%w: row %d is of another time than the footer says", archive.ErrCorrupt, r.Index)
				}
				return nil
			}
			for len(repeats) > 0 && repeats[0] < r.Index {
				repeats = repeats[1:]
			}
			if len(repeats) > 0 && repeats[0] == r.Index {
				w.day.Repeats++
				return nil
			}
			file.Lines++
			return w.add(r, place, cells)
		})
	})
	file.SHA256 = hex.EncodeToString(o.sum[:])
	w.day.Originals = append(w.day.Originals, file)
	return err
}

// add takes a row. All have the same source and offset for the sorter, which
// then sorts by their bytes; these begin with the place.
func (w *dayWriter) add(r *archive.Row, place archive.Place, cells []byte) error {
	h := w.line
	h.Reset()
	h.Write([]byte(r.Source.Node + "\x00" + r.Source.ID + "\x00" + strconv.FormatInt(r.Offset, 10) + "\x00"))
	h.Write(r.Raw)
	size := len(r.Raw)
	if !r.NoLF {
		h.Write([]byte{'\n'})
		size++
	}
	id := [sha256.Size]byte(h.Sum(nil))
	w.digest.add(id)
	w.day.Lines++
	w.day.RawBytes += int64(size)
	w.key = appendPlace(w.key[:0], place, r)
	w.key = append(w.key, id[:]...)
	w.key = binary.BigEndian.AppendUint32(w.key, uint32(size)) //nolint:gosec // bounded
	w.key = append(w.key, cells...)
	return w.rows.add(line{raw: w.key, source: w.rows.source(wire.Source{}), noLF: true}) // it keeps a copy
}

// appendPlace appends what rows are sorted by, so that the order of the bytes is
// that of the values: frontend, time, node, source, offset.
func appendPlace(dst []byte, p archive.Place, r *archive.Row) []byte {
	dst = appendSortable(dst, p.Frontend)
	dst = binary.BigEndian.AppendUint64(dst, uint64(p.Time)^1<<63) //nolint:gosec // bit pattern
	dst = appendSortable(dst, r.Source.Node)
	dst = appendSortable(dst, r.Source.ID)
	return binary.BigEndian.AppendUint64(dst, uint64(r.Offset)) //nolint:gosec // not negative
}

// appendSortable appends a text with an end that sorts before everything.
func appendSortable(dst []byte, s string) []byte {
	for i := range len(s) {
		if dst = append(dst, s[i]); s[i] == 0 {
			dst = append(dst, 1)
		}
	}
	return append(dst, 0, 0)
}

// cellsOf takes the place off a row.
func cellsOf(row []byte) (cells []byte, size int64) {
	skip := func() { row = row[bytes.Index(row, []byte{0, 0})+2:] }
	skip()
	row = row[8:]
	skip()
	skip()
	row = row[8+sha256.Size:]
	return row[4:], int64(binary.BigEndian.Uint32(row))
}

// write makes the files out of the sorted rows.
func (w *dayWriter) write(ctx context.Context) error {
	in, err := w.rows.sorted()
	if err != nil {
		return err
	}
	out, err := archive.NewDerived(w.schema, w.plan.CreatedBy)
	if err != nil {
		return err
	}
	var size, lines int64
	var want sum
	for {
		l, err := in.next()
		if err == io.EOF { //nolint:errorlint // cursors return it bare
			break
		}
		if err != nil {
			return err
		}
		cells, n := cellsOf(l.text)
		if out.Rows() > 0 && (out.Rows() >= w.plan.Lines || size+n > w.plan.Bytes) {
			if err := w.store(ctx, out, want, size); err != nil {
				return err
			}
			size, want = 0, sum{}
		}
		want.add(sha256.Sum256(cells))
		size += n
		lines++
		if err := out.Add(cells); err != nil {
			return err
		}
	}
	if lines != w.day.Lines {
		return fmt.Errorf("%d rows came out of the sorting of %d", lines, w.day.Lines)
	}
	if out.Rows() == 0 {
		return nil
	}
	return w.store(ctx, out, want, size)
}

// errCopied is a file that does not hold what was put into it: a defect.
var errCopied = errors.New("the file does not give its rows back")

// store verifies a file and stores it.
func (w *dayWriter) store(ctx context.Context, out *archive.Derived, want sum, size int64) error {
	lines := int64(out.Rows())
	body, err := out.Finish(archive.DerivedMeta{From: w.c.Archive, Lines: lines, RawBytes: size})
	if err != nil {
		return err
	}
	var got sum
	if _, err := archive.ReadDerived(body, w.schema, func(cells []byte) error {
		got.add(sha256.Sum256(cells))
		return nil
	}); err != nil {
		return fmt.Errorf("%w: %w", errCopied, err)
	}
	if got != want {
		return errCopied
	}
	h := sha256.Sum256(body)
	key := fmt.Sprintf("dt=%s/hour=all/%06d-%06d-%x.parquet", w.step.name(), w.step.generation, len(w.day.Files)+1, h[:6])
	if err := w.c.target.Write(ctx, &sinks.Group{Key: key, Body: bytes.Clone(body), SHA256: h, Lines: int(lines), RawBytes: size}); err != nil {
		return fmt.Errorf("write %s: %w", key, err)
	}
	w.day.Files = append(w.day.Files, CompactFile{Key: key, SHA256: hex.EncodeToString(h[:]), Lines: lines, Bytes: int64(len(body))})
	return nil
}
