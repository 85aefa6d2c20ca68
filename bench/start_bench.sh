#!/bin/sh
# Start of an enclave against fork+exec of the same 2 MB static program, warm pool, heaps of 1 to 48 MiB.
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build}
cella=$(realpath "${CELLA:-$build/src/cli/cella}")
driver=$(realpath "${BENCH_START:-$build/bench/bench_start}")
work=$(mktemp -d)
chmod 755 "$work"
export CELLA_PLATFORM_SOCKET="$work/run/p.sock" CELLA_PLATFORM_STATE="$work/state"
platform=
trap '[ -z "$platform" ] || kill $platform; rm -rf "$work"' EXIT
# 2 MB: a libc's worth of code and a table the size of what is missing
cat >"$work/program.c" <<'C'
#include <stdio.h>
static const unsigned char table[1200000] = {1, [1199999] = 2};
int main(void) { printf("%d\n", table[0] + table[1199999]); return 0; }
C
${CC:-gcc} -O2 -static-pie -o "$work/program" "$work/program.c"
"$cella" keygen -o "$work/key.pem" >/dev/null
for heap in 1 4 16 48; do
    printf '[enclave]\nheap = %sM\n' $heap >"$work/m"
    "$cella" sign "$work/program" -m "$work/m" -k "$work/key.pem" -o "$work/heap-${heap}M.cella" >/dev/null
done
"$cella" platform --pool 64 >/dev/null 2>&1 &
platform=$!
for _ in $(seq 100); do "$cella" platform status >/dev/null 2>&1 && break; sleep 0.05; done
pool=$("$cella" platform status | sed -n 's/^pool=.* of \([0-9]*\) KiB.*/\1/p')
if [ "$pool" -ge 65536 ]; then set -- 1 4 16 48; else echo "notice: a pool of $pool KiB takes no larger heap"; set -- 1 4; fi
images=
for heap in "$@"; do images="$images $work/heap-${heap}M.cella"; done
sleep 1 # the pool is warm when all of it has been touched once
# shellcheck disable=SC2086
"$driver" "${RUNS:-100}" "$work/program" $images
