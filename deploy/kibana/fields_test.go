package kibana

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/loghaul/loghaul/sinks/elastic"
)

// mapped gives the field types of the index template.
func mapped(t *testing.T) map[string]string {
	t.Helper()
	var template struct {
		IndexPatterns []string `json:"index_patterns"`
		Template      struct {
			Mappings struct{ Properties map[string]any }
		}
	}
	if err := json.Unmarshal(elastic.Template(), &template); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(template.IndexPatterns, pattern) {
		t.Errorf("the template is for %q, the data view for %s", template.IndexPatterns, pattern)
	}
	types := map[string]string{}
	var fields func(prefix string, properties map[string]any)
	fields = func(prefix string, properties map[string]any) {
		for name, v := range properties {
			m, _ := v.(map[string]any)
			if sub, ok := m["properties"].(map[string]any); ok {
				fields(prefix+name+".", sub)
				continue
			}
			kind, _ := m["type"].(string)
			if m["doc_values"] == false {
				kind += ", which cannot be aggregated"
			}
			types[prefix+name] = kind
		}
	}
	fields("", template.Template.Mappings.Properties)
	return types
}

// use is what an object does with a field, and the types that are fit for it.
type use struct {
	what  string
	types string
}

var (
	usedInTerms  = use{"split by", "keyword boolean ip"}
	usedInNumber = use{"a number is computed of", "long"}
	usedInUnique = use{"values are counted of", "keyword long ip"}
	usedInTime   = use{"a time is needed of", "date"}
	usedInFilter = use{"filtered by", "keyword long boolean ip date"}
	usedInOrder  = use{"compared with numbers", "long"}
	usedToShow   = use{"shown", "keyword long boolean ip date text geo_point"}
)

// TestFieldsAreThoseOfTheTemplate looks at every field that any object of the
// file names.
func TestFieldsAreThoseOfTheTemplate(t *testing.T) {
	types := mapped(t)
	looked := 0
	check := func(object, field string, u use) {
		t.Helper()
		looked++
		switch kind := types[field]; {
		case field == refField && u == usedToShow: // computed
		case kind == "":
			t.Errorf("%s: %s %s, which the template does not have", object, u.what, field)
		case !slices.Contains(strings.Fields(u.types), kind):
			t.Errorf("%s: %s %s, which is %s", object, u.what, field, kind)
		}
	}
	kql := func(object, query string) {
		t.Helper()
		texts := regexp.MustCompile(`"(?:[^"\\]|\\.)*"`).ReplaceAllString(query, `""`)
		found := regexp.MustCompile(`([\w@.]+) (:|>=|<) `).FindAllStringSubmatch(texts, -1)
		if query != "" && found == nil {
			t.Errorf("%s: no field in %s", object, query)
		}
		for _, m := range found {
			if u := usedInFilter; m[2] == ":" {
				check(object, m[1], u)
			} else {
				check(object, m[1], usedInOrder)
			}
		}
	}
	for _, s := range objects(t) {
		switch s.Type {
		case "index-pattern":
			var v dataViewState
			decode(t, s.Attributes, &v)
			check(s.ID, v.TimeFieldName, usedInTime)
			var formats map[string]any
			if err := json.Unmarshal([]byte(v.FieldFormatMap), &formats); err != nil {
				t.Fatal(err)
			}
			for field := range formats {
				check(s.ID, field, usedInNumber)
			}
			for _, m := range regexp.MustCompile(`doc\['([^']+)'\]`).FindAllStringSubmatch(v.RuntimeFieldMap, -1) {
				check(s.ID, m[1], usedInUnique)
			}
			if types[refField] != "" {
				t.Errorf("%s is in the template: the data view hides it", refField)
			}
		case "search":
			var v searchState
			decode(t, s.Attributes, &v)
			for _, field := range v.Columns {
				check(s.ID, field, usedToShow)
			}
			var source sourceState
			decode(t, []byte(v.KibanaSavedObjectMeta.SearchSourceJSON), &source)
			kql(s.ID, source.Query.Query)
		case "dashboard":
			var v dashboardState
			decode(t, s.Attributes, &v)
			var controls map[string]controlState
			decode(t, []byte(v.ControlGroupInput.PanelsJSON), &controls)
			for _, c := range controls {
				check(s.ID, c.ExplicitInput.FieldName, usedInTerms)
			}
		case "lens":
			var v lensState
			decode(t, s.Attributes, &v)
			kql(s.ID, v.State.Query.Query)
			for _, c := range v.State.DatasourceStates.FormBased.Layers[layerID].Columns {
				if c.Filter != nil {
					kql(s.ID, c.Filter.Query)
				}
				for _, f := range c.Params.Filters {
					kql(s.ID, f.Input.Query)
				}
				switch c.OperationType {
				case "terms":
					check(s.ID, c.SourceField, usedInTerms)
				case "date_histogram":
					check(s.ID, c.SourceField, usedInTime)
				case "percentile", "max", "sum":
					check(s.ID, c.SourceField, usedInNumber)
				case "unique_count":
					check(s.ID, c.SourceField, usedInUnique)
				case "count", "filters", "formula", "math":
				default:
					t.Errorf("%s: nobody checks the operation %s", s.ID, c.OperationType)
				}
			}
		}
	}
	if looked < 150 {
		t.Errorf("only %d uses of fields were found", looked)
	}
}

// TestTimesAreShownAsTimes: no field of milliseconds is shown as a bare number.
func TestTimesAreShownAsTimes(t *testing.T) {
	formats := formats()
	for field := range mapped(t) {
		if _, ok := formats[field]; strings.HasSuffix(field, "_ms") && !ok {
			t.Errorf("%s has no format", field)
		}
	}
}
