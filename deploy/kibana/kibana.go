// Package kibana makes deploy/kibana/loghaul.ndjson: a data view, searches and a
// dashboard for what package sinks/elastic indexes, as Kibana's import takes them.
// What they show is in dashboard.go, searches.go, states.go and dataview.go; the rest says how Kibana
// 8.9 and later of 8.x write that down. See docs/kibana.md.
//
//go:generate go run ./generate
package kibana

// Panel is one rectangle of the dashboard. Each but a text is a saved object of
// its own, so that it can be put on other dashboards.
type Panel struct {
	// ID is unique on the dashboard, and stays: an import replaces what has it.
	ID string
	// Title stands above it; Text, in Markdown, is what a panel of Kind Text says
	// and how others are explained.
	Title, Text string
	Kind        Kind
	// Width is in columns, of which the dashboard has 48, Height in rows.
	Width, Height int
	// Where is what a line must be to count; the zero value is any.
	Where Filter
	// By splits the lines, the first one outermost.
	By []Bucket
	// Metrics are computed of each part. The first one orders the parts: it has
	// no Where, and is no share.
	Metrics []Metric
	// Search is the ID of the Search that a panel of Kind List shows.
	Search string
}

// Kind is how a panel looks.
type Kind string

// Kinds. Bars, Lines and Areas have a Bucket of time, and at most one besides.
const (
	Text   Kind = "text"
	Number Kind = "number"
	Table  Kind = "table"
	Bars   Kind = "bar_stacked"
	Lines  Kind = "line"
	Areas  Kind = "area_stacked"
	List   Kind = "list"
)

// Bucket splits lines: by time if Interval is set, by named filters if there are
// any, or else into the Size most frequent values of Field.
type Bucket struct {
	Label    string
	Interval string // "auto", or as 1h
	Named    []Named
	Field    string
	Size     int
}

// Named is a filter with a name to show.
type Named struct {
	Label string
	Filter
}

// Metric is one number.
type Metric struct {
	Label string
	Op    Op
	// Field is what it is of; Count and Share have none.
	Field string
	// Percent is for Percentile.
	Percent int
	// Where restricts it to a part of the lines. It is the part that Share
	// divides by all.
	Where Filter
}

// Op is how a Metric is computed, in the terms of Lens.
type Op string

// Operations.
const (
	Count      Op = "count"
	Percentile Op = "percentile"
	Max        Op = "max"
	Sum        Op = "sum"
	Unique     Op = "unique_count"
	Share      Op = "formula"
)

// Search is a saved search of Discover.
type Search struct {
	ID, Title, Text string
	Where           Filter
	Columns         []string
}
