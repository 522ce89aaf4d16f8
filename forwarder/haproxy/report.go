package haproxy

import (
	"time"

	"github.com/loghaul/loghaul/forwarder/source"
)

// Flush is that of source.Feed. What was heard is due at once anyway.
func (w *Watcher) Flush(time.Time) {}

// Report gives the processes that are known: what HAProxy counts is the size,
// in lines.
func (w *Watcher) Report() (out []source.Status) {
	for _, s := range w.sockets {
		problem := ""
		if s.failing {
			problem = "does not answer"
		}
		for _, p := range s.processes {
			out = append(out, source.Status{
				Source: p.Name(), Input: p.path, State: "lines dropped", Read: p.read, Acked: p.acked, Size: p.total, Problem: problem,
			})
		}
		if len(s.processes) == 0 {
			st := source.Status{Input: pathOf(s.name), State: "not asked yet", Problem: problem}
			st.Source.Path = st.Input
			if s.failing {
				st.State = "gone"
			}
			out = append(out, st)
		}
	}
	return out
}
