package elastic

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/loghaul/loghaul/internal/backoff"
	"github.com/loghaul/loghaul/parser"
)

// GeoIP names the databases that addresses are looked up in, files in the
// format MaxMind DB (https://maxmind.github.io/MaxMind-DB/). "" is none.
type GeoIP struct {
	// City has places, as GeoLite2-City and dbip-city-lite.
	City string `yaml:"city"`
	// ASN has autonomous systems, as GeoLite2-ASN.
	ASN string `yaml:"asn"`
}

// geoInterval is how often the files are looked at.
const geoInterval = time.Minute

// Geo looks addresses up. It can be used by several goroutines.
//
// A file is read into memory as a whole: if it were mapped, whoever cuts it
// while it is written anew would end the process.
type Geo struct {
	city, asn *database
	version   atomic.Uint64 // grows when a file was read anew
	log       *slog.Logger
}

// OpenGeo reads the databases; nil is without any. An error is about a file
// that is missing or broken.
func OpenGeo(c GeoIP, log *slog.Logger) (*Geo, error) {
	if c == (GeoIP{}) {
		return nil, nil //nolint:nilnil // none is an answer
	}
	g := &Geo{city: &database{path: c.City}, asn: &database{path: c.ASN}, log: log}
	var errs []error
	for _, d := range []*database{g.city, g.asn} {
		if _, err := d.reload(); err != nil {
			errs = append(errs, err)
		}
	}
	return g, errors.Join(errs...)
}

// Reload reads the files that have changed. One that is broken or gone is
// reported, and what was read before goes on being used.
func (g *Geo) Reload() {
	for _, d := range []*database{g.city, g.asn} {
		changed, err := d.reload()
		switch {
		case err != nil:
			g.log.Warn("a GeoIP database can't be read; going on with what it was", "error", err)
		case changed:
			g.version.Add(1)
			g.log.Info("a GeoIP database was read anew", "file", d.path, "built", d.reader.Load().Metadata.BuildTime())
		}
	}
}

// watch calls Reload now and then until the result is called. g may be nil.
func (g *Geo) watch() (stop func()) {
	if g == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for backoff.Sleep(ctx, geoInterval) == nil {
			g.Reload()
		}
	}()
	return func() { cancel(); <-done }
}

// database is a file.
type database struct {
	path   string
	reader atomic.Pointer[maxminddb.Reader]
	seen   os.FileInfo // when it was read, also if it was broken
	failed bool        // and could not be looked at
}

// reload reads the file if it is another one than last time.
func (d *database) reload() (changed bool, err error) {
	if d.path == "" {
		return false, nil
	}
	info, err := os.Stat(d.path)
	if err != nil {
		again := d.failed
		if d.failed = true; again {
			return false, nil // it was reported
		}
		return false, fmt.Errorf("GeoIP database: %w", err)
	}
	d.failed = false
	if d.seen != nil && os.SameFile(d.seen, info) && d.seen.ModTime().Equal(info.ModTime()) && d.seen.Size() == info.Size() {
		return false, nil
	}
	d.seen = info
	data, err := os.ReadFile(d.path)
	if err != nil {
		return false, fmt.Errorf("GeoIP database: %w", err)
	}
	r, err := maxminddb.OpenBytes(data)
	if err != nil {
		return false, fmt.Errorf("GeoIP database %s: want a file of the format MaxMind DB: %w", d.path, err)
	}
	d.reader.Store(r)
	return true, nil
}

// place is what of a record of a city database is used.
type place struct {
	City         named   `maxminddb:"city"`
	Continent    named   `maxminddb:"continent"`
	Country      named   `maxminddb:"country"`
	Subdivisions []named `maxminddb:"subdivisions"`
	Location     struct {
		Latitude  *float64 `maxminddb:"latitude"`
		Longitude *float64 `maxminddb:"longitude"`
		TimeZone  string   `maxminddb:"time_zone"`
	} `maxminddb:"location"`
}

type named struct {
	Code    string `maxminddb:"code"`
	ISOCode string `maxminddb:"iso_code"`
	Names   struct {
		English string `maxminddb:"en"`
	} `maxminddb:"names"`
}

// system is a record of a database of autonomous systems.
type system struct {
	Number       uint64 `maxminddb:"autonomous_system_number"`
	Organization string `maxminddb:"autonomous_system_organization"`
}

// geoCache remembers the members of addresses, for one goroutine. Of the two
// generations the old one is forgotten when the young one is full.
type geoCache struct {
	geo     *Geo
	version uint64
	young   map[netip.Addr][]byte
	old     map[netip.Addr][]byte
}

// geoGeneration is how many addresses a generation has, of some 300 bytes.
const geoGeneration = 8192

// cache gives c, emptied if a database has changed.
func (g *Geo) cache(c *geoCache) *geoCache {
	if version := g.version.Load(); c == nil || c.geo != g || c.version != version {
		return &geoCache{geo: g, version: version, young: map[netip.Addr][]byte{}}
	}
	return c
}

// append writes source.geo and source.as of an address.
func (c *geoCache) append(w *writer, v *parser.Value) {
	addr := v.Addr().Unmap()
	text, ok := c.young[addr]
	if !ok {
		if text, ok = c.old[addr]; !ok {
			text = c.geo.members(addr)
		}
		if len(c.young) >= geoGeneration {
			c.old, c.young = c.young, map[netip.Addr][]byte{}
		}
		c.young[addr] = text
	}
	w.b = append(w.b, text...)
}

// members gives the members of a document about an address; none if the
// databases do not know it, or are broken there.
func (g *Geo) members(addr netip.Addr) []byte {
	var w writer
	text := func(name, value string) {
		if value != "" {
			w.key(name)
			w.text(value)
		}
	}
	var p place
	if r := g.city.reader.Load(); r != nil && r.Lookup(addr).Decode(&p) == nil {
		if at := p.Location; at.Latitude != nil && at.Longitude != nil && // and what the type geo_point takes
			math.Abs(*at.Latitude) <= 90 && math.Abs(*at.Longitude) <= 180 {
			w.key("source.geo.location")
			w.b = append(w.b, `{"lat":`...)
			w.b = strconv.AppendFloat(w.b, *at.Latitude, 'f', -1, 64)
			w.b = append(w.b, `,"lon":`...)
			w.b = strconv.AppendFloat(w.b, *at.Longitude, 'f', -1, 64)
			w.b = append(w.b, '}')
		}
		text("source.geo.continent_code", p.Continent.Code)
		text("source.geo.continent_name", p.Continent.Names.English)
		text("source.geo.country_iso_code", p.Country.ISOCode)
		text("source.geo.country_name", p.Country.Names.English)
		if len(p.Subdivisions) > 0 {
			if region := p.Subdivisions[0]; region.ISOCode != "" && p.Country.ISOCode != "" {
				text("source.geo.region_iso_code", p.Country.ISOCode+"-"+region.ISOCode)
			}
			text("source.geo.region_name", p.Subdivisions[0].Names.English)
		}
		text("source.geo.city_name", p.City.Names.English)
		text("source.geo.timezone", p.Location.TimeZone)
	}
	var s system
	if r := g.asn.reader.Load(); r != nil && r.Lookup(addr).Decode(&s) == nil {
		if s.Number > 0 {
			w.key("source.as.number")
			w.b = strconv.AppendUint(w.b, s.Number, 10)
		}
		text("source.as.organization.name", s.Organization)
	}
	return w.b
}
