package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"

	"github.com/loghaul/loghaul/internal/broker"
)

// A part of the fleet runs in a process of its own, a worker: descriptors and
// memory of one process do not suffice. The parent writes orders to its
// standard input, one JSON value a line; each is answered by one line.

// order is what the parent asks for.
type order struct {
	// Start connects nodes From to To-1, each with a batch to send.
	Start    *share `json:"start,omitempty"`
	Write    bool   `json:"write,omitempty"`  // one more batch per node
	Report   bool   `json:"report,omitempty"` // every moment since Since
	Since    int64  `json:"since,omitempty"`  // Unix nanoseconds
	Finished bool   `json:"finished,omitempty"`
}

type share struct {
	From, To int
	Address  net.IP // where connections come from
	URL      string
	Delay    broker.Delay
}

// answer is what a worker says, about moments after order.Since.
type answer struct {
	Connected int     `json:"connected"` // nodes that have connected
	Stored    int64   `json:"stored"`    // batches, since the start
	RSS       float64 `json:"rss"`       // MB
	Dialed    int     `json:"dialed"`    // attempts, since the start
	Failed    int     `json:"failed"`    // of them, for lack of a TCP connection
	Why       string  `json:"why,omitempty"`
	Dials     []int64 `json:"dials,omitempty"`
	Back      []int64 `json:"back,omitempty"` // the last connect of each node
	Done      []int64 `json:"done,omitempty"` // the last confirmation of each node
}

func work(in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var nodes []*node
	var wg sync.WaitGroup
	lines, enc := bufio.NewScanner(in), json.NewEncoder(out)
	for lines.Scan() {
		var o order
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			return err
		}
		if o.Finished {
			break
		}
		if s := o.Start; s != nil {
			for i := s.From; i < s.To; i++ {
				n := newNode(i, s)
				nodes = append(nodes, n)
				n.write()
				wg.Go(func() { n.run(ctx) })
			}
		}
		a := answer{RSS: rss("self")}
		for _, n := range nodes {
			if o.Write {
				n.write()
			}
			n.tell(&o, &a)
		}
		if err := enc.Encode(a); err != nil {
			return err
		}
	}
	cancel()
	wg.Wait()
	return lines.Err()
}

func (n *node) tell(o *order, a *answer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	a.Stored += n.stored.Load()
	a.Dialed += len(n.dials)
	a.Failed += n.failed
	if n.why != "" {
		a.Why = n.why
	}
	if n.connected > o.Since {
		a.Connected++
	}
	if !o.Report {
		return
	}
	for _, d := range n.dials {
		if d > o.Since {
			a.Dials = append(a.Dials, d)
		}
	}
	if n.connected > o.Since {
		a.Back = append(a.Back, n.connected)
	}
	if n.confirmed > o.Since {
		a.Done = append(a.Done, n.confirmed)
	}
}

// rss is the memory of a process in MB.
func rss(pid string) float64 {
	b, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(b), "VmRSS:")
	var kib float64
	_, _ = fmt.Sscan(after, &kib) // 0 if there is none
	return kib / 1000
}
