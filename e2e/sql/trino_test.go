package sql

import (
	"crypto/sha256"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/loghaul/loghaul/internal/testenv"
	"github.com/loghaul/loghaul/sinks"
	"github.com/loghaul/loghaul/sinks/objectstore"
)

// trino speaks Trino's protocol: https://trino.io/docs/current/develop/client-protocol.html
type trino struct {
	t   *testing.T
	url string
	// processed is the number of rows that the last statement read.
	processed int
}

func (e *trino) query(sql string) (rows [][]any) {
	e.t.Helper()
	method, url, text := http.MethodPost, e.url+"/v1/statement", sql
	for url != "" {
		req, err := http.NewRequestWithContext(e.t.Context(), method, url, strings.NewReader(text))
		if err != nil {
			e.t.Fatal(err)
		}
		req.Header.Set("X-Trino-User", "test")
		req.Header.Set("X-Trino-Language", "de") // results must not depend on these two
		req.Header.Set("X-Trino-Time-Zone", "America/New_York")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			e.t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		if err := resp.Body.Close(); err != nil {
			e.t.Fatal(err)
		}
		var page struct {
			NextURI string
			Data    [][]any
			Error   *struct{ Message string }
			Stats   struct{ ProcessedRows int }
		}
		dec := json.NewDecoder(strings.NewReader(string(b)))
		dec.UseNumber()
		if err == nil {
			err = dec.Decode(&page)
		}
		if err != nil {
			e.t.Fatalf("%v: %.300s", err, b)
		}
		if page.Error != nil {
			e.t.Fatalf("%s\n%s", page.Error.Message, sql)
		}
		rows = append(rows, page.Data...)
		e.processed = page.Stats.ProcessedRows
		method, url, text = http.MethodGet, page.NextURI, ""
	}
	return rows
}

// trino has Trino read the archive in an S3 bucket with deploy/sql/trino.sql.
func (w *world) trino(t *testing.T) {
	s3 := testenv.S3(t)
	for prefix, dir := range map[string]string{"prefix": w.dir, "days": w.days} {
		store, err := objectstore.Open(t.Context(), s3.URL(prefix), objectstore.Options{AccessKey: s3.AccessKey, SecretKey: s3.SecretKey})
		if err != nil {
			t.Fatal(err)
		}
		w.each(dir, func(key string, body []byte) {
			if err := store.Write(t.Context(), &sinks.Group{Key: key, Body: body, SHA256: sha256.Sum256(body)}); err != nil {
				t.Fatal(err)
			}
		})
	}
	e := &trino{t: t, url: testenv.Trino(t, s3).URL}
	e.query("CREATE SCHEMA lake.logs")
	for _, s := range w.statements("trino.sql", "s3://BUCKET/PREFIX/", "s3://"+s3.Bucket+"/prefix/") {
		e.query(s)
	}
	for _, s := range w.statements("trino.sql", "s3://BUCKET/PREFIX/", "s3://"+s3.Bucket+"/days/", "archive", "days") {
		e.query(s)
	}
	w.check(t, e, tables{"lake.logs.archive", "lake.logs.archive_lines", "lake.logs.archive_distinct", "lake.logs.days_lines"})
	// All of the prefix, without partitions: names that begin with _ are no files.
	e.query("CREATE TABLE lake.logs.whole (status integer) WITH (external_location = 's3://" + s3.Bucket + "/prefix/', format = 'PARQUET')")
	w.checkWhole(t, e.query("SELECT count(status IS NULL) FROM lake.logs.whole"))
	for condition, want := range map[string]int{
		"dt = '2026-11-24' AND hour = '23'": w.truth.Lines, "dt = '2026-11-23'": 0,
		// Two objects of a hundred thousand lines each: the second is not opened for its statistics say no.
		`dt = '2026-11-24' AND "offset" < 1000`: (w.truth.Lines + 1) / 2,
	} {
		e.query("SELECT count(status) FROM lake.logs.archive WHERE " + condition)
		if e.processed > want+100 || e.processed < want-100 {
			t.Errorf("%s: %d rows are read, want %d", condition, e.processed, want)
		}
	}
}
