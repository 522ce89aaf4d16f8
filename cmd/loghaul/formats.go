package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/loghaul/loghaul/internal/config"
	"github.com/loghaul/loghaul/parser"
)

// checkFormat finds what is wrong with a format. A text without any field is
// a log-format string that matches only itself: surely a misspelt name.
func checkFormat(spec string) error {
	if _, err := parser.Compile(spec); err != nil {
		return err
	}
	if strings.Contains(spec, "%") || slices.Contains(parser.WellKnown(), spec) || spec == parser.EventFormat {
		return nil
	}
	if near := config.Nearest(spec, parser.WellKnown()); near != "" {
		return fmt.Errorf("there is no format %q, did you mean %q?", spec, near)
	}
	return fmt.Errorf("there is no format %q; want %s, or a log-format string with fields such as %%ci",
		spec, strings.Join(parser.WellKnown(), ", "))
}
