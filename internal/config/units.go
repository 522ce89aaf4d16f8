package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a time.Duration, written with a unit: "500ms", "1s", "1m30s".
type Duration = time.Duration

// OneOrMore is a list of texts; a file may give one without making a list of it.
type OneOrMore []string

// Size is a number of bytes, written with a unit: "2MiB", "64KiB", "500MB". A
// bare number is bytes.
type Size int64

// sizeUnits is a function, not a variable, to keep the package free of state.
func sizeUnits() []struct {
	name  string
	bytes int64
} {
	return []struct {
		name  string
		bytes int64
	}{
		{"KiB", 1 << 10},
		{"MiB", 1 << 20},
		{"GiB", 1 << 30},
		{"TiB", 1 << 40},
		{"kB", 1e3},
		{"KB", 1e3},
		{"MB", 1e6},
		{"GB", 1e9},
		{"TB", 1e12},
		{"B", 1},
	}
}

// parseSize reads what Size.String writes, and fractions such as "1.5GiB".
func parseSize(s string) (Size, error) {
	number, unit := strings.TrimSpace(s), int64(1)
	for _, u := range sizeUnits() {
		if rest, ok := strings.CutSuffix(number, u.name); ok {
			number, unit = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	if n, err := strconv.ParseInt(number, 10, 64); err == nil {
		if n < 0 || n > math.MaxInt64/unit {
			return 0, fmt.Errorf("size %q is out of range", s)
		}
		return Size(n * unit), nil
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(f) {
		return 0, fmt.Errorf("%q is not a size such as 64KiB, 2MiB or 1GiB", s)
	}
	if f *= float64(unit); f < 0 || f >= math.MaxInt64 {
		return 0, fmt.Errorf("size %q is out of range", s)
	}
	return Size(f), nil
}

// String writes the size with the largest unit that divides it.
func (s Size) String() string {
	units := sizeUnits()
	for i := 3; i >= 0; i-- {
		if u := units[i]; s != 0 && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

// UnmarshalText reads a size, see parseSize.
func (s *Size) UnmarshalText(b []byte) error {
	v, err := parseSize(string(b))
	*s = v
	return err
}

// MarshalText writes the size, see String.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
