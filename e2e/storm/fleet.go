package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"

	"github.com/loghaul/loghaul/internal/broker"
)

// fleet is the workers.
type fleet struct {
	workers []*worker
}

type worker struct {
	cmd *exec.Cmd
	in  *json.Encoder
	out *bufio.Reader
	end func() error
}

// launch starts processes and spreads the nodes over them.
func launch(ctx context.Context, processes, nodes int, url string, delay broker.Delay) (*fleet, error) {
	f := &fleet{}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	for i := range processes {
		cmd := exec.CommandContext(ctx, self, workerArg)
		cmd.Stderr = os.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		in, err := cmd.StdinPipe()
		if err != nil {
			return nil, errors.Join(err, f.stop())
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			return nil, errors.Join(err, f.stop())
		}
		if err := cmd.Start(); err != nil {
			return nil, errors.Join(err, f.stop())
		}
		w := &worker{cmd: cmd, in: json.NewEncoder(in), out: bufio.NewReader(out), end: in.Close}
		f.workers = append(f.workers, w)
		s := &share{
			From: nodes * i / processes, To: nodes * (i + 1) / processes, URL: url, Delay: delay,
			Address: net.IPv4(127, 0, 0, byte(2+i)), // ports of one address do not suffice
		}
		if _, err := w.ask(order{Start: s}); err != nil {
			return nil, errors.Join(err, f.stop())
		}
	}
	return f, nil
}

// ask gives every worker an order and adds up their answers.
func (f *fleet) ask(o order) (answer, error) {
	answers, errs := make([]answer, len(f.workers)), make([]error, len(f.workers))
	var wg sync.WaitGroup
	for i, w := range f.workers {
		wg.Go(func() { answers[i], errs[i] = w.ask(o) })
	}
	wg.Wait()
	var sum answer
	for _, a := range answers {
		sum.Connected += a.Connected
		sum.Stored += a.Stored
		sum.RSS += a.RSS
		sum.Dialed += a.Dialed
		sum.Failed += a.Failed
		if a.Why != "" {
			sum.Why = a.Why
		}
		sum.Dials = append(sum.Dials, a.Dials...)
		sum.Back = append(sum.Back, a.Back...)
		sum.Done = append(sum.Done, a.Done...)
	}
	return sum, errors.Join(errs...)
}

func (w *worker) ask(o order) (a answer, err error) {
	if err := w.in.Encode(o); err != nil {
		return a, fmt.Errorf("tell a worker: %w", err)
	}
	line, err := w.out.ReadBytes('\n')
	if err != nil {
		return a, fmt.Errorf("hear from a worker: %w", err)
	}
	return a, json.Unmarshal(line, &a)
}

// stop lets all workers close their connections and end.
func (f *fleet) stop() error {
	var errs []error
	for _, w := range f.workers {
		errs = append(errs, w.end())
	}
	for _, w := range f.workers {
		errs = append(errs, w.cmd.Wait())
	}
	return errors.Join(errs...)
}
