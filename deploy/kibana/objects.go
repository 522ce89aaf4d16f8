package kibana

import (
	"bytes"
	"encoding/json"
	"io"
)

const (
	dashboardID = "loghaul-haproxy"
	columnCount = 48
	// coreVersion is of the envelope, madeFor of the dashboard's contents. A newer
	// Kibana brings what is inside up to date, an older one refuses it.
	coreVersion = "8.8.0"
	madeFor     = "8.9.0"
)

type attributes = map[string]any

// object is one line of the file: a saved object without what only an export of
// a running Kibana has.
type object struct {
	Type        string      `json:"type"`
	ID          string      `json:"id"`
	Attributes  attributes  `json:"attributes"`
	References  []reference `json:"references"`
	CoreVersion string      `json:"coreMigrationVersion"`
	TypeVersion string      `json:"typeMigrationVersion"`
}

type reference struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Name string `json:"name"`
}

// embedded is JSON within a text, as Kibana keeps much of its state.
type embedded struct{ value any }

// MarshalJSON follows json.Marshaler.
func (e embedded) MarshalJSON() ([]byte, error) {
	inner, err := marshal(e.value)
	if err != nil {
		return nil, err
	}
	return marshal(string(inner))
}

// marshal is json.Marshal that leaves < and > readable.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// Write writes all saved objects to w, what others refer to first. It writes the
// same every time.
func Write(w io.Writer) error {
	objects := []object{dataView()}
	for _, s := range Searches() {
		objects = append(objects, s.object())
	}
	panels := Panels()
	for i := range panels {
		if p := &panels[i]; p.Kind != Text && p.Kind != List {
			objects = append(objects, p.lens())
		}
	}
	for _, o := range append(objects, dashboard(panels)) {
		o.CoreVersion = coreVersion
		line, err := marshal(o)
		if err != nil {
			return err
		}
		if _, err := w.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	return nil
}

func (s *Search) object() object {
	const index = "kibanaSavedObjectMeta.searchSourceJSON.index"
	return object{
		Type: "search", ID: searchID(s.ID), TypeVersion: "8.0.0",
		Attributes: attributes{
			"title": s.Title, "description": s.Text, "columns": s.Columns, "sort": [][]string{{"@timestamp", "desc"}},
			"grid": attributes{}, "hideChart": false, "isTextBasedQuery": false, "timeRestore": false,
			"kibanaSavedObjectMeta": attributes{"searchSourceJSON": embedded{attributes{"query": query(s.Where), "filter": []any{}, "indexRefName": index}}},
		},
		References: []reference{{Type: "index-pattern", ID: dataViewID, Name: index}},
	}
}

func searchID(id string) string { return "loghaul-haproxy-search-" + id }

// dashboard lays the panels out from left to right, in rows as high as their
// highest panel.
func dashboard(panels []Panel) object {
	var placed []any
	references := []reference{}
	x, y, high := 0, 0, 0
	for i := range panels {
		p := &panels[i]
		if x+p.Width > columnCount {
			x, y, high = 0, y+high, 0
		}
		panel := attributes{
			"panelIndex": p.ID, "version": madeFor, "gridData": attributes{"i": p.ID, "x": x, "y": y, "w": p.Width, "h": p.Height},
			"embeddableConfig": attributes{"enhancements": attributes{}},
		}
		x, high = x+p.Width, max(high, p.Height)
		switch p.Kind { //nolint:exhaustive // the others are charts
		case Text:
			panel["type"], panel["title"], panel["embeddableConfig"] = "visualization", p.Title, p.markdown()
		case List:
			panel["type"], panel["title"] = "search", p.Title
			references = append(references, p.refer(panel, "search", searchID(p.Search)))
		default:
			panel["type"], panel["title"] = "lens", p.Title
			references = append(references, p.refer(panel, "lens", "loghaul-haproxy-"+p.ID))
		}
		placed = append(placed, panel)
	}
	controls := attributes{}
	for i, c := range Controls() {
		id := "control-" + c.Field
		controls[id] = attributes{
			"order": i, "width": "medium", "grow": true, "type": "optionsListControl",
			"explicitInput": attributes{"id": id, "fieldName": c.Field, "title": c.Label, "selectedOptions": []any{}, "enhancements": attributes{}},
		}
		references = append(references, reference{Type: "index-pattern", ID: dataViewID, Name: "controlGroup_" + id + ":optionsListDataView"})
	}
	return object{
		Type: "dashboard", ID: dashboardID, TypeVersion: madeFor, References: references,
		Attributes: attributes{
			"title": "HAProxy logs", "description": "Requests, latency, terminations, queues, clients: what loghaul indexed. The archive has every line.",
			"version": 1, "timeRestore": false, "panelsJSON": embedded{placed},
			"optionsJSON":           embedded{attributes{"useMargins": true, "hidePanelTitles": false, "syncColors": false, "syncCursor": true, "syncTooltips": false}},
			"kibanaSavedObjectMeta": attributes{"searchSourceJSON": embedded{attributes{"query": query(Filter{}), "filter": []any{}}}},
			"controlGroupInput": attributes{
				"controlStyle": "oneLine", "chainingSystem": "HIERARCHICAL", "panelsJSON": embedded{controls},
				"ignoreParentSettingsJSON": embedded{attributes{"ignoreFilters": false, "ignoreQuery": false, "ignoreTimerange": false, "ignoreValidations": false}},
			},
		},
	}
}

// refer lets a panel show a saved object.
func (p *Panel) refer(panel attributes, kind, id string) reference {
	name := "panel_" + p.ID
	panel["panelRefName"] = name
	return reference{Type: kind, ID: id, Name: p.ID + ":" + name}
}

// markdown is a text that is part of the dashboard itself.
func (p *Panel) markdown() attributes {
	return attributes{"enhancements": attributes{}, "savedVis": attributes{
		"id": "", "title": "", "description": "", "type": "markdown", "uiState": attributes{},
		"params": attributes{"fontSize": 12, "openLinksInNewTab": false, "markdown": p.Text},
		"data":   attributes{"aggs": []any{}, "searchSource": attributes{"query": query(Filter{}), "filter": []any{}}},
	}}
}
