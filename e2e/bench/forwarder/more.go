package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/net/ipv4"

	"github.com/loghaul/loghaul/forwarder/daemon"
)

// ask gives what `status` says, nil while nobody answers.
func (b *bench) ask(ctx context.Context, s *site) *daemon.Snapshot {
	out, err := exec.CommandContext(ctx, b.bin, "status", "--config", s.dir+"/forwarder.yaml", "--output", "json").Output()
	var snap daemon.Snapshot
	if err != nil || json.Unmarshal(out, &snap) != nil {
		return nil
	}
	return &snap
}

// files makes n files of a line each, and waits until all are acknowledged.
func (b *bench) files(ctx context.Context, n int) (*site, error) {
	s, err := b.start(ctx, "s2")
	if err != nil {
		return nil, err
	}
	yaml, err := os.ReadFile(s.dir + "/forwarder.yaml")
	if err == nil {
		yaml = bytes.Replace(yaml, []byte("file: "+s.input), []byte("file: "+s.dir+"/many/*.log"), 1)
		err = os.WriteFile(s.dir+"/forwarder.yaml", yaml, 0o600)
	}
	if err == nil {
		err = os.Mkdir(s.dir+"/many", 0o750)
	}
	var size int64
	for i := range n {
		line := fmt.Appendf(nil, "file %d, whose first line tells it from the others\n", i)
		size += int64(len(line))
		if err == nil {
			err = os.WriteFile(filepath.Join(s.dir, "many", fmt.Sprintf("f%05d.log", i)), line, 0o600)
		}
	}
	if err == nil {
		err = s.fwd.Start()
	}
	if err == nil {
		_, err = s.await(size)
	}
	if err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// quiet is idle with many files.
func (b *bench) quiet(ctx context.Context, _ string) (result, error) {
	s, err := b.files(ctx, 1000)
	if err != nil {
		return result{}, err
	}
	defer s.stop()
	return b.rest(s)
}

// restart is the time from a start to when all known files are followed.
func (b *bench) restart(ctx context.Context, _ string) (result, error) {
	s, err := b.files(ctx, 10_000)
	if err != nil {
		return result{}, err
	}
	defer s.stop()
	if err := s.end(); err != nil {
		return result{}, err
	}
	args := s.fwd.Args
	s.fwd = exec.CommandContext(ctx, args[0], args[1:]...)
	s.fwd.Stderr = os.Stderr
	begin := time.Now()
	if err := s.fwd.Start(); err != nil {
		return result{}, err
	}
	for time.Since(begin) < time.Minute {
		if snap := b.ask(ctx, s); snap != nil {
			live := 0
			for _, x := range snap.Sources {
				if x.State == "live" {
					live++
				}
			}
			if live == 10_000 {
				return result{ready: time.Since(begin), cpu: s.cpuSoFar().Seconds()}, nil
			}
		}
	}
	return result{}, errors.New("10,000 files are not followed after a minute")
}

// udp sends 100,000 lines a second for some seconds, and wants each of them
// acknowledged or counted as lost.
func (b *bench) udp(ctx context.Context, _ string) (result, error) {
	const port, perSecond, batch = 14723, 100_000, 100
	s, err := b.start(ctx, "s2", fmt.Sprintf("  - syslog: udp://127.0.0.1:%d\n    receive_buffer: 32MiB\n", port))
	if err != nil {
		return result{}, err
	}
	if err := s.fwd.Start(); err != nil {
		s.stop()
		return result{}, err
	}
	for b.ask(ctx, s) == nil { // the socket is open before status answers
		<-time.After(20 * time.Millisecond)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "udp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		s.stop()
		return result{}, err
	}
	defer conn.Close() //nolint:errcheck // nothing is buffered
	lines := bytes.SplitAfter(b.corpus, []byte{'\n'})
	lines = lines[:len(lines)-1]
	pc := ipv4.NewPacketConn(conn.(*net.UDPConn)) //nolint:errcheck,forcetypeassert // as dialed
	msgs := make([]ipv4.Message, batch)
	var sent, size int64
	started, _ := s.settled()
	begin := time.Now()
	for time.Since(begin) < time.Duration(b.s.seconds)*time.Second {
		for due := int64(time.Since(begin).Seconds() * perSecond); sent+batch <= due; {
			for i := range msgs {
				line := lines[(int(sent)+i)%len(lines)]
				msgs[i].Buffers = [][]byte{line}
				size += int64(len(line))
			}
			for left := msgs; len(left) > 0; {
				n, err := pc.WriteBatch(left, 0)
				if err != nil {
					s.stop()
					return result{}, err
				}
				left = left[n:]
			}
			sent += batch
		}
		<-time.After(time.Millisecond)
	}
	rss := s.status("VmRSS") / 1000
	var lost int64
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); <-time.After(100 * time.Millisecond) {
		snap := b.ask(ctx, s)
		if snap == nil {
			continue
		}
		for _, p := range snap.Paths {
			lost = 0
			for _, l := range p.Lost {
				lost += l.Lines
			}
			if p.AckedLines+lost == sent {
				cpu := s.cpuSoFar() - started
				s.stop()
				return result{cpu: b.per(size, cpu), rss: rss, lost: lost, ratio: 1}, nil
			}
		}
	}
	s.stop()
	return result{}, fmt.Errorf("%d lines sent are neither acknowledged nor counted as lost", sent)
}
