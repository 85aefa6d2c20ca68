#!/usr/bin/env bash
# Either side of a call ends at any moment, or the platform does: nobody waits for ever, and nothing is left behind.
# Usage: death_test.sh CELLA HOST INSIDE
# shellcheck source=tests/sdk/lib.sh
source "$(dirname "$0")/lib.sh" "$1"
host=$2
sign "$3" app 'calls = 1M' 'threads = 3' 'heap = 6M'
left() { "$cella" platform status | grep -c '^enclave=pid' || true; }

timeout 60 "$host" "$cella" "$work/app.cella" enclave

# The host is killed: at the first call, in the middle, asleep. The platform ends its enclave.
for pause in 0 0.001 0.005 0.01 0.02 0.03 0.05 0.08 0.13 0.2; do
    : >"$work/out"
    "$host" "$cella" "$work/app.cella" hammer >"$work/out" 2>&1 &
    pid=$!
    for _ in $(seq 200); do grep -q calling "$work/out" && break; sleep 0.01; done
    grep -q calling "$work/out" || { echo "the host did not start"; cat "$work/out"; exit 1; }
    [ "$(left)" = 1 ] || { echo "no enclave while its host calls"; exit 1; }
    sleep $pause
    kill -9 $pid
    wait $pid 2>/dev/null || true
    for _ in $(seq 200); do [ "$(left)" = 0 ] && break; sleep 0.01; done
    [ "$(left)" = 0 ] || { echo "an enclave outlived its host"; exit 1; }
done
echo "host: no enclave outlived it"

platform=$("$cella" platform status | sed -n 's/^platform=.*, pid \([0-9]*\)$/\1/p')
[ -n "$platform" ] || { echo "no pid in the platform's status"; "$cella" platform status; exit 1; }
timeout 20 "$host" "$cella" "$work/app.cella" platform "$platform"
