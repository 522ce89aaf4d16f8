package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

// demoLines were written by a real HAProxy.
//
//go:embed testdata/demo/httplog.log
var demoLines []byte

const (
	demoRate  = 500                    // lines a second
	demoTick  = 100 * time.Millisecond // how often some are written
	demoLimit = 64 << 20               // the file is rotated at this size, and one old one kept
)

// demo plays the part of HAProxy: it appends lines to a log file at a steady
// rate, with the date of now, and rotates the file by renaming it.
type demo struct {
	path string
	rate int
	next []byte // what is left of this round through demoLines
	out  []byte
	size int64

	written atomic.Int64 // bytes, since the start
}

// newDemo goes on with the file at path if there is one.
func newDemo(path string) (*demo, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("make the folder of the demo: %w", err)
	}
	return &demo{path: path, rate: demoRate}, nil
}

// Run writes until ctx ends. Only whole lines are ever in the file.
func (d *demo) Run(ctx context.Context) error {
	f, err := d.open()
	if err != nil {
		return err
	}
	tick := time.NewTicker(demoTick)
	defer tick.Stop()
	last, owed := time.Now(), 0.0
	for err == nil {
		select {
		case <-ctx.Done():
			return f.Close()
		case now := <-tick.C:
			owed = min(owed+now.Sub(last).Seconds()*float64(d.rate), float64(d.rate))
			last = now
			n := int(owed)
			owed -= float64(n)
			err = d.write(f, n, now)
		}
		if err == nil && d.size >= demoLimit {
			f, err = d.rotate(f)
		}
	}
	return fmt.Errorf("write the demo's log: %w", errors.Join(err, f.Close()))
}

func (d *demo) open() (*os.File, error) {
	f, err := os.OpenFile(d.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, fmt.Errorf("open the demo's log: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	d.size = info.Size()
	return f, nil
}

func (d *demo) rotate(f *os.File) (*os.File, error) {
	if err := os.Rename(d.path, d.path+".1"); err != nil {
		return f, err
	}
	if err := f.Close(); err != nil {
		return f, err
	}
	return d.open()
}

// write appends n lines with one call.
func (d *demo) write(f *os.File, n int, now time.Time) error {
	d.out = d.out[:0]
	for range n {
		if len(d.next) == 0 {
			d.next = demoLines
		}
		end := bytes.IndexByte(d.next, '\n') + 1
		d.out = appendDated(d.out, d.next[:end], now)
		d.next = d.next[end:]
	}
	wrote, err := f.Write(d.out)
	d.size += int64(wrote)
	d.written.Add(int64(wrote))
	return err
}

// appendDated appends an httplog line with its accept date, the first thing in
// brackets, replaced. HAProxy prints local time there.
func appendDated(dst, line []byte, now time.Time) []byte {
	open, end := bytes.IndexByte(line, '['), bytes.IndexByte(line, ']')
	if open < 0 || end < open {
		return append(dst, line...)
	}
	dst = append(dst, line[:open+1]...)
	dst = now.AppendFormat(dst, "02/Jan/2006:15:04:05.000")
	return append(dst, line[end:]...)
}
