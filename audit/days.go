package audit

import "time"

// maxDays is how many days are listed one by one; beyond that a listing of all
// takes fewer requests.
const maxDays = 60

// Days gives what the keys of objects begin with, below their folder, that are
// sealed on the days of from to last, UTC. few is false if these are so many that
// one listing of all is cheaper, as when from is zero.
func Days(from, last time.Time) (prefixes []string, few bool) {
	if last.Sub(from) > maxDays*24*time.Hour {
		return nil, false
	}
	for day := from.UTC().Truncate(24 * time.Hour); !day.After(last); day = day.Add(24 * time.Hour) {
		prefixes = append(prefixes, day.Format("dt=2006-01-02/"))
	}
	return prefixes, true
}
