#!/usr/bin/env bash
# Installs one Go program into .cache/tools/bin, unless that very version is
# there already.
#   go-tool.sh NAME PACKAGE VERSION
set -euo pipefail
name=$1 package=$2 version=$3
bin=$(cd "$(dirname "$0")/../.." && pwd)/.cache/tools/bin
mkdir -p "$bin"

if [ -x "$bin/$name" ] && go version -m "$bin/$name" | awk '$1 == "mod" {print $3}' | grep -qx "$version"; then
	exit 0
fi
echo "go-tool.sh: building $name $version"
# CGO_ENABLED=0: the tools must not need a C compiler.
if ! (cd / && CGO_ENABLED=0 GOFLAGS='' GOBIN="$bin" go install "$package@$version"); then
	echo "go-tool.sh: $name is missing; to install it: GOBIN=$bin go install $package@$version" >&2
	exit 1
fi
