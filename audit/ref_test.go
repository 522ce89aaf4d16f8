package audit_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/loghaul/loghaul/archive"
	"github.com/loghaul/loghaul/audit"
	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/sinks"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// refs runs CatRefs.
func refs(t *testing.T, store audit.Store, wrapped bool, texts ...string) (string, error) {
	t.Helper()
	var all []audit.Ref
	for _, text := range texts {
		r, err := audit.ParseRef(text)
		if err != nil {
			t.Fatal(err)
		}
		if r.String() != text {
			t.Errorf("%s is written as %s", text, r)
		}
		all = append(all, r)
	}
	var out bytes.Buffer
	err := audit.CatRefs(t.Context(), store, &out, all, wrapped)
	return out.String(), err
}

// mixed archives lines of several kinds in one object and gives its key, what
// Cat prints of each row, and what lay in the files. Rows are in the order of the
// sources.
func mixed(w *world) (key string, rows, wrapped []string) {
	const at = "2026-03-01T12:00:00.5Z "
	var batches []archive.Batch
	add := func(letter rune, raw string, lines ...string) {
		batches = append(batches, batch(source("web-1", letter), 0, raw, day))
		rows = append(rows, lines...)
	}
	var plain []string
	for i, line := range realLines(w.t)[:300] {
		plain = append(plain, string(line))
		if i%50 == 0 {
			plain = append(plain, "not a line of any format \xff\n")
		}
	}
	add('a', strings.Join(plain, "")+"no line feed", append(plain, "no line feed")...)
	wrapped = append(wrapped, rows...)
	add('b', at+"stdout P one \n"+at+"stdout F line\n"+at+"stderr F \n"+at+"stdout P part\n", "one line\n", "\n", "part")
	wrapped = append(wrapped, at+"stdout P one \n"+at+"stdout F line\n", at+"stderr F \n", at+"stdout P part\n")
	return w.add("agg", day, batches...), rows, wrapped
}

// TestRefsAreTheRows asks for each row by itself, for stretches, and in any order.
func TestRefsAreTheRows(t *testing.T) {
	w := newWorld(t)
	key, rows, wrapped := mixed(w)
	other := w.add("agg", day.Add(time.Minute), batch(source("web-1", 'c'), 0, "c0\nc1\n", day))
	for _, each := range []struct {
		wrapped bool
		want    []string
	}{{false, rows}, {true, wrapped}} {
		var backwards []string
		var want strings.Builder
		for i, line := range slices.Backward(each.want) {
			ref := fmt.Sprintf("%s#%d", key, i)
			backwards = append(backwards, ref)
			want.WriteString(line)
			if i%50 > 0 && i < 300 {
				continue
			}
			if got, err := refs(t, w.store, each.wrapped, ref); err != nil || got != line {
				t.Errorf("row %d, wrapped %v: %q, want %q: %v", i, each.wrapped, got, line, err)
			}
		}
		if got, err := refs(t, w.store, each.wrapped, backwards...); err != nil || got != want.String() {
			t.Errorf("backwards, wrapped %v: %s, %v", each.wrapped, differs(got, want.String()), err)
		}
	}
	all := strings.Join(rows, "")
	if got, err := refs(t, w.store, false, fmt.Sprintf("%s#0-%d", key, len(rows)-1)); err != nil || got != all {
		t.Errorf("all rows: %s, %v", differs(got, all), err)
	}
	want := strings.Join(rows[63:130], "") + "c1\n" + rows[7] + rows[7] + "c0\nc1\n"
	got, err := refs(t, w.store, false, key+"#63-129", other+"#1", key+"#7", key+"#7", other+"#0-1")
	if err != nil || got != want {
		t.Errorf("several: %s, %v", differs(got, want), err)
	}
	// What Cat prints is what the refs print: all sources are in order.
	if printed, _, _, err := w.cat(audit.Filter{}); err != nil || printed != all+"c0\nc1\n" {
		t.Errorf("cat: %s, %v", differs(printed, all+"c0\nc1\n"), err)
	}
}

func TestRefsThatNameNothing(t *testing.T) {
	w := newWorld(t)
	key := w.add("agg", day, batch(source("web-1", 'a'), 0, "a0\na1\na2\n", day))
	damaged := w.add("agg", day.Add(time.Minute), batch(source("web-1", 'b'), 0, "b0\n", day))
	gone := w.add("agg", day.Add(2*time.Minute), batch(source("web-1", 'c'), 0, "c0\n", day))
	if err := os.Remove(w.path(gone)); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(w.path(damaged))
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(w.path(damaged), b, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := refs(t, w.store, false, key+"#3", key+"#1", gone+"#0", damaged+"#0", key+"#1-3", key+"#2")
	if got != "a1\na2\n" {
		t.Errorf("printed %q", got)
	}
	if !errors.Is(err, sinks.ErrNotFound) || !errors.Is(err, archive.ErrCorrupt) {
		t.Errorf("%v", err)
	}
	for _, want := range []string{
		key + "#3: the object has 3 rows, 0 to 2",
		key + "#1-3: the object has 3 rows, 0 to 2",
		gone + " is not in this archive: its retention has ended, or it is in another archive",
		damaged + ": " + archive.ErrCorrupt.Error() + ": its content does not have the checksum in its name",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
	// Nobody reads on: that is said once, however many rows are left.
	full := fmt.Sprintf("%s#0-2", key)
	r, err := audit.ParseRef(full)
	if err != nil {
		t.Fatal(err)
	}
	err = audit.CatRefs(t.Context(), w.store, brokenPipe{}, []audit.Ref{r, r}, false)
	if err == nil || strings.Count(err.Error(), "write the lines") != 1 || !errors.Is(err, os.ErrClosed) {
		t.Errorf("%v", err)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestParseRefRefuses(t *testing.T) {
	const key = "dt=2026-03-01/hour=12/agg-1772366400000-0123456789ab.parquet"
	if r, err := audit.ParseRef(key + "#5-17"); err != nil || r != (audit.Ref{Key: key, First: 5, Last: 17}) {
		t.Fatalf("%+v, %v", r, err)
	}
	for text, why := range map[string]string{
		"":                     "it has no #",
		key:                    "it has no #",
		"#5":                   "no .parquet",
		"s3://b/" + key + "#5": "folder and time differ",
		key + "#":              `"" is not the number of a row`,
		key + "#-1":            `"" is not the number of a row`,
		key + "#1-":            `"" is not the number of a row`,
		key + "#+1":            `"+1" is not the number of a row`,
		key + "#01":            `"01" is not the number of a row`,
		key + "#1 ":            `"1 " is not the number of a row`,
		key + "#1-2-3":         `"2-3" is not the number of a row`,
		key + "#9999999999":    "is not the number of a row",
		key + "#7-5":           "row 5 is before row 7",
		key + "#1#2":           "no .parquet",
	} {
		if r, err := audit.ParseRef(text); err == nil || !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), "want "+audit.RefForm) {
			t.Errorf("%q gives %+v, %v; want an error with %q", text, r, err, why)
		}
	}
}

// A ref over S3 takes one request and gives what it gives from a folder.
func TestRefsOverS3(t *testing.T) {
	s3 := testenv.S3(t)
	folder := newWorld(t)
	key, rows, _ := mixed(folder)
	store, err := objectstore.Open(t.Context(),
		fmt.Sprintf("s3://%s/refs?endpoint=%s&region=%s", s3.Bucket, url.QueryEscape(s3.Endpoint), s3.Region),
		objectstore.Options{AccessKey: s3.AccessKey, SecretKey: s3.SecretKey})
	if err != nil {
		t.Fatal(err)
	}
	body, err := folder.store.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Write(t.Context(), &sinks.Group{Key: key, Body: body, SHA256: sha256.Sum256(body)}); err != nil {
		t.Fatal(err)
	}
	got, err := refs(t, store, false, key+"#10-19", key+"#300")
	if want := strings.Join(rows[10:20], "") + rows[300]; err != nil || got != want {
		t.Errorf("%s, %v", differs(got, want), err)
	}
	missing := strings.Replace(key, "/agg-", "/other-", 1)
	if _, err := refs(t, store, false, missing+"#0"); !errors.Is(err, sinks.ErrNotFound) {
		t.Errorf("no such object: %v", err)
	}
}
