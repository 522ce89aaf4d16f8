package syslog

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// batch is how many datagrams are received at once.
	batch = 256
	// maxDatagram is the most that is kept of one. Over UDP none is larger;
	// HAProxy's lines have at most 65,535 bytes.
	maxDatagram = 64 << 10
	// slot is a datagram's place: room for an LF behind it, and whole pages.
	slot = maxDatagram + 4096
	// controlLen is room for one control message of four bytes.
	controlLen = unix.SizeofCmsghdr + 8
)

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
}

// receiver receives datagrams into memory of its own, in which only the pages
// that hold something take space.
type receiver struct {
	fd      int
	mem     []byte
	msgs    [batch]mmsghdr
	iovs    [batch]unix.Iovec
	control [batch * controlLen]byte
}

func newReceiver(fd int) (*receiver, error) {
	mem, err := unix.Mmap(-1, 0, batch*slot, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("memory for datagrams: %w", err)
	}
	_ = unix.Madvise(mem, unix.MADV_NOHUGEPAGE) // or one datagram would take 2 MiB
	r := &receiver{fd: fd, mem: mem}
	for i := range r.msgs {
		r.iovs[i].Base = &mem[i*slot]
		r.iovs[i].SetLen(maxDatagram)
		h := &r.msgs[i].hdr
		h.Iov = &r.iovs[i]
		h.SetIovlen(1)
		h.Control = &r.control[i*controlLen]
		h.SetControllen(controlLen)
	}
	return r, nil
}

// receive gives how many datagrams there were, at most batch, without waiting.
// They are there until the next call.
func (r *receiver) receive() (int, error) {
	for {
		// MSG_TRUNC asks for the real length of what does not fit.
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(r.fd), uintptr(unsafe.Pointer(&r.msgs[0])), batch,
			unix.MSG_DONTWAIT|unix.MSG_TRUNC, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, nil
		default:
			return 0, fmt.Errorf("recvmmsg: %w", errno)
		}
	}
}

// datagram gives the i-th datagram and how many bytes it had really.
func (r *receiver) datagram(i int) ([]byte, int) {
	n := int(r.msgs[i].n)
	return r.mem[i*slot : i*slot+min(n, maxDatagram)], n
}

// overflow gives the counter of drops that came with the last of n datagrams
// that brought one, and makes ready for the next receive. The kernel sends it
// (SO_RXQ_OVFL) only once it is not 0.
func (r *receiver) overflow(n int) (drops uint32, ok bool) {
	for i := n - 1; i >= 0; i-- {
		h := &r.msgs[i].hdr
		c := r.control[i*controlLen:]
		if !ok && h.Controllen >= unix.SizeofCmsghdr+4 {
			head := (*unix.Cmsghdr)(unsafe.Pointer(&c[0])) //nolint:gosec // struct cmsghdr
			if head.Level == unix.SOL_SOCKET && head.Type == unix.SO_RXQ_OVFL {
				drops, ok = binary.NativeEndian.Uint32(c[unix.SizeofCmsghdr:]), true
			}
		}
		h.SetControllen(controlLen)
		h.Flags = 0
	}
	return drops, ok
}

// release gives the memory's pages back.
func (r *receiver) release() { _ = unix.Madvise(r.mem, unix.MADV_DONTNEED) }

func (r *receiver) close() error { return unix.Munmap(r.mem) }

// Places in the array of SO_MEMINFO (linux/sock_diag.h).
const (
	memAlloc   = 0 // bytes in the receive queue
	memBuffer  = 1 // the receive buffer
	memDrops   = 8
	memEntries = 9
)

// memInfo asks the kernel about a socket: the same counter of drops that
// /proc/net/udp shows, and how full the receive buffer is. Linux 4.12.
func memInfo(fd int) (info [memEntries]uint32, ok bool) {
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	return info, errno == 0 && size == uint32(unsafe.Sizeof(info))
}
