package syslog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/loghaul/loghaul/forwarder/input"
	"github.com/loghaul/loghaul/internal/wire"
)

const (
	// maxAppend bounds what goes to the spool at once.
	maxAppend = 512 << 10
	// burst is how fast, in bytes of kernel memory per second, datagrams may
	// come all of a sudden: the receive buffer must have room for twice that
	// while nobody reads. A line of 300 bytes takes 768 to 2,304 of them.
	burst = 512 << 20
	// longestRest bounds how old a datagram gets in the kernel's memory, which
	// a crash of the process loses.
	longestRest = 50 * time.Millisecond
	// After idleAfter without a datagram, and then seldom, the kernel's counter
	// of drops is asked for: otherwise it comes with the next datagram.
	idleAfter = time.Second
	idleEvery = time.Minute
	// sayEvery is how often a loss that goes on is logged.
	sayEvery = time.Minute
	// lastBatches, and one buffer's worth, are taken at the end.
	lastBatches = 64
	// troubled is how long to wait after an error of the socket.
	troubled = time.Second
)

// datagrams is a listener for datagrams. All but Stats and Problem belongs to
// the goroutine of Run.
type datagrams struct {
	deps  Deps
	url   string
	fd    int
	file  *socketFile // for a socket in the file system
	room  int         // the receive buffer, 0 where it is not ours
	drops uint32      // the kernel's counter, as far as it is declared
	stats input.Stats
	said  input.Said
	input.Trouble
}

func newDatagram(cfg Config, a address, deps Deps) (*datagrams, error) {
	d := &datagrams{deps: deps, url: cfg.URL, fd: -1}
	if err := d.open(&cfg, a); err != nil {
		if d.fd >= 0 {
			err = errors.Join(err, unix.Close(d.fd))
		}
		return nil, err
	}
	return d, nil
}

func (d *datagrams) open(cfg *Config, a address) (err error) {
	if a.path != "" {
		if err = clearPath(a.path); err != nil {
			return err
		}
		if d.fd, err = openUnixDatagram(a.path); err != nil {
			return err
		}
		// Its senders wait or give up: their own buffers count, not ours.
		d.file, err = madeSocket(cfg, a.path)
		return err
	}
	if d.fd, err = openUDP(a); err != nil {
		return err
	}
	if err = unix.SetsockoptInt(d.fd, unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1); err != nil {
		return fmt.Errorf("asking the kernel to count drops: %w", err)
	}
	if d.room, err = setReceiveBuffer(d.fd, cfg.ReceiveBuffer); err != nil {
		return err
	}
	d.stats.BufferAsked.Store(2 * int64(cfg.ReceiveBuffer))
	d.stats.BufferGot.Store(int64(d.room))
	if d.room < 2*cfg.ReceiveBuffer {
		d.deps.Logger.Warn("the kernel gives a smaller receive buffer than asked for; a burst beyond it is lost, and counted",
			"url", d.url, "asked", 2*cfg.ReceiveBuffer, "got", d.room,
			"do", fmt.Sprintf("sysctl net.core.rmem_max=%d, or the capability CAP_NET_ADMIN", cfg.ReceiveBuffer))
	}
	return nil
}

// Name gives the URL.
func (d *datagrams) Name() string { return d.url }

// Stats gives the counters.
func (d *datagrams) Stats() *input.Stats { return &d.stats }

// Run receives until ctx ends, and then what has arrived.
func (d *datagrams) Run(ctx context.Context) (err error) {
	defer func() {
		err = errors.Join(err, d.file.remove(), unix.Close(d.fd))
	}()
	r, err := newReceiver(d.fd)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	w, err := input.NewWaiter(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	d.receive(ctx, r, w)
	// Who sends without end must not keep us.
	for range lastBatches + d.room/(batch*512) {
		n, err := r.receive()
		if err != nil || n == 0 {
			break
		}
		d.take(r, n)
	}
	d.checkDrops()
	return nil
}

func (d *datagrams) receive(ctx context.Context, r *receiver, w *input.Waiter) {
	pace := input.NewPace(min(longestRest, time.Duration(d.room)*time.Second/(2*burst)))
	idle := idleAfter
	for ctx.Err() == nil {
		n, err := r.receive()
		d.setProblem(err)
		switch {
		case err != nil:
			_, _ = w.Wait(-1, troubled) // a negative descriptor is never ready
			continue
		case n > 0:
			d.take(r, n)
			idle = idleAfter
		}
		if n == batch {
			continue
		}
		if n == 0 || !pace.Rests() {
			ready, err := w.Wait(d.fd, idle)
			d.setProblem(err)
			if !ready {
				d.checkDrops()
				r.release()
				pace.Filled(0, 1)
				idle = idleEvery
				continue
			}
		}
		d.rest(ctx, pace)
	}
}

// rest leaves datagrams with the kernel for a while.
func (d *datagrams) rest(ctx context.Context, pace *input.Pace) {
	if !pace.Rests() {
		return
	}
	pace.Rest(ctx)
	if info, ok := memInfo(d.fd); ok {
		pace.Filled(int64(info[memAlloc]), int64(info[memBuffer]))
	}
}

// take hands n received datagrams to the spool: moved together, in place.
func (d *datagrams) take(r *receiver, n int) {
	size := 0
	for i := range n {
		b, whole := r.datagram(i)
		if whole > len(b) {
			d.cut(whole - len(b))
		}
		if b = input.Trim(b); len(b) == 0 {
			d.stats.Empty.Add(1)
			continue
		}
		if size+len(b)+1 > maxAppend {
			d.append(r.mem[:size])
			size = 0
		}
		size += copy(r.mem[size:], b)
		r.mem[size] = '\n'
		size++
	}
	d.append(r.mem[:size])
	d.stats.Datagrams.Add(int64(n))
	if drops, ok := r.overflow(n); ok {
		d.dropped(drops)
	}
}

func (d *datagrams) append(records []byte) {
	if len(records) == 0 {
		return
	}
	n := bytes.Count(records, []byte{'\n'})
	if err := d.deps.Spool.Append(records, n); err != nil {
		d.stats.Refusals.Add(1)
		d.deps.Spool.Lose(wire.SpoolFull, int64(n), int64(len(records)))
		if d.said.New("full", sayEvery) {
			d.deps.Logger.Error("the spool takes nothing: datagrams are lost, and counted", "url", d.url, "why", err)
		}
		return
	}
	d.stats.Records.Add(int64(n))
	d.stats.Bytes.Add(int64(len(records)))
}

// cut counts a datagram that was too long. Its last bytes are gone.
func (d *datagrams) cut(bytes int) {
	d.stats.Cut.Add(1)
	d.deps.Account.CutLines.Add(1)
	d.deps.Spool.Lose(wire.Truncated, 0, int64(bytes))
	if d.said.New("cut", sayEvery) {
		d.deps.Logger.Warn("a datagram is longer than what is kept of one", "url", d.url, "kept", maxDatagram, "cut", bytes)
	}
}

// checkDrops asks for the kernel's counter when no datagram brings it.
func (d *datagrams) checkDrops() {
	if d.room == 0 {
		return
	}
	if info, ok := memInfo(d.fd); ok {
		d.dropped(info[memDrops])
	}
}

// dropped declares the growth of the kernel's counter, which wraps at 32 bits.
func (d *datagrams) dropped(counter uint32) {
	n := counter - d.drops
	if n == 0 || n > 1<<31 { // a datagram brings the counter of when it was queued
		return
	}
	d.drops = counter
	d.stats.KernelDrops.Add(int64(n))
	d.deps.Spool.Lose(wire.KernelDropped, int64(n), 0)
	if d.said.New("drops", sayEvery) {
		d.deps.Logger.Error("the kernel had no room for datagrams: they are lost, and counted", "url", d.url, "datagrams", n,
			"receive_buffer", d.room, "do", "raise receive_buffer, and net.core.rmem_max; or give the forwarder more CPU")
	}
}

func (d *datagrams) setProblem(err error) {
	if err == nil {
		if d.Ends() {
			d.deps.Logger.Info("datagrams are received again", "url", d.url)
		}
		return
	}
	err = fmt.Errorf("%s: %w", d.url, err)
	if d.Begins(err) {
		d.deps.Logger.Error("can't receive datagrams", "url", d.url, "why", err)
	}
}
