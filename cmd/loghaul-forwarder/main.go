// Command loghaul-forwarder is the node agent by itself: it takes HAProxy's log
// lines from files, syslog, standard input or the journal and ships them to the
// broker. It links no server, no sink and no parser. `loghaul forward` is the
// same thing.
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

const help = `loghaul-forwarder ships HAProxy's log lines to NATS JetStream.

Usage:
  loghaul-forwarder --config FILE [--http ADDR]            run
  haproxy … | loghaul-forwarder --stdin [--config FILE]    the same, with standard input as an input
  loghaul-forwarder status [--config FILE] [--output json] what a running one is doing
  loghaul-forwarder --version

Flags:
  --config FILE  the configuration; ` + "`loghaul config example forwarder`" + ` prints one. Without it, where that is
                 allowed, the defaults: state in /var/lib/loghaul-forwarder, broker at nats://127.0.0.1:4222
  --http ADDR    serve /metrics, /healthz and /readyz there instead of the file's http
  --stdin        read standard input too, until it ends; if it is the only input the forwarder ends then
  --output FORM  text or json, for status
  --version      print the version
  --help         print this

SIGTERM and SIGINT drain: what is there is shipped and waited for, positions are stored.
SIGHUP reads the configuration again; what is wrong with it is logged and changes nothing.

Exit codes: 0 done, 1 failed, 2 wrong use or configuration.
`

// version is set when a release is built.
var version = "dev" //nolint:gochecknoglobals // -X needs a variable

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	status := len(args) > 0 && args[0] == "status"
	if status {
		args = args[1:]
	}
	fs := flag.NewFlagSet("loghaul-forwarder", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	o := daemon.Options{Version: version}
	fs.StringVar(&o.Config, "config", "", "")
	fs.StringVar(&o.HTTP, "http", "", "")
	fs.BoolVar(&o.Stdin, "stdin", false, "")
	output := fs.String("output", "text", "")
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
	case o.Config == "" && !o.Stdin && !status:
		fmt.Fprintln(stderr, "loghaul-forwarder: --config FILE is missing; see --help")
		return daemon.Wrong
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if status {
		return daemon.Status(ctx, o.Config, *output, stdout, stderr)
	}
	return daemon.Run(ctx, o, stderr)
}
