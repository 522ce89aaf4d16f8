// Package gaps is the ledger of what the index does not have: small files
// beside the archive's objects, which say which rows of which objects are
// missing, so that they can be indexed from the archive. docs/formats/gaps.md
// is the format.
//
// Files never change. They are added, merged and removed, and every step may be
// done twice or be left half done: a row that is named twice, or that is in the
// index after all, is found there by its id. So a gap may be noted too widely and
// never too narrowly, and nobody has to agree with anybody.
//
// Nothing here has a clock or is safe for concurrent use, but for Ledger, which
// has no state.
package gaps

import "errors"

// Prefix begins the keys of all ledgers, below the archive's root.
const Prefix = "_gaps/"

var (
	// ErrGone means that there is no such file, or no such object: somebody else
	// was faster, or it has expired.
	ErrGone = errors.New("it is not there")
	// ErrDamaged means that a file is not what was written. Whatever it said,
	// everything that its writer sealed in its hour stands in for it.
	ErrDamaged = errors.New("the gap file is damaged")
	// ErrVersion means that a newer program wrote the file. It stays as it is.
	ErrVersion = errors.New("the gap file has a newer version")
)

// Reasons that are not the index's own.
const (
	// Rejected are documents that the server refuses for what they hold. Others
	// that no repetition cures are kept with them, see Slot.
	Rejected = "rejected"
	// Killed is of a writer that ended without a word.
	Killed = "killed"
	// Unsettled is of objects about which the index said nothing until the end.
	Unsettled = "unsettled"
	// Damaged is of what a damaged gap file had named.
	Damaged = "damaged"
)
