package archive

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// hashDigits is how many hexadecimal digits of the checksum a key carries.
const hashDigits = 12

// QuarantinePrefix begins the keys of messages that were no batches, or could not
// be encoded. Query engines pass over names that begin with _.
const QuarantinePrefix = "_quarantine/"

// KeyInfo is what a key says about its object.
type KeyInfo struct {
	// Writer is the aggregator that made the object.
	Writer string
	// Sealed is when the object's window was closed, UTC, to the millisecond.
	Sealed time.Time
	// Hash is the first 12 hexadecimal digits of the SHA-256 of the object.
	Hash string
}

// Key gives the key of an object: dt=YYYY-MM-DD/hour=HH/WRITER-MILLIS-HASH.parquet,
// with the hour in which it was sealed, in UTC. An hour is therefore complete
// once all writers have passed it, however late its lines are.
func (k KeyInfo) Key() string {
	return fmt.Sprintf("%s%s-%d-%s.parquet", HourPrefix(k.Sealed), k.Writer, k.Sealed.UnixMilli(), k.Hash)
}

// Check says what is wrong with the writer's name.
func (k KeyInfo) Check() error { return checkWriter(k.Writer) }

// HourPrefix gives the folder of the objects that are sealed in the hour of t.
func HourPrefix(t time.Time) string { return t.UTC().Format("dt=2006-01-02/hour=15/") }

// Matches reports whether sum is the checksum that the key promises.
func (k KeyInfo) Matches(sum [sha256.Size]byte) bool {
	return k.Hash == hex.EncodeToString(sum[:hashDigits/2])
}

// ParseKey reads a key that Key made and refuses every other string.
func ParseKey(key string) (KeyInfo, error) {
	bad := func(why string) (KeyInfo, error) {
		return KeyInfo{}, fmt.Errorf("%q is not the key of an archive object: %s", key, why)
	}
	name, ok := strings.CutSuffix(key[strings.LastIndexByte(key, '/')+1:], ".parquet")
	if !ok {
		return bad("no .parquet at its end")
	}
	hash := strings.LastIndexByte(name, '-')
	if hash < 0 || !isHex(name[hash+1:], hashDigits) {
		return bad("no checksum")
	}
	sealed := strings.LastIndexByte(name[:hash], '-')
	if sealed < 0 {
		return bad("no time")
	}
	ms, err := strconv.ParseInt(name[sealed+1:hash], 10, 64)
	if err != nil {
		return bad("its time is not a number")
	}
	k := KeyInfo{Writer: name[:sealed], Sealed: time.UnixMilli(ms).UTC(), Hash: name[hash+1:]}
	if err := checkWriter(k.Writer); err != nil {
		return bad(err.Error())
	}
	if k.Key() != key {
		return bad("folder and time differ")
	}
	return k, nil
}

func checkWriter(s string) error {
	if s == "" || len(s) > 64 {
		return fmt.Errorf("writer %q has %d characters, want 1 to 64", s, len(s))
	}
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '-':
		default:
			return fmt.Errorf("writer %q holds %q, want only A-Z a-z 0-9 . _ -", s, c)
		}
	}
	return nil
}

func isHex(s string, n int) bool {
	if len(s) != n {
		return false
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
