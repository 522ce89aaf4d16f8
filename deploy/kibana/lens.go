package kibana

import "fmt"

// layerID is the one layer that each chart has.
const layerID = "lines"

// records is how Lens writes that documents are counted, and no field.
const records = "___records___"

// lens is the saved object of a chart.
func (p *Panel) lens() object {
	columns, order, metrics := p.columns()
	return object{
		Type: "lens", ID: "loghaul-haproxy-" + p.ID, TypeVersion: "8.9.0",
		Attributes: attributes{
			"title": "HAProxy: " + p.Title, "description": p.Text, "visualizationType": p.visualizationType(),
			"state": attributes{
				"adHocDataViews": attributes{}, "internalReferences": []any{}, "filters": []any{},
				"query": query(p.Where),
				"datasourceStates": attributes{
					"formBased": attributes{"layers": attributes{layerID: attributes{
						"columns": columns, "columnOrder": order, "incompleteColumns": attributes{}, "sampling": 1, "ignoreGlobalFilters": false,
					}}},
					"indexpattern": attributes{"layers": attributes{}}, "textBased": attributes{"layers": attributes{}},
				},
				"visualization": p.visualization(metrics),
			},
		},
		References: []reference{{Type: "index-pattern", ID: dataViewID, Name: "indexpattern-datasource-layer-" + layerID}},
	}
}

func query(f Filter) attributes { return attributes{"query": f.KQL(), "language": "kuery"} }

func bucketID(i int) string { return fmt.Sprintf("by%d", i) }
func metricID(i int) string { return fmt.Sprintf("metric%d", i) }

// columns gives the columns of the layer, their order, which is also that of
// the aggregations, and the ones that are shown as numbers.
func (p *Panel) columns() (columns attributes, order, metrics []string) {
	columns = attributes{}
	for i := range p.By {
		id := bucketID(i)
		columns[id], order = p.By[i].column(), append(order, id)
	}
	var parts []string // behind all others
	for i := range p.Metrics {
		m, id := &p.Metrics[i], metricID(i)
		order, metrics = append(order, id), append(metrics, id)
		if m.Op == Share {
			parts = append(parts, m.share(id, columns)...)
			continue
		}
		columns[id] = m.column()
	}
	return columns, append(order, parts...), metrics
}

func (b *Bucket) column() attributes {
	c := attributes{"label": b.Label, "customLabel": true, "isBucketed": true, "dataType": "string", "scale": "ordinal"}
	switch {
	case b.Interval != "":
		c["operationType"], c["sourceField"] = "date_histogram", "@timestamp"
		c["dataType"], c["scale"] = "date", "interval"
		c["params"] = attributes{"interval": b.Interval, "includeEmptyRows": true, "dropPartials": false}
	case b.Named != nil:
		var filters []any
		for _, n := range b.Named {
			filters = append(filters, attributes{"label": n.Label, "input": query(n.Filter)})
		}
		c["operationType"], c["params"] = "filters", attributes{"filters": filters}
	default:
		c["operationType"], c["sourceField"] = "terms", b.Field
		c["params"] = attributes{
			"size": b.Size, "orderBy": attributes{"type": "column", "columnId": metricID(0)}, "orderDirection": "desc",
			"otherBucket": false, "missingBucket": false, "parentFormat": attributes{"id": "terms"},
		}
	}
	return c
}

func (m *Metric) column() attributes {
	c := attributes{"label": m.Label, "customLabel": true, "isBucketed": false, "dataType": "number", "scale": "ratio", "operationType": string(m.Op), "sourceField": m.Field}
	switch m.Op { //nolint:exhaustive // the others have no more
	case Count:
		c["sourceField"], c["params"] = records, attributes{"emptyAsNull": false}
	case Percentile:
		c["params"] = attributes{"percentile": m.Percent}
	}
	if m.Where.Op != "" {
		c["filter"] = query(m.Where)
	}
	return c
}

// share adds the columns of a share and gives those that it is computed of. Lens
// keeps the formula as it is typed in, and beside it what it came to.
func (m *Metric) share(id string, columns attributes) (parts []string) {
	part, whole, ratio := id+"X0", id+"X1", id+"X2"
	formula := fmt.Sprintf("count(kql='%s') / count()", m.Where.KQL())
	label := "Part of " + m.Label
	columns[part] = (&Metric{Label: label, Op: Count, Where: m.Where}).column()
	columns[whole] = (&Metric{Label: label, Op: Count}).column()
	columns[ratio] = attributes{
		"label": label, "customLabel": true, "isBucketed": false, "dataType": "number", "scale": "ratio", "operationType": "math", "references": []string{part, whole},
		"params": attributes{"tinymathAst": attributes{
			"type": "function", "name": "divide", "args": []string{part, whole}, "location": attributes{"min": 0, "max": len(formula)}, "text": formula,
		}},
	}
	columns[id] = attributes{
		"label": m.Label, "customLabel": true, "isBucketed": false, "dataType": "number", "scale": "ratio", "operationType": string(Share), "references": []string{ratio},
		"params": attributes{"formula": formula, "isFormulaBroken": false, "format": attributes{"id": "percent", "params": attributes{"decimals": 2}}},
	}
	return []string{part, whole, ratio}
}

func (p *Panel) visualizationType() string {
	switch p.Kind { //nolint:exhaustive // Text and List are no charts
	case Number:
		return "lnsMetric"
	case Table:
		return "lnsDatatable"
	}
	return "lnsXY"
}

func (p *Panel) visualization(metrics []string) attributes {
	switch p.Kind { //nolint:exhaustive // Text and List are no charts
	case Number:
		return attributes{"layerId": layerID, "layerType": "data", "metricAccessor": metrics[0]}
	case Table:
		var columns []any
		for i := range p.By {
			columns = append(columns, attributes{"columnId": bucketID(i), "isTransposed": false})
		}
		for _, id := range metrics {
			columns = append(columns, attributes{"columnId": id, "isTransposed": false})
		}
		return attributes{"layerId": layerID, "layerType": "data", "columns": columns, "sorting": attributes{"columnId": metrics[0], "direction": "desc"}}
	}
	layer := attributes{
		"layerId": layerID, "layerType": "data", "seriesType": string(p.Kind), "accessors": metrics, "position": "top", "showGridlines": false,
		"xAccessor": bucketID(len(p.By) - 1),
	}
	if len(p.By) > 1 {
		layer["splitAccessor"] = bucketID(0)
	}
	shown := attributes{"x": true, "yLeft": true, "yRight": true}
	return attributes{
		"preferredSeriesType": string(p.Kind), "layers": []any{layer}, "legend": attributes{"isVisible": true, "position": "right"}, "valueLabels": "hide", "fittingFunction": "None",
		"axisTitlesVisibilitySettings": attributes{"x": false, "yLeft": false, "yRight": false}, "tickLabelsVisibilitySettings": shown, "gridlinesVisibilitySettings": shown,
		"labelsOrientation": attributes{"x": 0, "yLeft": 0, "yRight": 0},
	}
}
