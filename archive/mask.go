package archive

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/wrapper"
)

// Mask says how a field is masked. It stands in the metadata of objects.
type Mask struct {
	// Field is an alias of HAProxy, req.NAME or res.NAME for a captured header,
	// or the name of an expression.
	Field string `json:"field"`
	// Method is MaskHash or MaskTruncate.
	Method string `json:"method"`
	// Key identifies the key of a hash, and does not tell it.
	Key string `json:"key,omitempty"`
	// IPv4 and IPv6 are how many bits of a truncated address stay.
	IPv4 int `json:"ipv4,omitempty"`
	IPv6 int `json:"ipv6,omitempty"`
	// Unparsed says what becomes of a line that does not tell the field for
	// certain: "keep" or "blank".
	Unparsed string `json:"unparsed"`
}

// MaskOptions configures a Masker.
type MaskOptions struct {
	// Fields gives the method for each field.
	Fields map[string]string
	// IPv4 and IPv6 are how many bits of an address MaskTruncate keeps: 8, 16
	// or 24, and a multiple of 4 from 16 to 124.
	IPv4, IPv6 int
	// Blank has every byte of a line overwritten by x if it has, or may have, a
	// field whose place in the line is not certain. Otherwise such a line keeps
	// what could not be masked.
	Blank bool
	// Key is for MaskHash, at least MinMaskKey bytes.
	Key []byte
}

// MinMaskKey is the least length of a key.
const MinMaskKey = 16

// MaskCount says what a Masker did with lines.
type MaskCount struct {
	// Masked lines had fields overwritten. Kept and Blanked are those with
	// something that could not be told for certain; Kept ones may be among
	// Masked.
	Masked, Kept, Blanked int
}

// Masker overwrites chosen fields in batches before an Encoder gets them. Each
// line keeps its length, so that identities, ranges and gaps stay what they
// were. One goroutine may use it at a time.
type Masker struct {
	options Options
	masks   []Mask
	blank   bool
	value   valueMask
	formats []maskedFormat

	lines  *wrapper.Parser
	join   joiner
	before reading // of the line as it came
	after  reading // of the masked line
	line   []byte  // copy of the line as it came
	parts  []part
	edits  []edit
	texts  []byte // memory for comparing
	count  MaskCount
}

// reading is how a line was read.
type reading struct {
	record  parser.Record
	header  wrapper.Header
	message []byte
	memory  []byte // of message, if it is not in the line
	format  int    // -1: none
}

// NewMasker makes a Masker for what an Encoder with the options o encodes. The
// error says what is wrong with m.
func NewMasker(o Options, m MaskOptions) (*Masker, error) {
	o.Formats = parser.Complete(o.Formats)
	k := &Masker{options: o, blank: m.Blank, value: newValueMask(m.Key, m.IPv4, m.IPv6)}
	var errs []error
	for _, field := range slices.Sorted(maps.Keys(m.Fields)) {
		mask := Mask{Field: field, Method: m.Fields[field], Unparsed: "keep"}
		if m.Blank {
			mask.Unparsed = "blank"
		}
		switch mask.Method {
		case MaskHash:
			if len(m.Key) < MinMaskKey {
				errs = append(errs, fmt.Errorf("%s: a hash needs a key of at least %d bytes", field, MinMaskKey))
				continue
			}
			mask.Key = k.value.keyID()
		case MaskTruncate:
			mask.IPv4, mask.IPv6 = m.IPv4, m.IPv6
		default:
			errs = append(errs, fmt.Errorf("%s: there is no method %q: write %s or %s", field, mask.Method, MaskHash, MaskTruncate))
			continue
		}
		k.masks = append(k.masks, mask)
	}
	if m.IPv4 != 8 && m.IPv4 != 16 && m.IPv4 != 24 || m.IPv6 < 16 || m.IPv6 > 124 || m.IPv6%4 != 0 {
		errs = append(errs, fmt.Errorf("%d bits of IPv4 and %d of IPv6 cannot stay: 8, 16 or 24, and a multiple of 4 from 16 to 124", m.IPv4, m.IPv6))
	}
	used := map[string]bool{}
	for _, f := range o.Formats {
		k.formats = append(k.formats, newMaskedFormat(f, k.masks, used))
	}
	for _, mask := range k.masks {
		if err := mask.check(o.Formats, used[mask.Field]); err != nil {
			errs = append(errs, err)
		}
	}
	k.renew()
	return k, errors.Join(errs...)
}

// renew makes the parser anew.
func (k *Masker) renew() {
	k.lines = wrapper.NewParser(parser.NewSet(k.options.Formats...), k.options.Wrapper, parser.NewZone(nil))
	k.before, k.after = reading{}, reading{}
}

// Masks gives what the metadata of the objects is to say.
func (k *Masker) Masks() []Mask { return k.masks }

// Blanks reports whether lines are overwritten whole where a field is not
// certain.
func (k *Masker) Blanks() bool { return k.blank }

// Mask overwrites the fields of all lines of batches, in Raw, and sets the
// checksums anew. Lines are read in the order, and so in the way, in which the
// Encoder reads them. It does so once for a window: masking what is masked
// would mask it again.
func (k *Masker) Mask(batches []Batch) MaskCount {
	k.count = MaskCount{}
	sorted := make([]*Batch, 0, len(batches))
	for i := range batches {
		if batches[i].Header.Lost == "" {
			sorted = append(sorted, &batches[i])
		}
	}
	sortBatches(sorted)
	for i, b := range sorted {
		if i == 0 || !sameSource(&b.Header.Source, &sorted[i-1].Header.Source) {
			probe(k.lines, b.Raw, &k.after.record, &k.after.header)
		}
		k.batch(b)
		b.Header.CRC = wire.Checksum(b.Raw)
	}
	return k.count
}

func (k *Masker) batch(b *Batch) {
	k.lines.Received(b.Header.ReadAt.UnixMilli())
	k.join.begin(b.Raw)
	for at, rest := int64(0), b.Raw; len(rest) > 0; {
		line, after, _ := nextRecord(rest)
		here := at
		at += int64(len(rest) - len(after))
		rest = after
		switch {
		case k.join.skips(here):
		case b.Header.Rest && here == 0: // nobody can know what it is
			k.uncertain(line)
		case k.lines.OpensLine(line) && k.join.find(&k.lines.Splitter, here):
			k.joined(b.Raw)
		default:
			k.one(line)
		}
	}
}

// joined deals with a line that lies in several records: a value may be cut
// between them.
func (k *Masker) joined(raw []byte) {
	before := k.count
	for _, p := range k.join.parts {
		k.uncertain(raw[p.from:p.to])
	}
	k.count.Kept, k.count.Blanked = min(k.count.Kept, before.Kept+1), min(k.count.Blanked, before.Blanked+1)
}

// uncertain deals with a line that may have a field, nobody knows where.
func (k *Masker) uncertain(line []byte) {
	if !k.blank {
		k.count.Kept++
		return
	}
	k.count.Blanked++
	blank(line)
}

// one masks a line.
func (k *Masker) one(line []byte) {
	k.line = append(k.line[:0], line...)
	masked, certain := k.try(line)
	switch {
	case certain && masked:
		k.count.Masked++
	case certain:
	default:
		if masked && !k.blank {
			k.count.Masked++
		}
		k.uncertain(line)
	}
}

// try masks what it can and reports whether it did, and whether that is all
// there was. A panic of the parser is an answer, too.
func (k *Masker) try(line []byte) (masked, certain bool) {
	defer func() {
		if recover() != nil {
			copy(line, k.line)
			k.renew()
			masked, certain = false, false
		}
	}()
	k.read(k.line, &k.before)
	if k.before.format < 0 {
		return false, len(line) == 0
	}
	certain = k.find(k.before.format)
	if len(k.edits) == 0 {
		return false, certain
	}
	for i := range k.edits {
		e := &k.edits[i]
		k.value.mask(line[e.at:e.at+e.n], e.value, e.method)
	}
	k.read(line, &k.after)
	if !k.same(line) {
		copy(line, k.line)
		return false, false
	}
	return true, certain
}

func (k *Masker) read(line []byte, r *reading) {
	r.header.Kind = wrapper.None
	if r.message, r.format = k.lines.Parse(line, &r.record, &r.header); r.format < 0 {
		r.format = k.lines.ParseCut(r.message, &r.record)
	}
	if !r.header.Kind.Suffix() { // the other reading must not overwrite it
		r.memory = k.lines.SwapMemory(r.memory)
	}
}
