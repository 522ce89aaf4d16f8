package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/loghaul/loghaul/forwarder/ship"
	"github.com/loghaul/loghaul/forwarder/source"
	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/wire"
)

// node is one forwarder's link: the Shipper and the connection that the node
// agent uses, fed from memory.
type node struct {
	ship   *ship.Shipper
	lines  lines
	wake   chan struct{}
	socket broker.Socket

	mu        sync.Mutex
	dials     []int64 // moments, Unix nanoseconds
	failed    int     // dials
	why       string  // the last one did
	connected int64   // the last time
	confirmed int64   // the last batch
	stored    atomic.Int64
}

func newNode(i int, s *share) *node {
	n := &node{wake: make(chan struct{}, 1)}
	n.socket.LocalAddr = &net.TCPAddr{IP: s.Address}
	cfg := ship.Config{
		Node: fmt.Sprintf("node-%05d", i), Batch: 4 << 10, MaxMessage: 1 << 20, Encoding: wire.Plain,
		InFlight: 4, AckTimeout: 8 * time.Second, Broker: broker.DefaultConfig(), // the forwarder's own defaults
	}
	cfg.Broker.Servers, cfg.Broker.Delay = []string{s.URL}, s.Delay
	n.lines = lines{n: n, name: wire.Source{ID: fmt.Sprintf("%024x", i), Node: cfg.Node, Path: "/storm"}}
	n.ship = ship.New(cfg, broker.Options{
		Socket: &n.socket,
		Extra:  []nats.Option{nats.SetCustomDialer(n)},
		OnState: func(s broker.State) {
			if s == broker.Connected {
				n.mu.Lock()
				n.connected = time.Now().UnixNano()
				n.mu.Unlock()
			}
		},
	}, slog.New(slog.DiscardHandler))
	return n
}

// Dial counts an attempt and makes it.
func (n *node) Dial(network, address string) (net.Conn, error) {
	n.mu.Lock()
	n.dials = append(n.dials, time.Now().UnixNano())
	n.mu.Unlock()
	c, err := n.socket.Dial(network, address)
	if err != nil {
		n.mu.Lock()
		n.failed++
		n.why = err.Error()
		n.mu.Unlock()
	}
	return c, err
}

// write makes one more batch.
func (n *node) write() {
	n.lines.written.Add(batchBytes)
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// run is what forwarder.Run does around a Shipper.
func (n *node) run(ctx context.Context) {
	n.ship.Start(ctx)
	defer n.ship.Stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		now := time.Now()
		n.ship.Tick(now)
		for n.ship.Ready(now) && n.lines.pos < n.lines.written.Load() {
			if _, err := n.ship.Ship(&n.lines, now); err != nil {
				panic(err) // nothing in memory can fail
			}
		}
		n.ship.Relax(now)
		timer.Stop()
		if at := n.ship.NextTick(now); !at.IsZero() {
			timer.Reset(max(0, at.Sub(now)))
		}
		select {
		case <-ctx.Done():
			return
		case <-n.wake:
		case e := <-n.ship.Events():
			n.ship.Handle(e, time.Now())
		case <-timer.C:
		}
	}
}

// batchBytes is the size of each batch: one line.
const batchBytes = 1 << 10

// lines is the source of a node.
type lines struct {
	n       *node
	name    wire.Source
	written atomic.Int64
	pos     int64
}

func (l *lines) Name() wire.Source   { return l.name }
func (l *lines) Labels() wire.Labels { return nil }

func (l *lines) Read(buf []byte, _ int64, sink source.Sink) (source.Run, error) {
	from := l.pos
	if from == l.written.Load() {
		return source.Run{From: from, To: from}, nil
	}
	line := fmt.Appendf(buf[:0], "%-*d\n", batchBytes-1, from)
	sink.Add(line)
	l.pos += batchBytes
	return source.Run{From: from, To: l.pos}, nil
}

func (l *lines) Confirm(int64) {
	l.n.mu.Lock()
	l.n.confirmed = time.Now().UnixNano()
	l.n.mu.Unlock()
	l.n.stored.Add(1)
}
