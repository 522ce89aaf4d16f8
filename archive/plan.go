package archive

import (
	"slices"
	"strconv"
	"strings"

	"github.com/loghaul/loghaul/archive/parquet"
	"github.com/loghaul/loghaul/parser"
)

// opKind says how a field of a record and its columns correspond.
type opKind uint8

const (
	opText     opKind = iota // a text
	opInt32                  // a number
	opInt64                  // a number
	opFrontend               // %ft: frontend and frontend_tls
	opRetries                // %rc: retries and redispatched
	opRequest                // %r: its parts, or http_request
	opURI                    // %HU: http_path and http_query
	opQuery                  // %HQ: http_query without its question mark
	opList                   // captured headers: eight slots
	opTime                   // the date that time and utc_offset come from
	opWall                   // any other date: wall clock and, in the column behind, zone
)

// slots is the number of columns for the captured headers of one side. Lines
// with more keep their bytes.
const slots = 8

// op moves one field between a record and its columns, in both directions.
type op struct {
	kind  opKind
	asap  bool // a + before it means logasap
	kindP parser.Kind
	field int
	col   int
}

// columns gives the columns that an op moves a field to and from.
func (o *op) columns() []int {
	switch o.kind {
	case opFrontend:
		return []int{colFrontend, colFrontendTLS}
	case opRetries:
		return []int{colRetries, colRedispatched}
	case opRequest:
		return []int{colMethod, colHTTPPath, colQuery, colHTTPVersion, colRequest}
	case opURI:
		return []int{colHTTPPath, colQuery}
	case opTime:
		return []int{colTime, colUTCOffset}
	case opWall:
		return []int{o.col, o.col + 1}
	case opList:
		all := make([]int, slots)
		for i := range all {
			all[i] = o.col + i
		}
		return all
	case opText, opInt32, opInt64, opQuery:
	}
	return []int{o.col}
}

// plan is how the records of one format lie in the columns. The encoder and
// every reader derive the same plan from the same formats.
type plan struct {
	format *parser.Format
	name   []byte // of the format, as the column format has it
	label  string // the same
	ops    []op
	asap   bool  // some op is asap
	dated  bool  // some op is opTime
	date   int   // the field of opTime
	route  int   // the op of %ft when those of %b and %s follow it, or -1
	blocks []int // the fields %hr and %hs when the format has both

	// variants are the formats of one name that differ in what is captured;
	// nil if there is only one. format then is the same without any captures.
	variants []*parser.Format
}

// uses reports whether records of the plan may have a value in a column.
func (p *plan) uses(column int) bool {
	if p.asap && column == colASAP || p.blocks != nil && column >= colHeader1 && column < colHeader1+slots {
		return true
	}
	return slices.ContainsFunc(p.ops, func(o op) bool { return slices.Contains(o.columns(), column) })
}

// plans makes the plans of formats and the columns of their objects: the core
// columns and, behind them, the dynamic ones.
func plans(formats []*parser.Format) ([]plan, []columnDef) {
	defs := coreColumns()
	all := make([]plan, len(formats))
	for i, f := range formats {
		all[i], defs = makePlan(f, defs)
	}
	return all, defs
}

func makePlan(f *parser.Format, defs []columnDef) (plan, []columnDef) {
	p := plan{format: f, name: text(f.Name()), label: string(text(f.Name()))}
	fields := f.Fields()
	taken := map[int]bool{}
	core := make([]bool, len(fields))
	// A whole request has the first claim on its columns, then a whole URI.
	for pass := range 3 {
		for i := range fields {
			if core[i] || rank(&fields[i]) != pass {
				continue
			}
			o, cols, ok := coreOp(&fields[i])
			if !ok || slices.ContainsFunc(cols, func(c int) bool { return taken[c] }) {
				continue
			}
			for _, c := range cols {
				taken[c] = true
			}
			o.field, o.kindP = i, fields[i].Kind
			p.ops = append(p.ops, o)
			core[i] = true
		}
	}
	if i := primaryDate(fields); i >= 0 {
		p.ops = append(p.ops, op{kind: opTime, field: i, col: colTime, kindP: parser.KindDate})
		core[i], p.dated, p.date = true, true, i
	}
	for i := range fields {
		if !core[i] {
			var o op
			o, defs = dynamicOp(&fields[i], defs, taken)
			o.field, o.kindP = i, fields[i].Kind
			p.ops = append(p.ops, o)
		}
	}
	slices.SortStableFunc(p.ops, func(a, b op) int { return a.field - b.field })
	p.route = -1
	for i, o := range p.ops {
		p.asap = p.asap || o.asap
		if o.kind == opFrontend && i+2 < len(p.ops) && p.ops[i+1].col == colBackend && p.ops[i+2].col == colServer &&
			p.ops[i+2].field == o.field+2 {
			p.route = i
		}
	}
	if hr, hs := aliasIndex(fields, "hr"), aliasIndex(fields, "hs"); hr >= 0 && hs >= 0 {
		p.blocks = []int{hr, hs}
	}
	return p, defs
}

func rank(f *parser.Field) int {
	switch f.Alias {
	case "r":
		return 0
	case "HU":
		return 1
	}
	return 2
}

func aliasIndex(fields []parser.Field, alias string) int {
	return slices.IndexFunc(fields, func(f parser.Field) bool { return f.Alias == alias })
}

// primaryDate gives the date that parser.Record.Time reads first, or -1.
func primaryDate(fields []parser.Field) int {
	for _, alias := range []string{"tr", "trg", "trl", "t", "T", "Tl"} {
		if i := aliasIndex(fields, alias); i >= 0 {
			return i
		}
	}
	return -1
}

// dynamicOp gives a field that has no free core column a column of its own,
// x_NAME. Fields of several formats share one when name and type agree.
func dynamicOp(f *parser.Field, defs []columnDef, taken map[int]bool) (op, []columnDef) {
	name := f.Alias
	if name == "" {
		name = f.Name
	}
	base := "x_" + columnName(name)
	def := func(suffix string, typ parquet.Type, l parquet.Logical, enc parquet.Encoding) int {
		want := define(base+suffix, typ, l, true, enc, false, "field "+name)
		for n := 1; ; n++ {
			if n > 1 {
				want.Name = base + "_" + strconv.Itoa(n) + suffix
			}
			i := slices.IndexFunc(defs, func(d columnDef) bool { return d.Name == want.Name })
			if i < 0 {
				defs = append(defs, want)
				i = len(defs) - 1
			}
			if !taken[i] && defs[i].Type == typ && defs[i].doc == want.doc {
				taken[i] = true
				return i
			}
		}
	}
	switch f.Kind {
	case parser.KindInt:
		return op{kind: opInt64, col: def("", parquet.Int64, parquet.None, parquet.RLEDictionary)}, defs
	case parser.KindDate:
		// The zone's column lies behind the clock's: readers rely on it.
		o := op{kind: opWall, col: def("_wall", parquet.Int64, parquet.None, parquet.DeltaBinaryPacked)}
		def("_zone", parquet.Int32, parquet.None, parquet.RLEDictionary)
		return o, defs
	case parser.KindText, parser.KindAddr, parser.KindRequest, parser.KindList:
	}
	return op{kind: opText, col: def("", parquet.ByteArray, parquet.String, 0)}, defs
}

// columnName makes a lower-case SQL name of at most 48 characters.
func columnName(s string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '_'
	}, s)
	return strings.Trim(name[:min(len(name), 48)], "_")
}
