package main

import (
	"context"
	"flag"
	"fmt"
	"runtime"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/internal/wire"
)

// version is set by the linker (make build).
var version = "dev" //nolint:gochecknoglobals // -X needs a variable

func versionCommand() command {
	return command{
		name:     "version",
		short:    "Print the version of this program and of the formats it writes",
		examples: "loghaul version",
		setup: func(*flag.FlagSet) func(context.Context, streams, []string) error {
			return func(_ context.Context, s streams, args []string) error {
				if len(args) > 0 {
					return usagef("version takes no arguments")
				}
				_, err := fmt.Fprintf(s.out, "loghaul %s (%s, %s/%s; batch format %s, archive format %d)\n",
					version, runtime.Version(), runtime.GOOS, runtime.GOARCH, wire.Version, archive.Version)
				return err
			}
		},
	}
}
