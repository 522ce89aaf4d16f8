package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	manifestfile "github.com/loghaul/loghaul/archive/manifest"
	"github.com/loghaul/loghaul/audit/verify"
	"github.com/loghaul/loghaul/internal/durable"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

func auditVerifyCommand() command {
	return command{
		name:  "audit verify",
		args:  "--archive URL [--public-key FILE] [--from T] [--to T] [--deep] [--output table|json] [--html FILE]",
		short: "Prove that the archive is complete and unchanged, or name what is not",
		alone: true,
		long: `
Compares the archive with its manifests and prints one verdict for each object (ok, changed, missing,
extra, unsigned; pending is too young for a manifest, unlisted has none, unread could not be read),
one for each chain of manifests (intact, broken at which number and why), one for each source
(complete, or what is not archived: declared as lost, or a gap) and a total. With --public-key only
manifests count that are signed with one of the keys in that file. Without --deep listings and
manifests are compared, no object is read. --deep reads every object, compares its checksum and that
of the original lines, and recomputes what its manifest says about it.

--from and --to select objects by when they were sealed. What could not be read is named and the rest
goes on. The exit code is 3 if there is any difference, else 1 if something could not be checked.
`,
		examples: `
			loghaul audit verify --archive file:///var/lib/loghaul/archive --public-key manifest.pub
			# every byte of the last day
			loghaul audit verify --archive 's3://logs/haproxy?region=eu-west-1' --public-key manifest.pub --from -1d --deep
			# all but the objects that are ok, for a machine
			loghaul audit verify --archive file:///var/lib/loghaul/archive --output json | jq -c 'select(.object.verdict != "ok")'
			# a report to hand over
			loghaul audit verify --archive file:///srv/archive --public-key manifest.pub --html report.html --sign-key auditor.key`,
		setup: func(fs *flag.FlagSet) func(context.Context, streams, []string) error {
			var f auditFlags
			f.register(fs)
			fs.Lookup("from").Usage = "sealed from `T` on: " + timeHelp
			fs.Lookup("to").Usage = "sealed before `T`"
			fs.Lookup("node").Usage = "only objects and sources of `NODE`"
			fs.Lookup("source").Usage = "only objects and the source whose id is, or begins with, `ID`"
			fs.StringVar(&f.from, "since", "", "the same as --from: `T`")
			var v verifyCall
			fs.StringVar(&v.publicKey, "public-key", "", "`FILE` with the public key, or several after a rotation, in PEM")
			fs.StringVar(&v.earlier, "earlier", "", "what an earlier run printed with --output json, in `FILE`: its newest manifests must be there still")
			fs.BoolVar(&v.deep, "deep", false, "read every object")
			fs.StringVar(&v.output, "output", "table", "`FORMAT`: table or json, one verdict in each line")
			fs.StringVar(&v.html, "html", "", "also write a report for people to `FILE`, one page of HTML")
			fs.StringVar(&v.signKey, "sign-key", "", "sign the report with the private key in `FILE`; the signature goes to a file\nof the report's name and .sig")
			return func(ctx context.Context, s streams, _ []string) error {
				if err := oneOf("output", v.output, "table", "json"); err != nil {
					return err
				}
				options, err := v.options()
				if err != nil {
					return err
				}
				store, filter, err := f.open(ctx)
				if err != nil {
					return err
				}
				defer store.Close() //nolint:errcheck // only read
				options.From, options.To, options.Node, options.Source = filter.From, filter.To, filter.Node, filter.Source
				return v.run(ctx, s, store, options)
			}
		},
	}
}

// verifyCall is what the command line says beside the selection.
type verifyCall struct {
	publicKey, earlier, output, html, signKey string
	deep                                      bool

	signer *manifestfile.Signer
}

// options reads the keys.
func (v *verifyCall) options() (o verify.Options, err error) {
	o.Deep = v.deep
	if v.publicKey != "" {
		text, err := os.ReadFile(v.publicKey)
		if err != nil {
			return o, usagef("--public-key: %v", err)
		}
		if o.Keys, err = manifestfile.ParseKeyring(text); err != nil {
			return o, usagef("--public-key: %s: %v", v.publicKey, err)
		}
	}
	if v.earlier != "" {
		if o.Heads, err = readEarlier(v.earlier); err != nil {
			return o, usagef("--earlier: %v", err)
		}
	}
	if v.signKey == "" {
		return o, nil
	}
	if v.html == "" {
		return o, usagef("--sign-key signs the report: say where it goes with --html FILE")
	}
	text, err := os.ReadFile(v.signKey)
	if err != nil {
		return o, usagef("--sign-key: %v", err)
	}
	if v.signer, err = manifestfile.ParseSigner(text); err != nil {
		return o, usagef("--sign-key: %s: %v", v.signKey, err)
	}
	return o, nil
}

func readEarlier(path string) ([]manifestfile.Head, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	heads, err := verify.ReadHeads(bufio.NewReader(f))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return heads, nil
}

// run verifies, prints and says by the exit code how it ended.
func (v *verifyCall) run(ctx context.Context, s streams, store objectstore.Store, o verify.Options) error {
	began := time.Now()
	out := newVerdicts(s.out, v.output)
	report := &verify.Report{Archive: store.String(), Program: "loghaul " + version, Grace: verify.DefaultGrace}
	if v.signer != nil {
		report.SignedBy = v.signer.KeyID().String()
	}
	o.Now, o.Warn, o.Progress = began, warner(s.err), &verify.Progress{}
	o.OnObject = func(x verify.Object) error { report.AddObject(x); return out.object(&x) }
	o.OnChain = func(x verify.Chain) error { report.AddChain(x); return out.chain(&x) }
	o.OnSource = func(x verify.Source) error { report.AddSource(x); return out.source(&x) }
	var line progressLine
	stop := showProgress(s.err, func(now time.Time) string { return line.text(o.Progress, o.Deep, now) })
	total, err := verify.Run(ctx, store, o)
	stop()
	if err != nil {
		return errors.Join(err, out.flush())
	}
	if err := out.total(total); err != nil {
		return err
	}
	if v.html != "" {
		report.Total, report.Took = total, time.Since(began).Round(time.Millisecond)
		if err := v.write(report); err != nil {
			return err
		}
	}
	switch {
	case total.Differences > 0:
		return &exitError{exitDifference}
	case total.Unread > 0:
		return &exitError{exitFailed}
	}
	return nil
}

// write writes the report and its signature.
func (v *verifyCall) write(report *verify.Report) error {
	var page bytes.Buffer
	if err := report.WriteHTML(&page); err != nil {
		return err
	}
	if err := durable.WriteFile(durable.OS{}, v.html, page.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if v.signer == nil {
		return nil
	}
	if err := durable.WriteFile(durable.OS{}, v.html+".sig", v.signer.Sign("report", page.Bytes()), 0o644); err != nil {
		return fmt.Errorf("write the report's signature: %w", err)
	}
	return nil
}
