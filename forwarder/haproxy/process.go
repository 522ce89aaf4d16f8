package haproxy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/loghaul/loghaul/forwarder/ledger"
	"github.com/loghaul/loghaul/forwarder/source"
	"github.com/loghaul/loghaul/internal/wire"
)

// process is one process of HAProxy, and the source of what it dropped.
type process struct {
	w       *Watcher
	id      string
	node    string
	path    string
	account *ledger.Account
	// acked ≤ read ≤ total: what the broker knows of, what was shipped, and
	// HAProxy's counter.
	acked, read, total int64
}

var _ source.Source = (*process)(nil)

// identity names a process: by its pid alone another one could be meant.
func identity(node, socket string, started int64, pid int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "loghaul haproxy 1\n%d %s\n%d %s\n%d %d\n", len(node), node, len(socket), socket, started, pid))
	return hex.EncodeToString(sum[:])[:24]
}

// starts gives the times at which a process may have started, the likeliest
// first. HAProxy tells it since 2.4; before, it follows from its age in seconds.
func (i *info) starts() []int64 {
	if i.exact {
		return []int64{i.started}
	}
	return []int64{i.started, i.started - 1, i.started + 1, i.started - 2, i.started + 2}
}

// find gives a process that was met before.
func (s *socket) find(node string, i *info) *process {
	for _, at := range i.starts() {
		id := identity(node, s.name, at, i.pid)
		for _, p := range s.processes {
			if p.id == id {
				return p
			}
		}
	}
	return nil
}

// meet makes a process, which goes on where it was before a restart of ours.
func (s *socket) meet(w *Watcher, i *info) *process {
	p := &process{w: w, node: w.cfg.Node, path: pathOf(s.name), account: w.ledger.Account(pathOf(s.name))}
	for _, at := range i.starts() {
		id := identity(p.node, s.name, at, i.pid)
		if pos, ok := s.known[id]; ok {
			p.id, p.acked, p.read, p.total = id, pos, pos, pos
			return p
		}
	}
	p.id = identity(p.node, s.name, i.started, i.pid)
	return p
}

// counted takes HAProxy's counter, which wraps at 32 bits, and says how much it
// has grown.
func (p *process) counted(counter uint32) int64 {
	n := counter - uint32(p.total) //nolint:gosec // its low bits
	if n >= 1<<31 {
		return 0 // it never falls
	}
	p.total += int64(n)
	return int64(n)
}

// Name is the identity of the process.
func (p *process) Name() wire.Source { return wire.Source{ID: p.id, Node: p.node, Path: p.path} }

// Labels are those of the forwarder.
func (p *process) Labels() wire.Labels { return p.w.cfg.Labels }

// Read gives the lines that were lost since the last one. There are no bytes.
func (p *process) Read([]byte, int64, source.Sink) (source.Run, error) {
	n := p.total - p.read
	if n == 0 {
		return source.Run{}, nil
	}
	run := source.Run{From: p.read, To: p.total, Lost: wire.HAProxyDropped, LostLines: n}
	p.account.Lose(wire.HAProxyDropped, 0, n)
	p.read = p.total
	return run, nil
}

// Confirm says that the broker knows of the lines before to.
func (p *process) Confirm(to int64) {
	p.acked = to
	p.w.dirty = true
}
