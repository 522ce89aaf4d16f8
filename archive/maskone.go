package archive

import "bytes"

// ValueMask masks single values outside of their lines, in the way in which a
// Masker does: the same value and key give the same text. One goroutine may use
// it at a time.
type ValueMask struct{ mask valueMask }

// NewValueMask makes a ValueMask. key is for MaskHash, at least MinMaskKey
// bytes; ipv4 and ipv6 are how many bits of an address MaskTruncate keeps.
func NewValueMask(key []byte, ipv4, ipv6 int) *ValueMask {
	return &ValueMask{newValueMask(key, ipv4, ipv6)}
}

// Append appends what stands in the place of value, which is as long, to dst.
// method is MaskHash or MaskTruncate; value may lie in dst.
func (m *ValueMask) Append(dst, value []byte, method string) []byte {
	at := len(dst)
	dst = append(dst, value...)
	m.mask.mask(dst[at:], bytes.Clone(value), method)
	return dst
}
