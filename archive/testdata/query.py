"""Asks DuckDB about archive objects, for the tests of package archive.

query.py lines MACROS OBJECT...  for each object the raw lines, rebuilt by the macros, into OBJECT.lines
query.py counts MACROS PATTERN   aggregates as JSON
"""
import json
import sys

import duckdb

what, macros, *objects = sys.argv[1:]
db = duckdb.connect()
db.execute("SET TimeZone = 'America/New_York'")  # results must not depend on it
with open(macros, encoding="utf-8") as f:
    db.execute(f.read())


def logs(pattern):
    path = pattern.replace("'", "''")
    db.execute(f"CREATE OR REPLACE VIEW logs AS SELECT * FROM read_parquet('{path}', union_by_name=true, hive_partitioning=false)")


def count(column):
    return {str(k): n for k, n in db.execute(f"SELECT {column}, count(*) FROM logs GROUP BY 1").fetchall()}


if what == "lines":
    for path in objects:
        logs(path)
        with open(path + ".lines", "wb") as out:
            for line, flags in db.execute(
                'SELECT loghaul_line(t), flags FROM logs t ORDER BY node, source, "offset"'
            ).fetchall():
                out.write(line if flags & 1 else line + b"\n")
else:
    logs(objects[0])
    lines, size, clients = db.execute("SELECT count(*), sum(bytes_read), count(DISTINCT client_ip) FROM logs").fetchone()
    json.dump({
        "lines": lines, "bytes_sum": int(size), "distinct_client_ips": clients,
        "status": count("status"), "frontend": count("frontend"), "termination": count("termination_state"),
    }, sys.stdout)
