package spool

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/loghaul/loghaul/forwarder/ledger"
	"github.com/loghaul/loghaul/forwarder/source"
	"github.com/loghaul/loghaul/internal/durable/faulty"
	"github.com/loghaul/loghaul/internal/wire"
)

// world is a spool on a disk that fails and loses power, somebody who appends,
// and a broker that stores what is read. It knows every byte.
//
// What must hold at the end, when the disk works again:
//   - no (source, offset) ever names two bytes, nor bytes and a loss;
//   - every stream is there from its first byte to its last, as bytes or as
//     declared losses;
//   - a line is stored at most once, a record whole or not at all;
//   - what was acknowledged as durable is there, and what Append refused is not;
//   - what was taken and not yet synced is there unless power was lost, and then
//     something was declared;
//   - losses that were declared are stored exactly, but for those that a crash
//     caught in memory.
type world struct {
	fs   *faulty.FS
	cfg  Config
	now  time.Time
	boot byte
	r    *rand.Rand
	log  bytes.Buffer

	verbose bool

	sp      *Spool
	account *ledger.Account
	id      string
	pos     int64
	flights []flight
	broker  map[string]*stored
	chunks  []*chunk
	did     int

	declared, certain loss // of lines that Lose declared: all, and those that must be stored
	pre               loss // certain before the running call
	wrong             []error
	trouble           bool // a call failed, power was lost, a process died within a call
	reached           map[string]int
}

type chunk struct {
	text    string
	end     int64
	refused bool // by Append
	must    bool // durable
	may     bool // it was caught by a crash
}

type flight struct {
	id  string
	run source.Run
	raw []byte
}

type stored struct {
	data   []byte
	there  []bool // which of them
	losses map[int64]source.Run
}

func (s *stored) has(off int64) bool { return off >= 0 && off < int64(len(s.there)) && s.there[off] }

func newWorld(seed uint64, every time.Duration) *world {
	return &world{
		fs: faulty.New(seed), now: time.Unix(1_800_000_000, 0), boot: 1, r: rand.New(rand.NewPCG(seed, 2)),
		cfg:    Config{Dir: "/s", Node: "n", Path: "udp://:514", Bytes: 64 << 10, Segment: 4096, SyncEvery: every, Batch: 4096, Linger: time.Second},
		broker: map[string]*stored{}, pos: -1, reached: map[string]int{},
	}
}

func (w *world) run(ops []op) error {
	for _, o := range ops {
		w.r = rand.New(rand.NewPCG(o.seed, 3))
		w.did++
		if w.verbose {
			fmt.Fprintf(&w.log, "--- %s\n", o.kind)
		}
		if w.sp == nil {
			w.open()
		}
		if w.sp != nil {
			if err := w.do(o.kind); err != nil {
				return fmt.Errorf("%s: %w", o.kind, err)
			}
		}
		if w.fs.Crashed() {
			w.reached["died within a call"]++
			w.trouble = true
			w.crash(w.r.IntN(2) == 0, true)
		}
		w.track()
	}
	return w.settle()
}

// open starts a process. On a failing disk it may not succeed.
func (w *world) open() {
	w.account = ledger.New().Account("p")
	var to bytes.Buffer
	out := slog.New(slog.NewTextHandler(&to, nil))
	if w.verbose {
		out = slog.New(slog.NewTextHandler(&w.log, nil))
	}
	on := host{fs: w.fs, now: func() time.Time { return w.now }, boot: [16]byte{w.boot}}
	sp, err := open(on, w.cfg, w.pos, w.id, w.account, out)
	if w.verbose {
		fmt.Fprintf(&w.log, "open with %s %d: %v\n", w.id, w.pos, err)
	}
	if err != nil {
		return
	}
	w.sp = sp
	if sp.failed {
		return
	}
	for _, c := range w.chunks { // what no loss of power took is durable now
		if !c.refused && !c.may {
			c.must = true
		}
	}
}

// track notes what is durable from now on.
func (w *world) track() {
	if w.sp == nil {
		return
	}
	for _, c := range w.chunks {
		if !c.refused && !c.may && c.end > 0 && c.end <= w.sp.synced.Load() {
			c.must = true
		}
	}
	w.pre = w.onDisk(true)
}

// onDisk gives what was declared and is in the files, or (power) synced.
func (w *world) onDisk(power bool) loss {
	l := w.certain
	for _, p := range w.sp.pending {
		l.lines, l.bytes = l.lines-p.lines, l.bytes-p.bytes
	}
	if power || w.cfg.SyncEvery == 0 {
		for _, m := range w.sp.marks {
			if m.reason != wire.SpoolDamaged {
				l.lines, l.bytes = l.lines-m.lines, l.bytes-m.bytes
			}
		}
	}
	return l
}

// crash ends the process. within: in the middle of a call.
func (w *world) crash(power, within bool) {
	if w.sp != nil {
		switch {
		case within:
			w.certain = w.pre
		default:
			w.certain = w.onDisk(power)
		}
	}
	for _, c := range w.chunks {
		if !c.must && (power || c.refused) {
			c.may = true
		}
	}
	for _, f := range w.flights {
		if w.r.IntN(2) == 0 {
			w.store(f)
		}
	}
	w.flights, w.sp = nil, nil
	if w.reached["process died"]++; power {
		w.reached["power lost"]++
		w.trouble = true
		w.boot++
	}
	w.fs.Restart(power)
}

func (w *world) do(what string) error {
	switch what {
	case "append":
		return w.append(1 + w.r.IntN(6))
	case "append much":
		return w.append(20 + w.r.IntN(60))
	case "lose":
		l := loss{reason: wire.SpoolFull, lines: w.r.Int64N(5), bytes: w.r.Int64N(500)}
		w.sp.Lose(l.reason, l.lines, l.bytes)
		w.declared.lines, w.declared.bytes = w.declared.lines+l.lines, w.declared.bytes+l.bytes
		w.certain.lines, w.certain.bytes = w.certain.lines+l.lines, w.certain.bytes+l.bytes
	case "tend":
		w.now = w.now.Add(time.Duration(w.r.Int64N(int64(2 * time.Second))))
		w.tend()
	case "read":
		return w.read(1 + w.r.IntN(4))
	case "confirm":
		return w.confirm(1 + w.r.IntN(4))
	case "save":
		w.id, w.pos = w.sp.Position()
	case "die":
		w.crash(false, false)
	case "lose power":
		w.crash(true, false)
	case "close":
		if w.r.IntN(2) == 0 {
			w.tend()
			w.sp.markNow()
			w.tend()
		}
		if err := w.sp.Close(); err == nil {
			w.track()
		}
		if !w.fs.Crashed() {
			w.crash(false, false)
		}
	case "die soon":
		w.fs.CrashIn(1 + w.r.IntN(12))
	case "fail":
		var f faulty.Faults
		switch w.r.IntN(5) {
		case 0:
			f.Write = w.r.Float64()
		case 1:
			f.Sync = w.r.Float64()
		case 2:
			f.Meta = w.r.Float64()
		case 3:
			f = faulty.Faults{Write: 0.2, Sync: 0.3, Meta: 0.2}
		case 4:
			f.Space = 1000 + w.r.Int64N(50_000)
		}
		w.trouble = true
		w.fs.Fail(f)
	case "heal":
		if w.fs.Failed() > 0 {
			w.reached["call failed"]++
		}
		w.fs.Fail(faulty.Faults{})
	}
	return nil
}

func (w *world) tend() {
	failed := w.sp.failed
	w.sp.tend(w.now)
	if failed && !w.sp.failed {
		w.reached["renewed"]++
	}
}

func (w *world) append(lines int) error {
	var b strings.Builder
	n := len(w.chunks)
	for i := range lines {
		size := w.r.IntN(200)
		if w.r.IntN(40) == 0 && b.Len() < 15_000 {
			size = w.r.IntN(9000)
		}
		fmt.Fprintf(&b, "%d.%d of %d %s\n", n, i, lines, strings.Repeat(string('a'+rune(n%26)), size))
	}
	c := &chunk{text: b.String()}
	w.chunks = append(w.chunks, c)
	err := w.sp.Append([]byte(c.text), lines)
	switch {
	case w.fs.Crashed():
		c.refused, c.may = true, true
	case errors.Is(err, w.sp.full):
		w.reached["full"]++
		c.refused = true
	case errors.Is(err, ErrFull):
		w.reached["refused"]++
		c.refused = true
	case err != nil:
		return err
	default:
		w.reached["appended"]++
		c.end = w.sp.end
		if w.cfg.SyncEvery == 0 {
			c.must = true
			if w.sp.synced.Load() < c.end {
				return errors.New("Append returned before its bytes were synced")
			}
		}
	}
	return nil
}

// sink collects a batch.
type sink struct {
	raw  []byte
	room int
}

func (s *sink) Room() int { return s.room - len(s.raw) }

func (s *sink) Add(run []byte) int {
	if len(run) > s.Room() {
		panic("more than there is room")
	}
	s.raw = append(s.raw, run...)
	return bytes.Count(run, []byte{'\n'})
}

func (w *world) read(n int) error {
	for range n {
		k := &sink{room: 1000 + w.r.IntN(10_000)}
		synced, was := w.sp.synced.Load(), w.sp.read.Load()
		run, err := w.sp.Read(make([]byte, 200+w.r.IntN(5000)), w.cfg.Batch, k)
		if w.fs.Crashed() {
			return nil
		}
		if err != nil {
			return err
		}
		if run.Empty() {
			if was < synced {
				return fmt.Errorf("nothing is read at %d though %d is durable", was, synced)
			}
			return nil
		}
		size := run.To - run.From
		switch {
		case run.From != was || run.To != w.sp.read.Load() || run.To > synced:
			return fmt.Errorf("read %+v at %d, durable %d", run, was, synced)
		case run.Lost != "" && len(k.raw) > 0 || run.Lost == "" && int64(len(k.raw)) != size:
			return fmt.Errorf("read %+v with %d bytes", run, len(k.raw))
		case size > w.cfg.Batch && bytes.Count(k.raw, []byte{'\n'}) > 1:
			return fmt.Errorf("read %+v, more than a batch", run)
		}
		h := wire.Header{Source: w.sp.Name(), From: run.From, To: run.To, Records: int(run.LostLines), Lost: run.Lost, Rest: run.Continued, Encoding: wire.Plain}
		if run.Lost == "" {
			h.Records = wire.CountRecords(k.raw)
		}
		if _, err := wire.DecodeHeader(h.Encode()); err != nil {
			return fmt.Errorf("what is read can't be sent: %w", err)
		}
		if run.Lost == "" && k.raw[size-1] != '\n' {
			w.reached["line cut"]++
		}
		w.flights = append(w.flights, flight{id: w.sp.Name().ID, run: run, raw: k.raw})
	}
	return nil
}

func (w *world) confirm(n int) error {
	n = min(n, len(w.flights))
	for _, f := range w.flights[:n] {
		w.store(f)
		w.sp.Confirm(f.run.To)
	}
	w.flights = append([]flight(nil), w.flights[n:]...)
	return nil
}

// store is the broker. What must not be is found by judge.
func (w *world) store(f flight) {
	s := w.broker[f.id]
	if s == nil {
		s = &stored{losses: map[int64]source.Run{}}
		w.broker[f.id] = s
	}
	if f.run.Lost != "" {
		if old, ok := s.losses[f.run.From]; ok && old != f.run {
			w.wrong = append(w.wrong, fmt.Errorf("%s: a loss %+v and then %+v", f.id, old, f.run))
		}
		s.losses[f.run.From] = f.run
		return
	}
	if f.run.Continued {
		w.reached["continued"]++
		if s.has(f.run.From-1) && s.data[f.run.From-1] == '\n' {
			w.wrong = append(w.wrong, fmt.Errorf("%s: continued at %d, behind the end of a line", f.id, f.run.From))
		}
	}
	if n := f.run.To - int64(len(s.data)); n > 0 {
		s.data, s.there = append(s.data, make([]byte, n)...), append(s.there, make([]bool, n)...)
	}
	for i, c := range f.raw {
		off := f.run.From + int64(i)
		if s.there[off] && s.data[off] != c {
			w.wrong = append(w.wrong, fmt.Errorf("%s holds %q and then %q at %d", f.id, s.data[off], c, off))
		}
		s.data[off], s.there[off] = c, true
	}
}
