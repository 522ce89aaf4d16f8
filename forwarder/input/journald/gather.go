package journald

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/loghaul/loghaul/forwarder/input"
)

// gathering reads journalctl's output. Whenever it has to wait for more, what
// came before goes to the spool, and the cursor to the disk when that is due.
type gathering struct {
	ctx  context.Context //nolint:containedctx // of one read, which can't be given one
	j    *Journal
	r    io.Reader
	pace *input.Pace
}

// Read leaves entries in the pipe for a moment, so that several come at once.
func (g *gathering) Read(p []byte) (int, error) {
	if err := g.j.flush(g.ctx); err != nil {
		return 0, err
	}
	g.pace.Rest(g.ctx)
	file, timed := g.r.(*os.File)
	for {
		if timed {
			_ = file.SetReadDeadline(g.deadline())
		}
		n, err := g.r.Read(p)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			g.j.well()
			if err := g.j.cursor.save(); err != nil {
				g.j.cursorFailed(err)
			}
			continue
		}
		g.pace.Filled(int64(n), pipe)
		return n, err
	}
}

// deadline is when the cursor has to be stored, or when journalctl has run so
// long without a word that nothing is wrong with it. Zero is never.
func (g *gathering) deadline() time.Time {
	at := g.j.cursor.next()
	if fine := time.Now().Add(quiet); g.j.Problem() != nil && (at.IsZero() || fine.Before(at)) {
		return fine
	}
	return at
}
