#!/usr/bin/env bash
# The service manager takes the unit of the services, and its sandbox is what the unit promises: packaging_test.sh CELLA
set -euo pipefail
cella=$(realpath "$1")
cd "$(dirname "$0")/../.."
command -v systemd-analyze >/dev/null || { echo "skipped: no systemd-analyze"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sed "s#@bindir@/cella#$cella#" packaging/cella-serve.service.in > "$work/cella-serve.service"
said=$(systemd-analyze verify "$work/cella-serve.service" 2>&1 | grep -v "man cella(1)" || true)
[ -z "$said" ] || { echo "not taken: $said"; exit 1; }
level=$(systemd-analyze security --offline=true "$work/cella-serve.service" | sed -n 's/.*exposure level for [^:]*: \([0-9.]*\) .*/\1/p')
awk -v level="$level" 'BEGIN {exit !(level != "" && level < 2.0)}' || { echo "exposure level: expected below 2.0, found '$level'"; exit 1; }
# What it starts are arguments that the command knows.
for line in ExecStart ExecStartPre; do
    read -ra words <<<"$(sed -n "s/^$line=//p" "$work/cella-serve.service")"
    status=0
    out=$("${words[@]}" --data "$work/absent/$line" --check 2>&1) || status=$?
    [[ $status != 2 && $out == *cella.conf* ]] || { echo "$line: ${words[*]}: $out"; exit 1; }
done
grep -q '^u cella-serve ' packaging/cella.sysusers || { echo "packaging/cella.sysusers: no user cella-serve"; exit 1; }
echo "unit taken, exposure $level"
