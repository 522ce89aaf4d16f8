package filter

import (
	"bytes"
	"slices"
)

// text reports whether v compares, whatever Not is.
func (t *Test) text(v []byte) bool {
	if t.Field.Cut > 0 && len(v) > t.Field.Cut {
		v = v[:t.Field.Cut]
	}
	switch t.Compare {
	case Present:
		return true
	case InRanges:
		n, ok := parseNumber(v)
		return ok && t.inRanges(n)
	case IsAddress:
		return t.isAddress(v)
	case Equal, Contains, HasPrefix, HasSuffix:
		if t.Fold {
			return t.folded(v)
		}
	}
	switch t.Compare {
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
	case Present, InRanges, IsAddress:
	}
	return false
}

// folded is text for Fold.
func (t *Test) folded(v []byte) bool {
	for _, text := range t.texts {
		if len(v) < len(text) {
			continue
		}
		found := false
		switch t.Compare {
		case Equal:
			found = len(v) == len(text) && hasPrefixFold(v, text)
		case Contains:
			found = containsFold(v, text)
		case HasPrefix:
			found = hasPrefixFold(v, text)
		case HasSuffix:
			found = hasPrefixFold(v[len(v)-len(text):], text)
		case Present, InRanges, IsAddress:
		}
		if found {
			return true
		}
	}
	return false
}

// mayMatchTexts is MayMatchTextRange for different bounds.
func (t *Test) mayMatchTexts(low, high []byte) bool {
	if cut := t.Field.Cut; cut > 0 {
		// What is cut keeps its order.
		low, high = low[:min(len(low), cut)], high[:min(len(high), cut)]
	}
	if t.Fold {
		return true
	}
	switch t.Compare {
	case Present:
		return !t.Not || t.Field.Header() // "-" is none
	case Equal:
		return t.Not || t.anyText(func(text []byte) bool { return between(low, text, high) })
	case HasPrefix:
		if !t.Not {
			return t.anyText(func(text []byte) bool { return prefixBetween(low, text, high) })
		}
		return t.Field.Header() || low == nil || high == nil ||
			!t.anyText(func(text []byte) bool { return bytes.HasPrefix(low, text) && bytes.HasPrefix(high, text) })
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

// containsFold reports whether v has text, which is in lower case and not longer, in it.
func containsFold(v, text []byte) bool {
	for i := range len(v) - len(text) + 1 {
		if hasPrefixFold(v[i:], text) {
			return true
		}
	}
	return false
}

// hasPrefixFold reports whether v begins with text, which is in lower case and not longer. Only ASCII letters have cases.
func hasPrefixFold(v, text []byte) bool {
	for i, c := range text {
		if lower(v[i]) != c {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
