package filter

import (
	"bytes"
	"slices"
)

// text reports whether v compares, whatever Not is.
func (t *Test) text(v []byte) bool {
	if t.cut > 0 && len(v) > t.cut {
		v = v[:t.cut]
	}
	switch t.Compare {
	case Present:
		return true
	case InRanges:
		n, ok := parseNumber(v)
		return ok && t.inRanges(n)
	case IsAddress:
		return t.isAddress(v)
	case Equal:
		for _, text := range t.texts {
			if bytes.Equal(v, text) {
				return true
			}
		}
	case Contains:
		for _, text := range t.texts {
			if bytes.Contains(v, text) {
				return true
			}
		}
	case ContainsFold:
		for _, text := range t.texts {
			if containsFold(v, text) {
				return true
			}
		}
	case HasPrefix:
		for _, text := range t.texts {
			if bytes.HasPrefix(v, text) {
				return true
			}
		}
	case HasSuffix:
		for _, text := range t.texts {
			if bytes.HasSuffix(v, text) {
				return true
			}
		}
	}
	return false
}

// mayMatchTexts is MayMatchTextRange for different bounds.
func (t *Test) mayMatchTexts(low, high []byte) bool {
	if t.cut > 0 {
		// What is cut keeps its order.
		low, high = low[:min(len(low), t.cut)], high[:min(len(high), t.cut)]
	}
	switch t.Compare {
	case Present:
		return !t.Not || t.Field.Header() // "-" is none
	case Equal:
		return t.Not || t.anyText(func(text []byte) bool { return between(low, text, high) })
	case HasPrefix:
		if t.Not {
			return !t.anyText(func(text []byte) bool {
				return low != nil && high != nil && bytes.HasPrefix(low, text) && bytes.HasPrefix(high, text)
			})
		}
		return t.anyText(func(text []byte) bool { return prefixBetween(low, text, high) })
	case IsAddress:
		return t.Not || mayBeAddress(t.addresses, low, high)
	default:
		return true
	}
}

func (t *Test) anyText(is func([]byte) bool) bool { return slices.ContainsFunc(t.texts, is) }

// between reports whether text is within bounds, nil being none.
func between(low, text, high []byte) bool {
	return (low == nil || bytes.Compare(low, text) <= 0) && (high == nil || bytes.Compare(text, high) <= 0)
}

// prefixBetween reports whether a text that begins with prefix can be within bounds.
func prefixBetween(low, prefix, high []byte) bool {
	return (low == nil || bytes.Compare(low, prefix) <= 0 || bytes.HasPrefix(low, prefix)) &&
		(high == nil || bytes.Compare(prefix, high) <= 0)
}

// containsFold reports whether v has text, which is in lower case, in it. Only ASCII letters have cases.
func containsFold(v, text []byte) bool {
	for i := 0; i+len(text) <= len(v); i++ {
		j := 0
		for j < len(text) && lower(v[i+j]) == text[j] {
			j++
		}
		if j == len(text) {
			return true
		}
	}
	return false
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
