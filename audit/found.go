package audit

import (
	"cmp"
	"slices"
	"strings"
)

// candidate is an object that may hold wanted lines.
type candidate struct {
	object
	// lo and hi bound the time of its lines, as archive.Row.At gives it.
	lo, hi int64
	// raw bounds the bytes of its lines.
	raw int64
	// ranges is what it has of the wanted sources.
	ranges []stretch
	// order is its place among all candidates: by lo, then by key.
	order int
	// earlier are the candidates before it that have bytes of the same sources
	// as it has, and may have the same lines. shared are the bytes that it and
	// any other candidate have, in order.
	earlier []*candidate
	shared  []stretch
	last    bool // no later candidate shares bytes with it
}

// stretch is the bytes [from, to) of a source.
type stretch struct {
	source   int32
	from, to int64
}

func (s stretch) compare(o stretch) int {
	return cmp.Or(cmp.Compare(s.source, o.source), cmp.Compare(s.from, o.from), cmp.Compare(s.to, o.to))
}

// has reports whether a sorted list of stretches without overlaps has some of s.
func has(list []stretch, s stretch) bool {
	i, _ := slices.BinarySearchFunc(list, s, func(e, s stretch) int {
		if e.source != s.source {
			return cmp.Compare(e.source, s.source)
		}
		return cmp.Compare(e.to, s.from+1) // the first that ends behind the beginning
	})
	return i < len(list) && list[i].source == s.source && list[i].from < s.to
}

// sources numbers the sources of candidates.
type sources struct {
	names []sourceKey
	index map[sourceKey]int32
}

func (s *sources) add(node, id string) int32 {
	key := sourceKey{node, id}
	i, ok := s.index[key]
	if !ok {
		if s.index == nil {
			s.index = map[sourceKey]int32{}
		}
		i = int32(len(s.names)) //nolint:gosec // far fewer sources than 2^31
		key = sourceKey{strings.Clone(node), strings.Clone(id)}
		s.names = append(s.names, key)
		s.index[key] = i
	}
	return i
}

// of gives the number of a source, -1 if it is not known.
func (s *sources) of(node, id string) int32 {
	if i, ok := s.index[sourceKey{node, id}]; ok {
		return i
	}
	return -1
}

// arrange orders candidates, numbers sources by name, and finds out what is in
// more than one candidate, or twice in one.
func arrange(all []*candidate, s *sources) []*candidate {
	rank := rankSources(s)
	slices.SortFunc(all, func(a, b *candidate) int { return cmp.Or(cmp.Compare(a.lo, b.lo), strings.Compare(a.key, b.key)) })
	// Two manifests may name an object.
	all = slices.CompactFunc(all, func(a, b *candidate) bool { return a.key == b.key })
	type owned struct {
		stretch
		by *candidate
	}
	var list []owned
	for i, c := range all {
		c.order, c.last = i, true
		for _, r := range c.ranges {
			r.source = rank[r.source]
			list = append(list, owned{r, c})
		}
		c.ranges = nil
	}
	slices.SortFunc(list, func(a, b owned) int { return a.compare(b.stretch) })
	var open []owned // those before that reach as far as the one looked at
	for _, r := range list {
		open = slices.DeleteFunc(open, func(o owned) bool { return o.source != r.source || o.to <= r.from })
		for _, o := range open {
			both := stretch{r.source, r.from, min(r.to, o.to)}
			o.by.share(both)
			r.by.share(both)
			relate(o.by, r.by)
		}
		open = append(open, r)
	}
	for _, c := range all {
		c.shared = union(c.shared)
	}
	return all
}

func (c *candidate) share(s stretch) { c.shared = append(c.shared, s) }

func relate(a, b *candidate) {
	if a.order > b.order {
		a, b = b, a
	}
	if a != b && !slices.Contains(b.earlier, a) {
		b.earlier = append(b.earlier, a)
		a.last = false
	}
}

// union sorts stretches and joins those that touch.
func union(list []stretch) []stretch {
	slices.SortFunc(list, stretch.compare)
	n := 0
	for _, s := range list {
		if n > 0 && list[n-1].source == s.source && list[n-1].to >= s.from {
			list[n-1].to = max(list[n-1].to, s.to)
			continue
		}
		list[n] = s
		n++
	}
	return list[:n]
}

// rankSources numbers sources in the order of their names and gives the new
// number of each old one.
func rankSources(s *sources) []int32 {
	old := slices.Clone(s.names)
	slices.SortFunc(s.names, func(a, b sourceKey) int { return cmp.Or(strings.Compare(a.node, b.node), strings.Compare(a.id, b.id)) })
	for i, n := range s.names {
		s.index[n] = int32(i) //nolint:gosec // far fewer sources than 2^31
	}
	rank := make([]int32, len(old))
	for i, n := range old {
		rank[i] = s.index[n]
	}
	return rank
}
