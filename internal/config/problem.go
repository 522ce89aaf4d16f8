package config

import (
	"errors"
	"fmt"
	"strings"
)

// Problem is one thing that is wrong with a configuration file.
type Problem struct {
	// File is the path as it was given.
	File string
	// Line counts from 1; 0 if the problem has no place in the file.
	Line int
	// Msg says what is wrong and what would be right.
	Msg string
}

// Error gives "FILE:LINE: message".
func (p Problem) Error() string {
	if p.Line == 0 {
		return p.File + ": " + p.Msg
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Msg)
}

// Problems is everything that is wrong with a file, in order of lines.
type Problems []Problem

// Error gives one line for each problem.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].Error()
	}
	return strings.Join(lines, "\n")
}

// KeyError is an error about the value of one key, as a Validate method
// reports it. Load turns it into a Problem with the line of the key.
type KeyError struct {
	// Key is the path of the key: "batch.linger", "inputs[0].files".
	Key string
	// Msg says what is wrong and what would be right.
	Msg string
}

// Error gives "key: message".
func (e *KeyError) Error() string { return e.Key + ": " + e.Msg }

// Invalid makes a KeyError. Validate methods join them with errors.Join, so
// that everything is reported at once.
func Invalid(key, format string, args ...any) error {
	return &KeyError{Key: key, Msg: fmt.Sprintf(format, args...)}
}

// Under puts the errors of a nested struct's Validate below key. It returns
// nil for nil.
func Under(key string, err error) error {
	var errs []error
	each(err, func(e error) {
		if ke, ok := errors.AsType[*KeyError](e); ok {
			errs = append(errs, &KeyError{Key: key + "." + ke.Key, Msg: ke.Msg})
			return
		}
		errs = append(errs, fmt.Errorf("%s: %w", key, e))
	})
	return errors.Join(errs...)
}

// each calls fn for every error that was joined into err.
func each(err error, fn func(error)) {
	if err == nil {
		return
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // takes this very value apart
		for _, e := range joined.Unwrap() {
			each(e, fn)
		}
		return
	}
	fn(err)
}

// place adds what Validate returned, at the lines of the keys it is about. A
// key the file does not give is reported at the nearest section that it does.
func (d *decoder) place(err error) {
	each(err, func(e error) {
		p := Problem{File: d.file, Msg: e.Error()}
		if ke, ok := errors.AsType[*KeyError](e); ok {
			for key := ke.Key; key != "" && p.Line == 0; {
				p.Line = d.lines[key]
				key = key[:max(strings.LastIndexAny(key, ".["), 0)]
			}
		}
		d.problems = append(d.problems, p)
	})
}
