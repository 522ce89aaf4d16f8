package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/loghaul/loghaul/forwarder/checkpoint"
	"github.com/loghaul/loghaul/internal/broker"
)

const natsPort = 14722

type bench struct {
	dir, bin, natsBin string
	s                 settings
	corpus            []byte
	n                 int
}

func loadCorpus(path string) (lines []byte, length float64, err error) {
	if path == "" {
		path = "cmd/loghaul/testdata/demo/httplog.log"
	}
	lines, err = os.ReadFile(path)
	if err != nil {
		return nil, 0, err
	}
	n := bytes.Count(lines, []byte{'\n'})
	if n == 0 || lines[len(lines)-1] != '\n' {
		return nil, 0, fmt.Errorf("%s: want whole lines", path)
	}
	return lines, float64(len(lines)) / float64(n), nil
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

// site is a nats-server and a forwarder for one run.
type site struct {
	dir, input string
	nats, fwd  *exec.Cmd
}

// start makes a site that tails its input. more are further inputs.
func (b *bench) start(ctx context.Context, encoding string, more ...string) (*site, error) {
	b.n++
	dir := filepath.Join(b.dir, strconv.Itoa(b.n))
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	s := &site{dir: dir, input: filepath.Join(dir, "haproxy.log")}
	conf := fmt.Sprintf("host: 127.0.0.1\nport: %d\njetstream { store_dir: %q, sync_interval: always, max_file_store: 8GB }\n", natsPort, dir)
	ca := ""
	if b.s.tls {
		if err := certificate(dir); err != nil {
			return nil, err
		}
		ca = dir + "/cert.pem"
		conf += fmt.Sprintf("tls { cert_file: %q, key_file: %q, timeout: 10 }\n", ca, dir+"/key.pem")
	}
	if err := os.WriteFile(dir+"/nats.conf", []byte(conf), 0o600); err != nil {
		return nil, err
	}
	s.nats = exec.CommandContext(ctx, b.natsBin, "-c", dir+"/nats.conf")
	if err := s.nats.Start(); err != nil {
		return nil, err
	}
	if err := setUp(ctx, ca); err != nil {
		s.stop()
		return nil, err
	}
	yaml := fmt.Sprintf("node: bench\nstate: %s/state\ninputs:\n  - file: %s\n%sbatch: {compression: %s}\nlog: {level: warn}\nhttp: 127.0.0.1:0\n"+
		"broker: {servers: ['nats://127.0.0.1:%d'], shards: 1, delay: {first: 0s, step: 100ms, max: 1s}, tls: {ca: %q}}\n", dir, s.input, strings.Join(more, ""), encoding, natsPort, ca)
	if err := os.WriteFile(dir+"/forwarder.yaml", []byte(yaml), 0o600); err != nil {
		s.stop()
		return nil, err
	}
	s.fwd = exec.CommandContext(ctx, b.bin, "--config", dir+"/forwarder.yaml")
	s.fwd.Stderr = os.Stderr
	return s, nil
}

func setUp(ctx context.Context, ca string) error {
	cfg := broker.DefaultConfig()
	cfg.TLS.CA = ca
	cfg.Servers, cfg.Shards = []string{fmt.Sprintf("nats://127.0.0.1:%d", natsPort)}, 1
	cfg.Delay = broker.Delay{Step: 50 * time.Millisecond, Max: 200 * time.Millisecond}
	nc, err := broker.Connect(ctx, cfg, broker.Options{Name: "bench-setup"})
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	st := broker.DefaultStreams()
	st.MaxBytes = 4 << 30
	report, err := broker.Setup(ctx, js, broker.SetupConfig{Shards: 1, Streams: st})
	return errors.Join(err, report.Err())
}

// stop ends both and removes what they wrote. It gives the forwarder's CPU.
func (s *site) stop() (cpu time.Duration) {
	if s.fwd != nil && s.fwd.Process != nil {
		_ = s.fwd.Process.Signal(syscall.SIGTERM)
		if err := s.fwd.Wait(); err != nil {
			fmt.Fprintln(os.Stderr, "forwarder:", err)
		}
		cpu = s.fwd.ProcessState.SystemTime() + s.fwd.ProcessState.UserTime()
	}
	_ = s.nats.Process.Kill()
	_ = s.nats.Wait()
	_ = os.RemoveAll(s.dir)
	return cpu
}

// end ends the forwarder alone.
func (s *site) end() error {
	if err := s.fwd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return s.fwd.Wait()
}

// cpuSoFar is what the threads of the running forwarder have taken.
func (s *site) cpuSoFar() (cpu time.Duration) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", s.fwd.Process.Pid))
	for _, t := range tasks {
		b, _ := os.ReadFile(t)
		if fields := strings.Fields(string(b)); len(fields) > 0 {
			ns, _ := strconv.ParseInt(fields[0], 10, 64)
			cpu += time.Duration(ns)
		}
	}
	return cpu
}

// settled waits until the forwarder has started and has nothing to do: what it
// takes from then on is for lines.
func (s *site) settled() (cpu time.Duration, switches float64) {
	for last := time.Duration(-1); ; {
		<-time.After(500 * time.Millisecond)
		now := s.cpuSoFar()
		if now > 0 && now-last < 2*time.Millisecond && last >= 0 {
			return now, s.switches()
		}
		last = now
	}
}

// acked is the position of all sources together.
func (s *site) acked() int64 {
	b, err := os.ReadFile(s.dir + "/state/" + checkpoint.FileName)
	if err != nil {
		return 0
	}
	st, err := checkpoint.Decode(b)
	if err != nil {
		return 0
	}
	var n int64
	for _, e := range st.Entries {
		n += e.Pos
	}
	for _, e := range st.Streams {
		n += e.Pos
	}
	return n
}

// await waits until size bytes are acknowledged and gives the largest RSS.
func (s *site) await(size int64) (rss float64, err error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); <-tick.C {
		rss = max(rss, s.status("VmRSS")/1000)
		if s.acked() >= size {
			return rss, nil
		}
	}
	return rss, fmt.Errorf("%d of %d bytes acknowledged after two minutes", s.acked(), size)
}

// status reads a number of /proc/PID/status.
func (s *site) status(key string) float64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.fwd.Process.Pid))
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, key+":"); ok {
			v, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return v
		}
	}
	return 0
}

// switches counts the voluntary context switches of all threads.
func (s *site) switches() float64 {
	var sum float64
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", s.fwd.Process.Pid))
	for _, t := range tasks {
		b, _ := os.ReadFile(t)
		for line := range strings.Lines(string(b)) {
			if rest, ok := strings.CutPrefix(line, "voluntary_ctxt_switches:"); ok {
				v, _ := strconv.ParseFloat(strings.TrimSpace(rest), 64)
				sum += v
			}
		}
	}
	return sum
}

func (b *bench) per(size int64, cpu time.Duration) float64 {
	return cpu.Seconds() / (float64(size) / 300e6)
}

func (b *bench) catchUp(ctx context.Context, encoding string) (result, error) {
	s, err := b.start(ctx, encoding)
	if err != nil {
		return result{}, err
	}
	size, err := b.write(s.input, int64(b.s.lines)*300)
	if err != nil {
		s.stop()
		return result{}, err
	}
	if err := s.fwd.Start(); err != nil {
		s.stop()
		return result{}, err
	}
	begin := time.Now()
	rss, err := s.await(size)
	sw := s.switches() / time.Since(begin).Seconds()
	ratio := float64(size) / float64(b.stored(s))
	cpu := s.stop()
	return result{cpu: b.per(size, cpu), rss: rss, switches: sw, ratio: ratio}, err
}

// paced writes at a rate, in bytes a second.
func (b *bench) paced(rate float64) func(context.Context, string) (result, error) {
	return func(ctx context.Context, encoding string) (result, error) { return b.pacedRun(ctx, encoding, rate) }
}

func (b *bench) pacedRun(ctx context.Context, encoding string, rate float64) (result, error) {
	s, err := b.start(ctx, encoding)
	if err != nil {
		return result{}, err
	}
	if err := s.fwd.Start(); err != nil {
		s.stop()
		return result{}, err
	}
	f, err := os.Create(s.input)
	if err != nil {
		s.stop()
		return result{}, err
	}
	defer f.Close() //nolint:errcheck // only a test's input
	started, before := s.settled()
	const block = 4096
	begin, size := time.Now(), int64(0)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	rss := 0.0
	for off := 0; time.Since(begin) < time.Duration(b.s.seconds)*time.Second; <-tick.C {
		for due := int64(time.Since(begin).Seconds() * rate); size < due; {
			p := b.corpus[off:min(off+block, len(b.corpus))]
			if _, err := f.Write(p); err != nil {
				s.stop()
				return result{}, err
			}
			size += int64(len(p))
			off = (off + len(p)) % len(b.corpus)
		}
		if time.Now().UnixMilli()%100 < 3 {
			rss = max(rss, s.status("VmRSS")/1000)
		}
	}
	sw := (s.switches() - before) / time.Since(begin).Seconds()
	last := int64(bytes.LastIndexByte(b.corpus[:max(1, int(size)%len(b.corpus))], '\n')) + 1
	_, err = s.await(size - size%int64(len(b.corpus)) + last)
	ratio := float64(size) / float64(b.stored(s))
	cpu := s.cpuSoFar() - started
	s.stop()
	return result{cpu: b.per(size, cpu), rss: rss, switches: sw, ratio: ratio}, err
}

func (b *bench) idle(ctx context.Context, encoding string) (result, error) {
	s, err := b.start(ctx, encoding)
	if err != nil {
		return result{}, err
	}
	defer s.stop()
	size, err := b.write(s.input, 30e6)
	if err != nil {
		return result{}, err
	}
	if err := s.fwd.Start(); err != nil {
		return result{}, err
	}
	if _, err := s.await(size); err != nil {
		return result{}, err
	}
	return b.rest(s)
}

// rest measures a forwarder that has nothing to do.
func (b *bench) rest(s *site) (result, error) {
	const settle = 30 * time.Second // buffers are given back meanwhile
	<-time.After(settle)
	before, begin := s.switches(), time.Now()
	<-time.After(time.Duration(b.s.seconds) * time.Second)
	sw := (s.switches() - before) / time.Since(begin).Seconds()
	return result{switches: sw, rssIdle: s.status("VmRSS") / 1000}, nil
}

func (b *bench) write(path string, size int64) (int64, error) {
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	var n int64
	for n < size {
		k, err := f.Write(b.corpus)
		n += int64(k)
		if err != nil {
			return n, errors.Join(err, f.Close())
		}
	}
	return n, f.Close()
}

// stored is the size of the streams on disk.
func (b *bench) stored(s *site) int64 {
	var n int64
	blocks, _ := filepath.Glob(s.dir + "/jetstream/*/streams/*/msgs/*.blk")
	for _, p := range blocks {
		if st, err := os.Stat(p); err == nil {
			n += st.Size()
		}
	}
	return max(n, 1)
}
