"""Asks DuckDB about archive objects, for the tests of package archive.

query.py lines MACROS OBJECT...  for each object what the macros rebuild: what lay in the file into OBJECT.wrapped, and
                                 what HAProxy wrote into OBJECT.lines if that is something else, or for the first one
query.py labels MACROS PATTERN   labels and containers as JSON
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
        outputs = {"wrapped": 1, "lines": 3}  # and the flags of rows whose end is missing
        if path != objects[0] and db.execute("SELECT count(*) FROM logs WHERE wrapper ~ 'cri|docker'").fetchone() == (0,):
            del outputs["lines"]  # both give the same then; binding them takes a second
        for name, unended in outputs.items():
            with open(f"{path}.{name}", "wb") as out:
                for line, flags in db.execute(
                    f'SELECT loghaul_{name.removesuffix("s")}(t), flags FROM logs t ORDER BY node, source, "offset"'
                ).fetchall():
                    out.write(line if flags & unended else line + b"\n")
elif what == "labels":
    logs(objects[0])
    json.dump(db.execute("""
        SELECT labels->>'cluster', labels->>'zone', namespace, pod, container, container_id FROM logs ORDER BY node, source, "offset"
    """).fetchall(), sys.stdout)
else:
    logs(objects[0])
    lines, size, clients = db.execute("SELECT count(*), sum(bytes_read), count(DISTINCT client_ip) FROM logs").fetchone()
    json.dump({
        "lines": lines, "bytes_sum": int(size), "distinct_client_ips": clients,
        "status": count("status"), "frontend": count("frontend"), "termination": count("termination_state"),
    }, sys.stdout)
