package filter

import (
	"cmp"
	"math"
	"slices"
)

func (t *Test) inRanges(v int64) bool {
	for _, r := range t.ranges {
		if v <= r.Max {
			return v >= r.Min
		}
	}
	return false
}

// mergeRanges sorts ranges and joins those that overlap or touch.
func mergeRanges(ranges []Range) []Range {
	slices.SortFunc(ranges, func(a, b Range) int { return cmp.Compare(a.Min, b.Min) })
	merged := ranges[:1]
	for _, r := range ranges[1:] {
		last := &merged[len(merged)-1]
		if last.Max == math.MaxInt64 || r.Min <= last.Max+1 {
			last.Max = max(last.Max, r.Max)
			continue
		}
		merged = append(merged, r)
	}
	return merged
}

// parseNumber reads a whole number in decimal.
func parseNumber(text []byte) (v int64, ok bool) {
	negative := len(text) > 0 && text[0] == '-'
	if negative {
		text = text[1:]
	}
	if len(text) == 0 || len(text) > 19 {
		return 0, false
	}
	for _, c := range text {
		if c < '0' || c > '9' || v > (math.MaxInt64-int64(c-'0'))/10 {
			return 0, false
		}
		v = v*10 + int64(c-'0')
	}
	if negative {
		v = -v
	}
	return v, true
}
