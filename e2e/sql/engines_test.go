package sql

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestEngines has each engine read one archive with the statements of
// deploy/sql.
func TestEngines(t *testing.T) {
	w := newWorld(t)
	for name, run := range map[string]func(*testing.T){"DuckDB": w.duckDB, "Spark": w.spark, "Trino": w.trino} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // half of the time is their start
			run(t)
		})
	}
}

// engine is a running SQL engine that has the archive as its table.
type engine interface {
	// query gives the rows of a statement: texts, nil for null, bytes in base64,
	// numbers as fmt prints them.
	query(sql string) [][]any
}

// tables are the names that an engine has for the archive.
type tables struct{ archive, lines, distinct, days string }

// check asks all that does not depend on the engine.
func (w *world) check(t *testing.T, e engine, names tables) {
	t.Helper()
	t.Run("lines", func(t *testing.T) { w.checkLines(t, e, names) })
	t.Run("truth", func(t *testing.T) { w.checkTruth(t, e, names) })
	t.Run("repeats", func(t *testing.T) { w.checkRepeats(t, e, names.distinct) })
	t.Run("derived", func(t *testing.T) { w.checkRepeats(t, e, names.days) })
}

const identity = `node, source, "offset"`

// checkLines compares every row but those of truth, byte for byte.
func (w *world) checkLines(t *testing.T, e engine, names tables) {
	got := map[row]int{}
	for _, r := range e.query(`SELECT CAST(dt AS VARCHAR), hour, ` + identity + `, wrapped, line FROM ` + names.lines + ` WHERE dt < '2026-11-24'`) {
		got[rowOf(t, r)]++
	}
	if d := cmp.Diff(w.rows, got, cmp.AllowUnexported(row{})); d != "" {
		t.Errorf("rows of our reader (-), of the engine (+):\n%.4000s", d)
	}
}

func rowOf(t *testing.T, r []any) row {
	t.Helper()
	return row{
		str(r[0]), str(r[1]), str(r[2]), str(r[3]), number(t, r[4]), decoded(t, r[5]), decoded(t, r[6]),
	}
}

func str(v any) string {
	if v == nil {
		return unknown
	}
	return fmt.Sprint(v)
}

func number(t *testing.T, v any) int64 {
	t.Helper()
	var n int64
	if _, err := fmt.Sscan(str(v), &n); err != nil {
		t.Fatalf("%v is no number", v)
	}
	return n
}

func decoded(t *testing.T, v any) string {
	t.Helper()
	if v == nil {
		return unknown
	}
	b, err := base64.StdEncoding.DecodeString(str(v))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// checkTruth compares counts with what HAProxy's second channel says about the
// same requests, and a sum over many lines with that of the log.
func (w *world) checkTruth(t *testing.T, e engine, names tables) {
	const day = ` WHERE dt = '2026-11-24' AND hour = '23'`
	got := truth{Status: map[string]int{}, Frontend: map[string]int{}, Term: map[string]int{}}
	for _, r := range e.query(`SELECT count(*), sum(bytes_read), count(DISTINCT client_ip) FROM ` + names.archive + day) {
		got.Lines, got.BytesSum, got.ClientIPs = int(number(t, r[0])), number(t, r[1]), int(number(t, r[2]))
	}
	for column, counts := range map[string]map[string]int{"status": got.Status, "frontend": got.Frontend, "termination_state": got.Term} {
		for _, r := range e.query(`SELECT ` + column + `, count(*) FROM ` + names.archive + day + ` GROUP BY ` + column) {
			counts[str(r[0])] = int(number(t, r[1]))
		}
	}
	if d := cmp.Diff(w.truth, got); d != "" {
		t.Errorf("HAProxy's summary (-), the engine (+):\n%s", d)
	}
	if _, ok := e.(*duckDB); ok {
		return // has no CRC; all these lines are compared in package archive
	}
	const some = 5 << 20
	var want, offset int64
	for line := range bytes.Lines(w.read("testdata/corpus/httplog-200k.log.zst")) {
		if offset < some {
			want += int64(crc32.ChecksumIEEE(bytes.TrimSuffix(line, []byte("\n"))))
		}
		offset += int64(len(line))
	}
	for _, r := range e.query(`SELECT sum(crc32(line)) FROM ` + names.lines + day + fmt.Sprintf(` AND "offset" < %d`, some)) {
		if got := number(t, r[0]); got != want {
			t.Errorf("the CRCs of the lines add up to %d, want %d", got, want)
		}
	}
}

// checkWhole wants the number of all rows.
func (w *world) checkWhole(t *testing.T, answer [][]any) {
	t.Helper()
	want := w.truth.Lines
	for _, n := range w.rows {
		want += n
	}
	if got := number(t, answer[0][0]); got != int64(want) {
		t.Errorf("%d rows in all of the archive, want %d", got, want)
	}
}

// checkRepeats wants each line once, and all lines that claim one place.
func (w *world) checkRepeats(t *testing.T, e engine, table string) {
	got, repeats := map[row]bool{}, 0
	for _, r := range e.query(`SELECT '', '', ` + identity + `, wrapped, NULL FROM ` + table + ` WHERE source < 'a'`) {
		k := rowOf(t, r)
		k.line = ""
		if got[k] {
			repeats++
		}
		got[k] = true
	}
	if d := cmp.Diff(w.distinct, got, cmp.AllowUnexported(row{})); d != "" || repeats > 0 {
		t.Errorf("%d repeats; our reader (-), the engine (+):\n%.4000s", repeats, d)
	}
	if len(w.distinct)*11/10 > len(w.rows) {
		t.Errorf("%d rows, %d of them distinct: not much of a test", len(w.rows), len(w.distinct))
	}
	var conflicts int
	for k := range got {
		if strings.HasPrefix(k.wrapped, "another line") {
			conflicts++
		}
	}
	if conflicts != 1 {
		t.Errorf("%d of the lines that claim the place of another one", conflicts)
	}
}
