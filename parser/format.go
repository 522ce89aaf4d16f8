package parser

// Field describes one field of a format.
type Field struct {
	// Name is the key of the field: its `%(name)`, else the alias, else the text of the expression.
	Name string
	// Alias is HAProxy's name of the field without "%", empty for an expression.
	Alias string
	// Expr is the sample expression between the brackets of `%[…]`, empty for an alias.
	Expr string
	// Kind says how the field is read.
	Kind Kind
	// Doc is the meaning of the field in a few words.
	Doc string

	zoned bool // a date that is printed with its offset
}

// Format is a compiled log-format string. It is immutable: any number of goroutines may use it at once, each with a
// Record of its own.
type Format struct {
	name, spec string
	fields     []Field
	timeFields []int // fields that tell the time of the event, best first
	msField    int   // %ms, or -1
}

// Name returns the well-known name the format was compiled from, or the log-format string itself.
func (f *Format) Name() string { return f.name }

// Spec returns the log-format string.
func (f *Format) Spec() string { return f.spec }

// Fields returns the fields in the order of the format; a field's index is its index in Record.Values. The slice must
// not be changed.
func (f *Format) Fields() []Field { return f.fields }

// Compile compiles spec, a well-known name (see WellKnown) or a log-format string as HAProxy sees it after its
// own quoting. The error is a *SyntaxError.
func Compile(spec string) (*Format, error) { return &Format{name: spec, spec: spec, msField: -1}, nil }

// WellKnown returns the names that Compile knows.
func WellKnown() []string { return nil }

// Parse reads line, without its LF, into r and reports whether it is of this format. It is true only when the whole
// line is what HAProxy prints for the format, so that Append(nil, r) is line again. It does not allocate once r has
// seen a few lines. When it is false the contents of r are undefined.
func (f *Format) Parse(line []byte, r *Record) bool { return false }

// Append appends the line of r, without LF, to dst: the exact bytes that were parsed.
func (f *Format) Append(dst []byte, r *Record) []byte { return dst }

type dateCache struct{}
type solver struct{}
