package archive

import (
	"slices"
	"strings"
	"testing"

	"github.com/loghaul/loghaul/parser"
)

// TestColumnsOf: every field of every format is in a column, and the names are those of the schema.
func TestColumnsOf(t *testing.T) {
	for _, spec := range append(parser.WellKnown(), parser.EventFormat, "%ci %f %HU %HQ %HP %tr %t %T %Ts %[src] %[src] %hr %hrl", "%{+json}o %(a)ci %(b)[src]") {
		f, err := parser.Compile(spec)
		if err != nil {
			t.Fatal(err)
		}
		_, defs := plans([]*parser.Format{f})
		for i, columns := range ColumnsOf(f) {
			if len(columns) == 0 {
				t.Errorf("%s: %s has no column", spec, f.Fields()[i].Name)
			}
			for _, name := range columns {
				if name != "…" && !slices.ContainsFunc(defs, func(d columnDef) bool { return d.Name == name }) {
					t.Errorf("%s: there is no column %s", spec, name)
				}
			}
		}
	}
	f, err := parser.Compile("%ft %hr %tr %t %rc %[src] %[src]")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, columns := range ColumnsOf(f) {
		got = append(got, strings.Join(columns, "+"))
	}
	want := "frontend+frontend_tls req_header_1+…+req_header_8 time+utc_offset x_t_wall+x_t_zone retries+redispatched x_src x_src_2"
	if strings.Join(got, " ") != want {
		t.Errorf("got %s, want %s", strings.Join(got, " "), want)
	}
}
