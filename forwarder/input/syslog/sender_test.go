package syslog

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const senderBatch = 64

// sender sends datagrams with sendmmsg(2), as fast as a HAProxy with many
// threads would.
type sender struct {
	fd   int
	msgs [senderBatch]mmsghdr
	iov  unix.Iovec
}

func newSender(url string) (*sender, error) {
	host, port, err := net.SplitHostPort(strings.TrimPrefix(url, "udp://"))
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return &sender{fd: fd}, unix.Connect(fd, &unix.SockaddrInet4{Port: n, Addr: [4]byte(net.ParseIP(host).To4())})
}

// send sends the same message n times.
func (s *sender) send(message []byte, n int) error {
	s.iov.Base = &message[0]
	s.iov.SetLen(len(message))
	for i := range s.msgs {
		s.msgs[i].hdr.Iov = &s.iov
		s.msgs[i].hdr.SetIovlen(1)
	}
	for n > 0 {
		sent, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.msgs[0])), uintptr(n), 0, 0, 0)
		if errno != 0 && errno != unix.EINTR {
			return errno
		}
		if errno == 0 {
			n -= int(sent)
		}
	}
	return nil
}

func (s *sender) close() { _ = unix.Close(s.fd) }

// sendVariable makes this program a sender: "URL RATE LINES".
const sendVariable = "LOGHAUL_TEST_SEND"

// sendFrom gives the command that sends lines of 300 bytes from another
// process, rate of them a second.
func sendFrom(url string, rate, lines int) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %d", sendVariable, url, rate, lines))
	return cmd
}

// sendMain is what that process does.
func sendMain(variable string) error {
	var url string
	var rate, lines int
	if _, err := fmt.Sscan(variable, &url, &rate, &lines); err != nil {
		return err
	}
	s, err := newSender(url)
	if err != nil {
		return err
	}
	defer s.close()
	line := []byte(strings.Repeat("x", 299) + "\n")
	each := max(1, min(senderBatch, rate/1000)) // a burst every millisecond or so
	tick := time.NewTicker(time.Duration(each) * time.Second / time.Duration(rate))
	defer tick.Stop()
	start := time.Now()
	for sent := 0; sent < lines; <-tick.C {
		due := int(time.Since(start).Seconds() * float64(rate))
		for sent < min(due, lines) {
			n := min(each, lines-sent)
			if err := s.send(line, n); err != nil {
				return err
			}
			sent += n
		}
	}
	return nil
}
