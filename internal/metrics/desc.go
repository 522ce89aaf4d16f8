package metrics

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sort"
	"strings"
)

// Kind is what a metric can do.
type Kind uint8

const (
	// KindCounter counts things or bytes; its name ends in _total.
	KindCounter Kind = iota
	// KindSeconds is a counter that takes fractions; its name ends in _seconds_total.
	KindSeconds
	// KindGauge is a value read from a function.
	KindGauge
	// KindHistogram counts observations in fixed buckets.
	KindHistogram
)

// String gives the word used in docs/metrics.md.
func (k Kind) String() string {
	switch k {
	case KindCounter, KindSeconds:
		return "counter"
	case KindGauge:
		return "gauge"
	case KindHistogram:
		return "histogram"
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Desc declares a metric.
type Desc struct {
	// Name begins with "loghaul_" and ends in the unit: _bytes, _seconds,
	// _total for counters.
	Name string
	Kind Kind
	// Help is one sentence for people, ending in a period.
	Help string
	// Labels are the label names in the order in which values are given.
	Labels []string
	// Buckets are the upper bounds of a histogram, ascending, without +Inf;
	// nil means those for durations in seconds, from 1 ms to two minutes.
	Buckets []float64
}

// Check reports every Desc that breaks a convention, and names declared twice
// in different ways.
func Check(descs ...Desc) error {
	var errs []error
	seen := map[string]Desc{}
	for _, d := range descs {
		if err := d.check(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", d.Name, err))
		}
		if other, ok := seen[d.Name]; ok && !reflect.DeepEqual(other, d) {
			errs = append(errs, fmt.Errorf("%s is declared twice in different ways", d.Name))
		}
		seen[d.Name] = d
	}
	return errors.Join(errs...)
}

// Unique gives the descriptors sorted by name, each once.
func Unique(descs ...Desc) []Desc {
	out := slices.Clone(descs)
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return slices.CompactFunc(out, func(a, b Desc) bool { return a.Name == b.Name })
}

func (d Desc) check() error {
	counter := d.Kind == KindCounter || d.Kind == KindSeconds
	switch {
	case !strings.HasPrefix(d.Name, "loghaul_") || !word(d.Name):
		return errors.New("want a name in lower case that begins with loghaul_")
	case counter != strings.HasSuffix(d.Name, "_total"):
		return errors.New("counters, and only they, end in _total")
	case d.Kind == KindSeconds && !strings.HasSuffix(d.Name, "_seconds_total"):
		return errors.New("a counter of seconds ends in _seconds_total")
	case !strings.HasSuffix(d.Help, ".") || strings.ContainsAny(d.Help, "\n\\|"):
		return errors.New("want a help text of one line that ends in a period, without backslash and bar")
	case !slices.IsSorted(d.Buckets) || (d.Buckets != nil && d.Kind != KindHistogram):
		return errors.New("want ascending buckets, and only for histograms")
	}
	for _, l := range d.Labels {
		if !word(l) || l == "le" {
			return fmt.Errorf("label %q is not a word in lower case", l)
		}
	}
	return nil
}

func word(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && c != '_' && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
