package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/loghaul/loghaul/forwarder"
)

// Snapshot is what a running forwarder says about itself: the JSON of status.
// Counters count since its start.
type Snapshot struct {
	Node    string  `json:"node"`
	Version string  `json:"version"`
	PID     int     `json:"pid"`
	Uptime  float64 `json:"uptime_seconds"`
	// Problem is why not everything is well, "" when it is.
	Problem         string   `json:"problem"`
	Connected       bool     `json:"connected"`
	InFlightBatches int64    `json:"in_flight_batches"`
	SentBytes       int64    `json:"sent_bytes"`
	Paths           []Path   `json:"paths"`
	Sources         []Source `json:"sources"`
}

// Path is the ledger of one input's path: bytes read = acked + in flight + lost.
type Path struct {
	Path          string          `json:"path"`
	ReadBytes     int64           `json:"read_bytes"`
	ReadLines     int64           `json:"read_lines"`
	AckedBytes    int64           `json:"acked_bytes"`
	AckedLines    int64           `json:"acked_lines"`
	InFlightBytes int64           `json:"in_flight_bytes"`
	LagBytes      int64           `json:"lag_bytes"`
	CutLines      int64           `json:"cut_lines"`
	Lost          map[string]Loss `json:"lost"`
}

// Loss is what was lost for one reason; what is not known is 0.
type Loss struct {
	Bytes int64 `json:"bytes"`
	Lines int64 `json:"lines"`
}

// Source is one byte stream: a generation of a file, a spool.
type Source struct {
	ID    string `json:"source"`
	Path  string `json:"path"`
	Input string `json:"input"`
	State string `json:"state"`
	// Read and Acked are positions, Size is the end.
	Read  int64 `json:"read"`
	Acked int64 `json:"acked"`
	Size  int64 `json:"size"`
	Lag   int64 `json:"lag_bytes"`
	// OldestUnacked is the age in seconds of the oldest byte that is not acked.
	OldestUnacked float64 `json:"oldest_unacked_seconds"`
	Problem       string  `json:"problem"`
}

// Status asks the forwarder that runs with a configuration and prints what it
// says, as text or json. It gives the exit code.
func Status(ctx context.Context, path, output string, stdout, stderr io.Writer) int {
	if output != "text" && output != "json" {
		fmt.Fprintf(stderr, "--output %q: want text or json\n", output) //nolint:errcheck // nobody is left to tell
		return Wrong
	}
	cfg := forwarder.DefaultConfig()
	cfg.Inputs = []forwarder.Input{{Stdin: true}} // a file for --stdin may have none
	if err := loadOrDefaults(path, &cfg); err != nil {
		fmt.Fprintln(stderr, err) //nolint:errcheck // nobody is left to tell
		return Wrong
	}
	body, err := ask(ctx, socketPath(cfg.State))
	var s Snapshot
	if err == nil {
		if err = json.Unmarshal(body, &s); err != nil {
			err = fmt.Errorf("the forwarder's answer: %w; is it of another version?", err)
		}
	}
	if err == nil && output == "json" {
		_, err = stdout.Write(body)
	} else if err == nil {
		err = s.print(stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, err) //nolint:errcheck // nobody is left to tell
		return Failed
	}
	return Done
}

// ask gets what the forwarder says.
func ask(ctx context.Context, socket string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin+5*time.Second)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("no forwarder answers at %s: none runs with this configuration on this machine", socket)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("ask the forwarder at %s: %w: run as its user or group", socket, fs.ErrPermission)
	case err != nil:
		return nil, fmt.Errorf("ask the forwarder: %w", err)
	}
	defer conn.Close() //nolint:errcheck // only read
	if at, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(at) // a socket has deadlines
	}
	body, err := io.ReadAll(conn)
	if err != nil {
		return nil, fmt.Errorf("read the forwarder's answer: %w", err)
	}
	return body, nil
}

// print shows a snapshot to people.
func (s *Snapshot) print(out io.Writer) error {
	var b strings.Builder
	link := "connected"
	if !s.Connected {
		link = "NOT CONNECTED"
	}
	fmt.Fprintf(&b, "%s, %s, up %s, process %d\nbroker: %s, %d batches in flight, %d bytes sent\n", printable(s.Node), s.Version,
		(time.Duration(s.Uptime) * time.Second).String(), s.PID, link, s.InFlightBatches, s.SentBytes)
	if s.Problem != "" {
		fmt.Fprintf(&b, "PROBLEM: %s\n", printable(s.Problem))
	}
	t := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "\nPATH\tREAD\tACKED\tIN FLIGHT\tLOST\tLAG\tCUT LINES") //nolint:errcheck // a strings.Builder takes all
	for _, p := range s.Paths {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%s\t%d\t%d\n", //nolint:errcheck // a strings.Builder takes all
			printable(p.Path), p.ReadBytes, p.AckedBytes, p.InFlightBytes, losses(p.Lost), p.LagBytes, p.CutLines)
	}
	fmt.Fprintln(t, "\nSOURCE\tSTATE\tPOSITION\tSIZE\tLAG\tOLDEST\tPATH\tPROBLEM") //nolint:errcheck // a strings.Builder takes all
	for _, x := range s.Sources {
		oldest := "-"
		if x.OldestUnacked > 0 {
			oldest = time.Duration(x.OldestUnacked * float64(time.Second)).Round(time.Second / 10).String()
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%s\t%s\t%s\n", //nolint:errcheck // a strings.Builder takes all
			orDash(x.ID), x.State, x.Acked, x.Size, x.Lag, oldest, printable(x.Path), printable(x.Problem))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func losses(m map[string]Loss) string {
	var parts []string
	for reason, l := range m {
		switch {
		case l.Bytes > 0 && l.Lines > 0:
			parts = append(parts, fmt.Sprintf("%d bytes, %d lines %s", l.Bytes, l.Lines, reason))
		case l.Bytes > 0:
			parts = append(parts, fmt.Sprintf("%d bytes %s", l.Bytes, reason))
		case l.Lines > 0:
			parts = append(parts, fmt.Sprintf("%d lines %s", l.Lines, reason))
		}
	}
	slices.Sort(parts)
	return orDash(strings.Join(parts, "; "))
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// printable keeps names from steering a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}
