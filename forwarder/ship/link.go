package ship

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"

	"github.com/loghaul/loghaul/internal/broker"
	"github.com/loghaul/loghaul/internal/wire"
)

// Event is something the broker or the connection has reported. Shipper.Handle
// takes it.
type Event struct {
	kind    eventKind
	conn    *nats.Conn
	prefix  string // connected: of the answers' subjects
	payload int64  // connected: the server's max_payload
	others  bool   // lameDuck: there are other servers
	batch   uint64 // 0: the probe
	attempt int
	err     error
	dup     bool
}

type eventKind uint8

const (
	connected eventKind = iota
	disconnected
	answered   // the broker has answered a batch: stored if err is nil
	sendFailed // a batch could not be handed to the connection
	denied     // a permission is missing
	lameDuck   // the server is about to stop
	ended      // connecting has failed for good
)

// job is one message for the sender.
type job struct {
	conn *nats.Conn
	msg  *nats.Msg
	id   uint64
	try  int
	busy *atomic.Bool // cleared when the payload is not in use any more
}

// link is the connection and the two goroutines beside it: one that connects,
// one that hands messages to the connection. The latter can block for as long
// as broker.Connect lets a write block, with the locks of nats.go held.
// Nothing else may wait for that: the Shipper calls no method of a connection.
type link struct {
	cfg     broker.Config
	options broker.Options
	socket  *broker.Socket
	events  chan Event
	jobs    chan job
	quit    chan struct{}
	wg      sync.WaitGroup
	conn    atomic.Pointer[nats.Conn] // to be closed at the end
	prefix  atomic.Pointer[string]    // of the answers; nil before they are listened to
}

func newLink(cfg broker.Config, o broker.Options) *link {
	if o.Socket == nil {
		o.Socket = &broker.Socket{}
	}
	return &link{
		cfg: cfg, options: o, socket: o.Socket, quit: make(chan struct{}),
		events: make(chan Event, 2*MaxInFlight+8),
		jobs:   make(chan job, 2*MaxInFlight+2),
	}
}

// start begins to connect. It does not wait.
func (l *link) start(ctx context.Context) {
	l.wg.Go(l.send)
	l.wg.Go(func() { l.connect(ctx) })
}

// stop ends the goroutines and the connection. It does not wait for a broker
// that has stopped reading: the socket is closed first.
func (l *link) stop() {
	close(l.quit)
	l.socket.Close()
	if nc := l.conn.Load(); nc != nil {
		nc.Close()
	}
	l.wg.Wait()
	if nc := l.conn.Load(); nc != nil { // it may just have been made
		nc.Close()
	}
}

func (l *link) connect(ctx context.Context) {
	o := l.options
	o.OnState = func(s broker.State) {
		if l.options.OnState != nil {
			l.options.OnState(s)
		}
		if s != broker.Connected {
			l.post(Event{kind: disconnected})
		}
	}
	o.OnError = func(err error) {
		if l.options.OnError != nil {
			l.options.OnError(err)
		}
		if errors.Is(err, nats.ErrPermissionViolation) {
			l.post(Event{kind: denied, err: err})
		}
	}
	o.Extra = append(o.Extra, again(l.connected), nats.LameDuckModeHandler(func(nc *nats.Conn) {
		l.post(Event{kind: lameDuck, conn: nc, others: len(nc.Servers()) > 1})
	}))
	nc, err := broker.Connect(ctx, l.cfg, o)
	if err == nil {
		l.conn.Store(nc)
		err = l.listen(nc)
	}
	if err != nil {
		if ctx.Err() == nil {
			l.post(Event{kind: ended, err: err})
		}
		return
	}
	l.connected(nc)
}

// connected reports a connection that has been made, or made again. The
// subscription to the answers outlives reconnects.
func (l *link) connected(nc *nats.Conn) {
	if prefix := l.prefix.Load(); prefix != nil {
		l.post(Event{kind: connected, conn: nc, prefix: *prefix, payload: nc.MaxPayload()})
	}
}

// again wraps the handler that broker.Connect set: it hears of a state, and we
// need the connection as well.
func again(fn func(*nats.Conn)) nats.Option {
	return func(o *nats.Options) error {
		before := o.ReconnectedCB
		o.ReconnectedCB = func(nc *nats.Conn) {
			if before != nil {
				before(nc)
			}
			fn(nc)
		}
		return nil
	}
}

func (l *link) send() {
	for {
		select {
		case <-l.quit:
			return
		case j := <-l.jobs:
			err := j.conn.PublishMsg(j.msg)
			j.busy.Store(false)
			if err != nil {
				l.post(Event{kind: sendFailed, batch: j.id, attempt: j.try, err: err})
			}
		}
	}
}

// post hands an event over. Answers are never waited for: at most a few batches
// are in flight, and one whose answer is lost is sent again after its timeout.
func (l *link) post(e Event) {
	select {
	case l.events <- e:
		return
	default:
	}
	if e.kind == answered {
		return
	}
	select {
	case l.events <- e:
	case <-l.quit:
	}
}

// listen subscribes to the answers. Each is sent to prefix.BATCH.ATTEMPT.
func (l *link) listen(nc *nats.Conn) error {
	prefix := nc.NewInbox()
	_, err := nc.Subscribe(prefix+".*.*", func(m *nats.Msg) {
		rest := strings.Split(strings.TrimPrefix(m.Subject, prefix+"."), ".")
		if len(rest) != 2 {
			return
		}
		id, err1 := strconv.ParseUint(rest[0], 36, 64)
		try, err2 := strconv.Atoi(rest[1])
		if err1 != nil || err2 != nil {
			return
		}
		e := Event{kind: answered, batch: id, attempt: try}
		e.dup, e.err = readAck(m)
		l.post(e)
	})
	if err != nil {
		return fmt.Errorf("subscribe to the broker's answers: %w", err)
	}
	l.prefix.Store(&prefix)
	return nil
}

// refusal is an error that JetStream answered with.
type refusal struct {
	Code        int    `json:"code"`
	ErrCode     int    `json:"err_code"`
	Description string `json:"description"`
}

func (r *refusal) Error() string {
	return fmt.Sprintf("%s (code %d, error %d)", r.Description, r.Code, r.ErrCode)
}

var errNoStream = errors.New("no stream takes it")

// JetStream's error numbers, from nats-server's errors.json.
const wrongStream = 10060

// readAck reads an answer to a publish: what JetStream says, or what the server
// says when nobody listens on the subject.
func readAck(m *nats.Msg) (duplicate bool, err error) {
	if len(m.Data) == 0 && m.Header.Get("Status") == "503" {
		return false, errNoStream
	}
	var a struct {
		Error     *refusal `json:"error"`
		Stream    string   `json:"stream"`
		Duplicate bool     `json:"duplicate"`
	}
	switch err := json.Unmarshal(m.Data, &a); {
	case err != nil:
		return false, fmt.Errorf("an answer that is none: %w", err)
	case a.Error != nil:
		return false, a.Error
	case a.Stream == "":
		return false, errors.New("an answer that names no stream")
	}
	return a.Duplicate, nil
}

// probe asks whether the stream exists without storing anything and without
// any permission beyond that to publish: it names a stream that cannot be the
// one expected.
func probe(subject, reply string) *nats.Msg {
	m := nats.NewMsg(subject)
	m.Reply = reply
	m.Header.Set(nats.ExpectedStreamHdr, "loghaul-asks")
	return m
}

// answersProbe says whether an answer to probe means that all is well.
func answersProbe(err error) bool {
	var r *refusal
	return errors.As(err, &r) && r.ErrCode == wrongStream
}

func message(h *wire.Header, subject, stream string, payload []byte) *nats.Msg {
	m := &nats.Msg{Subject: subject, Header: nats.Header(h.Encode()), Data: payload}
	m.Header.Set(nats.ExpectedStreamHdr, stream)
	return m
}
