#!/bin/sh
# Fetches Elasticsearch, the search server of the tests, into TOOLS/elasticsearch-VERSION: the version that they use,
# and the next major one, which one test uses. They are Elastic's own builds for integration tests, from Maven Central;
# it needs mvn and a JDK 17 or later. To run, the next major version needs a JDK 21 or later.
# Usage: scripts/tools/elasticsearch.sh TOOLS
set -eu
tools=$(mkdir -p "${1:?usage: $0 TOOLS}" && cd "$1" && pwd)

fetch() { # VERSION SHA256
	version=$1
	home=$tools/elasticsearch-$version
	[ -f "$home/.complete" ] && return
	command -v mvn >/dev/null || {
		echo "Maven is missing: apt-get install --no-install-recommends maven openjdk-17-jre-headless" >&2
		exit 1
	}
	echo "fetching Elasticsearch $version (97 MB)" >&2
	work=$(mktemp -d "$tools/.elasticsearch-XXXXXX")
	trap 'rm -rf "$work"' EXIT
	cd "$work"
	mvn -q -B dependency:copy -DoutputDirectory="$work" \
		"-Dartifact=org.elasticsearch.distribution.integ-test-zip:elasticsearch:$version:zip"
	zip=$work/elasticsearch-$version.zip
	echo "$2  $zip" | sha256sum --check --quiet
	# The JDK unpacks zip files as well, and is needed anyway.
	if command -v unzip >/dev/null; then
		unzip -q "$zip"
	else
		jar xf "$zip"
	fi
	chmod +x "elasticsearch-$version"/bin/*
	# The server runs as another user when the tests run as root.
	chmod -R a+rX "elasticsearch-$version"
	touch "elasticsearch-$version/.complete"
	rm -rf "$home"
	mv "elasticsearch-$version" "$home"
	cd "$tools"
	rm -rf "$work"
}

fetch 8.19.4 553088b4c0f60f04d7c63da609aaeae372c483159f4fb8013599e91233aab0de
fetch 9.2.0 bf44938a0490ba2a303d39c9cb64b38963dd08c812ce93e10816e878585bcb6b
