"""Answers SQL, for the tests of package sql: session.py duckdb|spark

Each line of the input is a JSON text: a statement. Each line of the output is {"rows": [...], "files": n} or
{"error": ...}: values as JSON, bytes in base64, other values as texts; files is how many a Spark query would read.
"""
import base64
import json
import os
import sys

# What the engine itself prints must not come between.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

if sys.argv[1] == "spark":
    from pyspark.sql import SparkSession

    spark = (
        SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.session.timeZone", "America/New_York")  # results must not depend on it
        .config("spark.sql.warehouse.dir", os.getcwd()).config("spark.sql.shuffle.partitions", "2")
        .config("spark.ui.showConsoleProgress", "false")
        # Compiling for seconds what runs for milliseconds does not pay here.
        .config("spark.sql.codegen.wholeStage", "false").config("spark.sql.codegen.factoryMode", "NO_CODEGEN")
        .config("spark.driver.extraJavaOptions", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")

    def run(sql):
        df = spark.sql(sql)
        if not df.columns:
            return [], 0
        files = len(df.inputFiles()) if "/* files */" in sql else 0
        return [list(r) for r in df.collect()], files
else:
    import duckdb

    db = duckdb.connect()
    db.execute("SET TimeZone = 'America/New_York'")

    def run(sql):
        result = db.execute(sql)
        return (result.fetchall() if result and result.description else []), 0


def plain(v):
    if isinstance(v, (bytes, bytearray)):
        return base64.b64encode(v).decode()
    return v if v is None or isinstance(v, (int, float, str, bool)) else str(v)


for line in sys.stdin:
    try:
        rows, files = run(json.loads(line))
        answer = {"rows": [[plain(v) for v in row] for row in rows], "files": files}
    except Exception as e:  # the test decides
        answer = {"error": str(e)}
    answers.write(json.dumps(answer) + "\n")
    answers.flush()
