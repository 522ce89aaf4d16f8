package audit

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/loghaul/loghaul/archive"
)

// DefaultMemory is how many bytes of lines Cat holds before it sorts through
// temporary files.
const DefaultMemory = 256 << 20

// maxConflicts bounds the warnings about lines of equal identity.
const maxConflicts = 10

// CatOptions says what Cat prints and with what means.
type CatOptions struct {
	Filter Filter
	// Memory bounds the bytes of lines that are held; 0 is DefaultMemory. The
	// objects being read and, if lines were spilled, up to 64 buffers of
	// about 300 KiB, or of a longer line, come on top.
	Memory int64
	// TempDir is where sorted lines are spilled, as they are: it needs room for
	// all that pass Memory. "" is the system's.
	TempDir string
	// Wrapped prints what lay in the files: lines of containers with what the
	// runtime put around them, each record by itself.
	Wrapped bool
	// Warn gets each thing that is wrong and does not end the call. It must
	// be safe for concurrent use.
	Warn func(error)
}

// CatReport counts what Cat did.
type CatReport struct {
	// Lines and Bytes were printed.
	Lines, Bytes int64
	// Duplicates were left out: an equal line of equal identity was printed.
	Duplicates int64
	// Conflicts are lines that have the identity of another line but other
	// bytes. All of them were printed.
	Conflicts int64
	// Objects were read; Skipped had no line that the filter selects.
	Objects, Skipped int
	// LostBytes and LostLines are what forwarders declared as lost of the
	// selected sources, at the selected times: lines as far as they were counted,
	// bytes of what was not only counted.
	LostBytes, LostLines int64
}

// Cat writes the bytes of each selected line to w as HAProxy wrote them, once,
// ordered by node, source and offset. A line ends with LF unless it is known
// only in part: its source ended so, or the forwarder or a container runtime
// cut it. Nothing is written before the whole archive has been read.
func Cat(ctx context.Context, store Store, w io.Writer, o CatOptions) (CatReport, error) {
	if o.Memory <= 0 {
		o.Memory = DefaultMemory
	}
	sorter := newSorter(o.Memory, o.TempDir)
	report, err := collect(ctx, store, sorter, o)
	var incomplete *IncompleteError
	if err == nil || errors.As(err, &incomplete) {
		err = errors.Join(err, report.print(ctx, w, sorter, o.Warn))
	}
	return report, errors.Join(err, sorter.close())
}

// collect puts all selected lines into the sorter.
func collect(ctx context.Context, store Store, sorter *sorter, o CatOptions) (CatReport, error) {
	s := &scan{store: store, filter: o.Filter, whole: true, warn: o.Warn}
	all := Coverage{}
	err := s.run(ctx, func(obj *object) error {
		all.Add(obj.reader.Meta(), &o.Filter)
		return obj.reader.Lines(func(r *archive.Row) error {
			if !o.Filter.row(r) {
				return nil
			}
			if o.Wrapped {
				return addWrapped(sorter, r)
			}
			return sorter.add(line{raw: r.Message, offset: r.Offset, source: sorter.source(r.Source), noLF: !r.Ends()})
		})
	})
	report := CatReport{Objects: s.objects, Skipped: s.skipped}
	for key, c := range all {
		for _, l := range c.source(key, false).Lost {
			report.LostBytes += l.Bytes()
			report.LostLines += l.Lines
		}
	}
	return report, err
}

// addWrapped adds the records of a line as they lay in the file.
func addWrapped(sorter *sorter, r *archive.Row) error {
	source := sorter.source(r.Source)
	if r.Parts == nil {
		return sorter.add(line{raw: r.Raw, offset: r.Offset, source: source, noLF: r.NoLF})
	}
	for i, p := range r.Parts {
		if err := sorter.add(line{raw: p.Raw, offset: p.Offset, source: source, noLF: r.NoLF && i == len(r.Parts)-1}); err != nil {
			return err
		}
	}
	return nil
}

// print writes the sorted lines without the duplicates, which are neighbours.
func (c *CatReport) print(ctx context.Context, w io.Writer, s *sorter, warn func(error)) error {
	in, err := s.sorted()
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 256<<10)
	last := segment{source: -1} // a line by itself, which another one may be equal to
	for checked := int64(0); ; {
		g, err := in.next()
		if err == io.EOF { //nolint:errorlint // cursors return it bare
			return out.Flush()
		}
		if err != nil {
			return err
		}
		if g.source == last.source && g.offset == last.offset {
			if bytes.Equal(g.text, last.text) {
				c.Duplicates++
				continue
			}
			if c.Conflicts++; c.Conflicts <= maxConflicts {
				src := s.sources[g.source]
				warn(fmt.Errorf("source %s of node %s has different lines at offset %d; all are printed", src.ID, src.Node, g.offset))
			}
		}
		if _, err := out.Write(g.text); err != nil {
			return fmt.Errorf("write the lines: %w", err)
		}
		c.Lines += int64(g.lines)
		c.Bytes += int64(len(g.text))
		if last.source = -1; g.lines == 1 {
			last.source, last.offset, last.text = g.source, g.offset, append(last.text[:0], g.text...)
		}
		if c.Lines-checked >= 1<<14 {
			if checked = c.Lines; ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
}
