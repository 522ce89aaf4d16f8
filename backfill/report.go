package backfill

import "sync/atomic"

// Report says what a call has done.
type Report struct {
	// Files, Gaps and Lines are what the ledger had: files, entries in them, lines
	// that were missing. Of a range, Lines are those within it.
	Files int   `json:"files"`
	Gaps  int   `json:"gaps"`
	Lines int64 `json:"lines"`
	// Adopted are aggregators that had ended without a word, whose heartbeats were
	// made gaps.
	Adopted []string `json:"adopted,omitempty"`
	// Objects were read.
	Objects int `json:"objects"`
	// Indexed lines are in the index now, Exists were there before. Excluded are
	// left out by the index's rules, Rejected were refused for what they hold.
	Indexed  int64 `json:"indexed"`
	Exists   int64 `json:"exists"`
	Excluded int64 `json:"excluded"`
	Rejected int64 `json:"rejected"`
	// Expired lines were in objects that are not in the archive any more; ExpiredObjects
	// counts these.
	Expired        int64 `json:"expired"`
	ExpiredObjects int   `json:"expired_objects"`
	// DamagedFiles are gap files that could not be read; everything of their hour
	// was taken for missing.
	DamagedFiles int `json:"damaged_files"`
	// Left is what is still missing, by reason.
	Left map[string]int64 `json:"left"`
}

// Healed reports whether nothing is missing any more.
func (r *Report) Healed() bool { return len(r.Left) == 0 }

// Progress may be read at any time.
type Progress struct {
	// Lines are to be done, as far as is known; Done are.
	Lines, Done atomic.Int64
	// Waiting is why the index is waited for, nil if it is not.
	Waiting atomic.Pointer[error]
}
