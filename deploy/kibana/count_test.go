package kibana

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"
)

// interval is what the panels' "auto" is in the tests.
const interval = time.Minute

func (b *Bucket) width() time.Duration {
	if b.Interval == "auto" {
		return interval
	}
	d, err := time.ParseDuration(b.Interval)
	if err != nil {
		panic(err)
	}
	return d
}

// ordered is a part with the metric that orders it among others, which it has also
// if it is split further.
type ordered struct {
	part
	first float64
}

// count is what the panel has to show.
func (p *Panel) count(lines []fields) part {
	var kept []fields
	for _, l := range lines {
		if p.Where.holds(l) {
			kept = append(kept, l)
		}
	}
	return p.split("", 0, kept)
}

func (p *Panel) split(key string, depth int, lines []fields) part {
	r := part{key: key, lines: len(lines)}
	if depth == len(p.By) {
		for i := range p.Metrics {
			r.metrics = append(r.metrics, p.Metrics[i].of(lines))
		}
		for i := range p.Metrics { // bounds of percentiles
			lo, hi := p.Metrics[i].bounds(lines)
			r.metrics = append(r.metrics, lo, hi)
		}
		return r
	}
	b := &p.By[depth]
	if b.Named != nil {
		for _, n := range b.Named {
			var some []fields
			for _, l := range lines {
				if n.holds(l) {
					some = append(some, l)
				}
			}
			r.parts = append(r.parts, p.split(n.Label, depth+1, some))
		}
		return r
	}
	some := map[string][]fields{}
	for _, l := range lines {
		if b.Interval != "" {
			at, _ := l["@timestamp"].(int64)
			key := time.UnixMilli(at).UTC().Truncate(b.width()).Format(time.RFC3339)
			some[key] = append(some[key], l)
		} else if v, ok := l[b.Field]; ok {
			some[fmt.Sprint(v)] = append(some[fmt.Sprint(v)], l)
		}
	}
	var parts []ordered
	for key, lines := range some {
		parts = append(parts, ordered{p.split(key, depth+1, lines), p.Metrics[0].of(lines)})
	}
	slices.SortFunc(parts, func(a, b ordered) int {
		if p.By[depth].Interval == "" && a.first != b.first {
			return int(math.Copysign(1, b.first-a.first))
		}
		return byKey(a.part, b.part)
	})
	if b.Interval == "" && len(parts) > b.Size {
		parts = parts[:b.Size]
	}
	for _, o := range parts {
		r.parts = append(r.parts, o.part)
	}
	return r
}

// values are the numbers of a field in lines that pass, in order.
func (m *Metric) values(lines []fields) (values []float64) {
	for _, l := range lines {
		if v, ok := l[m.Field].(int64); ok && m.Where.holds(l) {
			values = append(values, float64(v))
		}
	}
	slices.Sort(values)
	return values
}

func (m *Metric) of(lines []fields) float64 {
	n, values := 0, m.values(lines)
	different := map[any]bool{}
	for _, l := range lines {
		if m.Where.holds(l) {
			n++
			if v, ok := l[m.Field]; ok {
				different[v] = true
			}
		}
	}
	switch {
	case m.Op == Count:
		return float64(n)
	case m.Op == Share:
		return float64(n) / float64(len(lines))
	case m.Op == Unique:
		return float64(len(different))
	case m.Op == Sum:
		sum := 0.0
		for _, v := range values {
			sum += v
		}
		return sum
	case len(values) == 0:
		return math.NaN()
	case m.Op == Max:
		return values[len(values)-1]
	}
	return values[(len(values)-1)*m.Percent/100]
}

// bounds are the values between which an estimate of a percentile may lie: two
// of a hundred in rank, and at least one neighbour, on both sides.
func (m *Metric) bounds(lines []fields) (lo, hi float64) {
	values := m.values(lines)
	if m.Op != Percentile || len(values) == 0 {
		return 0, 0
	}
	rank, slack := float64(len(values)-1)*float64(m.Percent)/100, 1+float64(len(values))/50
	last := float64(len(values) - 1)
	return values[int(max(0, math.Floor(rank-slack)))], values[int(min(last, math.Ceil(rank+slack)))]
}

// ask sends the aggregations that Lens sends for the panel.
func (p *Panel) ask(t *testing.T, url, namespace string) part {
	t.Helper()
	body := map[string]any{"size": 0, "track_total_hits": true, "query": p.Where.query(), "aggs": p.aggregations(0)}
	var answer struct {
		Hits struct {
			Total struct{ Value int }
		}
		Aggregations map[string]any
	}
	request(t, "POST", url+"/"+stream(namespace)+"/_search", body, &answer)
	return p.read(t, "", 0, answer.Hits.Total.Value, answer.Aggregations)
}

func (p *Panel) aggregations(depth int) map[string]any {
	aggs := map[string]any{}
	for i := range p.Metrics {
		if depth == len(p.By) || i == 0 { // the first one orders the buckets above
			p.Metrics[i].aggregation(metricID(i), aggs)
		}
	}
	if depth == len(p.By) {
		return aggs
	}
	b, agg := &p.By[depth], map[string]any{}
	switch {
	case b.Interval != "":
		agg["date_histogram"] = map[string]any{"field": "@timestamp", "fixed_interval": fmt.Sprintf("%.0fs", b.width().Seconds()), "min_doc_count": 1}
	case b.Named != nil:
		filters := map[string]any{}
		for _, n := range b.Named {
			filters[n.Label] = n.query()
		}
		agg["filters"] = map[string]any{"filters": filters}
	default:
		order := metricID(0)
		if p.Metrics[0].Op == Count {
			order = "_count"
		}
		agg["terms"] = map[string]any{"field": b.Field, "size": b.Size, "order": map[string]any{order: "desc"}}
	}
	agg["aggs"] = p.aggregations(depth + 1)
	aggs[bucketID(depth)] = agg
	return aggs
}

func (m *Metric) aggregation(id string, aggs map[string]any) {
	agg := map[string]any{}
	switch m.Op {
	case Count, Share:
		if m.Where.Op == "" {
			return // the number of documents comes anyway
		}
		aggs[id] = map[string]any{"filter": m.Where.query()}
		return
	case Percentile:
		agg["percentiles"] = map[string]any{"field": m.Field, "percents": []int{m.Percent}, "keyed": false}
	case Unique:
		agg["cardinality"] = map[string]any{"field": m.Field}
	case Max, Sum:
		agg[string(m.Op)] = map[string]any{"field": m.Field}
	}
	if m.Where.Op != "" {
		agg = map[string]any{"filter": m.Where.query(), "aggs": map[string]any{"of": agg}}
	}
	aggs[id] = agg
}

func (p *Panel) read(t *testing.T, key string, depth, lines int, aggs map[string]any) part {
	t.Helper()
	r := part{key: key, lines: lines}
	if depth == len(p.By) {
		for i := range p.Metrics {
			r.metrics = append(r.metrics, p.Metrics[i].read(metricID(i), lines, aggs))
		}
		return r
	}
	b := &p.By[depth]
	add := func(key string, bucket any) {
		m, _ := bucket.(map[string]any)
		n, _ := m["doc_count"].(float64)
		r.parts = append(r.parts, p.read(t, key, depth+1, int(n), m))
	}
	switch buckets := aggs[bucketID(depth)].(map[string]any)["buckets"].(type) {
	case map[string]any:
		for _, n := range b.Named {
			add(n.Label, buckets[n.Label])
		}
	case []any:
		for _, bucket := range buckets {
			m, _ := bucket.(map[string]any)
			switch key := m["key"].(type) {
			case float64: // of time
				add(time.UnixMilli(int64(key)).UTC().Format(time.RFC3339), m)
			case string:
				add(key, m)
			}
		}
	}
	return r
}

func (m *Metric) read(id string, lines int, aggs map[string]any) float64 {
	agg, _ := aggs[id].(map[string]any)
	n, passed := agg["doc_count"].(float64)
	if m.Where.Op == "" {
		n, passed = float64(lines), true
	}
	switch {
	case !passed:
		return math.Inf(-1) // no such answer: equals nothing
	case m.Op == Count:
		return n
	case m.Op == Share:
		return n / float64(lines)
	case m.Where.Op != "":
		agg, _ = agg["of"].(map[string]any)
	}
	if list, ok := agg["values"].([]any); ok {
		agg, _ = list[0].(map[string]any)
	}
	if v, ok := agg["value"].(float64); ok {
		return v
	}
	return math.NaN()
}
