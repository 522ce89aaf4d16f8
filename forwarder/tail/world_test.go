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
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/loghaul/loghaul/forwarder/checkpoint"
	"github.com/loghaul/loghaul/forwarder/ledger"
)

// broker is what a test knows to be durable: every batch that was stored.
type broker struct {
	t     *testing.T
	bytes map[string]map[int64]byte // source, offset
}

func (b *broker) store(source string, from int64, raw []byte) {
	if os.Getenv("LOGHAUL_TEST_LOG") != "" {
		fmt.Fprintf(os.Stderr, "stored %s [%d,%d)\n", source, from, from+int64(len(raw)))
	}
	m := b.bytes[source]
	if m == nil {
		m = map[int64]byte{}
		b.bytes[source] = m
	}
	for i, c := range raw {
		off := from + int64(i)
		if old, ok := m[off]; ok && old != c {
			b.t.Fatalf("source %s holds %q and then %q at offset %d: two streams share an identity", source, old, c, off)
		}
		m[off] = c
	}
}

// lines gives each archived line and how often it is there.
func (b *broker) lines() map[string]int {
	out := map[string]int{}
	for source, m := range b.bytes {
		var raw []byte
		for off := range int64(len(m)) {
			c, ok := m[off]
			if !ok {
				b.t.Fatalf("source %s has a gap at %d", source, off)
			}
			raw = append(raw, c)
		}
		for line := range bytes.Lines(raw) {
			out[string(bytes.TrimSuffix(line, []byte{'\n'}))]++
		}
	}
	return out
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

type flight struct {
	f        *File
	from, to int64
	raw      []byte
}

// world is a folder with a log that is written and rotated, and a forwarder
// that can be stopped and killed.
type world struct {
	t       *testing.T
	r       *rand.Rand
	dir     string
	log     string
	cfg     Config
	logger  *slog.Logger
	now     time.Time
	tail    *Tailer
	ledger  *ledger.Ledger
	saved   checkpoint.State
	flights []flight
	broker  *broker

	w       *os.File // the writer
	late    *os.File // the generation before, still open for writing
	n       int      // lines written
	want    map[string]bool
	partial string
}

func newWorld(t *testing.T, seed uint64) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{
		t: t, r: rand.New(rand.NewPCG(seed, 1)), dir: dir, log: filepath.Join(dir, "haproxy.log"),
		cfg: DefaultConfig(), logger: slog.New(slog.NewTextHandler(debugTo(), &slog.HandlerOptions{Level: slog.LevelDebug})), now: time.Now(),
		broker: &broker{t: t, bytes: map[string]map[int64]byte{}}, want: map[string]bool{},
	}
	w.cfg.Node, w.cfg.Inputs, w.cfg.NoInotify = "node", []Input{{Pattern: w.log}}, true
	w.cfg.Batch, w.cfg.MaxLine, w.cfg.MaxOpen = 4096, 4096, 8
	w.create()
	t.Cleanup(func() {
		w.crash()
		_ = w.w.Close()
		if w.late != nil {
			_ = w.late.Close()
		}
	})
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) create() {
	f, err := os.OpenFile(w.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	w.must(err)
	w.w = f
	w.touch(f)
}

// touch stamps a file with the test's own clock, which is ahead of the real one.
func (w *world) touch(f *os.File) {
	w.now = w.now.Add(time.Millisecond)
	tv := unix.NsecToTimeval(w.now.UnixNano())
	w.must(unix.Futimes(int(f.Fd()), []unix.Timeval{tv, tv}))
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

func (w *world) scan() {
	w.now = w.now.Add(w.cfg.PollOnly)
	w.tail.Step(w.now)
}

// crash drops everything that is in memory. Of the batches in flight some had
// been stored.
func (w *world) crash() {
	if w.tail == nil {
		return
	}
	for _, fl := range w.flights {
		if w.r.IntN(2) == 0 {
			w.broker.store(fl.f.src.ID, fl.from, fl.raw)
		}
	}
	w.flights = nil
	w.must(w.tail.Close())
	w.tail = nil
}

func (w *world) save() { w.saved = w.tail.State() }

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
		from, to := run.From, run.To
		if int64(len(s.raw)) != to-from {
			w.t.Fatalf("batch [%d,%d) holds %d bytes", from, to, len(s.raw))
		}
		if to > from {
			w.flights = append(w.flights, flight{f: f, from: from, to: to, raw: s.raw})
		}
		if !slices.ContainsFunc(w.saved.Entries, func(e checkpoint.Entry) bool { return e.ID == f.src.ID }) {
			w.save() // a source is in the state soon after its first batch; see the package's notes on copies
		}
	}
}

// ack acknowledges the first batches in flight.
func (w *world) ack(n int) {
	n = min(n, len(w.flights))
	for _, fl := range w.flights[:n] {
		w.broker.store(fl.f.src.ID, fl.from, fl.raw)
		fl.f.Confirm(fl.to)
	}
	w.flights = slices.Clone(w.flights[n:])
}

func (w *world) line() string {
	w.n++
	return fmt.Sprintf("line %d %s", w.n, bytes.Repeat([]byte{'a' + byte(w.n%26)}, w.r.IntN(200)))
}

func (w *world) write(f *os.File, n int) {
	for range n {
		l := w.line()
		w.want[l] = true
		_, err := f.WriteString(l + "\n")
		w.must(err)
	}
	w.touch(f)
}

// endPartial finishes a line that was begun.
func (w *world) endPartial() {
	if w.partial == "" {
		return
	}
	_, err := w.w.WriteString("end\n")
	w.must(err)
	w.touch(w.w)
	w.want[w.partial+"end"] = true
	w.partial = ""
}

func (w *world) rotate() {
	for i := 60; i > 0; i-- {
		_ = os.Rename(fmt.Sprintf("%s.%d", w.log, i), fmt.Sprintf("%s.%d", w.log, i+1))
	}
	w.must(os.Rename(w.log, w.log+".1"))
	if w.late != nil {
		w.must(w.late.Close())
	}
	w.late = w.w
	if w.partial != "" { // this generation ends without LF
		w.want[w.partial] = true
		w.partial = ""
		w.must(w.late.Close())
		w.late = nil
	}
	w.create()
}

// copytruncate loses nothing here: nothing is written between its two steps.
func (w *world) copytruncate(between func()) {
	for i := 60; i > 0; i-- {
		_ = os.Rename(fmt.Sprintf("%s.%d", w.log, i), fmt.Sprintf("%s.%d", w.log, i+1))
	}
	b, err := os.ReadFile(w.log)
	w.must(err)
	w.must(os.WriteFile(w.log+".1", b, 0o600))
	w.must(os.Chtimes(w.log+".1", w.now, w.now))
	between()
	w.must(os.Truncate(w.log, 0))
	w.touch(w.w)
}

// settle lets a running forwarder finish everything.
func (w *world) settle() {
	w.endPartial()
	w.start()
	if w.late != nil {
		w.must(w.late.Close())
		w.late = nil
	}
	for range 12 {
		for range 3 {
			w.scan()
			w.ship(10_000)
			w.ack(10_000)
		}
		w.now = w.now.Add(10 * time.Second)
	}
	w.save()
}

func (w *world) check() {
	w.t.Helper()
	got := w.broker.lines()
	for l := range w.want {
		if got[l] != 1 {
			w.t.Errorf("%d times: %.40q, lies in %s", got[l], l, w.where(l))
		}
	}
	for l := range got {
		if !w.want[l] {
			w.t.Errorf("never written: %.40q", l)
		}
	}
	var read, acked, lost int64
	w.ledger.Each(func(p *ledger.Account) {
		read, acked, lost = read+p.ReadBytes.Load(), acked+p.AckedBytes.Load(), lost+p.LostBytes()
	})
	if lost != 0 || read != acked {
		w.t.Errorf("ledger: read %d, acked %d, lost %d", read, acked, lost)
	}
}

// debugTo is where the Tailer's log goes: LOGHAUL_TEST_LOG=1 shows it.
func debugTo() io.Writer {
	if os.Getenv("LOGHAUL_TEST_LOG") != "" {
		return os.Stderr
	}
	return io.Discard
}

func (w *world) where(line string) (found []string) {
	names, _ := filepath.Glob(w.log + "*")
	for _, n := range names {
		b, _ := os.ReadFile(n)
		if i := bytes.Index(b, []byte(line)); i >= 0 {
			st, _ := statPath(n)
			found = append(found, fmt.Sprintf("%s at %d, inode %d", filepath.Base(n), i, st.key.ino))
		}
	}
	return found
}
