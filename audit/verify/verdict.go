package verify

import (
	"sync/atomic"
	"time"

	"github.com/loghaul/loghaul/archive/manifest"
	"github.com/loghaul/loghaul/audit"
)

// Verdict is what was found out about an object, a chain or a source.
type Verdict string

// Verdicts of objects. Changed, Missing, Extra and Unsigned are differences;
// Unread says that the run could not find out.
const (
	// OK is as its manifest says, as far as was looked.
	OK Verdict = "ok"
	// Changed is not what was stored.
	Changed Verdict = "changed"
	// Missing is named by a manifest and not there.
	Missing Verdict = "missing"
	// Extra is there, though no manifest names it and one should.
	Extra Verdict = "extra"
	// Unsigned is vouched for by no valid signature of the given keys.
	Unsigned Verdict = "unsigned"
	// Pending is too young for a manifest. It was read and is what its key says.
	Pending Verdict = "pending"
	// Unlisted is of a time for which its writer wrote no manifests. It was read
	// and is what its key says; whether others are missing nobody can tell.
	Unlisted Verdict = "unlisted"
	// Unread could not be read, or not be judged as a manifest could not be read.
	Unread Verdict = "unread"
)

// Verdicts of chains, beside Unread.
const (
	// Intact chains have every manifest they should.
	Intact Verdict = "intact"
	// Broken is a difference.
	Broken Verdict = "broken"
)

// Verdicts of sources, beside Pending: a gap that may be filled yet.
const (
	// Complete sources have every byte between the first and the last.
	Complete Verdict = "complete"
	// Declared sources have gaps, and forwarders declared each.
	Declared Verdict = "declared"
	// Gap is a difference: a gap that nobody declared.
	Gap Verdict = "gap"
)

// Difference reports whether a verdict means that the archive is not what it
// should be.
func (v Verdict) Difference() bool {
	switch v {
	case Changed, Missing, Extra, Unsigned, Broken, Gap:
		return true
	case OK, Pending, Unlisted, Unread, Intact, Complete, Declared:
	}
	return false
}

// Object is the verdict about one object, or about a file that is none.
type Object struct {
	Verdict Verdict `json:"verdict"`
	Key     string  `json:"key"`
	Size    int64   `json:"size"`
	// Manifest is the key of the manifest that names it, "" if none does.
	Manifest string `json:"manifest,omitempty"`
	// Recovered says that whoever made the manifest took the object from the
	// store: its writer did not live to tell.
	Recovered bool `json:"recovered,omitempty"`
	// Why explains every verdict but OK.
	Why string `json:"why,omitempty"`
}

// Chain is the verdict about the manifests of one writer.
type Chain struct {
	Verdict Verdict `json:"verdict"`
	Writer  string  `json:"writer"`
	// Manifests were looked at, from number First to number Last. They cover
	// [From, To).
	Manifests int       `json:"manifests"`
	First     int64     `json:"first"`
	Last      int64     `json:"last"`
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	// Head is the newest one: whoever keeps it can tell later that it was dropped.
	Head *manifest.Link `json:"head,omitempty"`
	// Ended says that the writer stopped.
	Ended bool `json:"ended,omitempty"`
	// Keys names the keys that manifests are signed with and were checked with.
	Keys []string `json:"keys,omitempty"`
	// Breaks are what is wrong, by number; More counts those left out.
	Breaks []Break `json:"breaks,omitempty"`
	More   int     `json:"more,omitempty"`
}

// Break is something wrong with a chain.
type Break struct {
	// Sequence is the number of the manifest concerned, Through the last of
	// several in a row.
	Sequence int64  `json:"sequence"`
	Through  int64  `json:"through,omitempty"`
	Kind     Kind   `json:"kind"`
	Key      string `json:"key,omitempty"`
	Why      string `json:"why"`
}

// Kind says in what way a chain is broken.
type Kind string

// Kinds. NewerVersion and NotRead are no differences: they could not be checked.
const (
	NumberMissing  Kind = "missing"
	WrongPrevious  Kind = "previous"
	TimesDoNotJoin Kind = "times"
	Forged         Kind = "forged"
	UnknownKey     Kind = "unknown key"
	NotSigned      Kind = "unsigned"
	Unreadable     Kind = "unreadable"
	Misplaced      Kind = "misplaced"
	Fork           Kind = "fork"
	Stops          Kind = "stops"
	Dropped        Kind = "dropped"
	Replaced       Kind = "replaced"
	WrongContent   Kind = "wrong content"
	NewerVersion   Kind = "newer version"
	NotRead        Kind = "not read"
)

func (k Kind) unread() bool { return k == NewerVersion || k == NotRead }

// Source is the verdict about one source.
type Source struct {
	Verdict Verdict `json:"verdict"`
	Node    string  `json:"node"`
	ID      string  `json:"source"`
	Path    string  `json:"path"`
	// Lines and Bytes are archived, as far as was looked: around a selection, too.
	Lines int64 `json:"lines"`
	Bytes int64 `json:"bytes"`
	// Gaps are what is not archived, in order.
	Gaps []SourceGap `json:"gaps,omitempty"`
	// Joined is what was sent as the end of another source.
	Joined []audit.Span `json:"joined,omitempty"`
	// Counter marks a source that only counts lines that were lost: then gaps are
	// numbers of lines.
	Counter bool `json:"counter,omitempty"`
}

// SourceGap is a stretch of a source that is not archived.
type SourceGap struct {
	audit.Span
	// Reason is the forwarder's that declared the loss, "" if nobody did. Lines
	// is how many lines it was, as far as they were counted.
	Reason string `json:"reason,omitempty"`
	Lines  int64  `json:"lines,omitempty"`
	// Object is an object that had, or has, bytes of it and is missing or changed.
	Object string `json:"object,omitempty"`
	// Pending says that what follows is too young to tell.
	Pending bool `json:"pending,omitempty"`
}

// Total sums up a run.
type Total struct {
	// Objects counts verdicts, Chains and Sources do too.
	Objects map[Verdict]int64 `json:"objects"`
	Chains  map[Verdict]int64 `json:"chains"`
	Sources map[Verdict]int64 `json:"sources"`
	// Recovered counts objects that are OK and whose writer did not live to name
	// them.
	Recovered int64 `json:"recovered"`
	// Manifests were read; Bytes is the size of all objects that are there, Read
	// the bytes of those that were read.
	Manifests int64 `json:"manifests"`
	Bytes     int64 `json:"bytes"`
	Read      int64 `json:"bytes_read"`
	// Differences counts objects, breaks of chains and gaps that are not what
	// they should be. Unread counts what could not be checked.
	Differences int64 `json:"differences"`
	Unread      int64 `json:"unread"`
	// Problems says what could not be listed.
	Problems []string `json:"problems,omitempty"`
	// Deep, Signatures, From and To are what was asked for, Keys the keys.
	Deep       bool       `json:"deep"`
	Signatures bool       `json:"signatures_checked"`
	Keys       []string   `json:"keys,omitempty"`
	From       *time.Time `json:"from,omitempty"`
	To         *time.Time `json:"to,omitempty"`
	Time       time.Time  `json:"time"`
}

func (t *Total) begin(o *Options) {
	t.Objects, t.Chains, t.Sources = map[Verdict]int64{}, map[Verdict]int64{}, map[Verdict]int64{}
	t.Deep, t.Signatures, t.Time = o.Deep, o.Keys != nil, o.Now.UTC()
	if o.Keys != nil {
		for _, id := range o.Keys.KeyIDs() {
			t.Keys = append(t.Keys, id.String())
		}
	}
	if !o.From.IsZero() {
		t.From = &o.From
	}
	if !o.To.IsZero() {
		t.To = &o.To
	}
}

// Progress counts while a run goes on. All of it may be read at any time.
type Progress struct {
	// Manifests and Objects are done, of so many; what no manifest names is not
	// foreseen. Bytes were read.
	Manifests, AllManifests, Objects, AllObjects, Bytes, AllBytes atomic.Int64
}
