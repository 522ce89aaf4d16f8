"""Asks DuckDB about archive objects, for the tests of package archive.

query.py lines MACROS OBJECTS   the raw lines, rebuilt by the macros
query.py counts MACROS OBJECTS  aggregates as JSON
"""
import json
import sys

import duckdb

what, macros, objects = sys.argv[1:]
db = duckdb.connect()
db.execute("SET TimeZone = 'America/New_York'")  # results must not depend on it
with open(macros, encoding="utf-8") as f:
    db.execute(f.read())
db.execute("CREATE VIEW logs AS SELECT * FROM read_parquet($o, union_by_name=true, hive_partitioning=false)"
           .replace("$o", "'" + objects.replace("'", "''") + "'"))

if what == "lines":
    rows = db.execute('SELECT loghaul_line(t), flags FROM logs t ORDER BY node, source, "offset"').fetchall()
    for line, flags in rows:
        sys.stdout.buffer.write(line if flags & 1 else line + b"\n")
else:
    def count(column):
        return {str(k): n for k, n in db.execute(f"SELECT {column}, count(*) FROM logs GROUP BY 1").fetchall()}

    lines, size, clients = db.execute("SELECT count(*), sum(bytes_read), count(DISTINCT client_ip) FROM logs").fetchone()
    json.dump({
        "lines": lines, "bytes_sum": int(size), "distinct_client_ips": clients,
        "status": count("status"), "frontend": count("frontend"), "termination": count("termination_state"),
    }, sys.stdout)
