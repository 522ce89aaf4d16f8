package archive

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/loghaul/loghaul/parser"
)

// TestDateThatHappenedTwice: the time at which a batch was read decides between the two, and the lines before within a
// source; what stays open is flagged.
func TestDateThatHappenedTwice(t *testing.T) {
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	format, err := parser.Compile("%tr %Ta %ST")
	if err != nil {
		t.Fatal(err)
	}
	const fold = "03/Nov/2024:01:30:00.000 5 200\n"
	long, soon := time.Date(2024, 11, 4, 0, 0, 0, 0, time.UTC), time.Date(2024, 11, 3, 6, 30, 3, 0, time.UTC)
	at := func(source byte, from int64, read time.Time, raw string) Batch {
		b := batch(source, from, []byte(raw))
		b.Header.ReadAt = read
		return b
	}
	e, err := NewEncoder(Options{Formats: []*parser.Format{format}, Zone: parser.NewZone(newYork), Writer: "w"})
	if err != nil {
		t.Fatal(err)
	}
	before := strings.Replace(fold, "01:30", "00:59", 1)
	next := strings.Replace(fold, "01:30", "01:02", 1)
	o, err := e.Encode([]Batch{
		at(1, 0, long, fold),                                          // unsure
		at(2, 0, soon, fold),                                          // the second
		at(3, 0, long, before), at(3, int64(len(before)), long, next), // the first, as it follows
		at(4, 0, long, before), at(4, int64(len(before))+1, long, next), // unsure: a line is missing between
	}, sealed)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Open(bytes.NewReader(o.Body), int64(len(o.Body)))
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	if err := r.Rows(func(row *Row) error {
		got += time.UnixMilli(row.Time).UTC().Format(" 15:04")
		if row.TimeUnsure {
			got += "?"
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if want := " 05:30? 06:30 04:59 05:02 04:59 05:02?"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestEventRows: events keep their bytes and can be found by their columns.
func TestEventRows(t *testing.T) {
	const raw = "Server be/s is DOWN, changed from CLI. 1 active\nnot a line of HAProxy\nConnect to unix:3 (fe/HTTP)\n"
	o, err := newEncoder(t, wellKnown(t)...).Encode([]Batch{batch(1, 0, []byte(raw))}, sealed)
	if err != nil {
		t.Fatal(err)
	}
	if o.Events != 1 || o.Unparsed != 1 || o.RawKept != 1 || string(readBack(t, o.Body)) != raw {
		t.Errorf("%d events, %d unparsed, %d keep their bytes: %q", o.Events, o.Unparsed, o.RawKept, readBack(t, o.Body))
	}
	r, err := Open(bytes.NewReader(o.Body), int64(len(o.Body)))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := r.Rows(func(row *Row) error {
		text := row.Format
		if row.Record != nil {
			for i := range row.Record.Values {
				text += "|"
				if row.Record.Format.Fields()[i].Kind != parser.KindInt { // it has no text
					text += string(row.Record.Values[i].Text)
				}
			}
		}
		got = append(got, text)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if want := "event|be|s|DOWN|Server be/s is DOWN, changed from CLI. 1 active default|unix||||fe|HTTP"; strings.Join(got, " ") != strings.Replace(want, " default", "  default", 1) {
		t.Errorf("got %q", got)
	}
}
