package wire

// The reasons for which a forwarder declares bytes or lines as lost: values of
// Header.Lost, and of the label reason in the metrics of both tiers.
const (
	// Truncated: a file was cut short or overwritten before its last bytes
	// were read.
	Truncated = "truncated"
	// Gone: a file went away, while nobody held it open, with bytes unread.
	// Only those seen before are counted; more may have followed.
	Gone = "gone"
	// SpoolFull: a datagram came while the spool was at its bound.
	SpoolFull = "spool_full"
	// SpoolDamaged: bytes of the spool could not be read back, or the end that
	// a crash tore off.
	SpoolDamaged = "spool_damaged"
	// KernelDropped: the kernel had no room for a datagram.
	KernelDropped = "kernel_dropped"
	// HAProxyDropped: HAProxy itself could not send a line.
	HAProxyDropped = "haproxy_dropped"
)

// Reasons lists them all. A reader may meet others: those of newer forwarders.
func Reasons() []string {
	return []string{Truncated, Gone, SpoolFull, SpoolDamaged, KernelDropped, HAProxyDropped}
}

// Joined is a value of Header.Lost that is no loss: the forwarder has sent these
// bytes as the end of another source, whose last line went on in this one.
const Joined = "joined"
