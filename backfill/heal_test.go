package backfill_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/loghaul/loghaul/archive/gaps"
	"github.com/loghaul/loghaul/audit"
	"github.com/loghaul/loghaul/backfill"
	"github.com/loghaul/loghaul/sinks"
	"github.com/loghaul/loghaul/sinks/elastic"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// TestDropEverythingThenBackfill: nobody serves the index for hours of traffic; then
// the ledger has each line, and one call brings all of them, each once.
func TestDropEverythingThenBackfill(t *testing.T) {
	w := newWorld(t, "dropall", folder(t))
	for i := range 30 {
		w.archive("agg-1", noon.Add(time.Duration(i)*6*time.Minute), 40+i)
	}
	w.dropAll("agg-1")
	s := w.survey()
	if s.Lines != int64(w.lines()) || len(s.Beats) != 0 {
		t.Fatalf("the ledger has %d lines and %d heartbeats, want %d and none", s.Lines, len(s.Beats), w.lines())
	}
	sink := w.real()
	r := w.heal(w.options(sink))
	t.Logf("%+v", r)
	if !r.Healed() || r.Indexed != int64(w.lines()) || r.Lines != r.Indexed || r.Gaps != 30 || r.Exists != 0 {
		t.Errorf("%+v, want %d lines of 30 gaps", r, w.lines())
	}
	w.wantHealed()
	if r := w.heal(w.options(sink)); r.Files != 0 || r.Objects != 0 {
		t.Errorf("again: %+v", r)
	}
	// Everything once more, as after a ledger that was put back from a copy.
	w.dropAll("agg-1")
	if r := w.heal(w.options(sink)); r.Exists != int64(w.lines()) || r.Indexed != 0 {
		t.Errorf("what is there already: %+v", r)
	}
	w.wantHealed()
}

// TestKilledAtEveryStep: the process dies before, or right after, each of its writes
// to the ledger. Whoever goes on heals everything, and nothing is twice.
func TestKilledAtEveryStep(t *testing.T) {
	w := newWorld(t, "killed", folder(t))
	sink := w.real()
	for step, dead := 0, true; dead; step++ {
		for n, after := range []bool{false, true} {
			for i := range 3 {
				at := noon.Add(time.Duration(step)*24*time.Hour + time.Duration(n)*12*time.Hour + time.Duration(i)*25*time.Minute)
				w.archive("agg-1", at, 5)
				w.archive("agg-2", at, 7)
			}
			w.note("first", w.objects[len(w.objects)-6:len(w.objects)-3])
			w.note("second", w.objects[len(w.objects)-4:]) // one of them again
			dying := &dyingStore{Store: backfill.LedgerStore{Store: w.store}, left: step, after: after}
			o := w.options(sink)
			o.Ledger, o.Checkpoint = gaps.New(dying, w.ledger.Stream()), 1
			_, err := backfill.New(o).Heal(t.Context())
			if dead = errors.Is(err, errKilled); !dead && err != nil {
				t.Fatal(err)
			}
			if r := w.heal(w.options(sink)); !r.Healed() {
				t.Errorf("killed at step %d: %+v", step, r)
			}
		}
		if step > 40 {
			t.Fatal("it never ends")
		}
	}
	w.wantHealed()
}

var errKilled = errors.New("killed")

// dyingStore works for some more writes and then for nothing.
type dyingStore struct {
	gaps.Store
	mu    sync.Mutex
	left  int
	after bool // the last write is done, and nobody learns of it
	dead  bool
}

func (s *dyingStore) write(do func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead || s.left == 0 {
		if !s.dead && s.after {
			if err := do(); err != nil {
				return err
			}
		}
		s.dead = true
		return errKilled
	}
	s.left--
	return do()
}

func (s *dyingStore) Put(ctx context.Context, key string, body []byte) error {
	return s.write(func() error { return s.Store.Put(ctx, key, body) })
}

func (s *dyingStore) Delete(ctx context.Context, key string) error {
	return s.write(func() error { return s.Store.Delete(ctx, key) })
}

// note writes gaps of whole objects into the ledger.
func (w *world) note(reason string, objects []*sinks.Group) {
	w.t.Helper()
	var set gaps.Set
	for _, g := range objects {
		if err := set.Add(gaps.Gap{Key: g.Key, Rows: gaps.Span{First: 0, Last: g.Lines - 1}, Lines: g.Lines, Reason: reason}, noon); err != nil {
			w.t.Fatal(err)
		}
	}
	for _, slot := range set.Slots() {
		if _, err := w.ledger.Write(w.t.Context(), slot, set.Entries(slot), time.Now()); err != nil {
			w.t.Fatal(err)
		}
	}
}

// TestRowsAreExact: of an object of which some rows are missing, those are indexed
// and no others; what the index refuses stays in the ledger, and is tried again.
func TestRowsAreExact(t *testing.T) {
	w := newWorld(t, "exact", folder(t))
	sink := w.real()
	g := w.archive("agg-1", noon, 100)
	var set gaps.Set
	for _, s := range []gaps.Span{{First: 3, Last: 5}, {First: 5, Last: 9}, {First: 40, Last: 40}, {First: 99, Last: 200}} {
		if err := set.Add(gaps.Gap{Key: g.Key, Rows: s, Lines: s.Last - s.First + 1, Reason: "overloaded"}, noon); err != nil {
			t.Fatal(err)
		}
	}
	slot := set.Slots()[0]
	if _, err := w.ledger.Write(t.Context(), slot, set.Entries(slot), time.Now()); err != nil {
		t.Fatal(err)
	}
	if r := w.heal(w.options(sink)); r.Indexed != 9 || !r.Healed() {
		t.Errorf("%+v, want 9 rows", r)
	}
	var want []string
	for _, row := range []int{3, 4, 5, 6, 7, 8, 9, 40, 99} {
		want = append(want, fmt.Sprintf("%s#%d", g.Key, row))
	}
	slices.Sort(want)
	if got := w.documents(); !slices.Equal(got, want) {
		t.Errorf("documents %v, want %v", got, want)
	}
}

// TestRejectedDocumentsStay: what the index refuses for what it holds stays in the
// ledger, apart, until it takes it.
func TestRejectedDocumentsStay(t *testing.T) {
	w := newWorld(t, "rejected", folder(t))
	server := servers.Elastic(t)
	// Somebody's template says that frontends are addresses.
	template := func(kind string) {
		request(t, "PUT", server.URL+"/_index_template/wrong", `{"index_patterns":["logs-haproxy.log-rejected"],"priority":900,"data_stream":{},
			"template":{"mappings":{"properties":{"haproxy":{"properties":{"frontend_name":{"type":"`+kind+`"}}}}}}}`, nil)
	}
	template("ip")
	g := w.archive("agg-1", noon, 10)
	w.note("queue_full", []*sinks.Group{g})
	sink := w.sink(server.URL, elastic.Deps{})
	r := w.heal(w.options(sink))
	if s := w.survey(); r.Rejected != 10 || r.Left["rejected"] != 10 || s.Lines != 10 || s.Rejected != 10 {
		t.Errorf("%+v; in the ledger %d lines, %d rejected", r, s.Lines, s.Rejected)
	}
	made := w.survey().Files[0].Made
	if r := w.heal(w.options(sink)); r.Left["rejected"] != 10 {
		t.Errorf("again: %+v", r)
	}
	if f := w.survey().Files; len(f) != 1 || !f[0].Made.After(made) {
		t.Errorf("%+v: want one file, made after %v, so that it is tried again later", f, made)
	}
	template("keyword")
	request(t, "POST", server.URL+"/logs-haproxy.log-rejected/_rollover", "", nil)
	if r := w.heal(w.options(sink)); r.Indexed != 10 || !r.Healed() {
		t.Errorf("with the right mapping: %+v", r)
	}
	w.wantHealed()
}

// TestRange: lines of a time, whole and parts of objects, into any stream, and the
// ledger stays.
func TestRange(t *testing.T) {
	w := newWorld(t, "range", folder(t))
	for i := range 6 {
		w.archive("agg-1", noon.Add(time.Duration(i)*time.Minute), 60) // the minute before
	}
	w.note("queue_full", w.objects[:1])
	sink := w.real()
	o := w.options(sink)
	r, err := backfill.New(o).Range(t.Context(), audit.Filter{From: noon.Add(30 * time.Second), To: noon.Add(200 * time.Second)})
	if err != nil || r.Indexed != 170 || r.Lines != 170 || r.Objects != 4 || !r.Healed() {
		t.Errorf("%+v, %v: want 170 lines of 4 objects", r, err)
	}
	if got := len(w.documents()); got != 170 {
		t.Errorf("%d documents, want 170", got)
	}
	if r, err = backfill.New(o).Range(t.Context(), audit.Filter{}); err != nil || r.Indexed != 190 || r.Exists != 170 {
		t.Errorf("everything: %+v, %v", r, err)
	}
	if s := w.survey(); s.Lines != 60 {
		t.Errorf("the ledger has %d lines, want the 60 of before", s.Lines)
	}
	if r := w.heal(o); r.Exists != 60 {
		t.Errorf("healing after it: %+v", r)
	}
	w.wantHealed()
}

// TestLedgerThatIsDamaged: a file that is damaged stands for its whole hour; one of a
// newer version is left alone, and what no ledger has is named; objects that have
// expired are not missing.
func TestLedgerThatIsDamaged(t *testing.T) {
	dir := t.TempDir()
	s, err := objectstore.Open(t.Context(), "file://"+dir, objectstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, "damaged", s)
	sink := w.real()
	for i := range 4 {
		w.archive("agg-1", noon.Add(time.Duration(i)*20*time.Minute), 10) // three in one hour
	}
	w.note("queue_full", w.objects[:1])
	path := filepath.Join(dir, w.ledger.Key(w.survey().Files[0]))
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	gone := w.archive("agg-2", noon, 10)
	w.note("queue_full", []*sinks.Group{gone})
	w.objects = w.objects[:3]
	if err := os.Remove(filepath.Join(dir, gone.Key)); err != nil {
		t.Fatal(err)
	}
	o := w.options(sink)
	var warned []string
	o.Warn = func(err error) { warned = append(warned, err.Error()) }
	r := w.heal(o)
	if r.DamagedFiles != 1 || r.Indexed != 30 || r.Expired != 10 || r.ExpiredObjects != 1 || !r.Healed() {
		t.Errorf("%+v: want one damaged file, the 30 lines of its hour, and 10 that expired", r)
	}
	if len(warned) != 1 || !strings.Contains(warned[0], "damaged") {
		t.Errorf("warnings: %q", warned)
	}
	w.wantHealed()
}

// TestIndexThatGoesAndComes: the command waits for an index that is away for a while,
// and gives up on one that stays away, with nothing lost.
func TestIndexThatGoesAndComes(t *testing.T) {
	w := newWorld(t, "away", folder(t))
	for i := range 5 {
		w.archive("agg-1", noon.Add(time.Duration(i)*10*time.Minute), 20)
	}
	w.note("queue_full", w.objects)
	sink := w.real()
	o := w.options(&awayIndex{Index: sink, after: 2})
	o.Patience = 50 * time.Millisecond
	r, err := backfill.New(o).Heal(t.Context())
	if err == nil || r.Healed() || r.Indexed == 0 || r.Indexed+r.Left["not delivered"] != 100 {
		t.Errorf("%+v, %v: want some done, the others left, and an error", r, err)
	}
	if s := w.survey(); s.Lines != r.Left["not delivered"] {
		t.Errorf("the ledger has %d lines, the report says %v are left", s.Lines, r.Left)
	}
	o = w.options(&awayIndex{Index: sink, after: 1, back: 5})
	if r := w.heal(o); !r.Healed() {
		t.Errorf("%+v", r)
	}
	w.wantHealed()
}

// awayIndex fails after some calls, until some calls later: the real index, with a
// network that is cut.
type awayIndex struct {
	backfill.Index
	mu          sync.Mutex
	calls       int
	after, back int
}

func (a *awayIndex) Fill(ctx context.Context, g *sinks.Group, rows []elastic.Span) (elastic.Filled, error) {
	a.mu.Lock()
	a.calls++
	away := a.calls > a.after && (a.back == 0 || a.calls <= a.back)
	a.mu.Unlock()
	if !away {
		return a.Index.Fill(ctx, g, rows)
	}
	var f elastic.Filled
	for _, r := range rows {
		f.Left = append(f.Left, elastic.Gap{Key: g.Key, FirstRow: r.First, LastRow: r.Last, Lines: r.Last - r.First + 1, Reason: "unreachable"})
	}
	return f, fmt.Errorf("%w: the cable is cut", elastic.ErrUnavailable)
}
