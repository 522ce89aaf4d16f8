package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/loghaul/loghaul/audit"
	"github.com/loghaul/loghaul/internal/config"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// minAge keeps a slip of a digit from deleting what was written just now.
const minAge = 24 * time.Hour

func archiveExpireCommand() command {
	return command{
		name:  "archive expire",
		args:  "--archive file:///DIR --older-than AGE [--dry-run] [--output table|json]",
		short: "Delete from a folder archive what is older than an age",
		alone: true,
		long: `
It deletes whole objects whose hour, that of sealing, ended longer ago than --older-than, and what
lies under _quarantine/ and _gaps/ of such hours; then manifests, a day later than what they list.
What has no hour in its key stays. Put it into a timer (cron, systemd). It can be interrupted and
started again. An archive in S3 is not touched: there lifecycle rules do it without a credential
that can delete, see deploy/s3/lifecycle.json.
`,
		examples: `
			loghaul archive expire --archive file:///var/lib/loghaul/archive --older-than 400d --dry-run
			loghaul archive expire --archive file:///var/lib/loghaul/archive --older-than 400d`,
		setup: func(fs *flag.FlagSet) func(context.Context, streams, []string) error {
			var url, age string
			archiveFlag(fs, &url)
			fs.StringVar(&age, "older-than", "", "the `AGE`: days (400d) or hours (9600h), at least 1d")
			dry := fs.Bool("dry-run", false, "only show what would be deleted")
			output := fs.String("output", "table", "`FORMAT`: table or json, an array of objects")
			return func(ctx context.Context, s streams, _ []string) error {
				if err := oneOf("output", *output, "table", "json"); err != nil {
					return err
				}
				d, err := parseAge(age)
				if err != nil {
					return err
				}
				store, err := openArchive(ctx, url)
				if err != nil {
					return err
				}
				defer store.Close() //nolint:errcheck // a folder's never fails
				remover, ok := store.(objectstore.Remover)
				if !ok {
					return usagef("archive %s: S3 deletes by lifecycle rules, without a credential that can: see deploy/s3/lifecycle.json", store)
				}
				remove := remover.Remove
				if *dry {
					remove = func(context.Context, string) error { return nil }
				}
				days, undated, err := expire(ctx, store, time.Now().Add(-d), remove)
				if undated > 0 {
					warner(s.err)(fmt.Errorf("%d objects have no hour in their key and stay", undated))
				}
				if printErr := printExpired(s.out, days, *output, *dry); err == nil {
					err = printErr
				}
				return err
			}
		},
	}
}

// parseAge reads the value of --older-than.
func parseAge(s string) (time.Duration, error) {
	if s == "" {
		return 0, usagef("say how old: --older-than 400d")
	}
	d, err := time.ParseDuration(s)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n uint64
		if n, err = strconv.ParseUint(days, 10, 16); err == nil {
			d = time.Duration(n) * 24 * time.Hour
		}
	}
	if err != nil {
		return 0, usagef("--older-than: %q is not an age such as 400d or 9600h", s)
	}
	if d < minAge {
		return 0, usagef("--older-than: %s is less than a day", s)
	}
	return d, nil
}

// expiredDay is what a day loses.
type expiredDay struct {
	Day     string `json:"day"`
	Objects int    `json:"objects"`
	Beside  int    `json:"beside"` // manifests, quarantined messages and gaps
	Bytes   int64  `json:"bytes"`
}

// expire removes what is older, and gives what it removed by day even when it
// could not go on.
func expire(ctx context.Context, store objectstore.Store, before time.Time, remove func(context.Context, string) error) ([]expiredDay, int, error) {
	var days []expiredDay
	at := map[string]int{}
	undated, err := audit.Expired(ctx, store, before, func(i objectstore.Info, hour time.Time) error {
		if err := remove(ctx, i.Key); err != nil {
			return err
		}
		day := hour.Format(time.DateOnly)
		k, ok := at[day]
		if !ok {
			k = len(days)
			at[day] = k
			days = append(days, expiredDay{Day: day})
		}
		if strings.HasPrefix(i.Key, "_") {
			days[k].Beside++
		} else {
			days[k].Objects++
		}
		days[k].Bytes += i.Size
		return nil
	})
	return days, undated, err
}

func printExpired(w io.Writer, days []expiredDay, output string, dry bool) error {
	if output == "json" {
		if days == nil {
			days = []expiredDay{}
		}
		return json.NewEncoder(w).Encode(days)
	}
	what := "deleted"
	if dry {
		what = "would be deleted"
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "DAY\tOBJECTS\tBESIDE\tBYTES") //nolint:errcheck // Flush reports it
	total := expiredDay{}
	for _, d := range days {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\n", d.Day, d.Objects, d.Beside, d.Bytes) //nolint:errcheck // Flush reports it
		total.Objects += d.Objects
		total.Beside += d.Beside
		total.Bytes += d.Bytes
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%d objects and %d beside them, %v, %s\n", total.Objects, total.Beside, config.Size(total.Bytes), what)
	return err
}
