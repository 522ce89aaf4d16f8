// Command loghaul-forwarder is the node agent by itself: it follows log files
// and ships their lines to the broker. It links no server, no sink and no
// parser. `loghaul forward` is the same thing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/loghaul/loghaul/forwarder/daemon"
)

const help = `loghaul-forwarder follows log files and ships their lines to NATS JetStream.

Usage:
  loghaul-forwarder --config FILE [--http ADDR]
  loghaul-forwarder --version

Flags:
  --config FILE  the configuration; ` + "`loghaul config example forwarder`" + ` prints one
  --http ADDR    serve /metrics, /healthz and /readyz there instead of the file's http
  --version      print the version
  --help         print this

SIGTERM and SIGINT drain: what is in flight is waited for, positions are stored.

Exit codes: 0 done, 1 failed, 2 wrong use or configuration.
`

// version is set when a release is built.
var version = "dev" //nolint:gochecknoglobals // -X needs a variable

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("loghaul-forwarder", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	config := fs.String("config", "", "")
	http := fs.String("http", "", "")
	showVersion := fs.Bool("version", false, "")
	err := fs.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, help)
		return daemon.Done
	case err != nil:
		fmt.Fprintf(stderr, "loghaul-forwarder: %v; see --help\n", err)
		return daemon.Wrong
	case *showVersion:
		fmt.Fprintln(stdout, "loghaul-forwarder", version)
		return daemon.Done
	case fs.NArg() > 0:
		fmt.Fprintf(stderr, "loghaul-forwarder: unexpected argument %q; see --help\n", fs.Arg(0))
		return daemon.Wrong
	case *config == "":
		fmt.Fprintln(stderr, "loghaul-forwarder: --config FILE is missing; see --help")
		return daemon.Wrong
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	signal.Ignore(syscall.SIGHUP) // there is nothing to reload yet, and it must not end the process
	return daemon.Run(ctx, *config, *http, stderr)
}
