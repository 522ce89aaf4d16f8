// Command storm holds a fleet of real connections to one nats-server on
// loopback, made by the forwarder's own link code with its own defaults, cuts
// all of them at once while every node has a batch under way, and measures how
// the fleet comes back: how many attempts to connect fall into the worst 100
// ms, when the last node is connected, whether any batch is lost or stored
// twice. It exits with 1 if something is.
//
//	go run ./e2e/storm [-nodes 18000] [-cut kill|lameduck] [-output json]
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/loghaul/loghaul/internal/broker"
)

const workerArg = "worker"

type settings struct {
	nats, cut, output string
	nodes, processes  int
	delay             broker.Delay
	limit             time.Duration
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == workerArg {
		exit(work(os.Stdin, os.Stdout))
	}
	s := settings{delay: broker.DefaultConfig().Delay}
	flag.StringVar(&s.nats, "nats-server", "", "the `FILE` to run (default: .cache/tools/bin, then PATH)")
	flag.IntVar(&s.nodes, "nodes", 18000, "how many forwarders")
	flag.IntVar(&s.processes, "processes", 3, "processes that hold them")
	flag.StringVar(&s.cut, "cut", "kill", "how the server ends: kill (-9) or lameduck")
	flag.DurationVar(&s.delay.First, "first", s.delay.First, "broker.delay.first; the others are the defaults, in proportion")
	flag.DurationVar(&s.limit, "limit", 10*time.Minute, "give up after that")
	flag.StringVar(&s.output, "output", "table", "table or json")
	flag.Parse()
	scale := s.delay.First.Seconds() / broker.DefaultConfig().Delay.First.Seconds()
	s.delay.Step = time.Duration(scale * float64(s.delay.Step))
	s.delay.Max = time.Duration(scale * float64(s.delay.Max))
	ctx, cancel := context.WithTimeout(context.Background(), s.limit)
	defer cancel()
	exit(run(ctx, s))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "storm:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run(ctx context.Context, s settings) (err error) {
	if s.cut != "kill" && s.cut != "lameduck" || s.nodes < 1 || s.processes < 1 || s.processes > 200 {
		return errors.New("-cut is kill or lameduck, -nodes and -processes are above zero")
	}
	if err := openFiles(s); err != nil {
		return err
	}
	bin, err := natsServer(s.nats)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "loghaul-storm-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	srv, err := newServer(ctx, bin, dir)
	if err != nil {
		return err
	}
	if err := srv.start(ctx); err != nil {
		return err
	}
	defer srv.kill()
	if err := srv.setUp(ctx); err != nil {
		return err
	}
	before := tcpExt()
	f, err := launch(ctx, s.processes, s.nodes, srv.url(), s.delay)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.stop()) }()
	r, err := storm(ctx, s, srv, f)
	if err != nil {
		return err
	}
	after := tcpExt()
	r.Overflows = after["ListenOverflows"] - before["ListenOverflows"]
	r.Drops = after["ListenDrops"] - before["ListenDrops"]
	r.Cookies = after["SyncookiesSent"] - before["SyncookiesSent"]
	if s.output == "json" {
		if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
			return err
		}
	} else {
		r.print(os.Stdout)
	}
	if r.Lost > 0 || r.Doubled > 0 {
		return fmt.Errorf("%d batches are lost, %d are stored twice", r.Lost, r.Doubled)
	}
	return nil
}

// storm is the experiment.
func storm(ctx context.Context, s settings, srv *server, f *fleet) (*result, error) {
	r := &result{Cut: s.cut, Nodes: s.nodes}
	// One batch each is stored; the second is under way when the cut comes.
	if err := r.await(ctx, srv, f, 0, int64(s.nodes)); err != nil {
		return nil, err
	}
	quiet, err := f.ask(order{})
	if err != nil {
		return nil, err
	}
	r.ClientRSS, r.ServerRSS = quiet.RSS, rss(srv.pid())
	r.ClientsPerNode, r.ServerPerNode = 1000*r.ClientRSS/float64(s.nodes), 1000*r.ServerRSS/float64(s.nodes)
	if _, err := f.ask(order{Write: true}); err != nil {
		return nil, err
	}
	r.Batches = 2 * int64(s.nodes)
	cut := time.Now()
	if s.cut == "kill" {
		srv.kill()
	} else if err := srv.cmd.Process.Signal(syscall.SIGUSR2); err != nil {
		return nil, err
	}
	<-srv.exited
	a, err := f.ask(order{Since: cut.UnixNano()})
	if err != nil {
		return nil, err
	}
	r.InFlight = r.Batches - a.Stored
	if err := srv.start(ctx); err != nil {
		return nil, err
	}
	r.Down = time.Since(cut).Seconds()
	if err := r.await(ctx, srv, f, cut.UnixNano(), r.Batches); err != nil {
		return nil, err
	}
	return r, r.finish(ctx, s, srv, f, cut)
}

// await waits until every node has connected after since and batches are stored.
func (r *result) await(ctx context.Context, srv *server, f *fleet, since, batches int64) error {
	var a answer
	said := time.Now()
	err := until(ctx, 10*time.Minute, "the fleet is connected and its batches are stored", func() (ok bool, err error) {
		select {
		case <-srv.exited:
			return false, fmt.Errorf("nats-server has ended by itself: %s", srv.lastWords())
		default:
		}
		a, err = f.ask(order{Since: since})
		if time.Since(said) > 5*time.Second {
			said = time.Now()
			fmt.Fprintf(os.Stderr, "%s: %d of %d nodes connected, %d batches stored; %d dials, %d failed %s\n",
				said.Format(time.TimeOnly), a.Connected, r.Nodes, a.Stored, a.Dialed, a.Failed, a.Why)
		}
		return a.Connected == r.Nodes && a.Stored >= batches, err
	})
	if err != nil {
		return fmt.Errorf("%w: %d of %d nodes connected, %d of %d batches stored", err, a.Connected, r.Nodes, a.Stored, batches)
	}
	return nil
}

func (r *result) finish(ctx context.Context, s settings, srv *server, f *fleet, cut time.Time) error {
	a, err := f.ask(order{Report: true, Since: cut.UnixNano()})
	if err != nil {
		return err
	}
	var at int64
	r.Attempts = len(a.Dials)
	r.Worst, at = worst(a.Dials, 100*time.Millisecond)
	r.WorstAt = time.Duration(at - cut.UnixNano()).Seconds()
	r.WorstPercent = 100 * float64(r.Worst) / float64(s.nodes)
	r.Back, r.Stored = spreadOf(a.Back, cut), spreadOf(a.Done, cut)
	r.Stated = stated(s.delay, r.Down)
	var vars struct {
		Connections int64 `json:"total_connections"`
	}
	if err := srv.ask(ctx, "/varz", &vars); err != nil {
		return err
	}
	r.Connections = vars.Connections
	ids, err := srv.count(ctx)
	if err != nil {
		return err
	}
	r.Lost = r.Batches - int64(len(ids))
	for _, n := range ids {
		r.Doubled += int64(n - 1)
	}
	return nil
}

// stated is when all must be back: who finds the server does so by the end of
// the round after the one in which it came back. Nodes that were sent away by
// a lame duck begin their rounds when that happens, so the time it took counts
// as time down.
func stated(d broker.Delay, down float64) float64 {
	end, behind := d.First.Seconds(), false
	for n := 1; ; n++ {
		if behind {
			return end + broker.DefaultConfig().Timeout.Seconds()
		}
		behind = down < end
		end += max(d.First, min(d.Step<<min(n, 20), d.Max)).Seconds()
	}
}

// openFiles raises the limit on descriptors, which children inherit.
func openFiles(s settings) error {
	const others = 200
	need := uint64(max(s.nodes, (s.nodes+s.processes-1)/s.processes) + others) //nolint:gosec // above zero
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return err
	}
	l.Cur = max(l.Cur, need)
	if l.Cur > l.Max {
		l.Max = l.Cur // root may
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return fmt.Errorf("the server needs %d open files: raise the limit (ulimit -n) or lower -nodes: %w", need, err)
	}
	return nil
}

func natsServer(path string) (string, error) {
	if path != "" {
		return path, nil
	}
	local := ".cache/tools/bin/nats-server"
	if _, err := os.Stat(local); err == nil {
		return local, nil
	}
	p, err := exec.LookPath("nats-server")
	if err != nil {
		return "", fmt.Errorf("nats-server is missing (make tools installs it): %w", err)
	}
	return p, nil
}

// until asks ok every tenth of a second.
func until(ctx context.Context, limit time.Duration, what string, ok func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		done, err := ok()
		if done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited in vain until %s", what)
		case <-tick.C:
		}
	}
}
