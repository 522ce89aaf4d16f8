package verify

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/archive/manifest"
	"github.com/loghaul/loghaul/audit"
	"github.com/loghaul/loghaul/internal/wire"
)

// sources is what is known of sources: from manifests that vouch for it, or
// from the objects that were read.
type sources struct {
	run *run
	// vouched is from manifests, read from objects.
	vouched, read audit.Coverage
	bounds        map[sourceKey]bounds
	// gone are objects that manifests name and that are not what they were, with
	// their verdicts: what they had is not archived.
	gone   map[string]Verdict
	missed map[sourceKey][]missed
	// strays are files among the manifests that are none.
	strays []Object
}

type sourceKey struct{ node, id string }

// bounds is what of a source was selected: from the first byte to the last, and
// to the last that is old enough to be judged.
type bounds struct{ from, to, settled int64 }

func (s *sources) begin(r *run) {
	s.run, s.vouched, s.read = r, audit.Coverage{}, audit.Coverage{}
	s.bounds, s.gone, s.missed = map[sourceKey]bounds{}, map[string]Verdict{}, map[sourceKey][]missed{}
}

// add takes in what a manifest says of an object. It widens what is selected if
// the object is.
func (s *sources) add(m *manifest.Manifest, o *manifest.Object, sealed time.Time, selected bool) {
	meta := m.Meta(o)
	s.vouched.Add(meta, &s.run.filter)
	if selected {
		s.widen(meta, sealed)
	}
}

// addRead takes in what an object that was read says of itself.
func (s *sources) addRead(meta *archive.Meta, sealed time.Time) {
	s.read.Add(meta, &s.run.filter)
	s.widen(meta, sealed)
}

func (s *sources) widen(meta *archive.Meta, sealed time.Time) {
	one := func(node, id string, from, to int64) {
		key := sourceKey{node, id}
		b, ok := s.bounds[key]
		if !ok {
			b = bounds{from: from, to: to}
		}
		b.from, b.to = min(b.from, from), max(b.to, to)
		if sealed.Before(s.run.young) {
			b.settled = max(b.settled, to)
		}
		s.bounds[key] = b
	}
	for i := range meta.Ranges {
		x := &meta.Ranges[i]
		one(x.Source.Node, x.Source.ID, x.From, x.To)
	}
	for i := range meta.Losses {
		x := &meta.Losses[i]
		one(x.Source.Node, x.Source.ID, x.From, x.To)
	}
}

// missed is what a missing or changed object had of a source.
type missed struct {
	audit.Span
	key, path string
}

// lastByte gives where what is known of a source ends.
func lastByte(s *audit.Source) (end int64) {
	if n := len(s.Archived); n > 0 {
		end = s.Archived[n-1].To
	}
	for _, x := range s.Joined {
		end = max(end, x.To)
	}
	for _, x := range s.Lost {
		end = max(end, x.To)
	}
	return end
}

// withoutGone reads the manifests again and leaves out the objects that are
// gone. It is only called if there are any.
func (s *sources) withoutGone(ctx context.Context) error {
	r := s.run
	s.vouched = audit.Coverage{}
	return ordered(ctx, manifestsAhead, func(_ context.Context, give func(func(context.Context) opened) error) error {
		for _, l := range r.links {
			if !l.vouches {
				continue
			}
			if err := give(r.opening(l)); err != nil {
				return err
			}
		}
		return nil
	}, func(o opened) error {
		if o.err != nil { // it could be read a moment ago
			r.warn(o.err)
			return nil //nolint:nilerr // it is named
		}
		m := o.file.Manifest
		for i := range m.Objects {
			object := &m.Objects[i]
			sealed, ok := sealedAt(object.Key)
			if !ok || !r.near(sealed) {
				continue
			}
			if s.gone[object.Key] == "" {
				if !r.Deep || !r.inTime(object.Key, sealed) {
					s.vouched.Add(m.Meta(object), &r.filter)
				}
				continue
			}
			meta := m.Meta(object)
			s.widen(meta, sealed)
			for _, x := range meta.Ranges {
				s.miss(x.Source, x.From, x.To, object.Key)
			}
			for _, x := range meta.Losses { // declarations are gone as well
				s.miss(x.Source, x.From, x.To, object.Key)
			}
		}
		return nil
	})
}

// miss notes what a missing or changed object had of a source.
func (s *sources) miss(of wire.Source, from, to int64, key string) {
	if (s.run.Node == "" || s.run.Node == of.Node) && strings.HasPrefix(of.ID, s.run.Source) {
		k := sourceKey{of.Node, of.ID}
		s.missed[k] = append(s.missed[k], missed{audit.Span{From: from, To: to}, key, of.Path})
	}
}

// before reads the manifests of before the selection. It is only called if there
// are gaps: an old batch that was delivered once more may be among what is
// selected, and what follows it is in old objects.
func (s *sources) before(ctx context.Context) error {
	r := s.run
	return ordered(ctx, manifestsAhead, func(_ context.Context, give func(func(context.Context) opened) error) error {
		for _, writer := range slices.Sorted(maps.Keys(r.chains)) {
			c := r.chains[writer]
			for _, k := range c.all {
				if k.Sequence >= c.near {
					break
				}
				if err := give(r.opening(&link{key: k.Key(), size: k.size})); err != nil {
					return err
				}
			}
		}
		return nil
	}, func(o opened) error {
		if o.err != nil || o.file.Manifest.Key() != o.link.key || r.Keys != nil && r.Keys.Check(o.file) != nil {
			return nil //nolint:nilerr // it is not among what is verified
		}
		m := o.file.Manifest
		for i := range m.Objects {
			s.vouched.Add(m.Meta(&m.Objects[i]), &r.filter)
		}
		return nil
	})
}

// judgeSources gives the verdict about each source.
func (r *run) judgeSources(ctx context.Context) error {
	s := &r.sources
	if len(s.gone) > 0 {
		if err := s.withoutGone(ctx); err != nil {
			return err
		}
	}
	s.vouched.Merge(s.read)
	all := s.verdicts()
	if !r.From.IsZero() && slices.ContainsFunc(all, func(v Source) bool { return v.Verdict == Gap }) {
		if err := s.before(ctx); err != nil {
			return err
		}
		all = s.verdicts()
	}
	for i := range all {
		v := &all[i]
		r.total.Sources[v.Verdict]++
		for _, g := range v.Gaps {
			if g.Reason == "" && !g.Pending {
				r.total.Differences++
			}
		}
		if r.OnSource == nil {
			continue
		}
		if err := r.OnSource(*v); err != nil {
			return err
		}
	}
	return nil
}

// verdicts gives them by node and id.
func (s *sources) verdicts() (out []Source) {
	all := s.vouched.Sources(true)
	there := map[sourceKey]bool{}
	for i := range all {
		there[sourceKey{all[i].Node, all[i].ID}] = true
	}
	for key, m := range s.missed {
		if !there[key] { // nothing else has it
			all = append(all, audit.Source{Node: key.node, ID: key.id, Path: m[0].path})
		}
	}
	slices.SortFunc(all, func(a, b audit.Source) int {
		return cmp.Or(strings.Compare(a.Node, b.Node), strings.Compare(a.ID, b.ID))
	})
	for i := range all {
		key := sourceKey{all[i].Node, all[i].ID}
		if b, ok := s.bounds[key]; ok { // others are only near to what is selected
			out = append(out, s.run.source(&all[i], b, s.missed[key]))
		}
	}
	return out
}

// source gives the verdict about one source.
func (r *run) source(from *audit.Source, b bounds, missed []missed) Source {
	v := Source{Verdict: Complete, Node: from.Node, ID: from.ID, Path: from.Path, Lines: from.Lines, Bytes: from.Bytes, Joined: from.Joined, Counter: from.Counter}
	gap := func(m audit.Span) {
		if !r.From.IsZero() && m.From < b.from || !r.To.IsZero() && m.To > b.to {
			return // what is around the selection may be elsewhere
		}
		g := SourceGap{Span: m, Pending: m.From >= b.settled}
		for i := range missed {
			if missed[i].From < m.To && m.From < missed[i].To {
				g.Object, g.Pending = missed[i].key, false
				break
			}
		}
		v.Gaps = append(v.Gaps, g)
	}
	for _, m := range from.Missing {
		gap(m)
	}
	end := lastByte(from)
	if tail := (audit.Span{From: max(end, b.from), To: end}); len(missed) > 0 {
		for _, m := range missed {
			tail.To = max(tail.To, m.To)
		}
		if r.From.IsZero() {
			tail.From = end
		}
		if tail.From < tail.To {
			gap(tail)
		}
	}
	for _, l := range from.Lost {
		if l.To > b.from && l.From < b.to {
			v.Gaps = append(v.Gaps, SourceGap{Span: l.Span, Lines: l.Lines, Reason: l.Reason})
		}
	}
	slices.SortFunc(v.Gaps, func(a, b SourceGap) int { return cmp.Compare(a.From, b.From) })
	for _, g := range v.Gaps {
		switch {
		case g.Reason != "":
			if v.Verdict == Complete || v.Verdict == Pending {
				v.Verdict = Declared
			}
		case g.Pending:
			if v.Verdict == Complete {
				v.Verdict = Pending
			}
		default:
			v.Verdict = Gap
		}
	}
	return v
}
