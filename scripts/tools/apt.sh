#!/usr/bin/env bash
# Installs what the tests need from Debian: HAProxy (the real source of the
# lines), zstd (a baseline), a JRE and Maven (Elasticsearch and how it is
# fetched), unzip, a C compiler (the race detector), Python's venv (DuckDB) and
# systemd's journalctl with what writes journals for tests.
# Does nothing when all of it is there.
set -euo pipefail

packages=()
have() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ]; }
have haproxy || packages+=(haproxy)
have zstd || packages+=(zstd)
have java || packages+=(openjdk-17-jre-headless)
have mvn || packages+=(maven)
have unzip || packages+=(unzip)
have journalctl || packages+=(systemd)
[ -x /lib/systemd/systemd-journal-remote ] || packages+=(systemd-journal-remote)
have gcc || packages+=(gcc libc6-dev)
python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3 python3-venv)

if [ ${#packages[@]} -eq 0 ]; then
	exit 0
fi
if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
	echo "apt.sh: missing: ${packages[*]}; as root on Debian: apt-get install --no-install-recommends ${packages[*]}" >&2
	exit 1
fi
echo "apt.sh: installing ${packages[*]}"
export DEBIAN_FRONTEND=noninteractive
# The package would start its own HAProxy: not wanted here.
if [ ! -e /usr/sbin/policy-rc.d ]; then
	printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
	chmod +x /usr/sbin/policy-rc.d
	trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
apt-get update -qq </dev/null
apt-get install -qq -y --no-install-recommends "${packages[@]}" </dev/null >/dev/null
