package input

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/loghaul/loghaul/internal/wire"
)

// failing says that there is room, and takes nothing before a time.
type failing struct {
	until time.Time
	tries int
	lost  map[string][2]int64
}

func (f *failing) Append([]byte, int) error {
	f.tries++
	if time.Now().Before(f.until) {
		return errors.New("the disk fails")
	}
	return nil
}

func (f *failing) Lose(reason string, lines, bytes int64) {
	f.lost = map[string][2]int64{reason: {lines, bytes}}
}

func (f *failing) WaitRoom(ctx context.Context) error { return ctx.Err() }

func TestASpoolThatFailsIsNotAskedAllTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &failing{until: time.Now().Add(time.Minute)}
		var st Stats
		start := time.Now()
		Put(t.Context(), f, &st, []byte("a\nb\n"), 2)
		if took := time.Since(start); took < time.Minute || took > time.Minute+longestPause || f.tries > 80 || f.lost != nil {
			t.Errorf("%d tries within %v, lost %v", f.tries, took, f.lost)
		}
		if st.Records.Load() != 2 || st.Bytes.Load() != 4 || st.Refusals.Load() != int64(f.tries-1) {
			t.Errorf("%d records, %d bytes, %d refusals", st.Records.Load(), st.Bytes.Load(), st.Refusals.Load())
		}
	})
}

func TestTheEndOfWaitingIsALoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &failing{until: time.Now().Add(time.Hour)}
		var st Stats
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		Put(ctx, f, &st, []byte("a\nb\n"), 2)
		if took := time.Since(start); took > time.Minute+longestPause || f.lost[wire.SpoolFull] != [2]int64{2, 4} || st.Records.Load() != 0 {
			t.Errorf("%v, lost %v", took, f.lost)
		}
	})
}
