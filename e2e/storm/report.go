package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// result is what a storm showed. Times are seconds after the cut.
type result struct {
	Cut      string  `json:"cut"`
	Nodes    int     `json:"nodes"`
	Down     float64 `json:"down"`     // until the server was back
	Attempts int     `json:"attempts"` // to connect
	// Worst is the most attempts within 100 ms, wherever these begin;
	// WorstPercent is that as a part of the fleet.
	Worst        int     `json:"worst_100ms"`
	WorstPercent float64 `json:"worst_100ms_percent"`
	// WorstAt is when it began, in seconds after the cut.
	WorstAt  float64 `json:"worst_100ms_at"`
	Back     spread  `json:"back"`   // connected again
	Stored   spread  `json:"stored"` // the node's last batch confirmed
	Stated   float64 `json:"stated"` // when all had to be back at the latest
	Batches  int64   `json:"batches"`
	InFlight int64   `json:"unanswered_at_cut"`
	Lost     int64   `json:"lost"`
	Doubled  int64   `json:"doubled"`
	// Connections is what the new server counted.
	Connections    int64   `json:"server_connections"`
	Overflows      int64   `json:"listen_overflows"`
	Drops          int64   `json:"listen_drops"`
	Cookies        int64   `json:"syn_cookies"`
	ServerRSS      float64 `json:"server_rss_mb"`
	ClientRSS      float64 `json:"client_rss_mb"`
	ServerPerNode  float64 `json:"server_kb_per_node"`
	ClientsPerNode float64 `json:"client_kb_per_node"`
}

type spread struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

func spreadOf(moments []int64, since time.Time) spread {
	if len(moments) == 0 {
		return spread{}
	}
	slices.Sort(moments)
	at := func(q float64) float64 {
		i := int(q * float64(len(moments)-1))
		return time.Duration(moments[i] - since.UnixNano()).Seconds()
	}
	return spread{at(0.5), at(0.99), at(1)}
}

// worst gives the most moments within window, and when it begins.
func worst(moments []int64, window time.Duration) (most int, begins int64) {
	slices.Sort(moments)
	from := 0
	for i, m := range moments {
		for moments[from] <= m-int64(window) {
			from++
		}
		if n := i - from + 1; n > most {
			most, begins = n, moments[from]
		}
	}
	return most, begins
}

func (r *result) print(w io.Writer) {
	row := func(name, format string, a ...any) { fmt.Fprintf(w, "%-34s %s\n", name, fmt.Sprintf(format, a...)) }
	row("cut by", "%s, server back after %.1f s", r.Cut, r.Down)
	row("connections held", "%d", r.Nodes)
	row("attempts to connect", "%d; the new server counted %d connections", r.Attempts, r.Connections)
	row("worst 100 ms", "%d attempts, %.2f %% of the fleet, %.1f s after the cut", r.Worst, r.WorstPercent, r.WorstAt)
	row("connected again", "p50 %.1f s, p99 %.1f s, last %.1f s (stated: %.0f s)", r.Back.P50, r.Back.P99, r.Back.Max, r.Stated)
	row("last batch of each node stored", "p50 %.1f s, p99 %.1f s, last %.1f s", r.Stored.P50, r.Stored.P99, r.Stored.Max)
	row("batches", "%d, unanswered at the cut %d, lost %d, stored twice %d", r.Batches, r.InFlight, r.Lost, r.Doubled)
	row("ListenOverflows, ListenDrops", "%d, %d; SYN cookies sent %d", r.Overflows, r.Drops, r.Cookies)
	row("memory", "server %.0f MB (%.0f KB a connection), clients %.0f MB (%.0f KB each)",
		r.ServerRSS, r.ServerPerNode, r.ClientRSS, r.ClientsPerNode)
}
