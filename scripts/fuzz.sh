#!/usr/bin/env bash
# Runs every fuzz target of the module for $FUZZTIME, by default 30 s for those
# of the parser and 10 s for the others. The targets are found, not listed, so a
# new one is fuzzed from its first day.
set -euo pipefail
cd "$(dirname "$0")/.."
found=0
for dir in $(grep -rlE '^func Fuzz[A-Z]' --include='*_test.go' . | xargs -r -n1 dirname | sort -u); do
	fuzztime=${FUZZTIME:-10s}
	[ -z "${FUZZTIME:-}" ] && [ "$dir" = ./parser ] && fuzztime=30s
	for target in $(go test -list '^Fuzz' "$dir" | grep '^Fuzz'); do
		found=$((found + 1))
		echo "--- $dir $target"
		# -run with no test of its own: only the seeds, then the fuzzing.
		# Making an input smaller may take as long as all the rest: a few tries do.
		go test -run "^$target\$" -fuzz "^$target\$" -fuzztime "$fuzztime" -fuzzminimizetime 10x "$dir"
	done
done
if [ "$found" -eq 0 ]; then
	echo "fuzz.sh: found no fuzz target" >&2
	exit 1
fi
echo "$found fuzz targets"
