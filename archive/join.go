package archive

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"

	"github.com/loghaul/loghaul/parser/wrapper"
)

// A container runtime writes a long line as several records, with those of the
// other stream in between. Within a batch they become one row: at the offset
// of the first part, with the parts' bytes in the column raw, each but the
// last with its LF, and with the bytes between the parts counted in the column
// parts. So the bytes of a range are still all there, each once.

// maxJoined bounds the bytes of a line that is put together. The records of a
// longer one stay rows of their own, marked as parts.
const maxJoined = 1 << 20

// span is a stretch [from, to) of a batch or of a source.
type span struct{ from, to int64 }

// joiner finds the records that are one line.
type joiner struct {
	raw   []byte     // the batch
	parts []span     // of the line found last: records without their LFs
	taken [2][]int64 // per stream: where records begin that belong to a row before them
	until [2]int64   // per stream: no line that begins before is complete
	lines [][]byte   // the records of parts
	kept  []byte     // what the column raw has for them
	gaps  []byte     // what the column parts has for them
}

func (j *joiner) begin(raw []byte) {
	j.raw = raw
	for i := range j.taken {
		j.taken[i], j.until[i] = j.taken[i][:0], 0
	}
}

// skips reports whether the record at belongs to a row before it. Records must
// be asked for in order.
func (j *joiner) skips(at int64) bool {
	for i, l := range j.taken {
		if len(l) > 0 && l[0] == at {
			j.taken[i] = l[1:]
			return true
		}
	}
	return false
}

// find reports whether the record at is the first of a line whose other parts
// are all in the batch. They are then in j.
func (j *joiner) find(s *wrapper.Splitter, at int64) bool {
	line, _, noLF := nextRecord(j.raw[at:])
	first, ok := s.Part(line)
	stream := 0
	if first.Stderr {
		stream = 1
	}
	if !ok || !first.More || noLF || at < j.until[stream] {
		return false
	}
	j.parts = append(j.parts[:0], span{at, at + int64(len(line))})
	size, whole := len(line), false
	end := at + int64(len(line)) + 1
	for !whole && end < int64(len(j.raw)) {
		line, _, _ = nextRecord(j.raw[end:])
		p, ok := s.Part(line)
		if !ok || p.Kind != first.Kind {
			break // a runtime does not write that
		}
		if p.Stderr == first.Stderr {
			size += len(line)
			whole = !p.More
			j.parts = append(j.parts, span{end, end + int64(len(line))})
		}
		end += int64(len(line)) + 1
	}
	if !whole || size > maxJoined {
		j.until[stream] = end
		return false
	}
	for _, p := range j.parts[1:] {
		j.taken[stream] = append(j.taken[stream], p.from)
	}
	j.collect()
	return true
}

// collect makes what the columns hold of j.parts.
func (j *joiner) collect() {
	j.lines, j.kept, j.gaps = j.lines[:0], j.kept[:0], j.gaps[:0]
	for i, p := range j.parts {
		if i > 0 {
			j.kept = append(j.kept, '\n')
			if i > 1 {
				j.gaps = append(j.gaps, ' ')
			}
			j.gaps = strconv.AppendInt(j.gaps, p.from-j.parts[i-1].to-1, 10)
		}
		record := j.raw[p.from:p.to]
		j.lines = append(j.lines, record)
		j.kept = append(j.kept, record...)
	}
}

// noLF reports whether the last part has no LF.
func (j *joiner) noLF() bool { return j.parts[len(j.parts)-1].to == int64(len(j.raw)) }

// addJoined adds the line that e.join found. Its bytes are not in one piece, so
// they are kept.
func (e *Encoder) addJoined(row int) {
	e.flush()
	k, t := &e.block, e.table.columns
	t[colParts].addText(row, e.join.gaps)
	i := -1
	e.header.Kind = wrapper.None
	if !e.refused[row] {
		var message []byte
		if message, i = e.lines.ParseJoined(e.join.lines, k.records[0], &e.header); i < 0 {
			i = e.parseCut(message, k.records[0])
		}
		e.addHeader(row)
	}
	if e.header.Kind != wrapper.None && (i < 0 || !e.plans[i].dated) {
		e.addHeaderTime(row)
	}
	if i < 0 {
		e.unparsed++
		t[colRaw].addText(row, e.join.kept)
		return
	}
	k.plan, k.row, k.n, k.kept = &e.plans[i], row, 1, 1
	k.lines[0] = e.join.kept
	e.flush()
}

// Part is one record of a line that lay in several ones.
type Part struct {
	// Offset is where the record starts in its source.
	Offset int64
	// Raw is the record without its LF.
	Raw []byte
}

// splitParts gives the parts of a row that begins at offset: raw and gaps are
// what its columns raw and parts hold. It appends to dst[:0].
func splitParts(dst []Part, raw, gaps []byte, offset int64) ([]Part, error) {
	dst = dst[:0]
	for {
		record, rest, more := bytes.Cut(raw, []byte{'\n'})
		dst = append(dst, Part{offset, record})
		if !more {
			break
		}
		number, behind, _ := bytes.Cut(gaps, []byte{' '})
		gap, err := strconv.ParseInt(string(number), 10, 64)
		if err != nil || gap < 0 || gap > MaxRawBytes {
			return nil, fmt.Errorf("%.40q are not the gaps between %d bytes of parts", gaps, len(raw))
		}
		offset += int64(len(record)) + 1 + gap
		raw, gaps = rest, behind
	}
	if len(dst) < 2 || len(gaps) > 0 {
		return nil, fmt.Errorf("%d parts, and %.40q left of the gaps", len(dst), gaps)
	}
	return dst, nil
}

// tiles checks that rows cover a range without a gap and without covering
// anything twice. Rows come in the order of their offsets; the later parts of
// one lie between and behind those that follow.
type tiles struct {
	at    int64  // the first byte that no row covers yet
	ahead []span // in order: what is covered behind it
}

func (t *tiles) begin(at int64) { t.at, t.ahead = at, t.ahead[:0] }

// cover takes the bytes [from, to) as covered, LF included.
func (t *tiles) cover(from, to int64) error {
	if from == t.at {
		t.at = to
	} else {
		i, found := slices.BinarySearchFunc(t.ahead, from, func(s span, from int64) int { return int(min(max(s.from-from, -1), 1)) })
		if from < t.at || found || i > 0 && t.ahead[i-1].to > from || i < len(t.ahead) && t.ahead[i].from < to {
			return fmt.Errorf("the bytes from %d to %d are there twice", from, to)
		}
		t.ahead = slices.Insert(t.ahead, i, span{from, to})
	}
	for len(t.ahead) > 0 && t.ahead[0].from <= t.at {
		if t.ahead[0].from < t.at {
			return fmt.Errorf("the bytes from %d to %d are there twice", t.ahead[0].from, t.at)
		}
		t.at = t.ahead[0].to
		t.ahead = t.ahead[1:]
	}
	return nil
}

// coverParts covers all parts of a row.
func (t *tiles) coverParts(parts []Part, noLF bool) error {
	for i := range parts {
		end := parts[i].Offset + int64(len(parts[i].Raw))
		if i < len(parts)-1 || !noLF {
			end++
		}
		if err := t.cover(parts[i].Offset, end); err != nil {
			return err
		}
	}
	return nil
}
