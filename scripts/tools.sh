#!/usr/bin/env bash
# Installs everything that tests and lint need, pinned, into .cache/tools
# (ignored by git) or by apt. Safe to run again; what is there is kept. What
# cannot be installed is named at the end, with the command that would.
#   tools.sh          everything
#   tools.sh lint     only the linter
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)/tools
tools=$(cd "$here/../.." && pwd)/.cache/tools
failed=()
pids=()
names=()

start() { # NAME COMMAND...: runs in the background
	local name=$1
	shift
	"$@" </dev/null &
	pids+=($!)
	names+=("$name")
}
wait_all() {
	local i
	for i in "${!pids[@]}"; do
		wait "${pids[$i]}" || failed+=("${names[$i]}")
	done
	pids=() names=()
}
lint() {
	"$here/go-tool.sh" golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint v2.15.0 &&
		"$here/go-tool.sh" gofumpt mvdan.cc/gofumpt v0.12.0
}
go_servers() {
	"$here/go-tool.sh" nats-server github.com/nats-io/nats-server/v2 v2.15.2 && "$here/versitygw.sh" "$tools"
}

sql_engines() {
	"$here/duckdb.sh" && "$here/spark.sh" "$tools" && "$here/trino.sh" "$tools"
}

case "${1:-all}" in
lint)
	lint || failed+=(lint)
	;;
all)
	# The packages first: Elasticsearch and Trino come through Maven, DuckDB and Spark need venv.
	start apt "$here/apt.sh"
	wait_all
	start sql-engines sql_engines
	start elasticsearch "$here/elasticsearch.sh" "$tools"
	# One Go build at a time: each takes both cores and much memory.
	go_servers || failed+=(go-servers)
	lint || failed+=(lint)
	wait_all
	;;
*)
	echo "usage: tools.sh [lint]" >&2
	exit 2
	;;
esac

if [ ${#failed[@]} -gt 0 ]; then
	echo "tools.sh: not installed: ${failed[*]} (the messages above say what would install them)" >&2
	exit 1
fi
