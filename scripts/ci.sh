#!/usr/bin/env bash
# Runs every check, prints how long each took, and stops at the first that
# fails. `make test` is one of them.
set -euo pipefail
cd "$(dirname "$0")/.."
started=$SECONDS
summary=()

step() { # NAME COMMAND...
	local name=$1 from=$SECONDS
	shift
	echo "=== $name"
	if ! "$@"; then
		echo "=== $name FAILED after $((SECONDS - from)) s" >&2
		exit 1
	fi
	summary+=("$(printf '%6d s  %s' $((SECONDS - from)) "$name")")
}

# The tools are fetched and built while our own code is checked and compiled.
step tidy make tidy-check
tools_log=$(mktemp)
make tools >"$tools_log" 2>&1 &
tools=$!
step build make build
step vet go vet ./...
wait_tools() {
	local ok=0
	wait "$tools" || ok=$?
	cat "$tools_log"
	rm -f "$tools_log"
	return "$ok"
}
step tools wait_tools

step lint make lint
step test make test
step race make race
step fuzz make fuzz
step bench-once make bench-once

echo "=== all steps, $((SECONDS - started)) s in all"
printf '%s\n' "${summary[@]}"
