package filter

import (
	"slices"
	"strings"
)

// name reads what names a field.
func (s *scanner) name() (string, error) {
	from := s.pos
	if s.text[from] != '%' {
		s.pos = s.wordEnd()
		return s.text[from:s.pos], nil
	}
	rest := s.rest()
	switch {
	case strings.HasPrefix(rest, "%("):
		if end := strings.IndexByte(rest, ')'); end > 2 {
			s.pos += end + 1
			return rest[:end+1], nil
		}
		return "", s.errorf(from, "want %%(name) with the name of an expression")
	case strings.HasPrefix(rest, "%["):
		if end := bracketEnd(rest); end > 3 {
			s.pos += end
			return rest[:end], nil
		}
		return "", s.errorf(from, "want %%[expression], as %%[ssl_fc_sni]; there is no ] for this [")
	}
	s.pos++
	word := s.text[s.pos:s.wordEnd()]
	return "", s.errorf(from, "aliases stand without %%, as ST%s", orElse(word != "" && word != "ST", " or "+word, ""))
}

// bracketEnd gives the end of `%[…]`, 0 if there is none. Brackets in it come in pairs.
func bracketEnd(text string) int {
	depth := 0
	for i := range len(text) {
		switch text[i] {
		case '[':
			depth++
		case ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}

func orElse(is bool, a, b string) string {
	if is {
		return a
	}
	return b
}

// field gives the field of a name that stands at pos.
func (s *scanner) field(pos int, name string) (*Field, error) {
	if f := lookUp(name); f != nil {
		return f, nil
	}
	head, key, dotted := strings.Cut(name, ".")
	switch {
	case strings.HasPrefix(name, "%["):
		return expression(name[2 : len(name)-1]), nil
	case strings.HasPrefix(name, "%("):
		return &Field{Name: name, Place: InFormat, By: ByName, Key: name[2 : len(name)-1]}, nil
	case (head == "req" || head == "res") && isHeaderName(key):
		if strings.Trim(key, "0123456789") == "" {
			return nil, s.errorf(pos, "there is no captured header %s; slots are %s.1 to %s.%d", name, head, head, maxSlots)
		}
		return &Field{Name: head + "." + strings.ToLower(key), Place: InHeader, Key: strings.ToLower(key), Response: head == "res"}, nil
	case head == "labels" && isLabel(key):
		return &Field{Name: name, Place: InLabel, Column: "labels", Key: key}, nil
	case head == "labels":
		return nil, s.errorf(pos, "want labels.NAME; a name is a-z 0-9 _ and begins with a letter")
	case dotted && (head == "req" || head == "res"):
		return nil, s.errorf(pos, "want %s.NAME with the name of a captured header, or %s.1 to %s.%d", head, head, head, maxSlots)
	}
	msg := "there is no field " + show(name)
	switch name {
	case "time", "read_time", "wrapper_time", "t", "tr", "T", "Tl", "trl", "trg":
		return nil, s.errorf(pos, "%s is no field of a filter; --from and --to choose the time", name)
	case "host", "Host":
		return nil, s.errorf(pos, "%s; req.Host is the captured header, syslog_host the sender", msg)
	case "req", "res":
		return nil, s.errorf(pos, "%s; want %s.NAME with the name of a captured header, or %s.1 to %s.%d", msg, name, name, name, maxSlots)
	}
	if strings.HasPrefix(name, "x_") {
		return nil, s.errorf(pos, "%s; the archive's columns x_… are asked for as %%[expression] or %%(name)", msg)
	}
	err := s.errorf(pos, "%s", msg)
	err.Unknown = name
	return nil, err
}

// isHeaderName tells names of headers (RFC 9110, section 5.1) as far as they can be written here.
func isHeaderName(name string) bool { return name != "" && !strings.HasPrefix(name, ".") }

func isLabel(key string) bool {
	if key == "" || key[0] < 'a' || key[0] > 'z' {
		return false
	}
	return strings.Trim(key, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// numeric reports whether the text of f may be compared as a number.
func (f *Field) numeric() bool {
	return f.Place == InHeader || f.Place == InFormat && f.By != ByAlias || f.Place == InLabel || f.Header() ||
		f.Column == "syslog_pid" || slices.ContainsFunc(expressions[:], func(e struct{ expr, column string }) bool { return e.column == f.Column })
}

// namelike reports whether the values of f are names: a comma in one is so unlikely that it stands between two.
func (f *Field) namelike() bool {
	switch f.Name {
	case "node", "source", "format", "f", "ft", "bind", "mode", "b", "s", "tsc", "ts", "HM", "HV", "ID", "OG", "H", "sslv", "sslc", "tls_sni",
		"state", "wrapper", "stream", "syslog_host", "syslog_tag", "syslog_pid", "syslog_msgid", "namespace", "pod", "container", "container_id":
		return true
	}
	return f.Place == InLabel || f.Column == "fc_err" || strings.HasPrefix(f.Column, "tls_")
}
