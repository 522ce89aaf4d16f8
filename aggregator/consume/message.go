// Package consume brings messages from the shard streams to the aggregator. It
// is the only place of the aggregator that speaks NATS. It binds to consumers
// that an operator made, and makes none.
//
// What must hold:
//
//   - A message that was delivered stays in the Source's care until it is
//     acknowledged: the broker hears every third of the consumer's AckWait that
//     it is still worked on, however long the archive is away.
//   - The bytes pulled and not yet taken from the channel are bounded, and so
//     is what the broker can push at once over the one connection: it
//     disconnects a client that is more than 64 MiB behind.
package consume

// Message is one message of a shard stream.
type Message struct {
	// Stream and Sequence name the message until the stream is restored from
	// a backup: sequences may then come again.
	Stream   string
	Sequence uint64
	// Delivered counts the deliveries, this one included.
	Delivered uint64
	Subject   string
	// Header and Payload belong to the receiver, who sets them to nil when
	// they are not needed, since the message itself lives until its ack.
	Header  map[string][]string
	Payload []byte

	reply string
}

// Backlog is what the broker holds for the aggregators.
type Backlog struct {
	// Pending was never delivered to any aggregator.
	Pending uint64
	// Unacked was delivered to this or another one and not acknowledged.
	Unacked int
}

// Empty reports whether everything is archived.
func (b Backlog) Empty() bool { return b.Pending == 0 && b.Unacked == 0 }
