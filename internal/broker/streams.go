package broker

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/loghaul/loghaul/internal/config"
	"github.com/loghaul/loghaul/internal/wire"
)

// Streams is what an operator may choose about the shard streams and their
// consumers. Everything else is fixed, because only that combination neither
// drops unacknowledged data nor takes more than it can keep.
type Streams struct {
	// MaxBytes bounds one shard. A full shard refuses new batches, and the
	// forwarders wait with their data. The broker reserves the sum.
	MaxBytes config.Size `yaml:"max_bytes"`
	// Replicas is 1 on a single server, 3 in a cluster.
	Replicas int `yaml:"replicas"`
	// MaxMessage bounds one message, headers included. The server's
	// max_payload bounds it too. Aggregators pull at most 8 MiB at once.
	MaxMessage config.Size `yaml:"max_message"`
	// Duplicates is how long the broker remembers message ids.
	Duplicates config.Duration `yaml:"duplicates"`
	// AckWait is how long a batch stays with an aggregator that went silent.
	AckWait config.Duration `yaml:"ack_wait"`
	// MaxAckPending bounds the batches of one shard held by all aggregators.
	MaxAckPending int `yaml:"max_ack_pending"`
}

// DefaultStreams are the defaults for a single server with 8 shards on 16 GiB.
func DefaultStreams() Streams {
	return Streams{
		MaxBytes:      2 << 30,
		Replicas:      1,
		MaxMessage:    4 << 20,
		Duplicates:    2 * time.Minute,
		AckWait:       90 * time.Second,
		MaxAckPending: 4096,
	}
}

// MaxPull is the most bytes that one pull may ask for, and so the bound for a
// message: a larger one would never be delivered.
const MaxPull = 8 << 20

// Validate reports values that cannot work.
func (s *Streams) Validate() error {
	var errs []error
	bad := func(key, format string, a ...any) { errs = append(errs, config.Invalid(key, format, a...)) }
	if s.MaxMessage < 64<<10 || s.MaxMessage > MaxPull-64<<10 {
		bad("max_message", "%v is not 64KiB to %v: aggregators pull %v at once", s.MaxMessage, config.Size(MaxPull-64<<10), config.Size(MaxPull))
	}
	if s.MaxBytes < 4*s.MaxMessage {
		bad("max_bytes", "%v does not hold four messages of max_message (%v)", s.MaxBytes, s.MaxMessage)
	}
	if s.Replicas < 1 || s.Replicas > 5 {
		bad("replicas", "%d is not 1 to 5; 3 is right for a cluster", s.Replicas)
	}
	if s.Duplicates < time.Second {
		bad("duplicates", "%v is below 1s; 2m is usual", s.Duplicates)
	}
	if s.AckWait < time.Second {
		bad("ack_wait", "%v is below 1s; 90s is usual", s.AckWait)
	}
	if s.MaxAckPending < 16 {
		bad("max_ack_pending", "%d is below 16; 4096 is usual", s.MaxAckPending)
	}
	return errors.Join(errs...)
}

func (s *Streams) stream(shard int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        wire.StreamName(shard),
		Description: "loghaul: raw log batches of one shard of the nodes",
		Subjects:    []string{wire.StreamSubjects(shard)},
		// WorkQueue and DiscardNew and no age: the only combination that
		// keeps everything that nobody has acknowledged, and pushes back.
		Retention:  jetstream.WorkQueuePolicy,
		Discard:    jetstream.DiscardNew,
		MaxBytes:   int64(s.MaxBytes),
		MaxMsgs:    -1,
		MaxMsgSize: int32(s.MaxMessage), //nolint:gosec // at most MaxPull
		MaxAge:     0,
		Storage:    jetstream.FileStorage,
		Replicas:   s.Replicas,
		Duplicates: s.Duplicates,
		// Payloads are compressed already; trying again halves the rate.
		Compression: jetstream.NoCompression,
	}
}

func (s *Streams) consumer() jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable:       wire.ConsumerName,
		Description:   "loghaul: shared by all aggregators",
		AckPolicy:     jetstream.AckExplicitPolicy,
		DeliverPolicy: jetstream.DeliverAllPolicy,
		AckWait:       s.AckWait,
		// A batch that reached a limit of deliveries would stay for ever.
		MaxDeliver:    -1,
		MaxAckPending: s.MaxAckPending,
	}
}

// Diff is a setting of the broker that is not what the configuration says.
type Diff struct {
	Setting string `json:"setting"`
	Have    string `json:"have"`
	Want    string `json:"want"`
	// Fixed means that the broker cannot change it in place: the stream must
	// be drained and made again.
	Fixed bool `json:"fixed,omitempty"`
}

// String gives one line for people.
func (d Diff) String() string {
	if d.Fixed {
		return fmt.Sprintf("%s is %s, configured %s (cannot be changed in place: drain the stream, delete it, set it up again)", d.Setting, d.Have, d.Want)
	}
	return fmt.Sprintf("%s is %s, configured %s", d.Setting, d.Have, d.Want)
}

type diffs []Diff

func (l *diffs) add(setting string, have, want any, fixed bool) {
	if h, w := fmt.Sprint(have), fmt.Sprint(want); h != w {
		*l = append(*l, Diff{Setting: setting, Have: h, Want: w, Fixed: fixed})
	}
}

// diffStream compares what this package decides, and leaves alone what an
// operator may have added, such as a placement. It puts the wanted values that
// can be changed into have.
func diffStream(have *jetstream.StreamConfig, want jetstream.StreamConfig) []Diff {
	var l diffs
	l.add("stream.subjects", have.Subjects, want.Subjects, false)
	l.add("stream.retention", have.Retention, want.Retention, true)
	l.add("stream.storage", have.Storage, want.Storage, true)
	l.add("stream.persist_mode", have.PersistMode, want.PersistMode, true)
	l.add("stream.discard", have.Discard, want.Discard, false)
	l.add("stream.discard_per_subject", have.DiscardNewPerSubject, want.DiscardNewPerSubject, false)
	l.add("stream.max_bytes", config.Size(have.MaxBytes), config.Size(want.MaxBytes), false)
	l.add("stream.max_messages", limit(have.MaxMsgs), limit(want.MaxMsgs), false)
	l.add("stream.max_messages_per_subject", limit(have.MaxMsgsPerSubject), limit(want.MaxMsgsPerSubject), false)
	l.add("stream.max_message", config.Size(have.MaxMsgSize), config.Size(want.MaxMsgSize), false)
	l.add("stream.max_age", have.MaxAge, want.MaxAge, false)
	l.add("stream.replicas", have.Replicas, want.Replicas, false)
	l.add("stream.duplicates", have.Duplicates, want.Duplicates, false)
	l.add("stream.compression", have.Compression, want.Compression, false)
	l.add("stream.no_ack", have.NoAck, want.NoAck, false)
	have.Subjects, have.Discard, have.DiscardNewPerSubject = want.Subjects, want.Discard, want.DiscardNewPerSubject
	have.MaxBytes, have.MaxMsgs, have.MaxMsgsPerSubject = want.MaxBytes, want.MaxMsgs, want.MaxMsgsPerSubject
	have.MaxMsgSize, have.MaxAge, have.Replicas = want.MaxMsgSize, want.MaxAge, want.Replicas
	have.Duplicates, have.Compression, have.NoAck = want.Duplicates, want.Compression, want.NoAck
	return l
}

// diffConsumer is diffStream for the consumer.
func diffConsumer(have *jetstream.ConsumerConfig, want jetstream.ConsumerConfig) []Diff {
	var l diffs
	l.add("consumer.ack_policy", have.AckPolicy, want.AckPolicy, true)
	l.add("consumer.deliver_policy", have.DeliverPolicy, want.DeliverPolicy, true)
	l.add("consumer.ack_wait", have.AckWait, want.AckWait, false)
	l.add("consumer.max_deliver", limit(int64(have.MaxDeliver)), limit(int64(want.MaxDeliver)), false)
	l.add("consumer.max_ack_pending", have.MaxAckPending, want.MaxAckPending, false)
	l.add("consumer.backoff", have.BackOff, want.BackOff, false)
	l.add("consumer.filter", filters(have), filters(&want), false)
	have.AckWait, have.MaxDeliver, have.MaxAckPending = want.AckWait, want.MaxDeliver, want.MaxAckPending
	have.BackOff, have.FilterSubject, have.FilterSubjects = want.BackOff, want.FilterSubject, want.FilterSubjects
	return l
}

// limit makes the server's several spellings of "no limit" one.
func limit(n int64) string {
	if n <= 0 {
		return "unlimited"
	}
	return strconv.FormatInt(n, 10)
}

func filters(c *jetstream.ConsumerConfig) []string {
	l := slices.Clone(c.FilterSubjects)
	if c.FilterSubject != "" {
		l = append(l, c.FilterSubject)
	}
	return l
}
