package kibana

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLensSaysWhatThePanelSays reads every chart back from the file and compares
// it with its source: what the other tests say of panels holds for the file.
func TestLensSaysWhatThePanelSays(t *testing.T) {
	charts := map[string]lensState{}
	for _, s := range objects(t) {
		if s.Type == "lens" {
			var v lensState
			decode(t, s.Attributes, &v)
			charts[strings.TrimPrefix(s.ID, "loghaul-haproxy-")] = v
		}
	}
	panels := Panels()
	known := filters(panels)
	for _, p := range panels {
		if p.Kind == Text || p.Kind == List {
			continue
		}
		v, ok := charts[p.ID]
		if !ok {
			t.Errorf("%s is not in the file", p.ID)
			continue
		}
		delete(charts, p.ID)
		got := readLens(t, &v, known)
		got.ID, got.Width, got.Height = p.ID, p.Width, p.Height
		if d := cmp.Diff(p, got); d != "" {
			t.Errorf("%s: (-source +file)\n%s", p.ID, d)
		}
	}
	if len(charts) > 0 {
		t.Errorf("no panel is %v", charts)
	}
}

// filters gives every filter of the panels by its KQL.
func filters(panels []Panel) map[string]Filter {
	known := map[string]Filter{"": {}}
	add := func(f Filter) { known[f.KQL()] = f }
	for _, p := range panels {
		add(p.Where)
		for _, b := range p.By {
			for _, n := range b.Named {
				add(n.Filter)
			}
		}
		for _, m := range p.Metrics {
			add(m.Where)
		}
	}
	return known
}

func readLens(t *testing.T, v *lensState, known map[string]Filter) Panel {
	t.Helper()
	filter := func(q *queryState) Filter {
		if q == nil {
			return Filter{}
		}
		f, ok := known[q.Query]
		if !ok || q.Language != "kuery" {
			t.Errorf("%s: no panel has %+v", v.Title, q)
		}
		return f
	}
	var chart struct{ PreferredSeriesType string }
	if err := json.Unmarshal(v.State.Visualization, &chart); err != nil {
		t.Fatal(err)
	}
	p := Panel{Title: strings.TrimPrefix(v.Title, "HAProxy: "), Text: v.Description, Kind: Kind(chart.PreferredSeriesType), Where: filter(&v.State.Query)}
	switch v.VisualizationType {
	case "lnsMetric":
		p.Kind = Number
	case "lnsDatatable":
		p.Kind = Table
	}
	layer := v.State.DatasourceStates.FormBased.Layers[layerID]
	column := func(id string) columnState { return layer.Columns[id] }
	for _, id := range layer.ColumnOrder {
		c := column(id)
		if strings.Contains(id, "X") { // a part of a share
			continue
		}
		m := Metric{Label: c.Label, Op: Op(c.OperationType), Field: c.SourceField, Percent: c.Params.Percentile, Where: filter(c.Filter)}
		switch c.OperationType {
		case "date_histogram":
			p.By = append(p.By, Bucket{Label: c.Label, Interval: c.Params.Interval})
			continue
		case "terms":
			p.By = append(p.By, Bucket{Label: c.Label, Field: c.SourceField, Size: c.Params.Size})
			continue
		case "filters":
			b := Bucket{Label: c.Label}
			for _, f := range c.Params.Filters {
				b.Named = append(b.Named, Named{Label: f.Label, Filter: filter(&f.Input)})
			}
			p.By = append(p.By, b)
			continue
		case "count":
			m.Field = ""
			if c.SourceField != records {
				t.Errorf("%s: %s counts %s", v.Title, id, c.SourceField)
			}
		case "formula":
			ratio := column(c.References[0])
			ast := ratio.Params.TinymathAst
			part, whole := column(ast.Args[0]), column(ast.Args[1])
			m.Where = filter(part.Filter)
			want := fmt.Sprintf("count(kql='%s') / count()", m.Where.KQL())
			if c.Params.Formula != want || ast.Text != want || ast.Name != "divide" || part.OperationType != "count" || whole.OperationType != "count" || whole.Filter != nil {
				t.Errorf("%s: %+v is computed of %+v, %+v and %+v", v.Title, c, ratio, part, whole)
			}
		}
		p.Metrics = append(p.Metrics, m)
	}
	return p
}
