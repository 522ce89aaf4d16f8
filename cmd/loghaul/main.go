// Command loghaul moves HAProxy access logs to an archive that never loses a
// line and to a search index that may. It is everything in one binary: the
// two daemons, all of it in one process (up), and the tools around the
// archive. `loghaul help` lists the commands.
//
// This package only composes: flags, configuration files, signals, exit codes.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr}))
}

// commands are all there are, in the order of the help text.
func commands() []command {
	return []command{
		upCommand(),
		forwardCommand(),
		forwardStatusCommand(),
		aggregateCommand(),
		backfillCommand(),
		brokerSetupCommand(),
		brokerStatusCommand(),
		tailCommand(),
		parseCommand(),
		formatCommand(),
		fromConfigCommand(),
		auditCatCommand(),
		auditFindCommand(),
		auditSourcesCommand(),
		auditLsCommand(),
		auditDedupeCommand(),
		auditCompactCommand(),
		auditVerifyCommand(),
		auditKeygenCommand(),
		auditSealCommand(),
		auditDuCommand(),
		archiveCheckCommand(),
		archiveHoldCommand(),
		archiveExpireCommand(),
		indexSetupCommand(),
		indexVerifyCommand(),
		configCheckCommand(),
		configExampleCommand(),
		versionCommand(),
	}
}
