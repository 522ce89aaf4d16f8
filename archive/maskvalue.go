package archive

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"net/netip"
)

// Methods of masking. What stands in the place of a value has as many bytes,
// so that every line stays where and as long as it was.
const (
	// MaskHash puts letters and digits of an HMAC-SHA-256 of the value there:
	// the same for the same value. Of an address it makes another one.
	MaskHash = "hash"
	// MaskTruncate keeps the first bits of an address. What is no address
	// becomes x.
	MaskTruncate = "truncate"
)

// valueMask masks single values.
type valueMask struct {
	hmac       hash.Hash // nil without a key
	sum        []byte
	ipv4, ipv6 int // bits that stay
}

func newValueMask(key []byte, ipv4, ipv6 int) valueMask {
	m := valueMask{ipv4: ipv4, ipv6: ipv6}
	if len(key) > 0 {
		m.hmac = hmac.New(sha256.New, key)
	}
	return m
}

// keyID names a key without telling it.
func (m *valueMask) keyID() string {
	if m.hmac == nil {
		return ""
	}
	return hex.EncodeToString(m.digest([]byte("loghaul: id of the key for masks"), 0)[:4])
}

// digest is the HMAC of a value and a number.
func (m *valueMask) digest(value []byte, n uint32) []byte {
	m.hmac.Reset()
	m.sum = binary.BigEndian.AppendUint32(m.sum[:0], n)
	_, _ = m.hmac.Write(m.sum)
	_, _ = m.hmac.Write(value)
	m.sum = m.hmac.Sum(m.sum[:0])
	return m.sum
}

// mask overwrites dst, which holds value in the form in which it was printed,
// and may be longer.
func (m *valueMask) mask(dst, value []byte, method string) {
	switch isAddr := len(dst) == len(value) && isAddress(value); {
	case method == MaskHash && isAddr:
		hashAddress(dst, m.digest(value, 0))
	case method == MaskHash:
		m.hash(dst, value)
	case isAddr:
		m.truncate(dst)
	default:
		m.truncateList(dst)
	}
}

// hash overwrites dst with five bits of the HMAC a byte.
func (m *valueMask) hash(dst, value []byte) {
	const letters = "abcdefghijklmnopqrstuvwxyz234567"
	for n := uint32(0); len(dst) > 0; n++ {
		for _, b := range m.digest(value, n) {
			if len(dst) == 0 {
				return
			}
			dst[0] = letters[b&31]
			dst = dst[1:]
		}
	}
}

// truncateList truncates the addresses of a list with commas, as headers that
// proxies add have, and overwrites everything else but the commas and blanks.
func (m *valueMask) truncateList(dst []byte) {
	for len(dst) > 0 {
		item, rest, _ := bytes.Cut(dst, []byte{','})
		item = bytes.TrimSpace(item)
		if isAddress(item) {
			m.truncate(item)
		} else {
			blank(item)
		}
		dst = rest
	}
}

func isAddress(text []byte) bool {
	if len(text) < 2 || len(text) > 45 {
		return false
	}
	for _, c := range text { // most texts are seen to be none without a call
		if (c < '0' || c > ':') && (c < 'a' || c > 'f') && c != '.' {
			return false
		}
	}
	a, err := netip.ParseAddr(string(text))
	return err == nil && a.Zone() == ""
}

// truncate overwrites what of an address lies behind the bits that stay with
// the least that is as long: an octet of three digits becomes 100.
func (m *valueMask) truncate(addr []byte) {
	colon := bytes.LastIndexByte(addr, ':')
	if bytes.IndexByte(addr, '.') >= 0 {
		at := colon + 1
		for bit := 0; at < len(addr); bit += 8 {
			end := at + octet(addr[at:])
			if bit >= m.ipv4 {
				least(addr[at:end])
			}
			at = end + 1
		}
		return
	}
	for at, bit := range nibbles(addr) {
		if bit >= m.ipv6 {
			addr[at] = '0'
		}
	}
}

// octet gives the number of digits of the octet at the beginning.
func octet(text []byte) int {
	if dot := bytes.IndexByte(text, '.'); dot >= 0 {
		return dot
	}
	return len(text)
}

func least(digits []byte) {
	for i := range digits {
		digits[i] = '0'
	}
	if len(digits) > 1 {
		digits[0] = '1'
	}
}

// nibbles gives the place of each hexadecimal digit of an IPv6 address without
// a dotted part, and the bit of the address at which it begins.
func nibbles(addr []byte) func(yield func(at, bit int) bool) {
	return func(yield func(at, bit int) bool) {
		groups := bytes.Count(addr, []byte{':'}) + 1 // of those around :: some are empty
		zeros := bytes.Index(addr, []byte("::"))
		group, start := 0, 0
		for i := 0; i <= len(addr); i++ {
			if i < len(addr) && addr[i] != ':' {
				continue
			}
			for at := start; at < i; at++ {
				if !yield(at, group*16+16-4*(i-at)) {
					return
				}
			}
			group++
			start = i + 1
			if i == zeros {
				// The rest is counted from the end.
				group = 8 - (groups - group)
				if zeros+2 < len(addr) {
					group++
				}
				i++
				start = i + 1
			}
		}
	}
}

// hashAddress makes another address with digits at the same places.
func hashAddress(addr, random []byte) {
	next := func(least, n byte) byte {
		b := random[0]
		random = random[1:]
		return least + b%n
	}
	if bytes.IndexByte(addr, '.') >= 0 {
		at := bytes.LastIndexByte(addr, ':') + 1
		for at < len(addr) {
			end := at + octet(addr[at:])
			switch end - at {
			case 1:
				addr[at] = next('0', 10)
			case 2:
				addr[at], addr[at+1] = next('1', 9), next('0', 10)
			default:
				n := 100 + int(next(0, 156))
				addr[at], addr[at+1], addr[at+2] = byte('0'+n/100), byte('0'+n/10%10), byte('0'+n%10)
			}
			at = end + 1
		}
		return
	}
	const digits = "0123456789abcdef"
	for i, c := range addr {
		first := i == 0 || addr[i-1] == ':'
		switch {
		case c == ':' || c == '0' && first:
		case first:
			addr[i] = digits[next(1, 15)]
		default:
			addr[i] = digits[next(0, 16)]
		}
	}
}

func blank(b []byte) {
	for i := range b {
		b[i] = 'x'
	}
}
