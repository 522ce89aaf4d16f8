package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/loghaul/loghaul/internal/config"
	"github.com/loghaul/loghaul/internal/wire"
)

// ErrMissing means that a stream or its consumer does not exist. Daemons never
// make them: a daemon with a wrong shard count would make streams that nobody
// reads.
var ErrMissing = errors.New("is missing: run `loghaul broker setup --config FILE`")

// ErrDiffers means that Setup met settings other than the configured ones and
// was not told to change them.
var ErrDiffers = errors.New("the broker's settings differ from the configuration")

// Missing is the error for a stream, or its consumer, that does not exist.
func Missing(what, name string) error { return fmt.Errorf("%s %s %w", what, name, ErrMissing) }

// SetupConfig says what Setup makes and Status compares with.
type SetupConfig struct {
	Shards  int
	Streams Streams
	// Update changes what differs. Without it differences are only reported.
	Update bool
}

// Outcome is what Setup or Status found or did about one thing.
type Outcome string

// The outcomes.
const (
	Same    Outcome = "ok"
	Created Outcome = "created"
	Updated Outcome = "updated"
	Differs Outcome = "differs"
	Absent  Outcome = "missing"
	// Extra is a shard stream beyond the configured number: what it holds is
	// not read by anybody with this configuration.
	Extra Outcome = "extra"
)

// ShardReport is the state of one shard.
type ShardReport struct {
	Stream          string  `json:"stream"`
	StreamOutcome   Outcome `json:"stream_outcome"`
	ConsumerOutcome Outcome `json:"consumer_outcome"`
	Diffs           []Diff  `json:"diffs,omitempty"`
	// Messages and Bytes are what the stream holds, archived or not yet.
	Messages uint64 `json:"messages"`
	Bytes    uint64 `json:"bytes"`
	MaxBytes int64  `json:"max_bytes"`
	// Pending were never delivered, AckPending are with an aggregator,
	// Redelivered are with one for the second time or more.
	Pending     uint64 `json:"pending"`
	AckPending  int    `json:"ack_pending"`
	Redelivered int    `json:"redelivered"`
}

// Report is the state of all shards, in order; extra streams come last.
type Report struct {
	Shards []ShardReport `json:"shards"`
}

// Err says in one error what keeps the daemons from working as configured: nil
// if nothing. It wraps ErrMissing or ErrDiffers.
func (r *Report) Err() error {
	var errs []error
	for i := range r.Shards {
		s := &r.Shards[i]
		switch {
		case s.StreamOutcome == Absent:
			errs = append(errs, Missing("stream", s.Stream))
		case s.ConsumerOutcome == Absent:
			errs = append(errs, Missing("consumer", s.Stream+"/"+wire.ConsumerName))
		case s.StreamOutcome == Extra && s.Messages > 0:
			errs = append(errs, fmt.Errorf("stream %s: %w: it is beyond broker.shards and holds %d batches: raise broker.shards again on the aggregators until it is empty", s.Stream, ErrDiffers, s.Messages))
		case s.StreamOutcome == Differs || s.ConsumerOutcome == Differs:
			texts := make([]string, len(s.Diffs))
			for i, d := range s.Diffs {
				texts[i] = d.String()
			}
			errs = append(errs, fmt.Errorf("stream %s: %w: %s", s.Stream, ErrDiffers, strings.Join(texts, "; ")))
		}
	}
	return errors.Join(errs...)
}

// Setup makes the streams and consumers that do not exist. What exists and
// differs is reported, with both values, and changed only if c.Update is set.
// Running it again changes nothing. The error is for what could not be done;
// Report.Err tells about differences.
func Setup(ctx context.Context, js jetstream.JetStream, c SetupConfig) (Report, error) {
	return walk(ctx, js, c, true)
}

// Status is Setup without any change.
func Status(ctx context.Context, js jetstream.JetStream, c SetupConfig) (Report, error) {
	c.Update = false
	return walk(ctx, js, c, false)
}

func walk(ctx context.Context, js jetstream.JetStream, c SetupConfig, create bool) (Report, error) {
	var r Report
	if c.Shards < 1 || c.Shards > wire.MaxShards {
		return r, fmt.Errorf("broker.shards is %d: it must be 1 to %d", c.Shards, wire.MaxShards)
	}
	for n := range c.Shards {
		s, err := shard(ctx, js, &c, n, create)
		r.Shards = append(r.Shards, s)
		if err != nil {
			return r, err
		}
	}
	extra, err := extras(ctx, js, c.Shards)
	r.Shards = append(r.Shards, extra...)
	return r, err
}

func shard(ctx context.Context, js jetstream.JetStream, c *SetupConfig, n int, create bool) (ShardReport, error) {
	want := c.Streams.stream(n)
	r := ShardReport{Stream: want.Name, StreamOutcome: Same, ConsumerOutcome: Absent}
	s, err := js.Stream(ctx, want.Name)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		r.StreamOutcome = Absent
		if !create {
			return r, nil
		}
		if s, err = js.CreateStream(ctx, want); err != nil {
			return r, refused(ctx, js, c, "create stream "+want.Name, err)
		}
		r.StreamOutcome = Created
	case err != nil:
		return r, fmt.Errorf("look up stream %s: %w", want.Name, describe(err))
	}
	have := s.CachedInfo().Config
	if d := diffStream(&have, want); len(d) > 0 {
		r.StreamOutcome, r.Diffs = Differs, d
		if c.Update && !slices.ContainsFunc(d, func(d Diff) bool { return d.Fixed }) {
			if s, err = js.UpdateStream(ctx, have); err != nil {
				return r, refused(ctx, js, c, "update stream "+want.Name, err)
			}
			r.StreamOutcome = Updated
		}
	}
	info := s.CachedInfo()
	r.Messages, r.Bytes, r.MaxBytes = info.State.Msgs, info.State.Bytes, info.Config.MaxBytes
	return r, consumer(ctx, s, c, &r, create)
}

func consumer(ctx context.Context, s jetstream.Stream, c *SetupConfig, r *ShardReport, create bool) error {
	want := c.Streams.consumer()
	name := r.Stream + "/" + want.Durable
	con, err := s.Consumer(ctx, want.Durable)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		if !create {
			return nil
		}
		if con, err = s.CreateConsumer(ctx, want); err != nil {
			return fmt.Errorf("create consumer %s: %w", name, describe(err))
		}
		r.ConsumerOutcome = Created
	case err != nil:
		return fmt.Errorf("look up consumer %s: %w", name, describe(err))
	default:
		r.ConsumerOutcome = Same
	}
	have := con.CachedInfo().Config
	if d := diffConsumer(&have, want); len(d) > 0 {
		r.Diffs = append(r.Diffs, d...)
		r.ConsumerOutcome = Differs
		if c.Update && !slices.ContainsFunc(d, func(d Diff) bool { return d.Fixed }) {
			if con, err = s.UpdateConsumer(ctx, have); err != nil {
				return fmt.Errorf("update consumer %s: %w", name, describe(err))
			}
			r.ConsumerOutcome = Updated
		}
	}
	info := con.CachedInfo()
	r.Pending, r.AckPending, r.Redelivered = info.NumPending, info.NumAckPending, info.NumRedelivered
	return nil
}

// extras finds shard streams beyond the configured number.
func extras(ctx context.Context, js jetstream.JetStream, shards int) ([]ShardReport, error) {
	var l []ShardReport
	names := js.ListStreams(ctx, jetstream.WithStreamListSubject("raw.>"))
	for info := range names.Info() {
		var n int
		if _, err := fmt.Sscanf(info.Config.Name, "RAW-%02d", &n); err != nil || n < shards || wire.StreamName(n) != info.Config.Name {
			continue
		}
		l = append(l, ShardReport{
			Stream: info.Config.Name, StreamOutcome: Extra,
			Messages: info.State.Msgs, Bytes: info.State.Bytes, MaxBytes: info.Config.MaxBytes,
		})
	}
	if err := names.Err(); err != nil {
		return nil, fmt.Errorf("list streams: %w", describe(err))
	}
	slices.SortFunc(l, func(a, b ShardReport) int { return strings.Compare(a.Stream, b.Stream) })
	return l, nil
}

// Error codes of the server that jetstream has no name for.
const (
	codeStorage          jetstream.ErrorCode = 10047 // insufficient storage resources available
	codeAccountStorage   jetstream.ErrorCode = 10002 // account resources exceeded
	codeMaxStream        jetstream.ErrorCode = 10122 // exceeds account's max bytes of one stream
	codeReplicas         jetstream.ErrorCode = 10074 // replicas > 1 not supported in non-clustered mode
	codeNoPeers          jetstream.ErrorCode = 10005 // no suitable peers for placement
	codeSubjectsOverlap  jetstream.ErrorCode = 10065 // subjects overlap with an existing stream
	codeNotEnabledServer jetstream.ErrorCode = 10076 // JetStream not enabled
)

// refused explains why a stream could not be made or changed.
func refused(ctx context.Context, js jetstream.JetStream, c *SetupConfig, what string, err error) error {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return fmt.Errorf("%s: %w", what, describe(err))
	}
	switch api.ErrorCode {
	case codeStorage, codeAccountStorage, codeMaxStream:
		need := config.Size(int64(c.Streams.MaxBytes) * int64(c.Shards))
		free := ""
		if a, aerr := js.AccountInfo(ctx); aerr == nil {
			if a.Limits.MaxStore > 0 {
				free = fmt.Sprintf(", the account may use %v", config.Size(a.Limits.MaxStore))
			}
			free += fmt.Sprintf(", %v are reserved by its streams so far", config.Size(a.ReservedStore)) //nolint:gosec // bytes of a disk
		}
		return fmt.Errorf("%s: the broker has too little storage: %d shards of %v reserve %v%s: lower streams.max_bytes or raise jetstream.max_file_store: %w",
			what, c.Shards, c.Streams.MaxBytes, need, free, err)
	case codeReplicas, codeNoPeers:
		return fmt.Errorf("%s: the broker cannot hold %d replicas: set streams.replicas to 1 on a single server, or add servers: %w", what, c.Streams.Replicas, err)
	case codeSubjectsOverlap:
		return fmt.Errorf("%s: another stream takes the subjects raw.…: find it with `nats stream ls` and remove it: %w", what, err)
	}
	return fmt.Errorf("%s: %w", what, describe(err))
}

// describe adds what to do to errors that any call can meet.
func describe(err error) error {
	var api *jetstream.APIError
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount),
		errors.As(err, &api) && api.ErrorCode == codeNotEnabledServer:
		return fmt.Errorf("%w: enable jetstream in the server's configuration and for this account", err)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: no answer; if the connection is fine this user may lack permissions on $JS.API.>, see the server's log", err)
	}
	return err
}

// Binding is a shard's consumer and what its user must know about it.
type Binding struct {
	Consumer jetstream.Consumer
	// AckWait is how long its user may stay silent about a message.
	AckWait time.Duration
	// MaxMessage bounds a message, headers included; 0 if only the server's
	// max_payload does.
	MaxMessage int64
}

// Bind looks up the consumer of a shard. It makes nothing; the error wraps
// ErrMissing if the stream or the consumer does not exist.
func Bind(ctx context.Context, js jetstream.JetStream, shard int) (Binding, error) {
	name := wire.StreamName(shard)
	stream, err := js.Stream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return Binding{}, Missing("stream", name)
	}
	if err != nil {
		return Binding{}, fmt.Errorf("look up stream %s: %w", name, describe(err))
	}
	con, err := stream.Consumer(ctx, wire.ConsumerName)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return Binding{}, Missing("consumer", name+"/"+wire.ConsumerName)
	}
	if err != nil {
		return Binding{}, fmt.Errorf("bind to consumer %s/%s: %w", name, wire.ConsumerName, describe(err))
	}
	return Binding{
		Consumer:   con,
		AckWait:    con.CachedInfo().Config.AckWait,
		MaxMessage: max(int64(stream.CachedInfo().Config.MaxMsgSize), 0),
	}, nil
}
