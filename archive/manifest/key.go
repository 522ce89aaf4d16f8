package manifest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/loghaul/loghaul/archive"
)

// Prefix begins the keys of all manifests. Query engines pass over names that
// begin with _.
const Prefix = "_manifests/"

// suffix says what a manifest is to zstd and jq.
const suffix = ".json.zst"

// KeyInfo is what the key of a manifest says.
type KeyInfo struct {
	Writer   string
	Sequence int64
	// From is to the millisecond, UTC.
	From time.Time
}

// Key gives the key: _manifests/dt=YYYY-MM-DD/hour=HH/WRITER-MILLIS-SEQUENCE.json.zst,
// day and hour being those of From, MILLIS From itself.
func (k KeyInfo) Key() string {
	return fmt.Sprintf("%s%s%s-%d-%d%s", Prefix, archive.HourPrefix(k.From), k.Writer, k.From.UnixMilli(), k.Sequence, suffix)
}

// Key gives the key of a manifest.
func (m *Manifest) Key() string {
	return KeyInfo{Writer: m.Writer, Sequence: m.Sequence, From: m.From}.Key()
}

// DayPrefix begins the keys of the manifests that start on the day of t, UTC.
func DayPrefix(t time.Time) string { return Prefix + t.UTC().Format("dt=2006-01-02/") }

// ParseKey reads a key that Key made and refuses every other string.
func ParseKey(key string) (KeyInfo, error) {
	bad := fmt.Errorf("%q is not the key of a manifest", key)
	name, ok := strings.CutSuffix(key[strings.LastIndexByte(key, '/')+1:], suffix)
	if !ok {
		return KeyInfo{}, bad
	}
	name, sequence, ok := cutLast(name)
	if !ok {
		return KeyInfo{}, bad
	}
	writer, from, ok := cutLast(name)
	if !ok {
		return KeyInfo{}, bad
	}
	k := KeyInfo{Writer: writer, Sequence: sequence, From: time.UnixMilli(from).UTC()}
	if (archive.KeyInfo{Writer: writer}).Check() != nil || k.Key() != key {
		return KeyInfo{}, bad
	}
	return k, nil
}

// cutLast cuts a number behind the last dash off.
func cutLast(s string) (before string, n int64, ok bool) {
	i := strings.LastIndexByte(s, '-')
	if i < 0 {
		return "", 0, false
	}
	n, err := strconv.ParseInt(s[i+1:], 10, 64)
	return s[:i], n, err == nil
}
