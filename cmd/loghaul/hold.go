package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/loghaul/loghaul/audit"
	"github.com/loghaul/loghaul/sinks"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

func archiveHoldCommand() command {
	return command{
		name:  "archive hold",
		args:  "on|off|status --archive URL [--from T] [--to T] [--node N] [--source S] [KEY|PREFIX/ ...]",
		short: "Put a legal hold on objects, take it off, or show what is locked",
		long: `
A legal hold keeps an object from being deleted until it is taken off, whatever its retention says.
The bucket needs S3 Object Lock. Say which objects: keys as loghaul audit ls prints them; a prefix
that ends with a slash, for all below it; or filters, for all that can hold a line which matches.
Nothing is selected by default, and holds are on whole objects: they also hold lines of others.
A hold may be put on twice. It protects the newest version of an object, and what a policy lets
nobody overwrite has only one. What could not be done is named, the rest is done, exit code 1.
` + timeNote,
		examples: `
			# what happened on 1 March on one node must not be deleted
			loghaul archive hold on --archive "$URL" --from 2026-03-01 --to 2026-03-02 --node web-1
			# the manifests that prove it, too
			loghaul archive hold on --archive "$URL" _manifests/
			loghaul archive hold status --archive "$URL" --from 2026-03-01 --to 2026-03-02 --output json`,
		setup: func(fs *flag.FlagSet) func(context.Context, streams, []string) error {
			var f auditFlags
			f.register(fs)
			output := fs.String("output", "table", "`FORMAT`: table or json, one object in each line")
			return func(ctx context.Context, s streams, operands []string) error {
				if err := oneOf("output", *output, "table", "json"); err != nil {
					return err
				}
				if len(operands) == 0 || !slices.Contains([]string{"on", "off", "status"}, operands[0]) {
					return usagef("say what to do: archive hold on, off or status")
				}
				selected := operands[1:]
				filtered := f.from != "" || f.to != "" || f.node != "" || f.source != ""
				switch {
				case len(selected) > 0 && filtered:
					return usagef("keys and filters are given: keep one of the two")
				case len(selected) == 0 && !filtered:
					return usagef("say which objects: --from and --to, --node, --source, keys, or prefixes that end with a slash (dt=2026-03-01/)")
				}
				store, filter, err := f.open(ctx)
				if err != nil {
					return err
				}
				defer store.Close() //nolint:errcheck // everything was confirmed
				locker, ok := store.(objectstore.Locker)
				if !ok {
					return usagef("archive %s: only S3 with Object Lock has legal holds; copy what must stay, or make the folder read-only", store)
				}
				h := hold{locker: locker, action: operands[0], table: newRows(s.out, *output, "HOLD\tRETENTION\tUNTIL\tKEY"), warn: warner(s.err)}
				return h.run(ctx, store, filter, selected)
			}
		},
	}
}

// hold sets, ends or shows the holds of objects.
type hold struct {
	locker objectstore.Locker
	action string
	table  *rows
	warn   func(error)

	done, failed int
}

// held is one object in the output.
type held struct {
	Key   string     `json:"key"`
	Hold  bool       `json:"legal_hold"`
	Mode  string     `json:"retention_mode,omitempty"`
	Until *time.Time `json:"retain_until,omitempty"`
}

func (h *hold) run(ctx context.Context, store objectstore.Store, filter audit.Filter, selected []string) error {
	err := h.each(ctx, store, filter, selected)
	if flushErr := h.table.end(); err == nil {
		err = flushErr
	}
	switch {
	case err != nil:
		return fmt.Errorf("%w (%d objects were done before)", err, h.done)
	case h.failed > 0:
		return fmt.Errorf("%d objects failed, %d were done", h.failed, h.done)
	case h.done == 0:
		return errors.New("no object was selected")
	}
	return nil
}

func (h *hold) each(ctx context.Context, store objectstore.Store, filter audit.Filter, selected []string) error {
	if len(selected) == 0 {
		return audit.Ls(ctx, store, filter, h.warn, func(o audit.Object) error { return h.one(ctx, o.Key) })
	}
	for _, s := range selected {
		if !strings.HasSuffix(s, "/") {
			if err := h.one(ctx, s); err != nil {
				return err
			}
			continue
		}
		err := store.List(ctx, s, func(i objectstore.Info) error { return h.one(ctx, i.Key) })
		if err != nil {
			return err
		}
	}
	return nil
}

// one does an object. What concerns this object alone is counted; an error ends
// the command.
func (h *hold) one(ctx context.Context, key string) error {
	var err error
	if h.action != "status" {
		err = h.locker.SetHold(ctx, key, h.action == "on")
	}
	var p objectstore.Protection
	if err == nil {
		p, err = h.locker.Protection(ctx, key)
	}
	if err != nil {
		if errors.Is(err, sinks.ErrPermanent) || ctx.Err() != nil {
			return err
		}
		h.failed++
		h.warn(err)
		return nil
	}
	h.done++
	out := held{Key: key, Hold: p.Hold, Mode: p.Mode}
	if !p.Until.IsZero() {
		out.Until = &p.Until
	}
	onOff := "off"
	if p.Hold {
		onOff = "on"
	}
	return h.table.add(out, "%s\t%s\t%s\t%s", onOff, orDash(out.Mode), second(out.Until), printable(key))
}
