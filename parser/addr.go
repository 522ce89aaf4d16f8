package parser

import "net/netip"

// scanIPv4 reads a dotted quad at line[p:] as inet_ntop prints it. end is p if there is none.
func scanIPv4(line []byte, p int) (addr uint32, end int) {
	q := p
	for part := 0; ; part++ {
		if q >= len(line) {
			return 0, p
		}
		n := uint32(line[q] - '0')
		if n > 9 {
			return 0, p
		}
		q++
		if n != 0 {
			for range 2 {
				if q >= len(line) {
					break
				}
				d := uint32(line[q] - '0')
				if d > 9 {
					break
				}
				n = n*10 + d
				q++
			}
		}
		if n > 255 {
			return 0, p
		}
		addr = addr<<8 | n
		if part == 3 {
			return addr, q
		}
		if q >= len(line) || line[q] != '.' {
			return 0, p
		}
		q++
	}
}

// validIPv6 reports whether s is an IPv6 address in lower case.
func validIPv6(s []byte) bool {
	groups, compressed, q := 0, false, 0
	if len(s) >= 2 && s[0] == ':' && s[1] == ':' {
		compressed, q = true, 2
	}
	for q < len(s) {
		start := q
		for q < len(s) && q-start < 4 && (isDigit(s[q]) || s[q] >= 'a' && s[q] <= 'f') {
			q++
		}
		if q == start {
			return false
		}
		if q < len(s) && s[q] == '.' {
			_, end := scanIPv4(s, start)
			if end != len(s) {
				return false
			}
			groups += 2
			break
		}
		groups++
		if q == len(s) {
			break
		}
		if s[q] != ':' {
			return false
		}
		q++
		if q == len(s) {
			return false
		}
		if s[q] == ':' {
			if compressed {
				return false
			}
			compressed = true
			q++
		}
	}
	return groups == 8 && !compressed || groups < 8 && compressed
}

// setAddr fills v with the address that text prints, and reports whether it is one.
func (v *Value) setAddr(text []byte) bool {
	v.Text, v.State = text, Present
	if addr, end := scanIPv4(text, 0); end == len(text) && end > 0 {
		v.Int, v.State = int64(addr), Present|IPv4
		return true
	}
	return string(text) == "unix" || validIPv6(text)
}

// setHexAddr fills v with the address that text prints in hexadecimal; Text goes to scratch.
func (v *Value) setHexAddr(text []byte, scratch *[]byte) bool {
	var raw [16]byte
	if len(text) != 8 && len(text) != 32 {
		return false
	}
	for i := range len(text) / 2 {
		high, ok := hexDigit(text[2*i])
		low, fine := hexDigit(text[2*i+1])
		if !ok || !fine {
			return false
		}
		raw[i] = high<<4 | low
	}
	start := len(*scratch)
	v.State = Present
	if len(text) == 8 {
		v.State |= IPv4
		v.Int = int64(raw[0])<<24 | int64(raw[1])<<16 | int64(raw[2])<<8 | int64(raw[3])
		*scratch = netip.AddrFrom4([4]byte(raw[:4])).AppendTo(*scratch)
	} else {
		*scratch = netip.AddrFrom16(raw).AppendTo(*scratch)
	}
	v.Text = (*scratch)[start:len(*scratch):len(*scratch)]
	return true
}

// appendHexAddr is the inverse of setHexAddr.
func appendHexAddr(dst []byte, v *Value) []byte {
	addr := v.Addr()
	raw := addr.As16()
	bytes := raw[:]
	if addr.Is4() {
		bytes = raw[12:]
	}
	for _, b := range bytes {
		dst = append(dst, upperHex[b>>4], upperHex[b&15])
	}
	return dst
}
