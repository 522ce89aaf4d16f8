package gaps

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/loghaul/loghaul/archive"
)

const (
	fileSuffix = ".jsonl.zst"
	beatSuffix = ".alive"
	hashDigits = 12
	// runDigits tell runs of one writer apart.
	runDigits = 8
)

// File is what the key of a gap file says.
type File struct {
	Slot
	// Made is when it was written, to the millisecond, UTC.
	Made time.Time
	// Lines is the sum of its entries' lines.
	Lines int64
	// Hash is the first 12 hexadecimal digits of the SHA-256 of the file.
	Hash string
}

// name gives the key below the ledger's folder.
func (f *File) name() string {
	kind := "missing"
	if f.Rejected {
		kind = "rejected"
	}
	return fmt.Sprintf("%s%s-%d-%d-%s-%s%s", archive.HourPrefix(f.Start()), f.Writer, f.Made.UnixMilli(), f.Lines, kind, f.Hash, fileSuffix)
}

// matches reports whether b is what the key promises.
func (f *File) matches(b []byte) bool { return f.Hash == digest(b) }

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:hashDigits/2])
}

// Beat says that a writer lives, and since when it does not know what became of
// the objects that it sealed. It is all in the key; the object repeats it.
type Beat struct {
	Writer string
	// Since is the watermark: of everything sealed before, the index has said what
	// it lacks, and that is in the ledger.
	Since time.Time
	// At is when it was written; the writer's run has later ones.
	At time.Time
	// Run tells one run of the writer from the others: 8 hexadecimal digits.
	Run string
}

func (b *Beat) name() string {
	return fmt.Sprintf("%s%s-%d-%d-%s%s", archive.HourPrefix(b.Since), b.Writer, b.Since.UnixMilli(), b.At.UnixMilli(), b.Run, beatSuffix)
}

// parseFile reads what File.name gave and refuses every other string.
func parseFile(name string) (File, bool) {
	parts, ok := split(name, fileSuffix, 5)
	if !ok || !isHex(parts[4], hashDigits) {
		return File{}, false
	}
	made, ok1 := millis(parts[1])
	lines, err := strconv.ParseInt(parts[2], 10, 64)
	hour, err2 := time.Parse(hourLayout, name[:min(len(hourLayout), len(name))])
	if !ok1 || err != nil || err2 != nil || lines < 0 || lines > maxLines {
		return File{}, false
	}
	f := File{Slot: Slot{parts[0], hourOf(hour), parts[3] == "rejected"}, Made: made, Lines: lines, Hash: parts[4]}
	return f, (archive.KeyInfo{Writer: f.Writer}).Check() == nil && f.name() == name
}

const hourLayout = "dt=2006-01-02/hour=15/"

// parseBeat is parseFile for a Beat.
func parseBeat(name string) (Beat, bool) {
	parts, ok := split(name, beatSuffix, 4)
	if !ok || !isHex(parts[3], runDigits) {
		return Beat{}, false
	}
	since, ok1 := millis(parts[1])
	at, ok2 := millis(parts[2])
	b := Beat{Writer: parts[0], Since: since, At: at, Run: parts[3]}
	return b, ok1 && ok2 && (archive.KeyInfo{Writer: b.Writer}).Check() == nil && b.name() == name
}

// split gives the n parts of a name, of which the first may have dashes itself.
func split(name, suffix string, n int) ([]string, bool) {
	rest, ok := strings.CutSuffix(name[strings.LastIndexByte(name, '/')+1:], suffix)
	if !ok {
		return nil, false
	}
	parts := make([]string, n)
	for i := n - 1; i > 0; i-- {
		at := strings.LastIndexByte(rest, '-')
		if at < 0 {
			return nil, false
		}
		parts[i], rest = rest[at+1:], rest[:at]
	}
	parts[0] = rest
	return parts, true
}

func millis(s string) (time.Time, bool) {
	ms, err := strconv.ParseInt(s, 10, 64)
	return time.UnixMilli(ms).UTC(), err == nil
}

func isHex(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdef") == ""
}
