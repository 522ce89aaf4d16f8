package elastic

import (
	"bytes"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"

	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/parser"
)

// geoFile writes a file of the format MaxMind DB, in place of the one that is
// there. The networks are those that are reserved for documentation (RFC 5737,
// RFC 3849), and places are made up.
func geoFile(t testing.TB, path string, records map[string]mmdbtype.Map) {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "Test", RecordSize: 24, IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	for network, record := range records {
		_, n, err := net.ParseCIDR(network)
		if err != nil {
			t.Fatal(err)
		}
		if err := tree.Insert(n, record); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if _, err := tree.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	replace(t, path, b.Bytes())
}

func replace(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func names(english string) mmdbtype.Map {
	return mmdbtype.Map{"names": mmdbtype.Map{"en": mmdbtype.String(english), "de": mmdbtype.String("…")}}
}

func with(m mmdbtype.Map, key mmdbtype.String, value mmdbtype.DataType) mmdbtype.Map {
	m[key] = value
	return m
}

func cityRecords(city string) map[string]mmdbtype.Map {
	return map[string]mmdbtype.Map{
		"198.51.100.0/24": {
			"city": names(city), "continent": with(names("Europe"), "code", mmdbtype.String("EU")),
			"country":      with(names("Germany"), "iso_code", mmdbtype.String("DE")),
			"subdivisions": mmdbtype.Slice{with(names("Berlin"), "iso_code", mmdbtype.String("BE")), names("District")},
			"location":     mmdbtype.Map{"latitude": mmdbtype.Float64(52.5), "longitude": mmdbtype.Float64(-13.25), "time_zone": mmdbtype.String("Europe/Berlin")},
		},
		"2001:db8::/32":  {"country": with(names("France"), "iso_code", mmdbtype.String("FR"))},
		"203.0.113.0/24": {"location": mmdbtype.Map{"latitude": mmdbtype.Float64(520), "longitude": mmdbtype.Float64(0)}},
	}
}

func systemRecords() map[string]mmdbtype.Map {
	return map[string]mmdbtype.Map{
		"198.51.100.0/24": {"autonomous_system_number": mmdbtype.Uint32(64496), "autonomous_system_organization": mmdbtype.String(`Example "Net"`)},
	}
}

func openGeo(t testing.TB) (g *Geo, files GeoIP, log *lockedBuffer) {
	t.Helper()
	dir := t.TempDir()
	files = GeoIP{City: filepath.Join(dir, "city.mmdb"), ASN: filepath.Join(dir, "asn.mmdb")}
	geoFile(t, files.City, cityRecords("Berlin"))
	geoFile(t, files.ASN, systemRecords())
	log = &lockedBuffer{}
	g, err := OpenGeo(files, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return g, files, log
}

// located gives what a document says about where an address is.
func located(t testing.TB, d *Documents, addr string) map[string]any {
	t.Helper()
	got := one(t, d, nil, "%ci %ST", addr+" 200")
	geo := map[string]any{}
	for name, v := range got {
		if strings.HasPrefix(name, "source.geo.") || strings.HasPrefix(name, "source.as.") {
			geo[name] = v
		}
	}
	return geo
}

func TestGeoIP(t *testing.T) {
	g, files, log := openGeo(t)
	d := &Documents{Geo: g}
	want := map[string]any{
		"source.geo.location":       map[string]any{"lat": 52.5, "lon": -13.25},
		"source.geo.continent_code": "EU", "source.geo.continent_name": "Europe", "source.geo.country_iso_code": "DE", "source.geo.country_name": "Germany",
		"source.geo.region_iso_code": "DE-BE", "source.geo.region_name": "Berlin", "source.geo.city_name": "Berlin", "source.geo.timezone": "Europe/Berlin",
		"source.as.number": 64496.0, "source.as.organization.name": `Example "Net"`,
	}
	for addr, want := range map[string]map[string]any{
		"198.51.100.7": want, "::ffff:198.51.100.7": want, "192.0.2.1": {}, "unix": {}, "203.0.113.1": {},
		"2001:db8::1": {"source.geo.country_iso_code": "FR", "source.geo.country_name": "France"},
	} {
		for range 2 { // the second answer is remembered
			if diff := cmp.Diff(want, located(t, d, addr)); diff != "" {
				t.Errorf("%s (-want +got)\n%s", addr, diff)
			}
		}
	}
	types := mapped(t)
	for name := range want {
		if types[name] == "" {
			t.Errorf("%s is not in the template", name)
		}
	}
	city := func() any { return located(t, d, "198.51.100.7")["source.geo.city_name"] }
	// A file that was not changed is not read again, one that is broken or gone does no harm, and a good one counts.
	g.Reload()
	replace(t, files.City, []byte("broken"))
	g.Reload()
	g.Reload()
	if err := os.Remove(files.ASN); err != nil {
		t.Fatal(err)
	}
	g.Reload()
	g.Reload()
	if got := city(); got != "Berlin" || strings.Count(log.String(), "level=WARN") != 2 || strings.Contains(log.String(), "level=INFO") {
		t.Errorf("with broken files the city is %v; the log has\n%s", got, log)
	}
	geoFile(t, files.City, cityRecords("Potsdam"))
	g.Reload()
	if got := city(); got != "Potsdam" || !strings.Contains(log.String(), "read anew") {
		t.Errorf("the new file is not used, the city is %v", got)
	}
}

func TestGeoIPNeedsItsFiles(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "broken.mmdb")
	replace(t, broken, []byte("<html>"))
	for _, path := range []string{"/nonexistent.mmdb", broken} {
		if _, err := OpenGeo(GeoIP{ASN: path}, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("got %v, want an error that names %s", err, path)
		}
	}
	if g, err := OpenGeo(GeoIP{}, nil); g != nil || err != nil {
		t.Errorf("got %v, %v without files", g, err)
	}
}

// Where the address is masked, so is the place: of a truncated one it is that of
// its network, of a hashed one there is none.
func TestGeoIPOfMaskedAddresses(t *testing.T) {
	g, files, _ := openGeo(t)
	everywhere := cityRecords("Berlin")
	everywhere["0.0.0.0/1"], everywhere["128.0.0.0/1"] = everywhere["198.51.100.0/24"], everywhere["198.51.100.0/24"]
	geoFile(t, files.City, everywhere)
	g.Reload()
	for method, want := range map[string]int{"truncate": 11, "hash": 0} {
		d := &Documents{Geo: g, Rules: rules(t, Rule{Mask: map[string]string{"ci": method}})}
		if got := located(t, d, "198.51.100.7"); len(got) != want {
			t.Errorf("%s: %v", method, got)
		}
	}
}

func TestGeoIPIsBounded(t *testing.T) {
	g, _, _ := openGeo(t)
	c := g.cache(nil)
	w := new(writer)
	var v parser.Value
	v.State = parser.Present | parser.IPv4
	for i := range 3 * geoGeneration {
		v.Int = int64(i)
		w.begin(w.b[:0])
		c.append(w, &v)
	}
	if n := len(c.young) + len(c.old); n > 2*geoGeneration || n < geoGeneration {
		t.Errorf("%d addresses are remembered", n)
	}
	if n := testing.AllocsPerRun(100, func() { w.begin(w.b[:0]); c.append(w, &v) }); n != 0 {
		t.Errorf("a remembered address takes %v allocations", n)
	}
	if g.cache(c) != c {
		t.Error("nothing has changed, and it is all forgotten")
	}
}

// TestGeoIPIsSearchable asks a real server for a place.
func TestGeoIPIsSearchable(t *testing.T) {
	server := servers.Elastic(t)
	_, files, _ := openGeo(t)
	c := testConfig(server.URL, "geoip")
	c.GeoIP = files
	r := run(t, c)
	raw := bytes.ReplaceAll(lines(2), []byte("10.0.0."), []byte("198.51.100."))
	if !r.Offer(group(t, 1, raw)) {
		t.Fatal("the queue is full")
	}
	r.settled()
	const near = `{"query":{"geo_distance":{"distance":"10km","source.geo.location":{"lat":52.51,"lon":-13.25}}}}`
	testenv.Eventually(t, patience, "two documents near the place", func() bool {
		count(t, server, "geoip", "")
		var got struct{ Count int }
		request(t, "POST", server.URL+"/logs-haproxy.log-geoip/_count", near, &got)
		return got.Count == 2
	})
}
