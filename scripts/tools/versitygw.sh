#!/bin/sh
# Builds versitygw, the S3 server of the tests, into TOOLS/bin.
# Usage: scripts/tools/versitygw.sh TOOLS
set -eu
version=v1.8.0
bin=$(mkdir -p "${1:?usage: $0 TOOLS}/bin" && cd "$1/bin" && pwd)

if [ "$(cat "$bin/.versitygw" 2>/dev/null)" = "$version" ] && [ -x "$bin/versitygw" ]; then
	exit 0
fi
echo "building versitygw $version (about 90 s of one core)" >&2
GOBIN=$bin CGO_ENABLED=0 go install -trimpath "github.com/versity/versitygw/cmd/versitygw@$version"
echo "$version" >"$bin/.versitygw"
