package audit

import (
	"context"
	"strings"
	"time"

	"github.com/loghaul/loghaul/archive/manifest"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// manifestGrace is how much longer a manifest stays than the objects of its
// hour: it may list some that were sealed a little later, and must outlive them.
const manifestGrace = 24 * time.Hour

// Expired calls fn for each object whose hour ended before the given time, with
// that hour's beginning, and gives the number of those that have no hour in
// their key and so never end. Manifests come last, after everything that they
// may list. An error of fn ends it.
func Expired(ctx context.Context, store Store, before time.Time, fn func(i objectstore.Info, hour time.Time) error) (undated int, err error) {
	each := func(limit time.Time, skip string) func(objectstore.Info) error {
		return func(i objectstore.Info) error {
			if skip != "" && strings.HasPrefix(i.Key, skip) {
				return nil
			}
			hour, ok := hourOf(i.Key)
			if !ok {
				undated++
				return nil
			}
			if hour.Add(time.Hour).After(limit) {
				return nil
			}
			return fn(i, hour)
		}
	}
	if err := store.List(ctx, "", each(before, manifest.Prefix)); err != nil {
		return undated, err
	}
	return undated, store.List(ctx, manifest.Prefix, each(before.Add(-manifestGrace), ""))
}

// hourOf reads the hour out of a key: dt=YYYY-MM-DD/hour=HH/… or the same
// below one folder that begins with _; below _gaps/ there is one more, of a stream.
func hourOf(key string) (time.Time, bool) {
	if strings.HasPrefix(key, "_") {
		stream := strings.HasPrefix(key, objectstore.GapPrefix)
		if _, key, _ = strings.Cut(key, "/"); stream {
			_, key, _ = strings.Cut(key, "/")
		}
	}
	const layout = "dt=2006-01-02/hour=15/"
	if len(key) <= len(layout) {
		return time.Time{}, false
	}
	t, err := time.Parse(layout, key[:len(layout)])
	return t, err == nil
}
