package e2e

import (
	"bytes"
	"math"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// fullRate is the load of the fault tests, in lines a second.
const fullRate = 20_000

// lineMark stands before the number of a line, in its path.
const lineMark = "/e2e/"

// appendLine appends line number n of the node, LF included: about 300 bytes
// in the format of `option httplog` with two captured headers. It is a pure
// function, so whoever reads it back can make the exact bytes again.
func appendLine(dst []byte, n int) []byte { return appendLineOf(dst, n, time.Second/fullRate) }

// appendLineOf is appendLine with another time between two lines.
func appendLineOf(dst []byte, n int, step time.Duration) []byte {
	at := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC).Add(time.Duration(n) * step)
	dst = append(dst, "10."...)
	dst = strconv.AppendInt(dst, int64(n>>16&0xff), 10)
	dst = append(dst, '.')
	dst = strconv.AppendInt(dst, int64(n>>8&0xff), 10)
	dst = append(dst, '.')
	dst = strconv.AppendInt(dst, int64(n&0xff), 10)
	dst = append(dst, ':')
	dst = strconv.AppendInt(dst, int64(1024+n%60000), 10)
	dst = at.AppendFormat(dst, " [02/Jan/2006:15:04:05.000] web app/s")
	dst = strconv.AppendInt(dst, int64(n%16), 10)
	dst = append(dst, " 0/0/"...)
	dst = strconv.AppendInt(dst, int64(n%3), 10)
	dst = append(dst, '/')
	dst = strconv.AppendInt(dst, int64(n%250), 10)
	dst = append(dst, '/')
	dst = strconv.AppendInt(dst, int64(n%250+n%3), 10)
	dst = append(dst, ' ')
	dst = append(dst, [...]string{"200", "200", "200", "304", "404", "503"}[n%6]...)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, int64(200+n*7919%90000), 10)
	dst = append(dst, " - - ---- 12/12/3/1/0 0/0 {www.example.org|Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Safari/537.36} {text/html} \"GET "+lineMark...)
	dst = strconv.AppendInt(dst, int64(n), 10)
	dst = append(dst, "?session="...)
	dst = strconv.AppendUint(dst, uint64(n)*0x9e3779b97f4a7c15, 16)
	return append(dst, "&campaign=newsletter-autumn&lang=en HTTP/1.1\"\n"...)
}

// lineNumber finds the number of a line made by appendLine.
func lineNumber(line []byte) (int, bool) {
	_, digits, ok := bytes.Cut(line, []byte(lineMark))
	if !ok {
		return 0, false
	}
	n, size := 0, 0
	for size < len(digits) && digits[size] >= '0' && digits[size] <= '9' && n < 1<<40 {
		n = n*10 + int(digits[size]-'0')
		size++
	}
	return n, size > 0
}

// load writes numbered lines to a file, as HAProxy would: by appending, whole
// lines at a time, at a steady rate.
type load struct {
	t    *testing.T
	step time.Duration // between the times of two lines
	stop chan struct{}
	done chan struct{}
	most atomic.Int64 // lines to write before it waits for more, see Allow

	mu    sync.Mutex // file and bytes
	file  *os.File
	path  string
	bytes int64
	lines int // written by the loop, read after done
}

// startLoad writes perSecond lines a second to path until Stop.
func startLoad(t *testing.T, path string, perSecond int) *load {
	t.Helper()
	return startLoadOf(t, path, perSecond, time.Second/fullRate, math.MaxInt64)
}

// startLoadOf is startLoad with another time between two lines, and waits after
// most lines for Allow.
func startLoadOf(t *testing.T, path string, perSecond int, step time.Duration, most int) *load {
	t.Helper()
	l := &load{t: t, path: path, step: step, stop: make(chan struct{}), done: make(chan struct{})}
	l.most.Store(int64(most))
	l.open()
	go l.run(perSecond)
	t.Cleanup(func() { l.Stop() })
	return l
}

func (l *load) open() {
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		l.t.Fatal(err)
	}
	l.file = f
}

func (l *load) run(perSecond int) {
	defer close(l.done)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	start := time.Now()
	var buf []byte
	for {
		select {
		case <-l.stop:
			return
		case <-tick.C:
		}
		due := int(time.Since(start).Seconds() * float64(perSecond))
		if most := int(l.most.Load()); due > most { // the time that it waits does not count
			start = start.Add(time.Duration(due-most) * time.Second / time.Duration(perSecond))
			due = most
		}
		buf = buf[:0]
		for ; l.lines < due; l.lines++ {
			buf = appendLineOf(buf, l.lines, l.step)
		}
		if !l.write(buf) {
			return
		}
	}
}

func (l *load) write(buf []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, err := l.file.Write(buf)
	l.bytes += int64(n)
	if err != nil {
		l.t.Errorf("writing lines: %v", err)
	}
	return err == nil
}

// Rotate renames the file to name, as logrotate does, and goes on in a new one.
func (l *load) Rotate(name string) {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := os.Rename(l.path, name); err != nil {
		l.t.Fatal(err)
	}
	if err := l.file.Close(); err != nil {
		l.t.Fatal(err)
	}
	l.open()
}

// Allow lets so many more lines be written, at the steady rate, and then waits
// again: a fault that takes long on a slow machine must not mean more work for it.
func (l *load) Allow(more int) { l.most.Add(int64(more)) }

// Bytes is how much was written so far.
func (l *load) Bytes() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bytes
}

// Stop ends the writing and gives the number of lines. More calls are fine.
func (l *load) Stop() int {
	select {
	case <-l.done:
		return l.lines
	default:
	}
	close(l.stop)
	<-l.done
	if err := l.file.Close(); err != nil {
		l.t.Error(err)
	}
	return l.lines
}

// TestLinesCanBeToldApart holds the generator to what the counts rely on.
func TestLinesCanBeToldApart(t *testing.T) {
	var size int
	for _, n := range []int{0, 1, 255, 65536, 1_234_567} {
		line := appendLine(nil, n)
		size += len(line)
		got, ok := lineNumber(line)
		if !ok || got != n {
			t.Errorf("line %d is read as %d (%v): %s", n, got, ok, line)
		}
		if bytes.Count(line, []byte("\n")) != 1 || line[len(line)-1] != '\n' {
			t.Errorf("line %d is not one line: %q", n, line)
		}
	}
	if mean := size / 5; mean < 270 || mean > 330 {
		t.Errorf("a line has %d bytes, want about 300", mean)
	}
}
