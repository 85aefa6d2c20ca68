#!/usr/bin/env bash
# Calls between a host program and its enclave, beside what two processes can do at all (bench/calls_bench.c), and the
# start of an enclave to its first call beside `cella run` to its program's first word.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build}
cella=$(realpath "${CELLA:-$build/src/cli/cella}")
driver=$(realpath "${BENCH_CALLS:-$build/bench/bench_calls}")
inside=$(realpath "${CALLS_INSIDE:-$build/tests/sdk/calls_inside}")
# shellcheck source=tests/sdk/lib.sh
source tests/sdk/lib.sh "$cella"
cat >"$work/word.c" <<'C'
#include <unistd.h>
int main(void) { return write(1, "x", 1) != 1; }
C
"${CC:-gcc}" -O2 -static-pie -o "$work/word" "$work/word.c"
sign "$work/word" word 'heap = 12M' 'threads = 2'
sign "$inside" app 'calls = 2M' 'heap = 12M' 'threads = 2'
"$cella" run "$work/word.cella" >/dev/null # starts the platform
"$driver" "$cella" "$work/app.cella"
# From the command's start to the program's word, the least of ten.
python3 - "$cella" "$work/word.cella" <<'PY'
import subprocess, sys, time
least = 1e9
for _ in range(10):
    begin = time.monotonic()
    run = subprocess.Popen([sys.argv[1], "run", sys.argv[2]], stdout=subprocess.PIPE)
    run.stdout.read(1)
    least = min(least, time.monotonic() - begin)
    run.wait()
print(f"{'cella run to the first word':44} {least * 1e6:9.0f}")
PY
