package wire

import (
	"fmt"
	"hash/fnv"
	"strings"
)

// MaxShards bounds the number of shard streams: each costs the broker a store
// and, in a cluster, two Raft groups.
const MaxShards = 100

// ConsumerName is the durable pull consumer that all aggregators share on
// every shard stream.
const ConsumerName = "archive"

// StreamName names the stream of a shard: RAW-00, RAW-01, …
func StreamName(shard int) string { return fmt.Sprintf("RAW-%02d", shard) }

// StreamSubjects is the subject filter of a shard's stream.
func StreamSubjects(shard int) string { return fmt.Sprintf("raw.%02d.>", shard) }

// Subject is where a node publishes: raw.<NN>.<node>.
func Subject(node string, shards int) string {
	return fmt.Sprintf("raw.%02d.%s", Shard(node, shards), SubjectToken(node))
}

// Shard maps a node to one of n shards, the same way in every build.
func Shard(node string, n int) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(node))
	return int(h.Sum32() % uint32(n)) //nolint:gosec // n is 1..MaxShards
}

// SubjectToken makes a node name fit for one token of a NATS subject: a dot
// separates tokens, "*" and ">" are wildcards, and blanks are not allowed.
func SubjectToken(node string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '.' || r == '*' || r == '>' || r <= ' ' || r >= 0x7f:
			return '_'
		}
		return r
	}, node)
}
