package broker

import (
	"net"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TCPInfo is what the kernel knows of a connection (tcp(7), TCP_INFO).
type TCPInfo struct {
	// SendWindow is how many bytes the peer takes at the moment; 0 also on
	// kernels before 5.4, which do not tell.
	SendWindow int64
	// Scaled says that both sides agreed on window scaling; SendScale is the
	// power of two by which the peer's windows are multiplied. Without it no
	// window is larger than 65535, whatever the round trip.
	Scaled    bool
	SendScale int
	// RTT is the smoothed round-trip time.
	RTT time.Duration
	// Retransmits counts segments sent again, since the connection was made.
	Retransmits int64
	// NotSent are bytes written by us that the window does not let out yet.
	NotSent int64
	// DeliveryRate is the latest measured, in bytes a second.
	DeliveryRate int64
	// Busy is how long there was something to send, Limited how much of that
	// was spent waiting for the peer's window, since the connection was made.
	Busy, Limited time.Duration
}

// optWindowScale is TCPI_OPT_WSCALE of linux/tcp.h.
const optWindowScale = 4

func tcpInfo(c *net.TCPConn) (TCPInfo, bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return TCPInfo{}, false
	}
	var i *unix.TCPInfo
	var failed error
	if err := raw.Control(func(fd uintptr) {
		i, failed = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	}); err != nil || failed != nil {
		return TCPInfo{}, false
	}
	// Byte 6 holds both scales as bit fields, which package unix leaves out:
	// snd_wscale comes first, in the low half on little-endian machines.
	scales := (*[8]byte)(unsafe.Pointer(i))[6] //nolint:gosec // the struct is larger than that
	return TCPInfo{
		SendWindow:   int64(i.Snd_wnd),
		Scaled:       i.Options&optWindowScale != 0,
		SendScale:    int(scales & 0xf),
		RTT:          time.Duration(i.Rtt) * time.Microsecond,
		Retransmits:  int64(i.Total_retrans),
		NotSent:      int64(i.Notsent_bytes),
		DeliveryRate: int64(i.Delivery_rate),                           //nolint:gosec // a rate below 2⁶³
		Busy:         time.Duration(i.Busy_time) * time.Microsecond,    //nolint:gosec // far below 2⁶³
		Limited:      time.Duration(i.Rwnd_limited) * time.Microsecond, //nolint:gosec // far below 2⁶³
	}, true
}
