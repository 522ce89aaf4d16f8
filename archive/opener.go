package archive

import (
	"fmt"
	"strings"
	"sync"

	"github.com/loghaul/loghaul/parser"
)

// Opener opens objects and remembers what those of one configuration have in
// common: to compile their formats takes longer than to read a footer. Its zero
// value is ready for use, by any number of goroutines.
type Opener struct {
	mu    sync.Mutex
	known map[string]*layout // by the formats
}

// layout is how the formats of an object lie in its columns. Nobody changes it.
type layout struct {
	formats []*parser.Format
	plans   []plan
	defs    []columnDef
}

// maxLayouts bounds what an Opener remembers.
const maxLayouts = 100

// Formats gives the formats of the objects that were opened; of configurations
// that are no longer remembered it gives none. A format of several is there as
// often.
func (o *Opener) Formats() (formats []*parser.Format) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, l := range o.known {
		formats = append(formats, l.formats...)
	}
	return formats
}

// layout gives the plans and columns of formats.
func (o *Opener) layout(formats []FormatInfo) (*layout, error) {
	var key strings.Builder
	for _, f := range formats {
		fmt.Fprintf(&key, "%q %q %q %d;", f.Name, f.Spec, f.Captures, f.MaxLens)
	}
	o.mu.Lock()
	l := o.known[key.String()]
	o.mu.Unlock()
	if l != nil {
		return l, nil
	}
	var compiled []*parser.Format
	for _, f := range formats {
		c, err := f.compile()
		if err != nil {
			return nil, err
		}
		compiled = append(compiled, c)
	}
	l = &layout{formats: compiled}
	l.plans, l.defs = plans(compiled)
	for i := range l.plans {
		l.plans[i].name = text(formats[i].Name)
		l.plans[i].label = string(l.plans[i].name)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.known == nil || len(o.known) >= maxLayouts {
		o.known = map[string]*layout{}
	}
	o.known[key.String()] = l
	return l, nil
}
