#!/usr/bin/env bash
# Runs every fuzz target of the module for $FUZZTIME, by default 15 s for those
# of the parser and 4 s for the others. The targets are found, not listed, so a
# new one is fuzzed from its first day. A package is built once for all of its
# targets.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$(mktemp)
log=$(mktemp)
trap 'rm -f "$bin" "$log"' EXIT
corpus=$(go env GOCACHE)/fuzz

# fuzz DIR TARGET TIME. Go's coordinator may take the end of the time for a
# failure (golang/go#75804): it names no input then, and the run is repeated.
fuzz() {
	for _ in 1 2 3; do
		# -test.run with no test of its own: only the seeds, then the fuzzing.
		# Making an input smaller may take as long as all the rest: a few tries do.
		if (cd "$1" && "$bin" -test.run "^$2\$" -test.fuzz "^$2\$" -test.fuzztime "$3" -test.fuzzminimizetime 10x \
			-test.fuzzcachedir "$corpus/$(go list .)") 2>&1 | tee "$log"; then
			return 0
		fi
		if ! grep -qx '    context deadline exceeded' "$log" || grep -qE 'Failing input|panic|hung|_test\.go:' "$log"; then
			return 1
		fi
		echo "fuzz.sh: the time was up at a bad moment, and no input failed: once more"
	done
	return 1
}

found=0
for dir in $(grep -rlE '^func Fuzz[A-Z]' --include='*_test.go' . | xargs -r -n1 dirname | sort -u); do
	fuzztime=${FUZZTIME:-4s}
	[ -z "${FUZZTIME:-}" ] && [ "$dir" = ./parser ] && fuzztime=15s
	go test -c -fuzz . -o "$bin" "$dir"
	for target in $(cd "$dir" && "$bin" -test.list '^Fuzz' | grep '^Fuzz'); do
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
