package filter

import (
	"bytes"
	"slices"
	"strconv"
)

// Compare says how a Test looks at a value.
type Compare uint8

// The comparisons.
const (
	Present   Compare = iota // there is a value
	InRanges                 // a number, or a text that is one, within one of the ranges
	IsAddress                // an address within one of the networks
	Equal                    // one of the texts
	Contains                 // has one of the texts in it
	HasPrefix                // begins with one of the texts
	HasSuffix                // ends with one of the texts
)

// Range is the numbers from Min to Max, both included.
type Range struct{ Min, Max int64 }

// Test is one question about one field. It is immutable; any number of goroutines may use it at once, and none of its
// methods that get a value allocates.
//
// A line without the field passes if Absent says so. For a value the methods take Not into account: what they answer is
// whether the line passes.
type Test struct {
	Field   *Field
	Compare Compare
	// Not turns the answer: a line passes that has no value, or one that does not compare.
	Not bool
	// Fold is set if upper and lower case of ASCII letters are the same.
	Fold bool

	ranges    []Range   // sorted, apart from each other
	texts     [][]byte  // of Equal to HasSuffix; with Fold in lower case
	addresses []network // of IsAddress
}

// Absent reports whether a line passes that does not have the field.
func (t *Test) Absent() bool { return t.Not }

// MatchInt reports whether a line passes whose value is v: the number, a duration in milliseconds, a size in bytes, of a
// Bool 0 or 1. Of a Text it is a value that the format makes a number of (`%(name:sint)[expression]` in JSON), which
// compares like what is printed.
func (t *Test) MatchInt(v int64) bool {
	switch t.Compare {
	case Present:
		return !t.Not
	case InRanges:
		return t.inRanges(v) != t.Not
	default:
		var digits [20]byte
		return t.MatchText(strconv.AppendInt(digits[:0], v, 10))
	}
}

// MatchText reports whether a line passes whose value is v. The type of the field is Text or Address. v is what the
// archive's column has, and is not kept.
func (t *Test) MatchText(v []byte) bool {
	if t.Field.Header() && (len(v) == 0 || string(v) == "-") {
		return t.Not
	}
	return t.text(v) != t.Not
}

// MayMatchRange reports whether a line can pass whose value is between low and high, both included, as MatchInt takes it.
// Lines without a value are not among them: ask Absent.
func (t *Test) MayMatchRange(low, high int64) bool {
	switch t.Compare {
	case Present:
		return !t.Not
	case InRanges:
	default:
		return low < high || t.MatchInt(low)
	}
	covers := func(r Range) bool { return r.Min <= low && high <= r.Max }
	if t.Not {
		return !slices.ContainsFunc(t.ranges, covers)
	}
	return slices.ContainsFunc(t.ranges, func(r Range) bool { return r.Min <= high && low <= r.Max })
}

// MayMatchTextRange reports whether a line can pass whose value is between low and high in the order of bytes, both
// included; they need not be values themselves. Lines without a value are not among them: ask Absent. What may be below
// or above anything is said by a nil low or high.
func (t *Test) MayMatchTextRange(low, high []byte) bool {
	if low != nil && high != nil && bytes.Equal(low, high) {
		return t.MatchText(low)
	}
	return t.mayMatchTexts(low, high)
}

// Equals gives all texts that a value can be if a line passes, for a look-up in a bloom filter: if none of them is in it,
// no line passes. It is nil if they cannot be listed. An IPv6 address has several, because C libraries print them in
// different ways. They must not be changed.
func (t *Test) Equals() [][]byte {
	if t.Not || t.Fold || t.Field.Cut > 0 {
		return nil
	}
	switch t.Compare {
	case Equal:
		return t.texts
	case IsAddress:
		return spellings(t.addresses)
	default:
		return nil
	}
}
