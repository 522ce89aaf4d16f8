#!/usr/bin/env bash
# Prints the numbers of docs/benchmarks.md: under each command what it printed,
# baselines from the same run included. Nothing else should run meanwhile.
#   bench.sh         everything
#   bench.sh NAME    one of: parser archive forwarder aggregator index size
set -euo pipefail
cd "$(dirname "$0")/.."
only=${1:-}

show() { # NAME COMMAND...
	local name=$1
	shift
	if [ -n "$only" ] && [ "$only" != "$name" ]; then
		return
	fi
	printf '\n## %s\n$ %s\n' "$name" "$*"
	"$@"
}

echo "# $(date -u +%F), commit $(git describe --always --dirty), $(go env GOVERSION) $(go env GOARCH)"
echo "# $(nproc) cores of $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), load $(cut -d' ' -f1 /proc/loadavg)"

corpus=testdata/corpus/httplog-200k.log.zst
show parser go test -run '^$' -bench . -benchmem ./parser/...
show archive go test -run '^$' -bench . -benchmem ./archive/...
show forwarder go run ./e2e/bench/forwarder
show aggregator go run ./e2e/bench/aggregator -corpus "$corpus"
show index go run ./e2e/bench/aggregator -corpus "$corpus" -index off,dead,frozen,refuse,crawl
show size ls -l bin/loghaul bin/loghaul-forwarder
