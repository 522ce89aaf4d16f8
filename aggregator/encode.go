package aggregator

import (
	"time"

	"github.com/loghaul/loghaul/archive"
)

// encode makes objects out of the window. The encoder reads back what it made
// and compares. What then becomes of a window that is refused:
//
//	encode again → raw fall-back → halves of it, in the same way → quarantine
//
// Again, because a bit may have flipped in memory. The fall-back has the lines
// but no fields, and none of what makes them: so no defect of the parser or of
// a column keeps lines out of the archive's objects. A single batch that fails
// even so is stored as it came.
func (a *Aggregator) encode(g *batchGroup) {
	start := time.Now()
	g.noted = a.notary.Open(start)
	if a.deps.Index != nil {
		g.offered = a.deps.Gaps.Open(start)
	}
	a.mask()
	a.encodeSome(g, a.window.Batches(), start)
	a.count.encode.Since(start)
	a.count.fill.Store(0)
}

func (a *Aggregator) encodeSome(g *batchGroup, batches []archive.Batch, sealed time.Time) {
	n := len(batches)
	if n == 0 {
		return
	}
	o, err := a.encoder.Encode(batches, sealed)
	if err != nil {
		a.count.refusedFirst.Inc()
		a.log.Error("an object could not be made, or is not what went into it when it is read back; it is made again: nothing is lost, but look at this machine's memory if it helps",
			"error", err, "batches", n)
		o, err = a.encoder.Encode(batches, sealed)
	}
	if err != nil {
		a.count.refusedAgain.Inc()
		a.log.Error("an object could not be made and verified twice; its lines are archived in the raw fall-back encoding, without fields: please report this",
			"error", err, "batches", n)
		o, err = a.encoder.EncodeRaw(batches, sealed)
	}
	if err == nil {
		g.objects = append(g.objects, o)
		return
	}
	a.count.refusedRaw.Inc()
	if n > 1 {
		a.log.Error("a window could not even be encoded raw; trying with halves of it: please report this", "error", err, "batches", n)
		a.encodeSome(g, batches[:n/2], sealed)
		a.encodeSome(g, batches[n/2:], sealed)
		return
	}
	h := &batches[0].Header
	q := quarantineBatch(&batches[0], sealed, err)
	a.log.Error("a batch could not even be encoded raw; its lines are stored below _quarantine/ in the archive: please report this",
		"error", err, "source", h.Source.ID, "node", h.Source.Node, "from", h.From, "to", h.To, "key", q.Key)
	a.count.unverified.Inc()
	g.kept = append(g.kept, q)
}
