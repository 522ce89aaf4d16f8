package input

import (
	"context"
	"time"

	"github.com/loghaul/loghaul/internal/backoff"
	"github.com/loghaul/loghaul/internal/wire"
)

// Pauses between attempts of a spool that says there is room and takes nothing,
// as one on a failing disk may.
const firstPause, longestPause = 5 * time.Millisecond, time.Second

// Store has records stored by a spool, and waits for room as long as ctx
// allows. An error means that they were not taken.
func Store(ctx context.Context, s Spool, st *Stats, records []byte, n int) error {
	if n == 0 {
		return nil
	}
	for pause := time.Duration(0); s.Append(records, n) != nil; pause = min(max(2*pause, firstPause), longestPause) {
		st.Refusals.Add(1)
		if err := s.WaitRoom(ctx); err != nil {
			return err
		}
		if pause == 0 {
			continue
		}
		_ = backoff.Sleep(ctx, pause) // WaitRoom says that it has ended
	}
	st.Records.Add(int64(n))
	st.Bytes.Add(int64(len(records)))
	return nil
}

// Put does the same for records that nobody will send again: those that have
// no room at the end of ctx are declared as lost.
func Put(ctx context.Context, s Spool, st *Stats, records []byte, n int) {
	if Store(ctx, s, st, records, n) != nil {
		s.Lose(wire.SpoolFull, int64(n), int64(len(records)))
	}
}
