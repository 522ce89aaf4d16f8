package wrapper

// Kind says what a line is wrapped in. The names of the first ones are those of HAProxy's `log … format` (configuration
// manual, section 3.1).
type Kind uint8

// The kinds of wrappers.
const (
	None     Kind = iota // a bare line: HAProxy's raw
	Local                // <PRI>Nov 22 16:17:55 haproxy[123]:
	RFC3164              // <PRI>Nov 22 16:17:55 host haproxy[123]:
	RFC5424              // <PRI>1 2026-11-22T16:17:55.857123+01:00 host haproxy 123 - -
	Priority             // <PRI>
	Short                // <severity>
	Timed                // <severity>2026-11-22T16:17:55.857123+01:00
	ISO                  // 2026-11-22T16:17:55.857123+01:00
	File                 // what rsyslog, syslog-ng and journalctl write: a date of either sort, host, haproxy[123]:
	CRI                  // 2026-11-22T16:17:55.857123456Z stdout F, of Kubernetes' container runtimes
	Docker               // {"log":"…\n","stream":"stdout","time":"…"}
	Journald             // an entry of the journal export format; many lines, never detected
	// Auto stands for any of them but Journald; it is a setting, no line has it.
	Auto
)

// Kinds gives the names of all kinds and of Auto, as ParseKind knows them.
func Kinds() []string {
	return []string{
		None: "none", Local: "local", RFC3164: "rfc3164", RFC5424: "rfc5424", Priority: "priority", Short: "short",
		Timed: "timed", ISO: "iso", File: "file", CRI: "cri", Docker: "docker", Journald: "journald", Auto: "auto",
	}
}

// ParseKind gives the kind of a name; HAProxy's "raw" is none.
func ParseKind(name string) (k Kind, ok bool) {
	if name == "raw" {
		return None, true
	}
	for i, known := range Kinds() {
		if name == known {
			return Kind(i), true //nolint:gosec // a dozen
		}
	}
	return None, false
}

// String gives the name of the kind.
func (k Kind) String() string {
	if names := Kinds(); int(k) < len(names) {
		return names[k]
	}
	return "unknown"
}

// Header is what a wrapper says about its message. The terms are those of RFC 5424, section 6, except for Tag, which is
// RFC 3164's name for APP-NAME. Texts alias the line or the Splitter's memory: they are valid until the next call. A nil
// text means that the wrapper does not say, or says "-".
type Header struct {
	// Kind is None for a bare line; nothing else counts then.
	Kind Kind
	// Inner is the kind of the wrapper inside that of a container runtime or the journal, or None.
	Inner Kind
	// Facility (0 to 23) and Severity (0 to 7) are -1 if the wrapper does not say.
	Facility, Severity int8
	// Partial is set when the runtime cut the line: the rest is in the next record.
	Partial               bool
	Host, Tag, PID, MsgID []byte
	StructuredData        []byte // with its brackets
	Stream                []byte // stdout or stderr
	// Time is when the message was sent; of two wrappers the inner one's. TimeOK is false without, and for a date
	// without year when it is not known when the line was received.
	Time   Timestamp
	TimeOK bool
}

// reset makes h the header of a bare line.
func (h *Header) reset() { *h = Header{Facility: -1, Severity: -1} }

// Container tells the kinds that may hold another wrapper.
func (k Kind) Container() bool { return k == CRI || k == Docker || k == Journald }

// Suffix tells the kinds whose message is the end of the line.
func (k Kind) Suffix() bool { return k != Docker && k != Journald }
