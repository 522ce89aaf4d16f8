package main

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/loghaul/loghaul/aggregator/live"
)

// tailView prints lines in short, for people.
type tailView struct {
	colours bool
}

// tailObject is what of a line's object is looked at.
type tailObject struct {
	Node   string                     `json:"node"`
	Time   string                     `json:"time"`
	Format *string                    `json:"format"`
	Fields map[string]json.RawMessage `json:"fields"`
}

// Colours of a terminal (ECMA-48, SGR).
const (
	plainColour = "0"
	boldColour  = "1"
	dimColour   = "2"
	red         = "31"
	green       = "32"
	yellow      = "33"
	magenta     = "35"
	cyan        = "36"
)

// append appends a line without an LF.
func (v *tailView) append(dst []byte, l *live.Line) []byte {
	var o tailObject
	if json.Unmarshal(l.JSON, &o) != nil {
		return appendSafe(dst, l.Raw)
	}
	if len(o.Time) >= len("2006-01-02T15:04:05.000") {
		dst = append(v.paint(dst, dimColour, o.Time[len("2006-01-02T"):len("2006-01-02T15:04:05.000")]), ' ')
	}
	dst = append(v.paint(dst, cyan, o.Node), ' ')
	if !v.known(&o) {
		colour := plainColour
		if o.Format == nil || *o.Format == "event" || *o.Format == "error" {
			colour = yellow
		}
		return v.paint(dst, colour, strings.TrimSuffix(string(l.Raw), "\n"))
	}
	if status := o.text("ST"); status != "" {
		dst = append(v.paint(dst, statusColour(status), status), ' ')
	}
	method, url := o.request()
	if method != "" {
		dst = append(v.paint(dst, boldColour, method), ' ')
	}
	if url != "" {
		dst = append(v.paint(dst, plainColour, url), ' ')
	}
	if b := o.text("b"); b != "" {
		if s := o.text("s"); s != "" {
			b += "/" + s
		}
		dst = append(v.paint(dst, magenta, b), ' ')
	}
	if times := o.times(); times != "" {
		dst = append(v.paint(dst, plainColour, times), ' ')
	}
	if end := o.first("tsc", "ts"); end != "" && !strings.HasPrefix(end, "--") { // how the session ended, if not well
		dst = append(v.paint(dst, red, end), ' ')
	}
	if ci := o.text("ci"); ci != "" {
		dst = append(v.paint(dst, dimColour, ci), ' ')
	}
	return dst[:len(dst)-1]
}

// known reports whether there is enough to print in short.
func (v *tailView) known(o *tailObject) bool {
	if o.Format == nil || *o.Format == "event" || *o.Format == "error" {
		return false
	}
	method, url := o.request()
	return o.text("ST") != "" || method != "" || url != "" || o.text("b") != "" && o.times() != ""
}

// paint appends text, escaped, in a colour.
func (v *tailView) paint(dst []byte, colour, text string) []byte {
	if !v.colours || colour == plainColour {
		return appendSafe(dst, []byte(text))
	}
	dst = append(append(append(dst, "\x1b["...), colour...), 'm')
	return append(appendSafe(dst, []byte(text)), "\x1b[0m"...)
}

func statusColour(status string) string {
	switch status[0] {
	case '2':
		return green
	case '3':
		return cyan
	case '4':
		return yellow
	case '1':
		return plainColour
	}
	return red // 5xx, and none: -1, 0
}

// text gives a field as text, "" without.
func (o *tailObject) text(name string) string {
	raw := o.Fields[name]
	if len(raw) == 0 {
		return ""
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	if raw[0] == '{' || raw[0] == '[' {
		return "" // bytes that are no text
	}
	return string(raw)
}

func (o *tailObject) first(names ...string) string {
	for _, name := range names {
		if s := o.text(name); s != "" {
			return s
		}
	}
	return ""
}

// request gives what was asked for: fields of their own, or those of the
// request line.
func (o *tailObject) request() (method, url string) {
	method, url = o.text("HM"), o.first("HU", "HPO", "HP")
	if query := o.text("HQ"); url != "" && o.text("HU") == "" {
		url += query
	}
	line := o.text("r")
	if line == "" {
		return method, url
	}
	words := strings.SplitN(line, " ", 3)
	if method == "" {
		method = words[0]
	}
	if url == "" && len(words) > 1 {
		url = words[1]
	}
	return method, url
}

// times gives the timers in milliseconds, the total last.
func (o *tailObject) times() string {
	var parts []string
	for _, name := range [...]string{"TR", "Tq", "Tw", "Tc", "Tr"} {
		if s := o.text(name); s != "" {
			parts = append(parts, s)
		}
	}
	total := o.first("Ta", "Tt")
	if total == "" {
		return strings.Join(parts, "/")
	}
	if n, err := strconv.Atoi(total); err == nil && n >= 10_000 {
		total = strconv.FormatFloat(float64(n)/1000, 'f', 1, 64) + "s"
	} else {
		total += "ms"
	}
	if parts == nil {
		return total
	}
	return strings.Join(parts, "/") + "=" + total
}
