package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/loghaul/loghaul/audit"
)

func auditDuCommand() command {
	return command{
		name:  "audit du",
		args:  "--archive URL [--by day|source|node|writer|frontend] [--from T] [--to T] [--prices P]",
		short: "Sum up what the archive takes: raw against stored bytes, objects, requests",
		alone: true,
		long: `
RAW is the bytes of the lines as they lay in their sources, repeats included; STORED what the objects
take. Days are those of sealing, in UTC. Days and writers are exact. An object with lines of several
sources, nodes or frontends counts for each, and its stored bytes are divided by their raw bytes, so
that the sum is right. Only the footers of the objects are read; --by frontend reads all of them, as
only the lines tell.
Without filters it also counts what lies beside the objects (manifests, quarantined messages), and
the requests that all of this takes: each object was one PUT; a listing is one request for 1,000 keys;
audit ls, sources and du read one range of each object, audit cat and du --by frontend each whole.
Prices are yours to give, of 1,000 requests and of a GiB and month.
` + timeNote,
		examples: `
			loghaul audit du --archive file:///var/lib/loghaul/archive
			loghaul audit du --archive "$URL" --by frontend --from -1d
			loghaul audit du --archive "$URL" --prices put=0.0054,list=0.0054,get=0.00043,gib-month=0.0245`,
		setup: func(fs *flag.FlagSet) func(context.Context, streams, []string) error {
			var f auditFlags
			f.register(fs)
			by := fs.String("by", "day", "`GROUP` by day, source, node, writer or frontend")
			prices := fs.String("prices", "", "`P`: put=, list=, get= for 1,000 requests, gib-month=, with commas between")
			output := fs.String("output", "table", "`FORMAT`: table or json, one object")
			return func(ctx context.Context, s streams, _ []string) error {
				if err := oneOf("output", *output, "table", "json"); err != nil {
					return err
				}
				if err := oneOf("by", *by, audit.UsageKeys()...); err != nil {
					return err
				}
				price, err := parsePrices(*prices)
				if err != nil {
					return err
				}
				whole := f.from == "" && f.to == "" && f.node == "" && f.source == ""
				if price != nil && !whole {
					return usagef("--prices is about the whole archive: leave --from, --to, --node and --source out")
				}
				store, filter, err := f.open(ctx)
				if err != nil {
					return err
				}
				defer store.Close() //nolint:errcheck // only read
				d := du{By: *by, prices: price}
				d.Usage, err = audit.Du(ctx, store, filter, *by, warner(s.err))
				if err != nil && !partly(err) {
					return err
				}
				if whole {
					besides, besideErr := audit.Beside(ctx, store)
					if besideErr != nil {
						return besideErr
					}
					if err := d.count(ctx, store, besides); err != nil {
						return err
					}
				}
				return errors.Join(d.print(s.out, *output), err)
			}
		},
	}
}

// du is the answer of audit du.
type du struct {
	By       string        `json:"by"`
	Usage    []audit.Usage `json:"usage"`
	Beside   []audit.Usage `json:"beside,omitempty"`
	Requests *requests     `json:"requests,omitempty"`

	prices map[string]float64
}

// requests are what the whole archive takes.
type requests struct {
	// Puts stored what is there, Lists show all keys once, Gets read each
	// object once: a range of it or all.
	Puts  int   `json:"puts"`
	Lists int   `json:"lists_for_all"`
	Gets  int   `json:"gets_for_all"`
	Bytes int64 `json:"stored_bytes"`
	// Costs are in the currency of the prices, by their names.
	Costs map[string]float64 `json:"costs,omitempty"`
}

// listPage is how many keys one listing request gives (S3 API, ListObjectsV2).
const listPage = 1000

// count sums up the requests. An object with lines of several sources counts
// once, so it looks at keys.
func (d *du) count(ctx context.Context, store audit.Store, beside []audit.Usage) error {
	objects, stored, err := audit.Stored(ctx, store)
	if err != nil {
		return err
	}
	d.Beside = beside
	r := &requests{Puts: objects, Gets: objects, Bytes: stored}
	for _, b := range beside {
		r.Puts += b.Objects
		r.Bytes += b.Stored
	}
	r.Lists = max(1, (r.Puts+listPage-1)/listPage)
	if d.prices != nil {
		r.Costs = map[string]float64{
			"put": float64(r.Puts) / 1000 * d.prices["put"], "list": float64(r.Lists) / 1000 * d.prices["list"],
			"get": float64(r.Gets) / 1000 * d.prices["get"], "gib-month": float64(r.Bytes) / (1 << 30) * d.prices["gib-month"],
		}
	}
	d.Requests = r
	return nil
}

// parsePrices reads the value of --prices, nil for none.
func parsePrices(s string) (map[string]float64, error) {
	if s == "" {
		return nil, nil //nolint:nilnil // no prices are no mistake
	}
	prices := map[string]float64{}
	for part := range strings.SplitSeq(s, ",") {
		name, value, _ := strings.Cut(part, "=")
		if err := oneOf("prices", name, "put", "list", "get", "gib-month"); err != nil {
			return nil, err
		}
		p, err := strconv.ParseFloat(value, 64)
		if err != nil || p < 0 || p > 1e6 {
			return nil, usagef("--prices: %q is not a price, as in %s=0.005", part, name)
		}
		prices[name] = p
	}
	return prices, nil
}

func (d *du) print(w io.Writer, output string) error {
	if output == "json" {
		return json.NewEncoder(w).Encode(d)
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintf(t, "%s\tOBJECTS\tLINES\tRAW\tSTORED\tRATIO\n", strings.ToUpper(d.By)) //nolint:errcheck // Flush reports it
	total := audit.Usage{Name: "total"}
	row := func(u audit.Usage, objects string) {
		name := printable(u.Name)
		if u.Node != "" {
			name += " " + printable(u.Node+":"+u.Path)
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%s\n", name, objects, u.Lines, u.RawBytes, u.Stored, ratio(u.RawBytes, u.Stored)) //nolint:errcheck // Flush reports it
	}
	for _, u := range d.Usage {
		row(u, strconv.Itoa(u.Objects))
		total.Objects += u.Objects
		total.Lines += u.Lines
		total.RawBytes += u.RawBytes
		total.Stored += u.Stored
	}
	objects := strconv.Itoa(total.Objects)
	switch {
	case d.Requests != nil:
		objects = strconv.Itoa(d.Requests.Gets)
	case d.By != "day" && d.By != "writer": // some count for several
		objects = ""
	}
	if len(d.Usage) != 1 {
		row(total, objects)
	}
	for _, u := range d.Beside {
		fmt.Fprintf(t, "%s\t%d\t\t\t%d\n", printable(u.Name), u.Objects, u.Stored) //nolint:errcheck // Flush reports it
	}
	if err := t.Flush(); err != nil || d.Requests == nil {
		return err
	}
	r := d.Requests
	_, err := fmt.Fprintf(w, "\nRequests: %d PUT so far; to list all once %d LIST, to read each object once %d GET.\n", r.Puts, r.Lists, r.Gets)
	if err == nil && r.Costs != nil {
		_, err = fmt.Fprintf(w, "Costs: the PUTs %.4f; storage %.4f a month; listing all once %.4f, reading each object once %.4f.\n",
			r.Costs["put"], r.Costs["gib-month"], r.Costs["list"], r.Costs["get"])
	}
	return err
}
