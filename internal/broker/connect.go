package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/loghaul/loghaul/internal/backoff"
	"github.com/loghaul/loghaul/internal/wire"
)

// Options are what a program adds to its Config when it connects.
type Options struct {
	// Name is shown by the server next to the connection: the node.
	Name string
	// Inbox is the prefix of reply subjects, so that a node's permissions can
	// be narrowed to its own. Empty: "_INBOX." and Name.
	Inbox string
	// Logger gets one record when connecting starts to fail and one when it
	// works again. Nil: nothing is logged.
	Logger *slog.Logger
	// OnState is told about every change. It must not block. May be nil.
	OnState func(State)
	// OnError gets errors that belong to no call: above all a refused
	// permission, after which the server stays silent and calls only time
	// out (errors.Is nats.ErrPermissionViolation). It must not block.
	OnError func(error)
	// Once makes Connect give up after one attempt at each server, without
	// delay: for tools that somebody waits for.
	Once bool
	// InProcess, if set, is the server to use instead of Config.Servers.
	InProcess nats.InProcessConnProvider
	// Socket, if set, becomes the handle on the TCP connection below. It must
	// not be shared.
	Socket *Socket
	// Extra options are applied last.
	Extra []nats.Option
}

// State is what has become of a connection.
type State uint8

const (
	// Connected means that the broker answers.
	Connected State = iota
	// Disconnected means that reconnecting has begun.
	Disconnected
	// Closed means that the connection is gone for good.
	Closed
)

// flushTimeout bounds how long a publish can block in the caller, under the
// connection's lock, when the broker has stopped reading (default: 1 minute).
const flushTimeout = 10 * time.Second

// pingInterval times two unanswered pings is how long a vanished host goes
// unnoticed: neither side has TCP keep-alive.
const pingInterval = 25 * time.Second

// inProcess stands for the server of Options.InProcess in what is logged: there
// is no address.
const inProcess = "nats://loghaul-up"

// Connect connects to one of the servers. It waits a random time before each
// attempt, the first one too, and tries until ctx ends. The connection comes
// back by itself after a loss, with the same delays, for ever.
//
// Nothing is buffered while disconnected: a publish then fails at once. The
// connection belongs to the caller, who closes it.
//
// Connect reports an error only when ctx ends, when a local file is wrong, or
// when Options.Once is set.
func Connect(ctx context.Context, cfg Config, o Options) (*nats.Conn, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	d := &dialing{cfg: cfg, log: o.Logger, rand: rand.Float64}
	opts, err := d.options(o)
	if err != nil {
		return nil, err
	}
	if opts.InProcessServer != nil {
		d.cfg.Delay, d.cfg.Servers = Delay{}, []string{inProcess}
	}
	if len(d.cfg.Servers) == 0 {
		return nil, errors.New("connect to the broker: no server is configured: set broker.servers")
	}
	order := rand.Perm(len(d.cfg.Servers))
	for n := 0; ; n++ {
		if !o.Once {
			if err := backoff.Sleep(ctx, d.delay(n, time.Now())); err != nil {
				return nil, fmt.Errorf("connect to the broker at %s: %w", d.cfg.servers(), err)
			}
		}
		url := d.cfg.Servers[order[n%len(order)]]
		nc, err := d.attempt(opts, url)
		if err == nil {
			d.connected(nc.ConnectedUrlRedacted())
			if o.OnState != nil {
				o.OnState(Connected)
			}
			return nc, nil
		}
		err = explain(url, err)
		if o.Once && n+1 == len(order) {
			return nil, err
		}
		d.failed(err)
	}
}

// attempt tries one server only: nats.go would go through a whole list without
// any delay. The others are added once it is connected.
func (d *dialing) attempt(opts nats.Options, url string) (*nats.Conn, error) {
	opts.Url = url
	nc, err := opts.Connect()
	if err != nil {
		return nil, err
	}
	if len(d.cfg.Servers) > 1 {
		// Servers that the cluster announced meanwhile come back with its
		// next INFO.
		if err := nc.SetServerPool(d.cfg.Servers); err != nil {
			nc.Close()
			return nil, err
		}
	}
	return nc, nil
}

// options gives everything but the server's URL.
func (d *dialing) options(o Options) (nats.Options, error) {
	inbox := o.Inbox
	if inbox == "" {
		inbox = "_INBOX." + wire.SubjectToken(o.Name)
	}
	socket := o.Socket
	if socket == nil {
		socket = &Socket{}
	}
	socket.timeout = d.cfg.Timeout
	state := func(s State) {
		if o.OnState != nil {
			o.OnState(s)
		}
	}
	list := []nats.Option{
		nats.Name(o.Name),
		nats.CustomInboxPrefix(inbox),
		nats.Timeout(d.cfg.Timeout),
		nats.SetCustomDialer(socket),
		nats.MaxReconnects(-1),
		// A rejected log-in may be a broker in the middle of a change.
		// Without this two rejections close the connection for good.
		nats.IgnoreAuthErrorAbort(),
		// The buffer reorders, and loses what it holds at the next loss.
		nats.ReconnectBufSize(-1),
		nats.FlusherTimeout(flushTimeout),
		nats.PingInterval(pingInterval),
		nats.MaxPingsOutstanding(2),
		nats.ReconnectToServer(d.choose),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { d.failed(explain("", err)) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			d.lost(err)
			state(Disconnected)
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			d.connected(nc.ConnectedUrlRedacted())
			state(Connected)
		}),
		nats.ClosedHandler(func(*nats.Conn) { state(Closed) }),
		nats.ErrorHandler(func(_ *nats.Conn, s *nats.Subscription, err error) {
			d.trouble(s, err)
			if o.OnError != nil {
				o.OnError(err)
			}
		}),
	}
	if d.cfg.IgnoreDiscovered {
		list = append(list, nats.IgnoreDiscoveredServers())
	}
	if o.InProcess != nil {
		list = append(list, nats.InProcessServer(o.InProcess))
	}
	login, err := d.cfg.login()
	if err != nil {
		return nats.Options{}, err
	}
	opts := nats.GetDefaultOptions()
	for _, apply := range append(append(list, login...), o.Extra...) {
		if err := apply(&opts); err != nil {
			return nats.Options{}, fmt.Errorf("configure the broker connection: %w", err)
		}
	}
	return opts, nil
}
