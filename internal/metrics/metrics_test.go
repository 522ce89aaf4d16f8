package metrics

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func descs() []Desc {
	return []Desc{
		{Name: "loghaul_z_bytes", Kind: KindGauge, Help: "Lag."},
		{Name: "loghaul_lines_total", Kind: KindCounter, Help: "Lines read.", Labels: []string{"source"}},
		{Name: "loghaul_wait_seconds", Kind: KindHistogram, Help: "Waits.", Labels: []string{"to"}, Buckets: []float64{.5, 2}},
		{Name: "loghaul_busy_seconds_total", Kind: KindSeconds, Help: "Work."},
		{Name: "loghaul_unused_total", Kind: KindCounter, Help: "Never touched."},
	}
}

// ours is the output without the metrics of the process.
func ours(t *testing.T, r *Registry) string {
	t.Helper()
	var b strings.Builder
	if err := r.WritePrometheus(&b); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "process_resident_memory_bytes ") {
		t.Error("the metrics of the process are missing")
	}
	lines := slices.DeleteFunc(strings.SplitAfter(b.String(), "\n"), func(s string) bool { return !strings.Contains(s, "loghaul_") })
	return strings.Join(lines, "")
}

func TestWritePrometheus(t *testing.T) {
	r := New(descs()...)
	r.Counter("loghaul_lines_total", "b").Add(2)
	r.Counter("loghaul_lines_total", "a\"\\\n\xff").Inc()
	r.Counter("loghaul_lines_total", "b").Inc()
	r.Gauge("loghaul_z_bytes", func() float64 { return 1 })
	r.Gauge("loghaul_z_bytes", func() float64 { return 2.5 })
	r.Seconds("loghaul_busy_seconds_total").Add(.25)
	for _, v := range []float64{.5, .6, 100} {
		r.Histogram("loghaul_wait_seconds", "s3").Observe(v)
	}
	want := `# HELP loghaul_busy_seconds_total Work.
# TYPE loghaul_busy_seconds_total counter
loghaul_busy_seconds_total 0.25
# HELP loghaul_lines_total Lines read.
# TYPE loghaul_lines_total counter
loghaul_lines_total{source="a\"\\\n` + "\uFFFD" + `"} 1
loghaul_lines_total{source="b"} 3
# HELP loghaul_wait_seconds Waits.
# TYPE loghaul_wait_seconds histogram
loghaul_wait_seconds_bucket{to="s3",le="0.5"} 1
loghaul_wait_seconds_bucket{to="s3",le="2"} 2
loghaul_wait_seconds_bucket{to="s3",le="+Inf"} 3
loghaul_wait_seconds_sum{to="s3"} 101.1
loghaul_wait_seconds_count{to="s3"} 3
# HELP loghaul_z_bytes Lag.
# TYPE loghaul_z_bytes gauge
loghaul_z_bytes 2.5
`
	if diff := cmp.Diff(want, ours(t, r)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	r.Forget("loghaul_lines_total", "b")
	r.Forget("loghaul_wait_seconds", "s3")
	if out := ours(t, r); strings.Contains(out, `"b"`) || strings.Contains(out, "wait") {
		t.Errorf("forgotten series are still there:\n%s", out)
	}
}

func TestSeriesAreBoundedAndSumsStayRight(t *testing.T) {
	r := New(descs()...)
	const extra = 50
	for i := range MaxSeries + extra {
		r.Counter("loghaul_lines_total", fmt.Sprint(i)).Inc()
	}
	out := ours(t, r)
	if got := strings.Count(out, "\nloghaul_lines_total{"); got != MaxSeries+1 {
		t.Errorf("%d series, want %d", got, MaxSeries+1)
	}
	if !strings.Contains(out, fmt.Sprintf("loghaul_lines_total{source=%q} %d\n", Overflow, extra)) {
		t.Error("what has no series of its own is not counted in the overflow series")
	}
}

// A gauge's function may wait for a lock whose holder makes a series of the
// same metric.
func TestGaugeFunctionsRunWithoutTheLock(t *testing.T) {
	r := New(Desc{Name: "loghaul_lag_bytes", Kind: KindGauge, Help: "Lag.", Labels: []string{"source"}})
	var mu sync.Mutex
	scraping, made := make(chan struct{}), make(chan struct{})
	r.Gauge("loghaul_lag_bytes", func() float64 {
		close(scraping)
		mu.Lock()
		defer mu.Unlock()
		return 1
	}, "a")
	mu.Lock()
	go func() {
		defer close(made)
		defer mu.Unlock()
		<-scraping
		r.Gauge("loghaul_lag_bytes", func() float64 { return 2 }, "b")
	}()
	_ = ours(t, r)
	<-made
}

func TestMisusePanics(t *testing.T) {
	r := New(descs()...)
	for name, f := range map[string]func(){
		"not declared":     func() { r.Counter("loghaul_other_total") },
		"other kind":       func() { r.Counter("loghaul_z_bytes") },
		"number of labels": func() { r.Counter("loghaul_lines_total") },
		"forget unknown":   func() { r.Forget("loghaul_other_total") },
		"bad declaration":  func() { New(Desc{Name: "loghaul_x", Kind: KindCounter, Help: "X."}) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}

func TestCheck(t *testing.T) {
	good := descs()
	if err := Check(append(good, good[0])...); err != nil {
		t.Errorf("shared and well declared: %v", err)
	}
	for name, d := range map[string]Desc{
		"prefix":          {Name: "lines_total", Kind: KindCounter, Help: "X."},
		"upper case":      {Name: "loghaul_Lines_total", Kind: KindCounter, Help: "X."},
		"counter":         {Name: "loghaul_lines", Kind: KindCounter, Help: "X."},
		"gauge total":     {Name: "loghaul_x_total", Kind: KindGauge, Help: "X."},
		"seconds":         {Name: "loghaul_x_total", Kind: KindSeconds, Help: "X."},
		"no period":       {Name: "loghaul_x", Kind: KindGauge, Help: "X"},
		"label":           {Name: "loghaul_x", Kind: KindGauge, Help: "X.", Labels: []string{"a-b"}},
		"label le":        {Name: "loghaul_x", Kind: KindHistogram, Help: "X.", Labels: []string{"le"}},
		"buckets":         {Name: "loghaul_x", Kind: KindHistogram, Help: "X.", Buckets: []float64{2, 1}},
		"gauge buckets":   {Name: "loghaul_x", Kind: KindGauge, Help: "X.", Buckets: []float64{1}},
		"declared anew":   {Name: "loghaul_z_bytes", Kind: KindGauge, Help: "Other."},
		"bar in the help": {Name: "loghaul_x", Kind: KindGauge, Help: "a|b."},
	} {
		if Check(append(descs(), d)...) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestOnReadRunsFirst(t *testing.T) {
	r := New(Desc{Name: "loghaul_a_total", Kind: KindCounter, Help: "A."})
	c := r.Counter("loghaul_a_total")
	r.OnRead(func() { c.Set(7) })
	var b strings.Builder
	if err := r.WritePrometheus(&b); err != nil || !strings.Contains(b.String(), "loghaul_a_total 7\n") {
		t.Errorf("%v\n%s", err, &b)
	}
}
