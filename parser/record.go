package parser

import (
	"bytes"
	"net/netip"
	"strconv"
)

// Kind says how the text of a field is to be read.
type Kind uint8

// The kinds of fields. Value documents what each one fills in.
const (
	KindText    Kind = iota // free text
	KindAddr                // an IPv4 or IPv6 address, or "unix"
	KindInt                 // a number
	KindDate                // a date
	KindRequest             // a request line, see SplitRequest
	KindList                // a list of captured headers
)

// String gives the name of the kind as `loghaul format explain` prints it.
func (k Kind) String() string {
	switch k {
	case KindAddr:
		return "address"
	case KindInt:
		return "integer"
	case KindDate:
		return "date"
	case KindRequest:
		return "request"
	case KindList:
		return "list"
	default:
		return "text"
	}
}

// State holds what is known about a value besides the value itself.
type State uint8

// The bits of a State. The zero State means that HAProxy printed the field as absent.
const (
	// Present is set when the line has a value for the field.
	Present State = 1 << iota
	// Plus is set on a number printed with a "+": not final yet (logasap) on Ta, Tt, Tu and B, redispatched on rc.
	Plus
	// Unsure is set when the line could be read in more than one way as far as this field is concerned.
	// The value must not be used; Present is not set.
	Unsure
	// IPv4 is set on an address that is an IPv4 one; Int holds it then.
	IPv4
	// Bare, Quoted and Binary tell the type that an encoder (+json, +cbor) printed for the value of an expression, which
	// is text otherwise: Bare is a number or a truth value ("true", "false"), Quoted a text that looks like one, Binary
	// a byte string.
	Bare
	Quoted
	Binary
)

// Value is one field of a record.
//
// What is set depends on the kind: KindText and KindRequest set Text; KindAddr sets Text to what HAProxy printed
// and, for IPv4, Int to the address; KindInt sets Int only; KindDate sets Int to the printed wall clock in
// milliseconds since 1970 as if it were UTC, and Zone to the printed offset in seconds for the aliases that print
// one; KindList sets Text to the items joined with '|', which no item can hold, and Int to their number.
//
// Text has neither the quotes of +Q nor the backslashes of +E; `#XX` stands as printed. It aliases the parsed line
// or the record's scratch space: it is valid until the next Parse into the same record.
type Value struct {
	Text  []byte
	Int   int64
	Zone  int32
	State State
}

// Addr returns the address of a KindAddr value; it is not valid for "unix" and for absent addresses.
func (v *Value) Addr() netip.Addr {
	if v.State&IPv4 != 0 {
		return netip.AddrFrom4([4]byte{byte(v.Int >> 24), byte(v.Int >> 16), byte(v.Int >> 8), byte(v.Int)})
	}
	if v.State&Present == 0 {
		return netip.Addr{}
	}
	addr, err := netip.ParseAddr(string(v.Text))
	if err != nil {
		return netip.Addr{}
	}
	return addr
}

// Record is what Parse reads out of one line. It is meant to be reused for the next line, by one goroutine at a time;
// the zero Record is ready for use.
type Record struct {
	// Format is the format that matched.
	Format *Format
	// Values has one value per field of the format, in the order of Format.Fields.
	Values []Value
	// Lone is the only block of captured headers of a line whose format has both %hr and %hs. The line does not tell
	// whose it is, so both are Unsure. Its kind is KindList.
	Lone Value
	// TimeUnsure is set by Time if the time that it gave may be another one: see Zone.
	TimeUnsure bool

	// Truncated is set by ParseCut: the end of the line is missing.
	Truncated bool
	// Header is how many bytes HAProxy wrote before the line in the same message, as far as they count for the length at
	// which it cuts (`log … len`). The caller sets it before Set.Parse and Set.ParseCut.
	Header int

	cutField int // the first field that ParseCut found the line to lack something of

	last    int     // the format of a Set that matched last
	other   *Record // for a second opinion
	spans   []span  // stretches of the line that cannot be split into fields, see solve
	dates   dateCache
	solver  solver
	scratch []byte // what Text points to where it differs from the line
	inexact bool   // a value was printed in a way that the value alone does not tell
}

// span is a stretch of a line that nodes first to last (exclusive) of the format printed together, and whose inner
// borders the line does not tell. sep is the state of the separator rule after it.
type span struct {
	first, last int
	text        []byte
	sep         bool
}

// Exact reports whether Values and Lone alone give the line back through Append, so that they may be stored in its
// place. It is false when the line has a stretch that cannot be divided into its fields, or a value in an unusual
// encoding; only the record that was parsed can be appended then.
func (r *Record) Exact() bool { return len(r.spans) == 0 && !r.inexact }

// Reset makes r an empty record of the format f, with all fields absent, to be filled in by hand and given to
// f.Append.
func (r *Record) Reset(f *Format) {
	r.Format = f
	r.Lone = Value{}
	r.spans = r.spans[:0]
	r.scratch = r.scratch[:0]
	r.inexact, r.Truncated = false, false
	if cap(r.Values) < len(f.fields) {
		r.Values = make([]Value, len(f.fields))
		return
	}
	r.Values = r.Values[:len(f.fields)]
	clear(r.Values)
}

// Items calls yield for each text of a KindList value, in order, until it returns false.
func (v *Value) Items(yield func(item []byte) bool) {
	rest := v.Text
	for range v.Int {
		item := rest
		if i := bytes.IndexByte(rest, '|'); i >= 0 {
			item, rest = rest[:i], rest[i+1:]
		} else {
			rest = nil
		}
		if !yield(item) {
			return
		}
	}
}

// SyntaxError tells what is wrong with a log-format string and where.
type SyntaxError struct {
	Spec string // the whole string
	Pos  int    // offset of the offending byte in Spec
	Msg  string // what is wrong and what was expected
	// Unsupported is set where HAProxy takes the string and only Compile does not.
	Unsupported bool
}

func (e *SyntaxError) Error() string {
	return "log-format, byte " + strconv.Itoa(e.Pos+1) + ": " + e.Msg
}
