#!/usr/bin/env bash
# Runs every fuzz target of the module for $FUZZTIME, by default 30 s for those
# of the parser and 10 s for the others. The targets are found, not listed, so a
# new one is fuzzed from its first day.
set -euo pipefail
cd "$(dirname "$0")/.."

# fuzz DIR TARGET TIME. Go's coordinator may take the end of the time for a
# failure (golang/go#75804): it names no input then, and the run is repeated.
fuzz() {
	local log=$(mktemp) result=1
	for _ in 1 2 3; do
		# -run with no test of its own: only the seeds, then the fuzzing.
		# Making an input smaller may take as long as all the rest: a few tries do.
		if go test -run "^$2\$" -fuzz "^$2\$" -fuzztime "$3" -fuzzminimizetime 10x "$1" 2>&1 | tee "$log"; then
			result=0
			break
		fi
		if ! grep -qx '    context deadline exceeded' "$log" || grep -qE 'Failing input|panic|hung|_test\.go:' "$log"; then
			break
		fi
		echo "fuzz.sh: the time was up at a bad moment, and no input failed: once more"
	done
	rm -f "$log"
	return "$result"
}

found=0
for dir in $(grep -rlE '^func Fuzz[A-Z]' --include='*_test.go' . | xargs -r -n1 dirname | sort -u); do
	fuzztime=${FUZZTIME:-10s}
	[ -z "${FUZZTIME:-}" ] && [ "$dir" = ./parser ] && fuzztime=30s
	for target in $(go test -list '^Fuzz' "$dir" | grep '^Fuzz'); do
		found=$((found + 1))
		echo "--- $dir $target"
		fuzz "$dir" "$target" "$fuzztime"
	done
done
if [ "$found" -eq 0 ]; then
	echo "fuzz.sh: found no fuzz target" >&2
	exit 1
fi
echo "$found fuzz targets"
