package wire

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of labels: they travel with every batch.
const (
	MaxLabels     = 20
	maxLabelKey   = 63
	maxLabelValue = 256
)

// Label is one static field of everything that a forwarder, or one of its
// inputs, reads: cluster=a.
type Label struct{ Key, Value string }

// Labels are sorted by their keys, each of which stands once. Nobody changes
// them once they are made.
type Labels []Label

// NewLabels sorts and checks. Keys are lower-case letters, digits and _ so that
// they can name fields anywhere.
func NewLabels(m map[string]string) (Labels, error) {
	if len(m) == 0 {
		return nil, nil
	}
	if len(m) > MaxLabels {
		return nil, fmt.Errorf("%d labels, the limit is %d", len(m), MaxLabels)
	}
	l := make(Labels, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if !isLabelKey(k) {
			return nil, fmt.Errorf("label %q: a name is 1 to %d of a-z 0-9 _ and begins with a letter", k, maxLabelKey)
		}
		if v := m[k]; len(v) > maxLabelValue || !utf8.ValidString(v) {
			return nil, fmt.Errorf("label %s: its value is not UTF-8 of at most %d bytes", k, maxLabelValue)
		}
		l = append(l, Label{k, m[k]})
	}
	return l, nil
}

// Map gives the labels as a map of the caller's own, nil if there are none.
func (l Labels) Map() map[string]string {
	if len(l) == 0 {
		return nil
	}
	m := make(map[string]string, len(l))
	for _, x := range l {
		m[x.Key] = x.Value
	}
	return m
}

func isLabelKey(k string) bool {
	if k == "" || len(k) > maxLabelKey || k[0] < 'a' || k[0] > 'z' {
		return false
	}
	for i := range len(k) {
		c := k[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

// encode gives key=value pairs joined by commas; both are escaped in values.
func (l Labels) encode() string {
	var b strings.Builder
	for i, x := range l {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(x.Key)
		b.WriteByte('=')
		b.WriteString(strings.NewReplacer(",", "%2C", "=", "%3D").Replace(escape(x.Value)))
	}
	return b.String()
}

func parseLabels(s string) (Labels, error) {
	if s == "" {
		return nil, nil
	}
	m := map[string]string{}
	for pair := range strings.SplitSeq(s, ",") {
		k, v, ok := strings.Cut(pair, "=")
		v, fine := unescape(v)
		if _, twice := m[k]; !ok || !fine || twice {
			return nil, fmt.Errorf("labels %q are not key=value,…", s)
		}
		m[k] = v
		if len(m) > MaxLabels {
			break
		}
	}
	return NewLabels(m)
}
