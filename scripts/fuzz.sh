#!/usr/bin/env bash
# Runs every fuzz target of the module for $FUZZTIME. The targets are found,
# not listed, so a new one is fuzzed from its first day.
set -euo pipefail
cd "$(dirname "$0")/.."
fuzztime=${FUZZTIME:-10s}
found=0
for dir in $(grep -rlE '^func Fuzz[A-Z]' --include='*_test.go' . | xargs -r -n1 dirname | sort -u); do
	for target in $(go test -list '^Fuzz' "$dir" | grep '^Fuzz'); do
		found=$((found + 1))
		echo "--- $dir $target"
		# -run with no test of its own: only the seeds, then the fuzzing.
		go test -run "^$target\$" -fuzz "^$target\$" -fuzztime "$fuzztime" "$dir"
	done
done
if [ "$found" -eq 0 ]; then
	echo "fuzz.sh: found no fuzz target" >&2
	exit 1
fi
echo "$found fuzz targets, $fuzztime each"
