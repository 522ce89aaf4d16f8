package aggregator

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/loghaul/loghaul/aggregator/consume"
	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/sinks"
)

// quarantine makes an object of a message that is no batch: where it came from
// and why it was refused as header lines, its own headers, an empty line, and
// the payload byte for byte. docs/formats/wire.md describes it. The content
// does not depend on the time, so that a message that is delivered again in the
// same hour meets its own object. blank puts an x in the place of each byte of
// the payload: nobody can mask what is in it.
func quarantine(m *consume.Message, why error, blank bool) *sinks.Group {
	var b bytes.Buffer
	line(&b, "Quarantine-Stream", m.Stream)
	line(&b, "Quarantine-Sequence", strconv.FormatUint(m.Sequence, 10))
	line(&b, "Quarantine-Subject", m.Subject)
	line(&b, "Quarantine-Reason", why.Error())
	writeHeaders(&b, m.Header)
	b.WriteString("\r\n")
	if blank {
		b.Write(bytes.Repeat([]byte{'x'}, len(m.Payload)))
	} else {
		b.Write(m.Payload)
	}
	return quarantineGroup(m.Stream+"-"+strconv.FormatUint(m.Sequence, 10), b.Bytes(), len(m.Payload), time.Now())
}

// quarantineBatch does the same with a verified batch that could not be
// encoded; its payload is the raw lines.
func quarantineBatch(batch *archive.Batch, now time.Time, why error) *sinks.Group {
	h := batch.Header
	h.Encoding = wire.Plain
	var b bytes.Buffer
	line(&b, "Quarantine-Reason", why.Error())
	writeHeaders(&b, h.Encode())
	b.WriteString("\r\n")
	b.Write(batch.Raw)
	return quarantineGroup(h.Source.ID+"-"+strconv.FormatInt(h.From, 10), b.Bytes(), len(batch.Raw), now)
}

func quarantineGroup(name string, body []byte, raw int, now time.Time) *sinks.Group {
	sum := sha256.Sum256(body)
	return &sinks.Group{
		Key:    fmt.Sprintf("%s%s%s-%s.bin", archive.QuarantinePrefix, archive.HourPrefix(now), name, hex.EncodeToString(sum[:6])),
		Body:   body,
		SHA256: sum,
		Lines:  0, RawBytes: int64(raw),
	}
}

// writeHeaders writes headers in the order of their names.
func writeHeaders(b *bytes.Buffer, header map[string][]string) {
	names := make([]string, 0, len(header))
	for name := range header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, v := range header[name] {
			line(b, name, v)
		}
	}
}

func line(b *bytes.Buffer, name, value string) {
	b.WriteString(name)
	b.WriteString(": ")
	b.WriteString(strings.NewReplacer("\r", " ", "\n", " ").Replace(value))
	b.WriteString("\r\n")
}
