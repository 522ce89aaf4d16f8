package tail

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/loghaul/loghaul/forwarder/checkpoint"
	"github.com/loghaul/loghaul/forwarder/ledger"
	"github.com/loghaul/loghaul/forwarder/source"
	"github.com/loghaul/loghaul/internal/wire"
)

// failer is a *testing.T, or what collects the failure of one schedule.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

// sink collects a batch.
type sink struct {
	raw  []byte
	room int
}

func (s *sink) Room() int { return s.room - len(s.raw) }

func (s *sink) Add(run []byte) int {
	s.raw = append(s.raw, run...)
	return bytes.Count(run, []byte{'\n'})
}

// flight is a batch that was read and is not confirmed.
type flight struct {
	f   *File
	run source.Run
	raw []byte
}

// generation is what was written into one file between two truncations: what
// one source is made of.
type generation struct {
	n         int
	bytes     []byte
	seen      int64 // its size when the forwarder looked last
	savedSeen int64 // as the stored positions know it
	unlinked  bool  // no name is left
	packed    bool  // it lies in a compressed file
	copied    bool  // it lies in a copy
	dead      bool  // its end is not to be had any more
	key       fileKey
}

// writer is an open descriptor of HAProxy's.
type writer struct {
	f   *os.File
	gen *generation
}

// world is a folder with a log that is written and rotated, and a forwarder
// that can be stopped and killed. It knows every byte that was written.
type world struct {
	t       failer
	r       *rand.Rand
	dir     string
	log     string
	cfg     Config
	logger  *slog.Logger
	now     time.Time
	skew    time.Duration // of the clock that stamps files
	mode    mode
	runs    int                 // of the container
	joints  map[*generation]int // bytes that are archived with the generation before; by check
	setBack bool                // that clock was set back
	tail    *Tailer
	ledger  *ledger.Ledger
	saved   checkpoint.State
	flights []flight
	broker  *broker
	lost    tally

	w       *writer
	late    []*writer // of earlier generations, still open
	gens    []*generation
	n       int    // lines written
	partial string // the unfinished line
}

// tally compares what the ledger says is lost with what the stream declared,
// both without what a crash makes happen once more.
type tally struct {
	counted, declared           int64 // by the processes before this one; by all
	countedSaved, declaredSaved int64
}

func newWorld(t *testing.T, seed uint64) *world {
	t.Helper()
	w := makeWorld(t, t.TempDir(), seed, 0)
	t.Cleanup(w.close)
	return w
}

// mode says what kind of world it is. Its bits are independent.
type mode int

const (
	viaLink mode = 1 << iota // the input is a symbolic link, as in Kubernetes
	inParts                  // a container's runtime cuts lines into parts
	modes   = 1 << iota
)

func makeWorld(t failer, dir string, seed uint64, kind mode) *world {
	w := &world{
		t: t, r: randomFor(seed), dir: dir, log: filepath.Join(dir, "haproxy.log"),
		cfg: DefaultConfig(), logger: slog.New(debugTo()), now: time.Now(),
		broker: newBroker(t),
	}
	w.cfg.Node, w.cfg.Inputs, w.cfg.NoInotify = "node", []Input{{Pattern: w.log}}, true
	w.cfg.Batch, w.cfg.MaxLine, w.cfg.MaxOpen = 4096, 4096, 8
	w.cfg.Links = filepath.Join(dir, "links")
	w.mode = kind
	if kind&viaLink != 0 {
		w.must(os.Mkdir(filepath.Join(dir, "pod"), 0o700))
		w.cfg.Inputs[0].Pattern = filepath.Join(dir, "containers", "pod_ns_app.log")
		w.must(os.Mkdir(filepath.Dir(w.cfg.Inputs[0].Pattern), 0o700))
		w.point("0.log")
	}
	w.create()
	return w
}

func randomFor(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

func (w *world) close() {
	w.crash(0)
	for _, l := range append(w.late, w.w) {
		_ = l.f.Close()
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("%v", err)
	}
}

// create makes a new file at the log's name and has HAProxy write there.
func (w *world) create() {
	f, err := os.OpenFile(w.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	w.must(err)
	st, err := statFile(f)
	w.must(err)
	w.w = &writer{f: f, gen: w.generation(st.key)}
	w.touch(f)
}

func (w *world) generation(key fileKey) *generation {
	g := &generation{n: len(w.gens), key: key}
	w.gens = append(w.gens, g)
	return g
}

// touch stamps a file with the test's own clock, which is ahead of the real one.
func (w *world) touch(f *os.File) {
	w.now = w.now.Add(time.Millisecond)
	tv := unix.NsecToTimeval(w.now.Add(w.skew).UnixNano())
	w.must(unix.Futimes(int(f.Fd()), []unix.Timeval{tv, tv}))
}

// stamp sets when a file was written.
func (w *world) stamp(name string, mtime int64) {
	w.must(os.Chtimes(name, time.Unix(0, mtime), time.Unix(0, mtime)))
}

// write appends text to a file.
func (w *world) write(to *writer, text string) {
	w.t.Helper()
	_, err := to.f.WriteString(text)
	w.must(err)
	to.gen.bytes = append(to.gen.bytes, text...)
	w.touch(to.f)
}

func (w *world) line(size int) string {
	w.n++
	return fmt.Sprintf("line %d %s\x00\xff end", w.n, bytes.Repeat([]byte{'a' + byte(w.n%26)}, size))
}

func (w *world) lines(to *writer, n, size int) {
	var b []byte
	for range n {
		if w.mode&inParts != 0 {
			b = append(b, w.parts(w.line(size), true)...)
			continue
		}
		b = append(append(b, w.line(size)...), '\n')
	}
	w.write(to, string(b))
}

// endPartial finishes a line that was begun.
func (w *world) endPartial() {
	if w.partial == "" {
		return
	}
	w.partial = ""
	if w.mode&inParts != 0 {
		w.write(w.w, w.parts("end", true))
		return
	}
	w.write(w.w, "end\n")
}

// begin writes a line without its end.
func (w *world) begin(size int) {
	if w.partial != "" {
		return
	}
	w.partial = w.line(size)
	if w.mode&inParts != 0 {
		w.partial = w.parts(w.partial, false)
	}
	w.write(w.w, w.partial)
}

// parts cuts a line as a container's runtime does, with a record of the other
// stream in between. Without end the last part is not the line's last.
func (w *world) parts(line string, end bool) string {
	var b strings.Builder
	size := 100 + w.n%900
	for {
		part, more := line[:min(size, len(line))], len(line) > size
		line = line[len(part):]
		flag := "P"
		if !more && end {
			flag = "F"
		}
		fmt.Fprintf(&b, "2026-11-26T01:02:03.%09dZ stdout %s %s\n", w.n, flag, part)
		if !more {
			return b.String()
		}
		if w.n%5 == 0 {
			fmt.Fprintf(&b, "2026-11-26T01:02:03.%09dZ stderr F a line of %d\n", w.n, len(line))
		}
	}
}

func (w *world) start() {
	if w.tail != nil {
		return
	}
	b, err := checkpoint.Encode(&w.saved)
	w.must(err)
	st, err := checkpoint.Decode(b)
	w.must(err)
	w.ledger = ledger.New() // counts from the start of the process
	w.tail, err = New(w.cfg, st, w.ledger, w.logger)
	w.must(err)
	w.scan()
}

// scan has the folders looked through.
func (w *world) scan() {
	w.now = w.now.Add(w.cfg.PollOnly)
	w.tail.Step(w.now)
	for _, g := range w.gens {
		if !g.dead && !g.unlinked && !g.packed && (!w.setBack || g == w.w.gen || g.seen > 0 && !g.copied) {
			g.seen = int64(len(g.bytes))
		}
	}
}

func (w *world) lostNow() (n int64) {
	w.ledger.Each(func(a *ledger.Account) { n += a.LostBytes() })
	return n
}

// crash drops everything that is in memory. Of the batches in flight those had
// been stored whose bit in stored is set.
func (w *world) crash(stored int) {
	if w.tail == nil {
		return
	}
	for i, fl := range w.flights {
		if stored>>i&1 == 1 {
			w.broker.store(fl.f.src.ID, fl.run, fl.raw)
		}
	}
	w.flights = nil
	w.must(w.tail.Close())
	w.tail = nil
	w.lost.counted, w.lost.declared = w.lost.countedSaved, w.lost.declaredSaved
	for _, g := range w.gens {
		g.seen = g.savedSeen
		if g.unlinked && !w.linked(g) {
			g.dead = true
		}
	}
}

func (w *world) save() {
	w.saved = w.tail.State()
	w.tail.Stored()
	w.lost.countedSaved, w.lost.declaredSaved = w.lost.counted+w.lostNow(), w.lost.declared
	for _, g := range w.gens {
		g.savedSeen = g.seen
	}
}

// linked says whether the forwarder keeps a link to the generation's file.
func (w *world) linked(g *generation) bool {
	links, err := filepath.Glob(fmt.Sprintf("%s/%x-%x-*", w.cfg.Links, g.key.dev, g.key.ino))
	w.must(err)
	return len(links) > 0
}

// ship reads up to n batches.
func (w *world) ship(n int) {
	w.now = w.now.Add(w.cfg.Linger)
	buf := make([]byte, 2048+w.r.IntN(4096))
	for range n {
		f := w.tail.next(w.now)
		if f == nil {
			return
		}
		s := &sink{room: 3000 + w.r.IntN(100_000)}
		run, err := f.Read(buf, w.cfg.Batch, s)
		w.must(err)
		switch {
		case run.Lost != "" && len(s.raw) > 0, run.Lost == "" && int64(len(s.raw)) != run.To-run.From:
			w.t.Fatalf("%+v holds %d bytes", run, len(s.raw))
		case !run.Empty():
			w.flights = append(w.flights, flight{f: f, run: run, raw: s.raw})
		}
		if !slices.ContainsFunc(w.saved.Entries, func(e checkpoint.Entry) bool { return e.ID == f.src.ID }) {
			w.save() // a source is in the state soon after its first batch; see docs/formats/checkpoint.md on copies
		}
	}
}

// ack acknowledges the first batches in flight.
func (w *world) ack(n int) {
	n = min(n, len(w.flights))
	for _, fl := range w.flights[:n] {
		w.broker.store(fl.f.src.ID, fl.run, fl.raw)
		fl.f.Confirm(fl.run.To)
		if fl.run.Lost != "" && fl.run.Lost != wire.Joined {
			w.lost.declared += fl.run.To - fl.run.From
		}
	}
	w.flights = slices.Clone(w.flights[n:])
}

// settle lets a running forwarder finish everything.
func (w *world) settle() {
	w.endPartial()
	w.start()
	for _, l := range w.late {
		w.must(l.f.Close())
	}
	w.late = nil
	for range 8 {
		for range 2 {
			w.scan()
			w.ship(10_000)
			w.ack(10_000)
		}
		w.now = w.now.Add(20 * time.Second)
	}
	w.save()
}

// debugTo is where the Tailer's log goes: LOGHAUL_TEST_LOG=1 shows it.
func debugTo() slog.Handler {
	if os.Getenv("LOGHAUL_TEST_LOG") != "" {
		return slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})
	}
	return slog.DiscardHandler
}

// debugf writes beside the Tailer's log.
func debugf(format string, args ...any) {
	if os.Getenv("LOGHAUL_TEST_LOG") != "" {
		_, _ = io.WriteString(os.Stderr, fmt.Sprintf(format, args...)+"\n")
	}
}
