package audit

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/sinks"
)

// RefForm is how a Ref is written.
const RefForm = "dt=YYYY-MM-DD/hour=HH/WRITER-MILLIS-HASH.parquet#ROW, or #FIRST-LAST for several rows"

// Ref names rows of one object of the archive. A document of the index has it as
// loghaul.archive.key and loghaul.archive.row.
type Ref struct {
	// Key is the object's, below the archive's root.
	Key string
	// First and Last are rows, counted from 0, both inclusive.
	First, Last int
}

// ParseRef reads KEY#ROW or KEY#FIRST-LAST.
func ParseRef(s string) (Ref, error) {
	bad := func(why string) (Ref, error) {
		return Ref{}, fmt.Errorf("%q names no rows of the archive: %s; want %s", s, why, RefForm)
	}
	at := strings.LastIndexByte(s, '#')
	if at < 0 {
		return bad("it has no #")
	}
	r := Ref{Key: s[:at]}
	if _, err := archive.ParseKey(r.Key); err != nil {
		return bad(err.Error())
	}
	first, last, several := strings.Cut(s[at+1:], "-")
	if !several {
		last = first
	}
	var err error
	if r.First, err = row(first); err == nil {
		r.Last, err = row(last)
	}
	switch {
	case err != nil:
		return bad(err.Error())
	case r.Last < r.First:
		return bad(fmt.Sprintf("row %d is before row %d", r.Last, r.First))
	}
	return r, nil
}

// row reads the number of a row as strictly as the index writes it.
func row(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || strconv.FormatUint(n, 10) != s {
		return 0, fmt.Errorf("%q is not the number of a row", s)
	}
	return int(n), nil
}

// String writes a Ref as ParseRef reads it.
func (r Ref) String() string {
	if r.First == r.Last {
		return fmt.Sprintf("%s#%d", r.Key, r.First)
	}
	return fmt.Sprintf("%s#%d-%d", r.Key, r.First, r.Last)
}

// CatRefs writes the lines of the given rows to w, in the order of refs, each as
// Cat does; wrapped is CatOptions.Wrapped. An object is read whole, since its
// columns are nearly all of it, and its checksum is compared with its name; once
// for refs that follow each other. Of the rows only the wanted ones are decoded.
// A ref that names nothing does not keep the others from being written: the
// error has that of each.
func CatRefs(ctx context.Context, store Store, w io.Writer, refs []Ref, wrapped bool) error {
	c := &refCat{store: store, wrapped: wrapped, out: bufio.NewWriterSize(w, 256<<10)}
	var errs []error
	for _, r := range refs {
		err := c.cat(ctx, r)
		if err == nil {
			continue
		}
		if errs = append(errs, err); ctx.Err() != nil || errors.Is(err, errWrite) {
			return errors.Join(errs...)
		}
	}
	if err := c.out.Flush(); err != nil {
		errs = append(errs, fmt.Errorf("%w: %w", errWrite, err))
	}
	return errors.Join(errs...)
}

// errWrite ends CatRefs: nobody takes the lines any more.
var errWrite = errors.New("write the lines")

// refCat keeps the object that was read last.
type refCat struct {
	store   Store
	wrapped bool
	out     *bufio.Writer
	opener  archive.Opener
	key     string
	reader  *archive.Reader // of key, unless it could not be opened
}

func (c *refCat) cat(ctx context.Context, r Ref) error {
	if c.key != r.Key || c.reader == nil {
		c.key, c.reader = r.Key, nil
		if err := Retry(ctx, func() error { return c.open(ctx) }); err != nil {
			return err
		}
	}
	if n := c.reader.Meta().Lines; r.Last >= n {
		return fmt.Errorf("%s: the object has %d rows, 0 to %d", r, n, n-1)
	}
	q := &archive.Query{Rows: [][2]int{{r.First, r.Last + 1}}}
	q.From, q.To = archive.AnyTime()
	s, err := c.reader.Select(q)
	if err != nil {
		return fmt.Errorf("%s: %w", r, err)
	}
	defer s.Close()
	if err := s.Lines(c.write); err != nil {
		return fmt.Errorf("%s: %w", r, err)
	}
	return nil
}

func (c *refCat) open(ctx context.Context) error {
	body, err := c.store.Get(ctx, c.key)
	if errors.Is(err, sinks.ErrNotFound) {
		return fmt.Errorf("%s is not in this archive: its retention has ended, or it is in another archive: %w", c.key, err)
	}
	if err != nil {
		return err
	}
	name, err := archive.ParseKey(c.key)
	if err != nil {
		return err
	}
	if !name.Matches(sha256.Sum256(body)) {
		return fmt.Errorf("%s: %w: its content does not have the checksum in its name", c.key, archive.ErrCorrupt)
	}
	if c.reader, err = c.opener.Open(bytes.NewReader(body), int64(len(body))); err != nil {
		return fmt.Errorf("%s: %w", c.key, err)
	}
	return nil
}

// write prints a row as Cat does.
func (c *refCat) write(r *archive.Row) error {
	switch {
	case !c.wrapped:
		return c.line(r.Message, !r.Ends())
	case r.Parts == nil:
		return c.line(r.Raw, r.NoLF)
	}
	for i, p := range r.Parts {
		if err := c.line(p.Raw, r.NoLF && i == len(r.Parts)-1); err != nil {
			return err
		}
	}
	return nil
}

func (c *refCat) line(raw []byte, noLF bool) error {
	_, err := c.out.Write(raw)
	if err == nil && !noLF {
		err = c.out.WriteByte('\n')
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errWrite, err)
	}
	return nil
}
