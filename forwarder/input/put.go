package input

import (
	"context"

	"github.com/loghaul/loghaul/forwarder/ledger"
)

// Put has records stored by a spool, and waits for room as long as ctx allows.
// What has no room by then is declared as lost: whoever wrote it will not do so
// again. It says whether the records were taken.
func Put(ctx context.Context, s Spool, st *Stats, records []byte, n int) bool {
	if n == 0 {
		return true
	}
	for s.Append(records, n) != nil {
		st.Refusals.Add(1)
		if s.WaitRoom(ctx) != nil {
			if s.Append(records, n) == nil { // the last chance
				break
			}
			s.Lose(ledger.SpoolFull, int64(n), int64(len(records)))
			return false
		}
	}
	st.Records.Add(int64(n))
	st.Bytes.Add(int64(len(records)))
	return true
}
