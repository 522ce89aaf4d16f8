// Package ledger counts what became of every byte the forwarder took charge of,
// per path: bytes read = acked + in flight + lost{reason}. Inputs and shipper
// write it, metrics and status read it.
package ledger

import (
	"iter"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/loghaul/loghaul/internal/wire"
)

// maxPaths bounds the paths that are counted one by one. Those beyond it are
// counted together under Others.
const maxPaths = 1000

// Others is the path under which the paths beyond the bound are counted.
const Others = "(others)"

// Ledger holds the accounts. Everybody may use it at any time.
type Ledger struct {
	mu       sync.Mutex
	accounts map[string]*Account
	order    []*Account
}

// New makes an empty Ledger.
func New() *Ledger { return &Ledger{accounts: map[string]*Account{}} }

// Account gives the account of a path, which may be Others.
func (l *Ledger) Account(path string) *Account {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.accounts) >= maxPaths && l.accounts[path] == nil {
		path = Others
	}
	a := l.accounts[path]
	if a == nil {
		a = &Account{Path: path}
		l.accounts[path] = a
		l.order = append(l.order, a)
	}
	return a
}

// Accounts gives all accounts, in the order in which they were opened. The
// slice must not be changed.
func (l *Ledger) Accounts() []*Account {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clip(l.order)
}

// Each calls fn for every account.
func (l *Ledger) Each(fn func(*Account)) {
	for _, a := range l.Accounts() {
		fn(a)
	}
}

// Account counts what happened to one path, all its generations together.
type Account struct {
	// Path is the path that the input named, or the listener's URL.
	Path string
	// ReadBytes and ReadLines count what was taken charge of: read into a
	// batch or, for bytes, known to be lost before they could be read.
	ReadBytes, ReadLines atomic.Int64
	// AckedBytes and AckedLines count what the broker has.
	AckedBytes, AckedLines atomic.Int64
	// CutLines counts lines that were longer than the bound.
	CutLines atomic.Int64
	// LagBytes is what is written and not acked; LagSince when the oldest of
	// that was seen, in nanoseconds since 1970, 0 when there is none.
	LagBytes, LagSince atomic.Int64

	lost [6]Loss // one for each of wire.Reasons
}

// Loss counts what was lost for one reason. Where only the one is known the
// other stays behind: bytes of files have no lines, HAProxy's lines no bytes.
type Loss struct{ Bytes, Lines atomic.Int64 }

// Lost gives the loss for a reason, which must be one of wire.Reasons.
func (a *Account) Lost(reason string) *Loss {
	for i, r := range wire.Reasons() {
		if r == reason {
			return &a.lost[i]
		}
	}
	panic("ledger: unknown reason " + reason)
}

// Losses gives the reasons for which something was lost, and how much.
func (a *Account) Losses() iter.Seq2[string, *Loss] {
	return func(yield func(string, *Loss) bool) {
		for i, r := range wire.Reasons() {
			l := &a.lost[i]
			if (l.Bytes.Load() > 0 || l.Lines.Load() > 0) && !yield(r, l) {
				return
			}
		}
	}
}

// LostBytes gives the bytes lost, for all reasons.
func (a *Account) LostBytes() (n int64) {
	for i := range a.lost {
		n += a.lost[i].Bytes.Load()
	}
	return n
}

// Lose takes charge of n bytes and at once counts them as lost.
func (a *Account) Lose(reason string, bytes, lines int64) {
	l := a.Lost(reason)
	if bytes > 0 {
		a.ReadBytes.Add(bytes)
		l.Bytes.Add(bytes)
	}
	if lines > 0 {
		l.Lines.Add(lines)
	}
}

// InFlight gives the bytes that are neither stored by the broker nor lost.
func (a *Account) InFlight() int64 {
	acked, lost := a.AckedBytes.Load(), a.LostBytes() // before what is read, which they must not pass
	return a.ReadBytes.Load() - acked - lost
}
