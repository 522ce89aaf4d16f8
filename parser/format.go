package parser

// Field describes one field of a format.
type Field struct {
	// Name is the key of the field: the alias, or of an expression its `%(name)` or else its text.
	Name string
	// Alias is HAProxy's name of the field without "%", empty for an expression.
	Alias string
	// Expr is the sample expression between the brackets of `%[…]`, empty for an alias.
	Expr string
	// Kind says how the field is read.
	Kind Kind
	// Doc is the meaning of the field in a few words.
	Doc string

	// Truth is set if only whether the value is 0 was printed, as "false" or "true" (`%(name:bool)` with an encoding).
	Truth bool

	zoned bool // a date that is printed with its offset
}

// Format is a compiled log-format string. It is immutable: any number of goroutines may use it at once, each with a
// Record of its own.
type Format struct {
	name, spec string
	captures   *Captures // nil if not known
	maxLens    []int     // where lines are cut; none if that is not known
	encoding   encoding  // of the string as a whole
	fields     []Field
	timeFields []int // fields that tell the time of the event, best first
	msField    int   // %ms, or -1
	// The fields %Ta and %Tt, which tell how long a request and a session lasted, or -1.
	requestField, sessionField int

	nodes     []node
	modes     modes
	openEnd   bool  // the last field of a line has no end of its own
	dashes    []int // nodes whose "-" another field may explain
	tlsFields []int // the fields that are absent, or lack a "~", without TLS
	lone      int   // the node of a %hr that is followed by %hs so that a lone block is ambiguous, or -1
	program   []op
	lead      string                            // what is printed before the first field
	steps     []step                            // one per field
	special   func(line []byte, r *Record) bool // Parse in place of the program, nil for a log-format string
	others    []otherText                       // what special reads besides
}

// Name returns the well-known name the format was compiled from, or the log-format string itself.
func (f *Format) Name() string { return f.name }

// Spec returns the log-format string.
func (f *Format) Spec() string { return f.spec }

// Captures returns the headers that Options named, nil if they are not known. It must not be changed.
func (f *Format) Captures() *Captures { return f.captures }

// MaxLens returns the lengths that Options named. It must not be changed.
func (f *Format) MaxLens() []int { return f.maxLens }

// Fields returns the fields in the order of the format; a field's index is its index in Record.Values. The slice must
// not be changed.
func (f *Format) Fields() []Field { return f.fields }
