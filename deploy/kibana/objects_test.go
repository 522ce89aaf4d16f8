package kibana

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write loghaul.ndjson anew")

// written gives what Write writes.
func written(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestNDJSONIsWhatTheSourceSays(t *testing.T) {
	got := written(t)
	if *update {
		if err := os.WriteFile("loghaul.ndjson", got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("loghaul.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		t.Errorf("loghaul.ndjson is not what the source says: go generate ./deploy/kibana\n%s", cmp.Diff(string(want), string(got)))
	}
}

// saved is a saved object as Kibana reads it from the file.
type saved struct {
	Type, ID             string
	Attributes           json.RawMessage
	References           []reference
	CoreMigrationVersion string
	TypeMigrationVersion string
}

func objects(t *testing.T) (all []saved) {
	t.Helper()
	b, err := os.ReadFile("loghaul.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(b) {
		var s saved
		decode(t, line, &s)
		all = append(all, s)
	}
	return all
}

// decode wants every member to be known.
func decode(t *testing.T, text []byte, into any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}

// These are the members that Kibana 8.9 knows, as far as they are used: its own
// schemas forbid others in a dashboard.
type (
	queryState struct{ Query, Language string }

	sourceState struct {
		Query        queryState
		Filter       []any
		IndexRefName string
	}

	searchMeta struct{ SearchSourceJSON string }

	dataViewState struct {
		Title, Name, TimeFieldName, Fields, FieldAttrs, SourceFilters, TypeMeta, FieldFormatMap, RuntimeFieldMap string
	}

	searchState struct {
		Title, Description                       string
		Columns                                  []string
		Sort                                     [][]string
		Grid                                     struct{}
		HideChart, IsTextBasedQuery, TimeRestore bool
		KibanaSavedObjectMeta                    searchMeta
	}

	dashboardState struct {
		Title, Description, PanelsJSON, OptionsJSON string
		Version                                     int
		TimeRestore                                 bool
		KibanaSavedObjectMeta                       searchMeta
		ControlGroupInput                           struct{ ControlStyle, ChainingSystem, PanelsJSON, IgnoreParentSettingsJSON string }
	}

	panelState struct {
		PanelIndex, Version, Type, Title, PanelRefName string
		GridData                                       struct {
			I          string
			X, Y, W, H int
		}
		EmbeddableConfig struct {
			Enhancements struct{}
			SavedVis     *struct {
				ID, Title, Description, Type string
				UIState                      struct{}
				Params                       struct {
					FontSize          int
					OpenLinksInNewTab bool
					Markdown          string
				}
				Data struct {
					Aggs         []any
					SearchSource sourceState
				}
			}
		}
	}

	controlState struct {
		Order         int
		Width, Type   string
		Grow          bool
		ExplicitInput struct {
			ID, FieldName, Title string
			SelectedOptions      []any
			Enhancements         struct{}
		}
	}

	lensState struct {
		Title, Description, VisualizationType string
		State                                 struct {
			AdHocDataViews     struct{}
			InternalReferences []any
			Filters            []any
			Query              queryState
			DatasourceStates   struct {
				FormBased               struct{ Layers map[string]layerState }
				IndexPattern, TextBased struct{ Layers struct{} }
			}
			Visualization json.RawMessage
		}
	}

	layerState struct {
		Columns             map[string]columnState
		ColumnOrder         []string
		IncompleteColumns   struct{}
		Sampling            int
		IgnoreGlobalFilters bool
	}

	columnState struct {
		Label, DataType, OperationType, Scale, SourceField string
		CustomLabel, IsBucketed                            bool
		Filter                                             *queryState
		References                                         []string
		Params                                             struct {
			Interval                       string
			IncludeEmptyRows, DropPartials *bool
			Filters                        []struct {
				Label string
				Input queryState
			}
			Size                                    int
			OrderBy                                 struct{ Type, ColumnID string }
			OrderDirection                          string
			OtherBucket, MissingBucket, EmptyAsNull *bool
			ParentFormat                            struct{ ID string }
			Percentile                              int
			Formula                                 string
			IsFormulaBroken                         bool
			Format                                  struct {
				ID     string
				Params struct{ Decimals int }
			}
			TinymathAst struct {
				Type, Name, Text string
				Args             []string
				Location         struct{ Min, Max int }
			}
		}
	}
)

// TestObjectsHoldTogether: whatever one object names is there, so that nothing
// is missing after an import.
func TestObjectsHoldTogether(t *testing.T) {
	all := objects(t)
	there := map[string]bool{}
	kinds := map[string]int{}
	for _, s := range all {
		if key := s.Type + " " + s.ID; there[key] {
			t.Errorf("%s is there twice", key)
		} else {
			there[key] = true
		}
		for _, r := range s.References {
			if !there[r.Type+" "+r.ID] {
				t.Errorf("%s refers to %s %s, which no line before has", s.ID, r.Type, r.ID)
			}
		}
		if s.CoreMigrationVersion != "8.8.0" || s.TypeMigrationVersion == "" {
			t.Errorf("%s: versions %q and %q", s.ID, s.CoreMigrationVersion, s.TypeMigrationVersion)
		}
		kinds[s.Type]++
		switch s.Type {
		case "index-pattern":
			var v dataViewState
			decode(t, s.Attributes, &v)
			for _, text := range []string{v.Fields, v.FieldAttrs, v.SourceFilters, v.TypeMeta, v.FieldFormatMap, v.RuntimeFieldMap} {
				if !json.Valid([]byte(text)) {
					t.Errorf("%s: not JSON: %s", s.ID, text)
				}
			}
		case "search":
			var v searchState
			decode(t, s.Attributes, &v)
			var source sourceState
			decode(t, []byte(v.KibanaSavedObjectMeta.SearchSourceJSON), &source)
			if len(s.References) != 1 || s.References[0].Name != source.IndexRefName || source.IndexRefName == "" {
				t.Errorf("%s: the data view is %q, references %+v", s.ID, source.IndexRefName, s.References)
			}
		case "lens":
			checkLens(t, &s)
		case "dashboard":
			checkDashboard(t, &s)
		}
	}
	if kinds["index-pattern"] != 1 || kinds["dashboard"] != 1 || kinds["search"] != len(Searches()) || kinds["lens"] < 15 {
		t.Errorf("objects %v", kinds)
	}
}

func checkLens(t *testing.T, s *saved) {
	t.Helper()
	var v lensState
	decode(t, s.Attributes, &v)
	layer, ok := v.State.DatasourceStates.FormBased.Layers[layerID]
	if !ok || len(s.References) != 1 || s.References[0].Name != "indexpattern-datasource-layer-"+layerID {
		t.Fatalf("%s: layers %v, references %+v", s.ID, v.State.DatasourceStates, s.References)
	}
	if len(layer.ColumnOrder) != len(layer.Columns) {
		t.Errorf("%s: columns %v, in order %q", s.ID, layer.Columns, layer.ColumnOrder)
	}
	bucketed := true
	for _, id := range layer.ColumnOrder {
		c, ok := layer.Columns[id]
		if !ok {
			t.Errorf("%s: no column %s", s.ID, id)
		}
		if c.IsBucketed && !bucketed {
			t.Errorf("%s: bucket %s is behind a metric", s.ID, id)
		}
		bucketed = c.IsBucketed
		for _, r := range c.References {
			if _, ok := layer.Columns[r]; !ok {
				t.Errorf("%s: column %s is computed of %s, which is not there", s.ID, id, r)
			}
		}
		if c.OperationType == "terms" {
			by := layer.Columns[c.Params.OrderBy.ColumnID]
			if by.OperationType == "" || by.Filter != nil || by.IsBucketed || by.OperationType == string(Share) {
				t.Errorf("%s: column %s is ordered by %q: %+v", s.ID, id, c.Params.OrderBy.ColumnID, by)
			}
		}
	}
	// Every column that the chart names is there, and every one that is no
	// part of another is shown.
	var chart any
	if err := json.Unmarshal(v.State.Visualization, &chart); err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	walk(chart, func(key string, value any) {
		text, isText := value.(string)
		if !isText {
			return
		}
		switch key {
		case "columnId", "metricAccessor", "xAccessor", "splitAccessor", "accessors":
			shown[text] = true
			if _, ok := layer.Columns[text]; !ok {
				t.Errorf("%s: the chart shows %s, which is no column", s.ID, text)
			}
		case "layerId":
			if text != layerID {
				t.Errorf("%s: no layer %s", s.ID, text)
			}
		}
	})
	for id := range layer.Columns {
		if !shown[id] && !strings.Contains(id, "X") {
			t.Errorf("%s: column %s is not shown", s.ID, id)
		}
	}
}

// walk calls fn for every member and element, these with the key of the list.
func walk(v any, fn func(key string, value any)) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			fn(key, value)
			if list, ok := value.([]any); ok {
				for _, e := range list {
					fn(key, e)
				}
			}
			walk(value, fn)
		}
	case []any:
		for _, e := range v {
			walk(e, fn)
		}
	}
}

func checkDashboard(t *testing.T, s *saved) {
	t.Helper()
	var v dashboardState
	decode(t, s.Attributes, &v)
	var panels []panelState
	decode(t, []byte(v.PanelsJSON), &panels)
	var controls map[string]controlState
	decode(t, []byte(v.ControlGroupInput.PanelsJSON), &controls)
	var want []string
	taken := map[[2]int]string{}
	for _, p := range panels {
		if g := p.GridData; g.I != p.PanelIndex || g.X < 0 || g.W < 1 || g.X+g.W > columnCount {
			t.Errorf("panel %s: %+v", p.PanelIndex, g)
		}
		for x := p.GridData.X; x < p.GridData.X+p.GridData.W; x++ {
			for y := p.GridData.Y; y < p.GridData.Y+p.GridData.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" {
					t.Fatalf("panels %s and %s overlap", other, p.PanelIndex)
				}
				taken[[2]int{x, y}] = p.PanelIndex
			}
		}
		if (p.EmbeddableConfig.SavedVis != nil) != (p.PanelRefName == "") {
			t.Errorf("panel %s: want either a text or a reference", p.PanelIndex)
		}
		if p.PanelRefName != "" {
			want = append(want, p.Type+" "+p.PanelIndex+":"+p.PanelRefName)
		}
	}
	for id, c := range controls {
		if c.ExplicitInput.ID != id {
			t.Errorf("control %s: %+v", id, c)
		}
		want = append(want, "index-pattern controlGroup_"+id+":optionsListDataView")
	}
	var got []string
	for _, r := range s.References {
		got = append(got, r.Type+" "+r.Name)
	}
	slices.Sort(want)
	slices.Sort(got)
	if d := cmp.Diff(want, got); d != "" || len(panels) != len(Panels()) {
		t.Errorf("%d panels, references (-want +got)\n%s", len(panels), d)
	}
}

func TestKQL(t *testing.T) {
	for want, f := range map[string]Filter{
		"":                                 {},
		`a : "b\"\\c"`:                     is("a", `b"\c`),
		`a : ("b" or 5)`:                   is("a", "b", 5),
		`a : true`:                         is("a", true),
		`a : *`:                            exists("a"),
		`a : --*`:                          prefix("a", "--"),
		`not a : (S* or sH*)`:              not(prefix("a", "S", "sH")),
		`a >= 1 and a < 5`:                 within("a", 1, 5),
		`not (a >= 1 and a < 5)`:           not(within("a", 1, 5)),
		`(a >= 1 and a < 5) and not b : *`: all(within("a", 1, 5), not(exists("b"))),
	} {
		if got := f.KQL(); got != want {
			t.Errorf("%+v is %s, want %s", f, got, want)
		}
	}
}
