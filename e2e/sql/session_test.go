package sql

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/loghaul/loghaul/internal/testenv"
)

// session is a process of testdata/session.py.
type session struct {
	t   *testing.T
	in  io.WriteCloser
	out *bufio.Reader
}

func newSession(t *testing.T, name string) *session {
	t.Helper()
	python, env := testenv.Python(t)
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, dir+"/testdata/session.py", name)
	cmd.Dir, cmd.Env = t.TempDir(), env
	log, err := os.Create(cmd.Dir + "/stderr")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = log
	s := &session{t: t}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if s.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	s.out = bufio.NewReaderSize(out, 1<<20)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.in.Close()
		_ = cmd.Wait()
		_ = log.Close()
		if b, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("%s: %s", name, b[max(0, len(b)-4000):])
		}
	})
	return s
}

// ask gives the rows of a statement and how many files it would read.
func (s *session) ask(sql string) (rows [][]any, files int) {
	s.t.Helper()
	b, err := json.Marshal(sql)
	if err == nil {
		_, err = s.in.Write(append(b, '\n'))
	}
	if err != nil {
		s.t.Fatal(err)
	}
	line, err := s.out.ReadBytes('\n')
	if err != nil {
		s.t.Fatalf("%v after: %s", err, sql)
	}
	var answer struct {
		Rows  [][]any
		Files int
		Error string
	}
	dec := json.NewDecoder(strings.NewReader(string(line)))
	dec.UseNumber()
	if err := dec.Decode(&answer); err != nil {
		s.t.Fatal(err)
	}
	if answer.Error != "" {
		s.t.Fatalf("%s\n%s", answer.Error, sql)
	}
	return answer.Rows, answer.Files
}

// duckDB is DuckDB over the folder.
type duckDB struct{ *session }

func (d *duckDB) query(sql string) [][]any {
	rows, _ := d.ask(sql)
	return rows
}

// duckDB has DuckDB read the archive with deploy/sql/duckdb.sql.
func (w *world) duckDB(t *testing.T) {
	e := &duckDB{newSession(t, "duckdb")}
	for _, s := range w.statements("duckdb.sql", "ARCHIVE", w.dir) {
		e.query(s)
	}
	files := "'" + w.dir + "/dt=*/hour=*/*.parquet'"
	for name, table := range map[string]string{"archive_lines": "loghaul_archive", "archive_distinct": "loghaul_distinct"} {
		e.query("CREATE VIEW " + name + " AS SELECT *, loghaul_wrapped(t) AS wrapped, loghaul_line(t) AS line FROM " + table + "(" + files + ") t")
	}
	e.query("CREATE VIEW days_lines AS SELECT *, loghaul_wrapped(t) AS wrapped FROM loghaul_archive('" + w.days + "/dt=*/hour=*/*.parquet') t")
	w.check(t, e, tables{"loghaul_archive(" + files + ")", "archive_lines", "archive_distinct", "days_lines"})
	plan := e.query("EXPLAIN ANALYZE SELECT count(status) FROM loghaul_archive(" + files + ") WHERE dt = '2026-11-24' AND hour = '23'")
	if text := str(plan[0][1]); !strings.Contains(text, "Scanning Files: 2/") {
		t.Errorf("files are not left out by dt and hour:\n%s", text)
	}
}

// spark is Spark over the folder.
type spark struct{ *session }

func (s *spark) query(sql string) [][]any {
	rows, _ := s.ask(strings.NewReplacer(`"offset"`, "`offset`", "VARCHAR", "STRING").Replace(sql))
	return rows
}

// spark has Spark read the archive with deploy/sql/spark.sql.
func (w *world) spark(t *testing.T) {
	e := &spark{newSession(t, "spark")}
	for _, s := range w.statements("spark.sql", "'LOCATION'", "'file://"+w.dir+"'") {
		e.query(s)
	}
	for _, s := range w.statements("spark.sql", "'LOCATION'", "'file://"+w.days+"'", "archive", "days") {
		e.query(s)
	}
	w.check(t, e, tables{"archive", "archive_lines", "archive_distinct", "days_lines"})
	// All of the folder: names that begin with _ are no partitions and no files.
	w.checkWhole(t, e.query("SELECT count(*) FROM parquet.`file://"+w.dir+"`"))
	for condition, want := range map[string]int{"dt = '2026-11-24' AND hour = '23'": 2, "hour = '09'": 2, "dt > '2000-01-01'": w.objects} {
		if _, files := e.ask("SELECT /* files */ status FROM archive WHERE " + condition); files != want {
			t.Errorf("%s: %d files are read, want %d", condition, files, want)
		}
	}
}
