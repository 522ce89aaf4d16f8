package elastic

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/internal/config"
	"github.com/loghaul/loghaul/internal/wire"
	"github.com/loghaul/loghaul/parser"
	"github.com/loghaul/loghaul/parser/filter"
)

// Rule says what of which lines is not indexed. The archive has all of it.
//
// Of all rules that match a line the first one with Skip or Sample decides
// whether it is indexed; Drop and Mask of all of them apply.
type Rule struct {
	// Name stands in loghaul_index_excluded_lines_total.
	Name string `yaml:"name"`
	// When is a filter (docs/filter.md); without one it matches all lines.
	When string `yaml:"when"`
	// Skip leaves the lines out.
	Skip bool `yaml:"skip"`
	// Sample indexes that many of the lines, chosen by their identity.
	Sample Percent `yaml:"sample"`
	// Drop are fields, in the names of filters, that documents do not have.
	Drop []string `yaml:"drop"`
	// Mask are fields whose value is replaced, by hash or truncate.
	Mask map[string]string `yaml:"mask"`
}

// Percent is a share, written as 10% or 0.5%. 0 is none given.
type Percent float64

// UnmarshalText reads a share above 0 of at most 100%.
func (p *Percent) UnmarshalText(text []byte) error {
	number, ok := strings.CutSuffix(string(text), "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if !ok || err != nil || !(v > 0 && v <= 100) {
		return fmt.Errorf("%q is no share such as 10%% or 0.5%%, above 0%% and up to 100%%", text)
	}
	*p = Percent(v)
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (p Percent) MarshalText() ([]byte, error) {
	return append(strconv.AppendFloat(nil, float64(p), 'g', -1, 64), '%'), nil
}

// maxRules bounds the rules: each has a bit.
const maxRules = 64

// Rules are compiled rules. They can be used by several goroutines.
type Rules struct {
	rules []rule
	key   []byte // for hashes
}

type rule struct {
	name    string
	when    *filter.Filter // nil: all lines
	decides bool
	below   uint64 // an identity whose hash is not below is left out
	all     bool   // none is
	rate    string // as JSON, "" unless it samples
	hides   map[string]method
}

// NewRules compiles rules. key is for masks by hash. The error names the keys
// of the configuration. It gives nil without rules.
func NewRules(list []Rule, key string) (*Rules, error) {
	if len(list) == 0 {
		return nil, nil //nolint:nilnil // none is an answer
	}
	if len(list) > maxRules {
		return nil, config.Invalid("rules", "%d rules, at most %d can be", len(list), maxRules)
	}
	r := &Rules{key: []byte(key)}
	var errs []error
	names := map[string]bool{}
	for i := range list {
		c, err := r.compile(&list[i])
		switch name := list[i].Name; {
		case name == "" || len(name) > 60 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") != "":
			err = errors.Join(config.Invalid("name", "%q: a rule needs a name of 1 to 60 letters, digits and . _ -, which the metric loghaul_index_excluded_lines_total has", name), err)
		case names[name]:
			err = errors.Join(config.Invalid("name", "there is another rule %q", name), err)
		default:
			names[name] = true
		}
		errs = append(errs, config.Under(fmt.Sprintf("rules[%d]", i), err))
		r.rules = append(r.rules, c)
	}
	return r, errors.Join(errs...)
}

func (r *Rules) compile(from *Rule) (to rule, err error) {
	to.name = from.Name
	var errs []error
	if from.When != "" {
		if to.when, err = filter.Parse(from.When); err != nil {
			errs = append(errs, config.Invalid("when", "%v", suggest(err)))
		}
	}
	switch {
	case from.Skip && from.Sample != 0:
		errs = append(errs, config.Invalid("sample", "a rule skips or samples, not both"))
	case from.Skip && (len(from.Drop) > 0 || len(from.Mask) > 0):
		errs = append(errs, config.Invalid("skip", "a rule that skips lines cannot change them"))
	case from.Skip:
		to.decides = true
	case from.Sample != 0:
		to.decides, to.all = true, from.Sample == 100
		if !to.all {
			share := float64(from.Sample) / 100
			to.below = uint64(share * (1 << 64))
			to.rate = strconv.FormatFloat(share, 'g', -1, 64)
		}
	case len(from.Drop) == 0 && len(from.Mask) == 0:
		errs = append(errs, errors.New("the rule does nothing: give it skip, sample, drop or mask"))
	}
	for i, name := range from.Drop {
		if err := to.hide(name, methodDrop); err != nil {
			errs = append(errs, config.Invalid(fmt.Sprintf("drop[%d]", i), "%v", err))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(from.Mask)) {
		how := map[string]method{archive.MaskHash: methodHash, archive.MaskTruncate: methodTruncate}[from.Mask[name]]
		switch {
		case how == methodKeep:
			errs = append(errs, config.Invalid("mask."+name, "there is no method %q: write %s or %s", from.Mask[name], archive.MaskHash, archive.MaskTruncate))
			continue
		case how == methodHash && len(r.key) < archive.MinMaskKey:
			errs = append(errs, config.Invalid("mask."+name, "a hash needs a key of at least %d bytes: set LOGHAUL_MASK_KEY, or LOGHAUL_MASK_KEY_FILE to a file that holds it, such as `openssl rand -hex 32` makes", archive.MinMaskKey))
		}
		if err := to.hide(name, how); err != nil {
			errs = append(errs, config.Invalid("mask."+name, "%v", err))
		}
	}
	return to, errors.Join(errs...)
}

// suggest adds to an error of a filter the name that may be meant.
func suggest(err error) error {
	syntax, ok := errors.AsType[*filter.SyntaxError](err)
	if !ok || syntax.Unknown == "" {
		return err
	}
	if near := config.Nearest(syntax.Unknown, filter.Names()); near != "" {
		return fmt.Errorf("%w; did you mean %s?", err, near)
	}
	return fmt.Errorf("%w; the fields are HAProxy's aliases and the archive's columns, see docs/filter.md", err)
}

// MissingFields gives, as "rule NAME: FIELD", what the filters of the rules ask
// for and no line of the formats has: each such test is the same for all lines.
func (c Config) MissingFields(formats []*parser.Format) (missing []string) {
	r, err := NewRules(c.Rules, c.MaskKey)
	if err != nil || r == nil {
		return nil // Validate reports it
	}
	for i := range r.rules {
		if r.rules[i].when == nil {
			continue
		}
		for _, name := range r.rules[i].when.Missing(formats) {
			missing = append(missing, "rule "+r.rules[i].name+": "+name)
		}
	}
	return missing
}

// verdict is what the rules say about a row.
type verdict struct {
	excluded bool
	rate     string // as JSON, "" if it was not sampled
	hides    uint64 // bits of the rules that hide something of it
}

// ruling applies rules for one goroutine.
type ruling struct {
	matchers           []*filter.Matcher
	line               filter.Line
	from               wire.Source // of the next three
	node, source, path []byte
	id                 []byte
}

// judge asks the rules about a row.
func (d *Documents) judge(row *archive.Row) (v verdict) {
	r := d.ruling(row)
	decided := false
	for i := range d.Rules.rules {
		rule := &d.Rules.rules[i]
		if decided && rule.hides == nil || r.matchers[i] != nil && !r.matchers[i].Match(&r.line) {
			continue
		}
		if rule.decides && !decided {
			decided, v.rate = true, rule.rate
			if !rule.all && r.hash(row) >= rule.below {
				d.rule = rule.name
				return verdict{excluded: true}
			}
		}
		if rule.hides != nil {
			v.hides |= 1 << i
		}
	}
	return v
}

// ruling makes ready for a row.
func (d *Documents) ruling(row *archive.Row) *ruling {
	r := d.rules
	if r == nil {
		r = &ruling{matchers: make([]*filter.Matcher, len(d.Rules.rules))}
		for i := range r.matchers {
			if when := d.Rules.rules[i].when; when != nil {
				r.matchers[i] = when.Matcher()
			}
		}
		d.rules = r
	}
	if r.node == nil || r.from != row.Source {
		r.from = row.Source
		r.node, r.source, r.path = []byte(row.Source.Node), []byte(row.Source.ID), []byte(row.Source.Path)
	}
	// As Row.Line, which allocates.
	r.line = filter.Line{
		Record: row.Record, Header: &row.Header, Raw: row.Message, Node: r.node, Source: r.source, Path: r.path,
		Labels: row.Labels, Namespace: row.Namespace, Pod: row.Pod, Container: row.Container, ContainerID: row.ContainerID,
	}
	return r
}

// hash is that of the document's id, so that each aggregator and each backfill
// choose the same lines: XXH64 with the seed 0.
func (r *ruling) hash(row *archive.Row) uint64 {
	r.id = append(append(r.id[:0], row.Source.ID...), '-')
	r.id = strconv.AppendInt(r.id, row.Offset, 36)
	return xxhash.Sum64(r.id)
}

// hiding combines what the rules of the bits hide, nil for none. Of two methods
// for a field the stricter counts.
func (r *Rules) hiding(bits uint64) *hiding {
	if r == nil || bits == 0 {
		return nil
	}
	h := &hiding{methods: map[string]method{}, value: archive.NewValueMask(r.key, keepIPv4, keepIPv6)}
	for i := range r.rules {
		if bits&(1<<i) != 0 {
			for atom, m := range r.rules[i].hides {
				h.methods[atom] = max(h.methods[atom], m)
			}
		}
	}
	return h
}
