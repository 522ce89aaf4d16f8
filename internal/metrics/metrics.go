// Package metrics is a daemon's registry: every metric is declared up front by
// a Desc, so that docs/metrics.md can be generated and a name that nobody
// declared cannot appear. It is a thin layer over sets of
// github.com/VictoriaMetrics/metrics (never its global one) that adds the HELP
// and TYPE lines, checked labels, a bound on the number of series, and
// histograms with fixed buckets as Prometheus users expect them.
//
// Using a name that is not declared, as another kind, or with another number
// of labels is a mistake in the program and panics.
package metrics

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	vm "github.com/VictoriaMetrics/metrics"
)

// MaxSeries bounds the series of one metric. Beyond it, values are counted in
// one more series in which every label is Overflow, so that sums stay right.
const MaxSeries = 1000

// Overflow is the value of all labels once a metric has MaxSeries series.
const Overflow = "other"

// Counter only goes up. It is safe for concurrent use.
type Counter = vm.Counter

// Seconds is a counter that takes fractions. It is safe for concurrent use.
type Seconds = vm.FloatCounter

// Registry holds the values of declared metrics. It is safe for concurrent use.
type Registry struct {
	families []*family // sorted by name
	onRead   atomic.Pointer[func()]
}

// family is one metric with all its label combinations.
type family struct {
	Desc
	mu         sync.Mutex
	set        *vm.Set
	series     map[string]struct{}
	histograms map[string]*Histogram
}

// New makes a registry of the given metrics. A metric that two parts share may
// be given twice with the same Desc. New panics if Check fails.
func New(descs ...Desc) *Registry {
	if err := Check(descs...); err != nil {
		panic("metrics: " + err.Error())
	}
	r := &Registry{}
	for _, d := range Unique(descs...) {
		r.families = append(r.families, &family{
			Desc: d, set: vm.NewSet(),
			series: map[string]struct{}{}, histograms: map[string]*Histogram{},
		})
	}
	return r
}

// Counter gives the counter with these label values, made at the first call.
// Keep it rather than ask again on a hot path.
func (r *Registry) Counter(name string, labelValues ...string) *Counter {
	f := r.family(name, KindCounter, len(labelValues))
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.set.GetOrCreateCounter(f.admit(labelValues))
}

// Seconds gives the counter of fractions with these label values.
func (r *Registry) Seconds(name string, labelValues ...string) *Seconds {
	f := r.family(name, KindSeconds, len(labelValues))
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.set.GetOrCreateFloatCounter(f.admit(labelValues))
}

// Gauge makes fn the source of a value that goes up and down. It replaces the
// function given before for the same label values. fn is called while the
// metrics are read, possibly concurrently; no lock is held then.
func (r *Registry) Gauge(name string, fn func() float64, labelValues ...string) {
	f := r.family(name, KindGauge, len(labelValues))
	f.mu.Lock()
	defer f.mu.Unlock()
	key := f.admit(labelValues)
	f.set.UnregisterMetric(key)
	f.set.NewGauge(key, fn)
}

// Histogram gives the histogram with these label values, made at the first call.
func (r *Registry) Histogram(name string, labelValues ...string) *Histogram {
	f := r.family(name, KindHistogram, len(labelValues))
	f.mu.Lock()
	defer f.mu.Unlock()
	key := f.admit(labelValues)
	h := f.histograms[key]
	if h == nil {
		h = newHistogram(f.Buckets)
		f.histograms[key] = h
	}
	return h
}

// OnRead has fn called whenever the metrics are about to be read, possibly
// concurrently: for values that are kept elsewhere. The last fn counts.
func (r *Registry) OnRead(fn func()) { r.onRead.Store(&fn) }

// Forget removes a series that will not change again, for example the gauges
// of a source that is finished. Values that counters had are lost with it.
func (r *Registry) Forget(name string, labelValues ...string) {
	i, ok := r.find(name)
	if !ok {
		panic("metrics: " + name + " is not declared")
	}
	f := r.families[i]
	f.mu.Lock()
	defer f.mu.Unlock()
	key := f.key(labelValues)
	f.set.UnregisterMetric(key)
	delete(f.series, key)
	delete(f.histograms, key)
}

// WritePrometheus writes all metrics and those of the process in Prometheus'
// text format. It stops at the first error of w.
func (r *Registry) WritePrometheus(w io.Writer) error {
	if fn := r.onRead.Load(); fn != nil {
		(*fn)()
	}
	b := bufio.NewWriter(w)
	for _, f := range r.families {
		f.write(b)
	}
	vm.WriteProcessMetrics(b)
	return b.Flush()
}

func (f *family) write(b *bufio.Writer) {
	f.mu.Lock()
	series, histograms := len(f.series), maps.Clone(f.histograms)
	f.mu.Unlock()
	if series == 0 {
		return
	}
	fmt.Fprintf(b, "# HELP %s %s\n# TYPE %s %s\n", f.Name, f.Help, f.Name, f.Kind) //nolint:errcheck // Flush reports it
	// Without the lock: a gauge's function may wait for a lock whose holder is
	// about to make another series of this metric.
	f.set.WritePrometheus(b)
	for _, key := range slices.Sorted(maps.Keys(histograms)) {
		histograms[key].write(b, f.Name, strings.TrimSuffix(strings.TrimPrefix(key[len(f.Name):], "{"), "}"))
	}
}

func (r *Registry) find(name string) (int, bool) {
	return slices.BinarySearchFunc(r.families, name, func(f *family, name string) int {
		return strings.Compare(f.Name, name)
	})
}

func (r *Registry) family(name string, kind Kind, labels int) *family {
	i, ok := r.find(name)
	if !ok {
		panic("metrics: " + name + " is not declared")
	}
	f := r.families[i]
	if f.Kind != kind || len(f.Labels) != labels {
		panic(fmt.Sprintf("metrics: %s is declared as a %s with %d labels, used as a %s with %d",
			name, f.Kind, len(f.Labels), kind, labels))
	}
	return f
}

// admit gives the key of a series, that of the overflow series when there is
// no room for another. The caller holds f.mu.
func (f *family) admit(values []string) string {
	key := f.key(values)
	if _, ok := f.series[key]; ok {
		return key
	}
	if len(f.series) >= MaxSeries {
		other := make([]string, len(values))
		for i := range other {
			other[i] = Overflow
		}
		key = f.key(other)
	}
	f.series[key] = struct{}{}
	return key
}

// key is the series as Prometheus writes it: name{label="value",…}.
func (f *family) key(values []string) string {
	if len(values) == 0 {
		return f.Name
	}
	var b strings.Builder
	for i, v := range values {
		sep := byte(',')
		if i == 0 {
			b.WriteString(f.Name)
			sep = '{'
		}
		b.WriteByte(sep)
		b.WriteString(f.Labels[i] + `="` + escape(strings.ToValidUTF8(v, "\uFFFD")) + `"`)
	}
	b.WriteByte('}')
	return b.String()
}

// escape writes a label's value as Prometheus wants it. A Replacer is made only
// for the few that need it: making one takes longer than all the rest.
func escape(v string) string {
	if !strings.ContainsAny(v, "\\\"\n") {
		return v
	}
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(v)
}
