package audit_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/loghaul/loghaul/internal/testenv"
)

// duck asks DuckDB, which has the macros of deploy/sql.
func duck(t *testing.T, sql string) (rows [][]any) {
	t.Helper()
	macros, err := os.ReadFile("../deploy/sql/duckdb.sql")
	if err != nil {
		t.Fatal(err)
	}
	const script = "import sys, json, duckdb\n" +
		"db = duckdb.connect(); db.execute(sys.argv[1]); print(json.dumps(db.execute(sys.argv[2]).fetchall(), default=str))"
	out, err := exec.CommandContext(t.Context(), filepath.Join(testenv.Root(t), ".cache/tools/venv/bin/python"), "-c", script, string(macros), sql).CombinedOutput()
	if err == nil {
		err = json.Unmarshal(out, &rows)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return rows
}
