package parser

import (
	"encoding/json"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"
	_ "time/tzdata" // the zones of the tests
)

func location(tb testing.TB, name string) *time.Location {
	tb.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		tb.Fatal(err)
	}
	return loc
}

const wallLayout = "2006-01-02T15:04:05"

// wallOf reads a wall clock as if it were UTC.
func wallOf(tb testing.TB, s string) int64 {
	tb.Helper()
	at, err := time.Parse(wallLayout, s)
	if err != nil {
		tb.Fatal(err)
	}
	return at.UnixMilli()
}

// TestZoneSides has what can be the case of a wall clock: its possible offsets, in order, or after "gap" the one that
// held before.
func TestZoneSides(t *testing.T) {
	for _, tc := range []struct {
		zone, wall string
		want       []int32
		skipped    int32
	}{
		{"UTC", "2024-02-29T23:59:59", []int32{0}, 0},
		{"America/New_York", "2024-11-03T00:59:59", []int32{-14400}, 0},
		{"America/New_York", "2024-11-03T01:00:00", []int32{-14400, -18000}, 0},
		{"America/New_York", "2024-11-03T01:59:59", []int32{-14400, -18000}, 0},
		{"America/New_York", "2024-11-03T02:00:00", []int32{-18000}, 0},
		{"America/New_York", "2024-03-10T02:00:00", nil, -18000},
		{"America/New_York", "2024-03-10T02:59:59", nil, -18000},
		{"America/New_York", "2024-03-10T03:00:00", []int32{-14400}, 0},
		{"America/New_York", "2045-11-05T01:30:00", []int32{-14400, -18000}, 0}, // beyond 2038
		{"America/New_York", "2040-12-31T12:00:00", []int32{-18000}, 0},
		{"America/New_York", "1883-11-18T11:59:00", []int32{-17762}, 0},         // local mean time, -4:56:02
		{"America/New_York", "1883-11-18T12:01:00", []int32{-17762, -18000}, 0}, // which had seconds
		{"America/New_York", "1883-11-18T12:04:00", []int32{-18000}, 0},
		{"Europe/Paris", "2024-10-27T02:30:00", []int32{7200, 3600}, 0},
		{"Europe/Paris", "2024-03-31T02:30:00", nil, 3600},
		{"Asia/Kolkata", "2024-02-29T12:00:00", []int32{19800}, 0},
		{"Asia/Kathmandu", "2024-02-29T12:00:00", []int32{20700}, 0},
		{"Australia/Lord_Howe", "2024-04-07T01:45:00", []int32{39600, 37800}, 0}, // half an hour
		{"Australia/Lord_Howe", "2024-04-07T01:29:59", []int32{39600}, 0},
		{"Australia/Lord_Howe", "2024-10-06T02:15:00", nil, 37800},
		{"Africa/Casablanca", "2024-03-10T02:30:00", []int32{3600, 0}, 0}, // Ramadan
		{"Africa/Casablanca", "2024-04-14T02:30:00", nil, 0},
		{"America/St_Johns", "2024-11-03T01:30:00", []int32{-9000, -12600}, 0},
		{"America/St_Johns", "2006-10-29T00:00:30", []int32{-9000, -12600}, 0}, // at 00:01
		{"Pacific/Apia", "2011-12-29T23:59:59", []int32{-36000}, 0},
		{"Pacific/Apia", "2011-12-30T12:00:00", nil, -36000}, // a day that was not
		{"Pacific/Apia", "2011-12-31T00:00:00", []int32{50400}, 0},
		{"Pacific/Kwajalein", "1993-08-21T12:00:00", nil, -43200},
	} {
		z := NewZone(location(t, tc.zone))
		wall := wallOf(t, tc.wall)
		z.look(wall)
		got := z.offsets[:z.sides]
		if len(got) != len(tc.want) || z.sides == 0 && z.skipped != tc.skipped {
			t.Errorf("%s %s: got %v or %d, want %v or %d", tc.zone, tc.wall, got, z.skipped, tc.want, tc.skipped)
			continue
		}
		for i := range got {
			if got[i] != tc.want[i] {
				t.Errorf("%s %s: got %v, want %v", tc.zone, tc.wall, got, tc.want)
			}
		}
		if wall < z.from || wall >= z.to {
			t.Errorf("%s %s: valid from %d to %d", tc.zone, tc.wall, z.from, z.to)
		}
	}
}

var manyZones = []string{
	"America/New_York", "Europe/Paris", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Casablanca", "America/St_Johns", "Pacific/Apia",
	"Europe/Dublin", "Asia/Gaza", "Africa/Monrovia", "Asia/Manila", "America/Metlakatla", "Antarctica/Troll", "Europe/Lisbon",
}

// TestZoneAgainstTime compares with package time: what an instant prints as must be one of the ways to read it, and
// every way to read it must print it.
func TestZoneAgainstTime(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, name := range manyZones {
		loc := location(t, name)
		z := NewZone(loc)
		// Around each change of the offset, and anywhere.
		var instants []int64
		for at := time.Date(1840, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() < 2060; {
			_, end := at.In(loc).ZoneBounds()
			if end.IsZero() {
				break
			}
			if !end.After(at) {
				end = at.Add(time.Hour) // see period
			}
			for range 60 {
				instants = append(instants, end.Unix()+random.Int64N(200_000)-100_000)
			}
			at = end
		}
		for range 2000 {
			instants = append(instants, random.Int64N(1<<33)-1<<32)
		}
		for _, sec := range instants {
			_, off := time.Unix(sec, 0).In(loc).Zone()
			wall := (sec + int64(off)) * 1000
			c := clock{wall: wall}
			if wall < z.from || wall >= z.to {
				z.look(wall)
			}
			found := false
			for i, o := range z.offsets[:z.sides] {
				at := wall/1000 - int64(o)
				if _, back := time.Unix(at, 0).In(loc).Zone(); int32(back) != o {
					t.Fatalf("%s: %d is read with %d, which does not hold then", name, wall, o)
				}
				if i > 0 && o >= z.offsets[i-1] {
					t.Fatalf("%s: %d: %v is not in order", name, wall, z.offsets[:z.sides])
				}
				found = found || at == sec
			}
			if !found {
				t.Fatalf("%s: %d is not among the ways to read %d", name, sec, wall)
			}
			if got := z.offsetAt(sec); int(got) != off {
				t.Fatalf("%s: offset %d at %d, want %d", name, got, sec, off)
			}
			// With a date of the same record, or the time of receipt, nothing is left open.
			c.anchored, c.anchor = true, sec*1000+250
			z.Restart()
			if got, _, sure := z.resolve(&c); got != sec*1000 || !sure {
				t.Fatalf("%s: %d by a date of the record: got %d, %v", name, sec, got, sure)
			}
			c.anchored = false
			z.Restart()
			z.Received(sec*1000 + 2000)
			if got, _, sure := z.resolve(&c); got != sec*1000 || !sure {
				t.Fatalf("%s: %d by its receipt: got %d, %v", name, sec, got, sure)
			}
		}
	}
}

// TestZoneGap: a wall clock without an instant is one that no instant prints.
func TestZoneGap(t *testing.T) {
	for _, name := range manyZones {
		loc := location(t, name)
		z := NewZone(loc)
		for at := time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() < 2040; {
			_, end := at.In(loc).ZoneBounds()
			if end.IsZero() {
				break
			}
			_, before := end.Add(-time.Second).In(loc).Zone()
			_, after := end.In(loc).Zone()
			if after > before {
				c := clock{wall: (end.Unix() + int64(before+after)/2) * 1000}
				if ms, off, sure := z.resolve(&c); sure || int(off) != before || ms != c.wall-int64(before)*1000 {
					t.Fatalf("%s: %d between %d and %d: got %d, %v", name, c.wall, before, after, off, sure)
				}
			}
			at = end
		}
	}
}

// TestFold takes lines of one stream through the night in which New York sets its clock back from 2:00 EDT to 1:00 EST.
// A line is date, duration and, after "@", the hour in UTC and minute at which it was received. want is E for EDT, S for
// EST, with a question mark if that is not certain.
func TestFold(t *testing.T) {
	for _, tc := range []struct {
		name  string
		lines []foldLine
		want  string
	}{
		{"through it", []foldLine{{"00:59:58", 0, ""}, {"01:00:01", 0, ""}, {"01:59:59", 0, ""}, {"01:00:00", 0, ""}, {"01:10:00", 0, ""}, {"01:59:59", 0, ""}, {"02:00:00", 0, ""}}, "E E E? S S S S"},
		{"every few minutes", []foldLine{{"00:55:00", 0, ""}, {"01:05:00", 0, ""}, {"01:15:00", 0, ""}, {"01:30:00", 0, ""}, {"01:45:00", 0, ""}, {"01:58:00", 0, ""}, {"01:05:00", 0, ""}, {"01:20:00", 0, ""}}, "E E E E E E S S"},
		{"begins in it", []foldLine{{"01:30:00", 0, ""}, {"01:31:00", 0, ""}, {"01:59:00", 0, ""}}, "E? E? E?"},
		{"begins in it, and goes back", []foldLine{{"01:50:00", 0, ""}, {"01:58:00", 0, ""}, {"01:01:00", 0, ""}, {"01:02:00", 0, ""}}, "E? E? S S"},
		{"one clock only", []foldLine{{"01:59:58", 0, ""}, {"01:59:58", 0, ""}}, "E? E?"},
		{"a quiet night", []foldLine{{"00:10:00", 0, ""}, {"01:30:00", 0, ""}}, "E E?"},
		{"back by less than an hour", []foldLine{{"01:02:00", 0, "05:02"}, {"01:50:00", 0, "05:50"}, {"01:20:00", 0, ""}}, "E E S"},
		{"long request, written at its end", []foldLine{{"01:58:00", 0, "05:58"}, {"01:10:00", 2_900_000, ""}}, "E E"},
		{"long request over the border", []foldLine{{"01:02:00", 0, "06:02"}, {"01:50:00", 760_000, ""}}, "S E"},
		{"received at once", []foldLine{{"01:30:00", 0, "06:30"}, {"01:31:00", 0, ""}}, "S S"},
		{"received before the clock was set back", []foldLine{{"01:30:00", 0, "05:45"}}, "E"},
		{"received with a clock that is behind", []foldLine{{"01:30:00", 0, "05:29"}}, "E"},
		{"received much later", []foldLine{{"01:30:00", 0, "12:00"}}, "E?"},
		{"a day later, lines before", []foldLine{{"00:59:00", 0, "12:00"}, {"01:00:10", 0, "12:00"}}, "E E"},
		{"received at the end of a long request", []foldLine{{"01:30:00", 3_000_000, "07:20"}}, "S"},
	} {
		f := mustCompile(t, "[%tr] %Ta")
		z := NewZone(location(t, "America/New_York"))
		var r Record
		got := ""
		for _, l := range tc.lines {
			if l.received != "" {
				z.Received(wallOf(t, "2024-11-03T"+l.received+":00"))
			} else {
				z.received = NewZone(nil).received
			}
			r.Reset(f)
			r.Values[0] = Value{Int: wallOf(t, "2024-11-03T"+l.wall), State: Present}
			r.Values[1] = Value{Int: l.duration, State: Present}
			_, off, _ := r.Time(z)
			got += map[int32]string{-14400: " E", -18000: " S"}[off]
			if r.TimeUnsure {
				got += "?"
			}
		}
		if got[1:] != tc.want {
			t.Errorf("%s: got %s, want %s", tc.name, got[1:], tc.want)
		}
	}
}

type foldLine struct {
	wall     string
	duration int64
	received string
}

// TestTimeOfSameRecord: other dates of a record decide its date without an offset, whatever the zone.
func TestTimeOfSameRecord(t *testing.T) {
	for _, tc := range []struct{ zone, spec, line, want string }{
		{"America/New_York", "%tr %Ts", "03/Nov/2024:01:59:58.123 1730613598", "2024-11-03T01:59:58.123-04:00"},
		{"America/New_York", "%tr %Ts", "03/Nov/2024:01:59:58.123 1730617190", "2024-11-03T01:59:58.123-05:00"},
		{"America/New_York", "%t %Ts %ms", "03/Nov/2024:01:59:58.123 1730617198 123", "2024-11-03T01:59:58.123-05:00"},
		{"America/New_York", "%T %tr", "03/Nov/2024:06:30:00 +0000 03/Nov/2024:01:30:09.001", "2024-11-03T01:30:09.001-05:00"},
		{"America/New_York", "%tr %trg", "03/Nov/2024:01:30:09.001 03/Nov/2024:06:30:09 +0000", "2024-11-03T01:30:09.001-05:00"},
		{"America/New_York", "%Tl|%t", "03/Nov/2024:01:30:09 -0400|03/Nov/2024:01:30:09.001", "2024-11-03T01:30:09.001-04:00"},
		{"America/New_York", "%tr", "03/Nov/2024:01:30:09.001", "2024-11-03T01:30:09.001-04:00?"},
		{"America/New_York", "%tr", "10/Mar/2024:02:30:09.001", "2024-03-10T02:30:09.001-05:00?"},
		{"America/New_York", "%tr %T", "03/Nov/2024:01:30:09.001 02/Nov/2024:01:30:09 +0000", "2024-11-03T01:30:09.001-04:00?"}, // idle for a day
		{"UTC", "%tr %trg", "03/Nov/2024:01:30:09.001 03/Nov/2024:06:30:09 +0000", "2024-11-03T01:30:09.001-05:00"},
		{"America/New_York", "%tr %trl", "10/Mar/2024:02:30:09.001 10/Mar/2024:02:30:09 +0100", "2024-03-10T02:30:09.001+01:00"},
	} {
		var r Record
		if !mustCompile(t, tc.spec).Parse([]byte(tc.line), &r) {
			t.Fatalf("%s: %q does not match", tc.spec, tc.line)
		}
		ms, offset, ok := r.Time(NewZone(location(t, tc.zone)))
		got := time.UnixMilli(ms).In(time.FixedZone("", int(offset))).Format("2006-01-02T15:04:05.000Z07:00")
		if r.TimeUnsure {
			got += "?"
		}
		if !ok || got != tc.want {
			t.Errorf("%s %q in %s: got %s, want %s", tc.spec, tc.line, tc.zone, got, tc.want)
		}
	}
}

// TestCorpusDates: the time of every line of the corpus that has one, in the zone of the machine, is the one that
// HAProxy has in seconds since 1970, or called unsure.
func TestCorpusDates(t *testing.T) {
	zones := map[string]string{"dates-ny-dst-fall": "America/New_York", "dates-kolkata-leap": "Asia/Kolkata", "dates-paris-spring": "Europe/Paris"}
	dated, unsure := 0, 0
	for _, file := range corpusFiles(t, true) {
		f, err := Compile(file.spec)
		if err != nil {
			continue
		}
		name := zones[filepath.Dir(file.name)]
		if name == "" {
			name = "UTC"
		}
		z := NewZone(location(t, name))
		var r Record
		for i, line := range file.lines {
			number, _ := file.truth[i]["Ts"].(json.Number)
			want, err := number.Int64()
			if err != nil || !f.Parse(line, &r) {
				continue
			}
			ms, _, ok := r.Time(z)
			if !ok {
				continue
			}
			dated++
			if r.TimeUnsure {
				unsure++
			}
			// Requests of a connection begin later than its accept date, by as much as it was idle.
			if idle := ms/1000 - want; idle < 0 || idle > 30 {
				t.Errorf("%s:%d: %d s after its accept date: %q", file.name, i+1, idle, line)
			}
			if r.TimeUnsure != (file.name == "dates-ny-dst-fall/httplog.log") {
				t.Errorf("%s:%d: unsure is %v", file.name, i+1, r.TimeUnsure)
			}
		}
	}
	if dated < 10000 || unsure == 0 {
		t.Errorf("%d dates, %d unsure", dated, unsure)
	}
}

func TestTimeDoesNotAllocate(t *testing.T) {
	f := mustCompile(t, "%tr %Ta %Ts")
	z := NewZone(location(t, "America/New_York"))
	var r Record
	r.Reset(f)
	wall := wallOf(t, "2024-11-02T12:00:00")
	if n := testing.AllocsPerRun(100, func() {
		wall += 1_700_000
		r.Values[0] = Value{Int: wall, State: Present}
		r.Time(z)
		r.Values[0] = Value{}
		r.Values[2] = Value{Int: wall / 1000, State: Present}
		r.Time(z)
		r.Values[2] = Value{}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkTime(b *testing.B) {
	f := mustCompile(b, "httplog")
	z := NewZone(location(b, "America/New_York"))
	var r Record
	r.Reset(f)
	i := f.fieldOf("tr")
	wall := wallOf(b, "2024-11-02T12:00:00")
	for b.Loop() {
		wall++
		r.Values[i] = Value{Int: wall, State: Present}
		r.Time(z)
	}
}
