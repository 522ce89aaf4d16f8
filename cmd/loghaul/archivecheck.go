package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/loghaul/loghaul/sinks"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

func archiveCheckCommand() command {
	return command{
		name:  "archive check",
		args:  "--archive URL [--output table|json]",
		short: "Try what an archive's storage really enforces, and say what to rely on",
		alone: true,
		long: `
It makes a few small objects below _check/ in the archive and tries what a writer, a reader and an
attacker would do: store a key twice and from eight writers at once, send a wrong checksum, read
parts, list at once, delete, replace, break a lock. Each property gets a verdict: OK (tried, holds),
weak (loghaul works without it, the archive is less safe), missing (loghaul relies on it). With a
missing one the exit code is 1. Use the writer's credentials: that is what an attacker would have.
It takes away what it can; with a default retention on the bucket some 15 objects of 50 bytes stay
until that ends.
`,
		examples: `
			loghaul archive check --archive 's3://logs/haproxy?region=eu-west-1'
			loghaul archive check --archive file:///var/lib/loghaul/archive
			# what to do, in a script
			loghaul archive check --archive "$URL" --output json | jq -r '.[] | select(.verdict != "OK") | .do'`,
		setup: func(fs *flag.FlagSet) func(context.Context, streams, []string) error {
			var url string
			archiveFlag(fs, &url)
			output := fs.String("output", "table", "`FORMAT`: table or json, an array of objects")
			return func(ctx context.Context, s streams, _ []string) error {
				if err := oneOf("output", *output, "table", "json"); err != nil {
					return err
				}
				store, err := openArchive(ctx, url)
				if err != nil {
					return err
				}
				defer store.Close() //nolint:errcheck // what stays is told
				return checkArchive(ctx, s.out, store, *output)
			}
		},
	}
}

func checkArchive(ctx context.Context, w io.Writer, store objectstore.Store, output string) error {
	prober, ok := store.(objectstore.Prober)
	if !ok {
		return fmt.Errorf("archive %s cannot be checked", store)
	}
	all := []objectstore.Finding{}
	count := map[string]int{}
	err := prober.Probe(ctx, func(f objectstore.Finding) {
		count[f.Verdict]++
		all = append(all, f)
		if output == "table" {
			printFinding(w, f)
		}
	})
	if output == "json" {
		err = errors.Join(err, json.NewEncoder(w).Encode(all))
	}
	switch {
	case errors.Is(err, sinks.ErrPermanent):
		return usagef("%v", err)
	case err != nil:
		return err
	case count[objectstore.Missing] > 0:
		return fmt.Errorf("do not keep logs in %s: %d of what loghaul relies on is missing", store, count[objectstore.Missing])
	}
	if output == "table" {
		_, err = fmt.Fprintf(w, "\n%s keeps what loghaul relies on; %d properties could be better.\n", store, count[objectstore.Weak])
	}
	return err
}

// findingWidth is where text is broken.
const findingWidth = 92

func printFinding(w io.Writer, f objectstore.Finding) {
	lines := fold(f.Says, findingWidth)
	if f.Do != "" {
		do := fold("→ "+f.Do, findingWidth)
		lines = append(lines, do...)
	}
	for i, line := range lines {
		verdict, name := "", ""
		if i == 0 {
			verdict, name = f.Verdict, f.Name
		}
		fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("%-7s  %-16s  %s", verdict, name, printable(line)), " ")) //nolint:errcheck // the JSON or the end reports it
	}
}

// fold breaks a text into lines of at most width characters, at blanks.
func fold(s string, width int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(s) {
		if line != "" && len([]rune(line))+1+len([]rune(word)) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
