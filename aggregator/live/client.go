package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
)

// Client is the reader's end.
type Client struct {
	nc   *nats.Conn
	id   string
	ask  Ask
	seen seen

	mu      sync.Mutex
	sources map[string]*source // by the id of the aggregator's process
	report  Report
}

// source is an aggregator as the reader knows it.
type source struct {
	name    string
	heard   time.Time
	refused string
	last    status // of the message before, in this lease
}

// Report says how reading goes.
type Report struct {
	// Serving are the names of the aggregators that have answered of late.
	Serving []string
	// Refused says for others why they do not serve.
	Refused map[string]string
	// Missing are fields of the filter that no line of any aggregator can have.
	Missing []string
	// Skipped lines passed the filter and were not sent, because too little
	// was taken. Unread ones no aggregator had the time to look at. Lost ones were
	// sent and did not arrive.
	Skipped, Unread, Lost int64
	// Trouble is the last message that could not be read, nil if all could.
	Trouble error
}

// NewClient makes a reader that asks aggregators on the broker of nc. The
// connection stays the caller's.
func NewClient(nc *nats.Conn, ask Ask) *Client {
	ask.Version = Version
	return &Client{nc: nc, id: nuid.Next(), ask: ask, seen: newSeen(), sources: map[string]*source{}}
}

// Subject is where the client listens: for a hint to who may not.
func (c *Client) Subject() string { return linesSubject + c.id }

// Run calls fn for each line that arrives, in the order of arrival and as far
// as it knows each once, until ctx ends, which is no error, or fn returns one,
// which it returns. Lines are valid until fn returns. flush is called when no
// line is there at the moment.
func (c *Client) Run(ctx context.Context, fn func(*Line) error, flush func() error) (err error) {
	sub, err := c.nc.SubscribeSync(c.Subject())
	if err != nil {
		return fmt.Errorf("listen to aggregators: %w", err)
	}
	defer func() { err = errors.Join(err, c.leave(sub)) }()
	asking, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	all.Go(func() { c.keepAsking(asking) })
	for {
		m, err := sub.NextMsgWithContext(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, nats.ErrSlowConsumer):
			continue // what is missing is counted with the next message
		case err != nil:
			return fmt.Errorf("listen to aggregators: %w", err)
		}
		if err := c.message(m.Data, fn); err != nil {
			return err
		}
		if n, _, err := sub.Pending(); err != nil || n == 0 {
			if err := flush(); err != nil {
				return err
			}
		}
	}
}

// keepAsking says what is wanted until ctx ends: more often at first, as somebody
// waits.
func (c *Client) keepAsking(ctx context.Context) {
	tick := time.NewTimer(time.Hour)
	defer tick.Stop()
	for wait := askEvery / 16; ; wait = min(2*wait, askEvery) {
		// Without a connection, or without the right, nobody answers: that shows.
		_ = c.publish(askSubject+c.id, &c.ask)
		tick.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// leave ends the service, so that aggregators need not wait for it to expire.
func (c *Client) leave(sub *nats.Subscription) error {
	const limit = time.Second
	if !c.nc.IsConnected() {
		return nil
	}
	// Who does not hear it ends the service when it expires.
	_ = c.publish(askSubject+c.id, &Ask{Version: Version, End: true})
	if err := sub.Unsubscribe(); err != nil {
		return fmt.Errorf("stop to listen: %w", err)
	}
	_ = c.nc.FlushTimeout(limit)
	return nil
}

func (c *Client) publish(subject string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("ask aggregators: %w", err)
	}
	return c.nc.Publish(subject, text)
}

// message deals with one message of an aggregator.
func (c *Client) message(b []byte, fn func(*Line) error) error {
	s, lines, trouble := readMessage(b)
	n := 0
	for trouble == nil && len(lines) > 0 {
		var l Line
		if l, lines, trouble = nextLine(lines); trouble != nil {
			break
		}
		n++
		if c.seen.before(&l) {
			continue
		}
		if err := fn(&l); err != nil {
			return err
		}
	}
	if trouble != nil {
		c.mu.Lock()
		c.report.Trouble = trouble
		c.mu.Unlock()
	}
	if s.ID == "" {
		return nil // not even its head could be read
	}
	c.hear(&s, n)
	if s.Refused == "" {
		_ = c.publish(askSubject+c.id+"."+s.ID, &took{Lease: s.Lease, Sent: s.Sent}) // the next one makes up for it
	}
	return nil
}

// hear takes over what an aggregator says of itself, and of n lines that came
// with it.
func (c *Client) hear(s *status, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.sources[s.ID]
	if a == nil {
		a = &source{}
		c.sources[s.ID] = a
	}
	a.name, a.heard, a.refused = s.Aggregator, time.Now(), s.Refused
	if s.Refused != "" {
		return
	}
	if a.last.Lease != s.Lease {
		a.last = status{Lease: s.Lease}
	}
	c.report.Skipped += s.Skipped - a.last.Skipped
	c.report.Unread += s.Unread - a.last.Unread
	c.report.Lost += s.Lines - a.last.Lines - int64(n)
	a.last = *s
}

// missing gives what all aggregators miss that serve.
func missing(all [][]string) []string {
	if len(all) == 0 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(all[0]), func(name string) bool {
		return slices.ContainsFunc(all, func(other []string) bool { return !slices.Contains(other, name) })
	})
}

// Report gives how it goes. It may be called while Run works.
func (c *Client) Report() Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.report
	r.Refused = map[string]string{}
	var lacks [][]string
	for id, a := range c.sources {
		switch {
		case time.Since(a.heard) > forgetAfter:
			delete(c.sources, id)
		case time.Since(a.heard) > lease:
		case a.refused != "":
			r.Refused[a.name] = a.refused
		default:
			r.Serving = append(r.Serving, a.name)
			lacks = append(lacks, a.last.Missing)
		}
	}
	slices.Sort(r.Serving)
	r.Missing = missing(lacks)
	return r
}

// forgetAfter is when an aggregator that is not heard any more serves us no longer
// for certain: what it counts begins anew then.
const forgetAfter = 6 * lease

// seen remembers lines, because a batch comes again from another aggregator if
// one is killed.
type seen struct {
	seed          maphash.Seed
	recent, older map[uint64]struct{}
}

// remembered bounds it: between this number of lines and twice it.
const remembered = 1 << 16

func newSeen() seen { return seen{seed: maphash.MakeSeed(), recent: map[uint64]struct{}{}} }

// before reports whether a line was there before: the same bytes in the same
// place.
func (s *seen) before(l *Line) bool {
	var h maphash.Hash
	h.SetSeed(s.seed)
	_, _ = h.WriteString(l.Source)
	maphash.WriteComparable(&h, l.Offset)
	_, _ = h.Write(l.JSON)
	_, _ = h.Write(l.Raw)
	id := h.Sum64()
	if _, ok := s.recent[id]; ok {
		return true
	}
	if _, ok := s.older[id]; ok {
		return true
	}
	if len(s.recent) >= remembered {
		s.older, s.recent = s.recent, map[uint64]struct{}{}
	}
	s.recent[id] = struct{}{}
	return false
}
