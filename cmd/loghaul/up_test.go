package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/loghaul/loghaul/internal/testenv"
)

const upLimit = testenv.Patience

// archived is what `audit cat` gives of a data folder.
func archived(t *testing.T, data string) []byte {
	t.Helper()
	code, out, errs := call(t, "audit", "cat", "--archive", "file://"+data+"/archive")
	if code != 0 || errs != "" {
		t.Fatalf("audit cat: exit code %d, %s", code, errs)
	}
	return []byte(out)
}

// same fails unless the archive holds exactly the file.
func same(t *testing.T, data, file string) {
	t.Helper()
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got := archived(t, data)
	if !bytes.Equal(got, want) {
		t.Fatalf("audit cat gives %d bytes, the file has %d", len(got), len(want))
	}
}

// objects counts what is in the archive folder.
func objects(t *testing.T, data string) int {
	t.Helper()
	l, err := filepath.Glob(data + "/archive/dt=*/hour=*/*.parquet")
	if err != nil {
		t.Fatal(err)
	}
	return len(l)
}

// TestUpDemo runs the README's command: it shows what happens, drains on
// Ctrl-C, and goes on where it was.
func TestUpDemo(t *testing.T) {
	data := t.TempDir()
	file := filepath.Join(data, "demo", "haproxy.log")
	var before int64
	for range 2 {
		p := startProcess(t, nil, "up", "--demo", "--data", data)
		have := objects(t, data)
		until(t, upLimit, "a status that says what is archived", func() bool {
			return regexp.MustCompile(`msg=status .*archived_lines=[1-9].* lost_bytes=0 `).MatchString(p.errs.String()) && objects(t, data) > have
		})
		p.signal(os.Interrupt)
		if code := p.wait(upLimit); code != 0 {
			t.Fatalf("exit code %d", code)
		}
		same(t, data, file)
		sealed(t, data)
		info, err := os.Stat(file)
		if err != nil || info.Size() <= before {
			t.Fatalf("%v: the demo did not go on: %d bytes after %d", err, info.Size(), before)
		}
		before = info.Size()
		for _, want := range []string{"loghaul audit cat --archive file://" + data, "loghaul audit sources --archive file://" + data, "loghaul audit verify --archive file://" + data, "duckdb -c \"SELECT status"} {
			if !strings.Contains(p.out.String(), "\n  "+want) {
				t.Errorf("no command %q in\n%s", want, p.out)
			}
		}
	}
	code, out, _ := call(t, "audit", "sources", "--archive", "file://"+data+"/archive", "--output", "json")
	if code != 0 || strings.Count(out, `"missing":[]`) != 1 || strings.Count(out, `"source":`) != 1 {
		t.Errorf("after two runs: exit code %d, %s", code, out)
	}
}

// TestUpAfterKill: what was not archived when the process was killed is
// archived after the next start, and nothing twice.
func TestUpAfterKill(t *testing.T) {
	data := t.TempDir()
	file := filepath.Join(data, "demo", "haproxy.log")
	for range 3 {
		p := startProcess(t, nil, "up", "--demo", "--data", data)
		have := objects(t, data)
		until(t, upLimit, "another object", func() bool { return objects(t, data) > have })
		p.signal(syscall.SIGKILL)
		p.wait(upLimit)
	}
	p := startProcess(t, nil, "up", "--demo", "--data", data)
	have := objects(t, data)
	until(t, upLimit, "another object", func() bool { return objects(t, data) > have })
	p.signal(syscall.SIGTERM)
	if code := p.wait(upLimit); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	same(t, data, file)
	sealed(t, data)
}

// TestUpWhileTheArchiveIsAway: what cannot be archived at the end is said, and
// archived after the next start.
func TestUpWhileTheArchiveIsAway(t *testing.T) {
	s3 := testenv.S3(t)
	for _, e := range s3.Env() {
		name, value, _ := strings.Cut(e, "=")
		t.Setenv(name, value)
	}
	data := t.TempDir()
	archive := "s3://" + s3.Bucket + "/x?region=" + s3.Region + "&endpoint=" + url.QueryEscape(s3.Endpoint)
	s3.Stop()
	p := startProcess(t, nil, "up", "--demo", "--data", data, "--archive", archive)
	until(t, upLimit, "lines that wait for the archive", func() bool {
		return regexp.MustCompile(`msg=status .*acked_lines=[1-9]\d* archived_lines=0 .* waiting="archive: `).MatchString(p.errs.String())
	})
	p.signal(os.Interrupt)
	if code := p.wait(upLimit); code != exitFailed || !strings.Contains(p.errs.String(), "nothing is lost: it is archived after the next start") {
		t.Fatalf("exit code %d", code)
	}
	s3.Start()
	p = startProcess(t, nil, "up", "--demo", "--data", data, "--archive", archive)
	until(t, upLimit, "archived lines", func() bool { return regexp.MustCompile(`archived_lines=[1-9]`).MatchString(p.errs.String()) })
	p.signal(os.Interrupt)
	if code := p.wait(upLimit); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	want, err := os.ReadFile(filepath.Join(data, "demo", "haproxy.log"))
	if err != nil {
		t.Fatal(err)
	}
	if code, out, errs := call(t, "audit", "cat", "--archive", archive); code != 0 || out != string(want) {
		t.Errorf("audit cat: exit code %d, %d bytes, want %d\n%s", code, len(out), len(want), errs)
	}
}

func TestUpTails(t *testing.T) {
	data, logs := t.TempDir(), t.TempDir()
	file := filepath.Join(logs, "haproxy.log")
	if err := os.WriteFile(file, demoLines, 0o600); err != nil {
		t.Fatal(err)
	}
	p := startProcess(t, nil, "up", "--tail", filepath.Join(logs, "*.log"), "--data", data, "--format", "httplog", "--log-format", "json")
	until(t, upLimit, "an object", func() bool { return objects(t, data) > 0 })
	p.signal(syscall.SIGTERM)
	if code := p.wait(upLimit); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	same(t, data, file)
	if !strings.Contains(p.errs.String(), `"msg":"stopped"`) || !strings.Contains(p.errs.String(), `"unparsed_lines":0`) {
		t.Error("no JSON about the end")
	}
}

// TestUpOnATerminal looks at the screen through a pseudo terminal.
func TestUpOnATerminal(t *testing.T) {
	master, tty := openTerminal(t)
	var seen buffer
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := master.Read(b)
			_, _ = seen.Write(b[:n])
			if err != nil {
				return
			}
		}
	}()
	t.Setenv("TERM", "xterm")
	data := t.TempDir()
	p := startProcess(t, tty, "up", "--demo", "--data", data)
	until(t, 15*time.Second, "a screen with archived lines", func() bool {
		return regexp.MustCompile(`archived +[1-9][0-9,]* lines`).MatchString(seen.String())
	})
	p.signal(os.Interrupt)
	if code := p.wait(upLimit); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	screens := strings.Split(seen.String(), "\x1b[H")
	if len(screens) < 3 {
		t.Fatalf("%d screens", len(screens))
	}
	last := screens[len(screens)-1]
	for _, want := range []string{"loghaul up · data " + data + " · http://127.0.0.1:", "read ", "acked ", "lost ", "lag ", "stored in ", "loghaul audit cat", "loghaul audit sources", "duckdb -c"} {
		if !strings.Contains(last, want) {
			t.Errorf("no %q on the screen\n%s", want, last)
		}
	}
	if !strings.Contains(p.errs.String(), "stopped") || strings.Count(p.errs.String(), "\n") != 2 {
		t.Errorf("stderr beside the screen: %s", p.errs)
	}
}

// openTerminal makes a pseudo terminal.
func openTerminal(t *testing.T) (master, tty *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tty.Close() })
	return master, tty
}

func TestUpRefuses(t *testing.T) {
	data := t.TempDir()
	running := startProcess(t, nil, "up", "--demo", "--data", data)
	until(t, upLimit, "it runs", func() bool { return strings.Contains(running.out.String(), "Type next") })
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // only held
	file := write(t, "file", "")
	for name, tc := range map[string]struct {
		args []string
		want []string
	}{
		"a folder in use":     {[]string{"--demo", "--data", data}, []string{data, "in use", "--data"}},
		"a taken port":        {[]string{"--demo", "--data", t.TempDir(), "--http", l.Addr().String()}, []string{l.Addr().String(), "taken"}},
		"a bad address":       {[]string{"--demo", "--data", t.TempDir(), "--http", "nonsense"}, []string{"nonsense", "127.0.0.1:8080"}},
		"nothing to read":     {nil, []string{"--tail", "--demo"}},
		"syslog":              {[]string{"--syslog", "127.0.0.1:514"}, []string{"want udp://addr:port"}},
		"an unknown format":   {[]string{"--demo", "--format", "httplogg"}, []string{"httplogg"}},
		"an archive URL":      {[]string{"--demo", "--archive", "ftp://x"}, []string{"--archive", "ftp", "s3://"}},
		"an index URL":        {[]string{"--demo", "--data", t.TempDir(), "--index", "elastic:9200"}, []string{"index.url", "http://"}},
		"a file for a folder": {[]string{"--demo", "--data", file}, []string{file, "--data"}},
		"an expanded pattern": {[]string{"--tail", "a.log", "b.log"}, []string{"b.log", "quote"}},
		"a broken pattern":    {[]string{"--tail", "[a"}, []string{"--tail [a"}},
		"an empty pattern":    {[]string{"--data", t.TempDir(), "--tail", ""}, []string{"--tail: the pattern is empty"}},
		"an empty folder":     {[]string{"--demo", "--data", ""}, []string{"--data: the name of the folder is empty"}},
		"a log level":         {[]string{"--demo", "--log-level", "loud"}, []string{"level", "loud"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := startProcess(t, nil, append([]string{"up"}, tc.args...)...)
			if code := p.wait(upLimit); code != exitUsage {
				t.Errorf("exit code %d, want 2", code)
			}
			lines := strings.Split(strings.TrimSpace(p.errs.String()), "\n")
			for _, want := range tc.want {
				if !strings.Contains(lines[len(lines)-1], want) {
					t.Errorf("no %q in %s", want, lines[len(lines)-1])
				}
			}
		})
	}
}

// TestUpSyslog takes lines from sockets, and what it has received when it is
// told to stop is archived.
func TestUpSyslog(t *testing.T) {
	data := t.TempDir()
	address, socket := fmt.Sprintf("127.0.0.1:%d", testenv.FreePort(t)), filepath.Join(data, "log.sock")
	p := startProcess(t, nil, "up", "--syslog", "udp://"+address, "--syslog", "unix-stream://"+socket, "--data", data)
	until(t, upLimit, "the sockets", func() bool { _, err := os.Stat(socket); return err == nil })
	var want []string
	say := func(network, address, line string) {
		t.Helper()
		var d net.Dialer
		conn, err := d.DialContext(t.Context(), network, address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, line); err != nil {
			t.Fatal(err)
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		want = append(want, strings.TrimSuffix(line, "\n")+"\n")
	}
	until(t, upLimit, "it waits for lines", func() bool { return strings.Contains(p.errs.String(), "msg=status") })
	say("udp", address, "<134>Nov 26 10:00:00 haproxy[1]: by udp, which has no end of lines")
	say("unix", socket, "<134>Nov 26 10:00:00 haproxy[1]: by a stream\n")
	say("unix", socket, "<134>Nov 26 10:00:00 haproxy[1]: by a stream that ends without one")
	until(t, upLimit, "three lines", func() bool { return strings.Count(string(archived(t, data)), "\n") == 3 })
	say("unix", socket, "<134>Nov 26 10:00:01 haproxy[1]: the last\n")
	p.signal(os.Interrupt)
	if code := p.wait(upLimit); code != 0 {
		t.Fatalf("exit code %d: %s", code, p.errs)
	}
	got := strings.SplitAfter(string(archived(t, data)), "\n")
	got = got[:len(got)-1]
	slices.Sort(got)
	slices.Sort(want)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("archived (-want +got)\n%s", d)
	}
}
