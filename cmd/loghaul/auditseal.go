package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/loghaul/loghaul/aggregator/notary"
	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/archive/manifest"
)

func auditSealCommand() command {
	return command{
		name:  "audit seal",
		args:  "--archive URL --key FILE [--from T] [--to T] [--older-than D] [--dry-run] [--output table|json]",
		short: "List objects in signed manifests that no manifest lists yet",
		alone: true,
		long: `
Aggregators do this for what they store, and for others that died within the last two days. What is
older, or was archived before there were manifests, is listed by this command: it reads every object
that no manifest lists, checks it against its key, renders each line, and appends it to the chain of
the aggregator that made it. It is marked as recovered there: nobody else vouches for it. Damaged
objects are named and left out. --from and --to look at the time at which an object was sealed,
--older-than at when it was stored. Chains of aggregators that have stored nothing for that long are
ended. The archive is written to: with --dry-run it is not, and nothing is read but listings and manifests.
`,
		examples: `
			# what would be listed
			loghaul audit seal --archive file:///var/lib/loghaul/archive --key manifest.key --dry-run
			# an archive from before there were manifests, a month at a time
			loghaul audit seal --archive 's3://logs/haproxy?region=eu-west-1' --key manifest.key --from 2026-03-01 --to 2026-04-01`,
		setup: func(fs *flag.FlagSet) func(context.Context, streams, []string) error {
			var o sealFlags
			o.register(fs)
			return func(ctx context.Context, s streams, _ []string) error {
				return o.run(ctx, s)
			}
		},
	}
}

// sealFlags are those of audit seal.
type sealFlags struct {
	archive, key, from, to, by, output string
	older                              time.Duration
	dry                                bool
}

func (o *sealFlags) register(fs *flag.FlagSet) {
	fs.StringVar(&o.archive, "archive", os.Getenv("LOGHAUL_ARCHIVE"), "the archive's `URL`, see loghaul audit cat --help; LOGHAUL_ARCHIVE if it is not given")
	fs.StringVar(&o.key, "key", "", "the `FILE` with the private key; LOGHAUL_MANIFEST_KEY, the PEM text itself, if it is not given")
	fs.StringVar(&o.from, "from", "", "only objects sealed from `T` on:\n"+timeHelp)
	fs.StringVar(&o.to, "to", "", "only objects sealed before `T`")
	fs.StringVar(&o.by, "by", "audit-seal", "the `NAME` of who seals, for made_by, and for the chain of what was quarantined")
	fs.DurationVar(&o.older, "older-than", 2*time.Hour, "only objects that were stored longer than `D` ago")
	fs.BoolVar(&o.dry, "dry-run", false, "write nothing")
	fs.StringVar(&o.output, "output", "table", "`FORMAT`: table or json, one object for each aggregator in each line")
}

func (o *sealFlags) run(ctx context.Context, s streams) error {
	if err := oneOf("output", o.output, "table", "json"); err != nil {
		return err
	}
	if err := (archive.KeyInfo{Writer: o.by}).Check(); err != nil {
		return usagef("--by: %v", err)
	}
	signer, err := o.signer()
	if err != nil {
		return err
	}
	from, to, err := parseRange(o.from, o.to, time.Now())
	if err != nil {
		return err
	}
	store, err := openArchive(ctx, o.archive)
	if err != nil {
		return err
	}
	defer store.Close() //nolint:errcheck // every manifest is confirmed
	table := newRows(s.out, o.output, "WRITER\tOBJECTS\tBYTES\tFIRST\tLAST\tREFUSED\tMANIFESTS\tENDED")
	refused := 0
	err = notary.Seal(ctx, manifestStore{store}, notary.SealOptions{
		By: o.by, Signer: signer, From: from, To: to, OlderThan: o.older, DryRun: o.dry,
		Report:  func(r notary.Sealed) error { return addSealed(table, r) },
		Refused: func(err error) { refused++; warner(s.err)(err) },
	})
	if err = errors.Join(err, table.end()); err == nil && refused > 0 {
		err = fmt.Errorf("%d objects or chains were left out, see above", refused)
	}
	return err
}

// signer reads the key. Nothing is written without one; a dry run needs none.
func (o *sealFlags) signer() (*manifest.Signer, error) {
	cfg := notary.Config{KeyFile: o.key}
	if o.key == "" {
		cfg.Key = os.Getenv("LOGHAUL_MANIFEST_KEY")
	}
	signer, err := cfg.Signer()
	switch {
	case err != nil:
		return nil, usagef("%v", err)
	case signer == nil && !o.dry:
		return nil, usagef("say which key signs: --key FILE (or set LOGHAUL_MANIFEST_KEY)")
	}
	return signer, nil
}

// addSealed prints what was sealed of one aggregator.
func addSealed(t *rows, r notary.Sealed) error {
	ended := "-"
	if r.Ended {
		ended = "yes"
	}
	return t.add(r, "%s\t%d\t%d\t%s\t%s\t%d\t%d\t%s", r.Writer, r.Objects, r.Bytes, second(r.From), second(r.To), r.Refused, r.Manifests, ended)
}
