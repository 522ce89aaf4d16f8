package aggregator_test

import (
	"sync"
	"testing"
	"time"

	"github.com/loghaul/loghaul/aggregator"
	"github.com/loghaul/loghaul/aggregator/gapkeeper"
	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/archive/gaps"
	"github.com/loghaul/loghaul/backfill"
	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/sinks"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// silentIndex takes everything and never says what became of it.
type silentIndex struct {
	mu   sync.Mutex
	keys []string
}

func (s *silentIndex) Offer(g *sinks.Group) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = append(s.keys, g.Key)
	return true
}

func (s *silentIndex) taken() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.keys)
}

// TestObjectsAreKnownUntilTheyAreSettled: the ledger of gaps learns of each object
// before it is stored, and forgets it only when the index has settled it.
func TestObjectsAreKnownUntilTheyAreSettled(t *testing.T) {
	r := newRig(t, 1, nil)
	s, err := objectstore.Open(t.Context(), "file://"+t.TempDir(), objectstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ledger := gaps.New(backfill.LedgerStore{Store: s}, "logs-haproxy.log-test")
	k := gapkeeper.New(gapkeeper.Deps{Ledger: ledger, Name: "agg"})
	index := &silentIndex{}
	began := time.Now()
	k.Start(t.Context())
	a := r.run(r.config("agg"), aggregator.Deps{Archive: s, Index: index, Gaps: k})
	r.send([]string{"web-1"}, 3, 20)
	testenv.Eventually(t, time.Minute, "an object for the index", func() bool { return index.taken() == 1 })
	r.send([]string{"web-2"}, 3, 20)
	testenv.Eventually(t, time.Minute, "another one", func() bool { return index.taken() == 2 })
	a.stop()
	k.Settled(index.keys[0])
	k.Finish(t.Context())
	survey, err := ledger.Survey(t.Context())
	if err != nil || len(survey.Files) != 1 || len(survey.Beats) != 0 {
		t.Fatalf("%+v, %v; want a gap file for the object that is not settled", survey, err)
	}
	entries, err := ledger.Read(t.Context(), survey.Files[0])
	if err != nil || len(entries) != 1 {
		t.Fatalf("%+v, %v", entries, err)
	}
	for i, key := range index.keys {
		info, err := archive.ParseKey(key)
		if err != nil {
			t.Fatal(err)
		}
		ms := info.Sealed.UnixMilli()
		if covered := entries[0].From <= ms && ms < entries[0].To; covered != (i == 1) || info.Sealed.Before(began.Add(-time.Second)) {
			t.Errorf("object %d, %s: %+v", i, key, entries)
		}
	}
}
