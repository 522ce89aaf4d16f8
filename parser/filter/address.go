package filter

import (
	"bytes"
	"net/netip"
	"slices"
	"strconv"
)

// network is the addresses that have bits of their leading bits in common with ip. IPv4 addresses are as they are
// mapped into IPv6 (RFC 4291, section 2.5.5.2), so that both spellings of one are equal.
type network struct {
	ip   [16]byte
	bits int // 0 to 128
	unix bool
}

func newNetwork(prefix netip.Prefix) network {
	addr, bits := prefix.Addr(), prefix.Bits()
	if addr.Is4() {
		bits += 96
	}
	return network{ip: addr.As16(), bits: bits}
}

func (n *network) contains(ip *[16]byte) bool {
	whole := n.bits / 8
	if !bytes.Equal(n.ip[:whole], ip[:whole]) {
		return false
	}
	rest := n.bits % 8
	return rest == 0 || (n.ip[whole]^ip[whole])>>(8-rest) == 0
}

// mapped reports whether n is IPv4 addresses.
func (n *network) mapped() bool { return n.bits >= 96 && netip.AddrFrom16(n.ip).Is4In6() }

func isMapped(ip *[16]byte) bool {
	return ip[10] == 0xff && ip[11] == 0xff && *(*[10]byte)(ip[:]) == [10]byte{}
}

func (t *Test) isAddress(text []byte) bool {
	if string(text) == "unix" {
		return slices.ContainsFunc(t.addresses, func(n network) bool { return n.unix })
	}
	var ip [16]byte
	if !parseAddress(text, &ip) {
		return false
	}
	return t.hasAddress(&ip)
}

func (t *Test) hasAddress(ip *[16]byte) bool {
	for i := range t.addresses {
		// A network of IPv6 has none of IPv4, even if it is all of IPv6.
		if n := &t.addresses[i]; !n.unix && n.contains(ip) && n.mapped() == isMapped(ip) {
			return true
		}
	}
	return false
}

// parseAddress reads an IPv4 or IPv6 address without a zone.
func parseAddress(text []byte, ip *[16]byte) bool {
	if bytes.IndexByte(text, ':') < 0 {
		*ip = [16]byte{10: 0xff, 11: 0xff}
		return parseIPv4(text, (*[4]byte)(ip[12:]))
	}
	return parseIPv6(text, ip)
}

func parseIPv4(text []byte, ip *[4]byte) bool {
	part, digits, n := 0, 0, 0
	for _, c := range text {
		switch {
		case c >= '0' && c <= '9' && digits < 3 && (digits == 0 || n > 0):
			n = n*10 + int(c-'0')
			digits++
		case c == '.' && digits > 0 && n < 256 && part < 3:
			ip[part] = byte(n)
			part, digits, n = part+1, 0, 0
		default:
			return false
		}
	}
	if part != 3 || digits == 0 || n > 255 {
		return false
	}
	ip[3] = byte(n)
	return true
}

func parseIPv6(text []byte, ip *[16]byte) bool {
	*ip = [16]byte{}
	at, gap := 0, -1 // bytes written, and where :: was
	if bytes.HasPrefix(text, []byte("::")) {
		text, gap = text[2:], 0
	}
	for len(text) > 0 {
		n, digits := 0, 0
		for digits < len(text) && digits < 5 {
			d := hexDigit(text[digits])
			if d < 0 {
				break
			}
			n = n<<4 | d
			digits++
		}
		if digits < len(text) && text[digits] == '.' {
			if at > 12 || !parseIPv4(text, (*[4]byte)(ip[at:])) {
				return false
			}
			at += 4
			break
		}
		if digits == 0 || digits > 4 || at > 14 {
			return false
		}
		ip[at], ip[at+1] = byte(n>>8), byte(n)
		at += 2
		text = text[digits:]
		switch {
		case len(text) == 0:
		case text[0] != ':' || len(text) == 1:
			return false
		case text[1] == ':':
			if gap >= 0 {
				return false
			}
			gap, text = at, text[2:]
		default:
			text = text[1:]
		}
	}
	if gap < 0 {
		return at == 16
	}
	if at == 16 {
		return false
	}
	copy(ip[16-(at-gap):], ip[gap:at])
	clear(ip[gap : 16-(at-gap)])
	return true
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	default:
		return -1
	}
}

// spellings gives every text that the addresses can be printed as, or nil if they are networks of many.
func spellings(networks []network) (all [][]byte) {
	for i := range networks {
		n := &networks[i]
		switch {
		case n.unix:
			all = append(all, []byte("unix"))
		case n.bits < 128:
			return nil
		default:
			all = append(all, spell(netip.AddrFrom16(n.ip))...)
		}
	}
	return all
}

// spell gives the ways in which inet_ntop prints an address. HAProxy prints an IPv4 address as such, or mapped into IPv6
// when it came in on an IPv6 socket. C libraries agree on lower case and no leading zeros but not on which run of zeros
// they shorten (glibc: the first of those with most groups; musl: that with most characters), nor on where the last four
// bytes are printed as IPv4 (glibc: ::1.2.3.4), so here is one for each run, and one without.
func spell(addr netip.Addr) (all [][]byte) {
	ip := addr.As16()
	tail := netip.AddrFrom4([4]byte(ip[12:])).AppendTo(nil)
	if isMapped(&ip) {
		return [][]byte{tail, append([]byte("::ffff:"), tail...)}
	}
	var groups [8]uint16
	for i := range groups {
		groups[i] = uint16(ip[2*i])<<8 | uint16(ip[2*i+1])
	}
	all = append(all, spellGroups(groups, 8, 8))
	for from := 0; from < 8; from++ {
		to := from
		for to < 8 && groups[to] == 0 {
			to++
		}
		if to > from {
			all = append(all, spellGroups(groups, from, to))
			from = to
		}
	}
	if [12]byte(ip[:12]) == [12]byte{} {
		all = append(all, append([]byte("::"), tail...))
	}
	return all
}

// spellGroups prints the groups with those of [from, to) as "::".
func spellGroups(groups [8]uint16, from, to int) (text []byte) {
	for i := 0; i < 8; i++ {
		if i == from && to > from {
			text = append(text, "::"...)
			i = to - 1
			continue
		}
		if len(text) > 0 && text[len(text)-1] != ':' {
			text = append(text, ':')
		}
		text = strconv.AppendUint(text, uint64(groups[i]), 16)
	}
	return text
}

// mayBeAddress reports whether an address of the networks can be a text within bounds.
func mayBeAddress(networks []network, low, high []byte) bool {
	if texts := spellings(networks); texts != nil {
		return slices.ContainsFunc(texts, func(text []byte) bool { return between(low, text, high) })
	}
	for i := range networks {
		n := &networks[i]
		if slices.ContainsFunc(n.prefixes(), func(prefix []byte) bool { return prefixBetween(low, prefix, high) }) {
			return true
		}
	}
	return false
}

// prefixes gives texts of which each address in n begins with one.
func (n *network) prefixes() [][]byte {
	if n.unix || n.bits == 128 {
		return spellings([]network{*n})
	}
	if n.mapped() {
		var text []byte
		for _, b := range n.ip[12 : n.bits/8] {
			text = append(strconv.AppendUint(text, uint64(b), 10), '.')
		}
		return [][]byte{text, append([]byte("::ffff:"), text...)}
	}
	// Up to the first group that is zero, which may be printed as "::".
	var text []byte
	for i := range n.bits / 16 {
		group := uint64(n.ip[2*i])<<8 | uint64(n.ip[2*i+1])
		if group == 0 {
			break
		}
		text = append(strconv.AppendUint(text, group, 16), ':')
	}
	return [][]byte{text}
}
