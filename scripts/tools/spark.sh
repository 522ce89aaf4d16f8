#!/bin/sh
# Fetches Spark, which must be able to open the archive, into TOOLS/spark-VERSION, from PyPI (456 MB). What a local
# session over Parquet files does not load is left out. Needs the virtual environment of duckdb.sh; runs on Java 17.
# Usage: scripts/tools/spark.sh TOOLS
set -eu
version=4.3.0
sha256=e8c517948eff7088a7aa07449aa8eafa4a15a8d50319de2525a6fd26622476c6
tools=$(mkdir -p "${1:?usage: $0 TOOLS}" && cd "$1" && pwd)
home=$tools/spark-$version

[ -f "$home/.complete" ] && exit 0
echo "fetching Spark $version (456 MB)" >&2
work=$(mktemp -d "$tools/.spark-XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
printf 'pyspark==%s --hash=sha256:%s\n' "$version" "$sha256" >spark.txt
"$tools/venv/bin/pip" download -q --disable-pip-version-check --no-deps --no-binary :all: --require-hashes -r spark.txt
set --
for jar in connect-repl 'rocksdbjni-*' 'spark-connect_*' 'spark-mllib*' 'spark-graphx*' 'spark-streaming*' 'spark-kubernetes*' 'spark-yarn*' \
	'spark-hive*' 'spark-pipelines*' 'hive-*' 'kubernetes-*' 'breeze*' 'spire*' 'cats-*' 'algebra*' 'scala-compiler-*' 'derby-*' 'datanucleus-*' \
	'vertx-*' 'zookeeper-*' 'curator-*' 'lapack-*' 'blas-*' 'arpack-*' 'arrow-*' 'tink-*'; do
	set -- "$@" "--exclude=*/deps/jars/$jar"
done
tar -xzf pyspark-$version.tar.gz "$@" --wildcards '*/pyspark' '*/lib/py4j*' '*/deps/jars' '*/deps/bin'
mv pyspark-$version/deps/jars pyspark-$version/deps/bin pyspark-$version/
rmdir pyspark-$version/deps
touch pyspark-$version/.complete
rm -rf "$home"
mv pyspark-$version "$home"
