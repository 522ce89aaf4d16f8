#!/usr/bin/env bash
# Installs DuckDB, which must be able to open the archive, as a Python package
# in a virtual environment: .cache/tools/venv.
set -euo pipefail
version=2.0.0
venv=$(cd "$(dirname "$0")/../.." && pwd)/.cache/tools/venv

if [ "$("$venv/bin/python" -c 'import duckdb; print(duckdb.__version__)' 2>/dev/null)" = "$version" ]; then
	exit 0
fi
echo "duckdb.sh: installing duckdb $version"
if ! { python3 -m venv --clear "$venv" && "$venv/bin/pip" install -q --disable-pip-version-check "duckdb==$version" </dev/null; }; then
	echo "duckdb.sh: duckdb is missing; to install it: python3 -m venv $venv && $venv/bin/pip install duckdb==$version" >&2
	exit 1
fi
