#!/usr/bin/env bash
# Runs every benchmark of a build folder and collects their tables in FOLDER/bench.txt: tools/bench.sh FOLDER
# A program bench/NOUN_bench.c runs by itself, or by bench/NOUN_bench.sh where there is one.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-build}
out=$folder/bench.txt
ninja -C "$folder" -t targets all | grep -q '^bench-programs:' && ninja -C "$folder" bench-programs >/dev/null

{
    echo "machine: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) processors, Linux $(uname -r)"
    echo
} | tee "$out"
count=0
bad=0
for bench in "$folder"/bench/bench_* bench/*_bench.sh; do
    [ -f "$bench" ] && [ -x "$bench" ] || continue
    # A script of the same noun runs the program itself.
    noun=${bench##*/bench_}
    [ "$noun" = "$bench" ] || [ ! -f "bench/${noun}_bench.sh" ] || continue
    count=$((count + 1))
    echo "== $(basename "$bench")" | tee -a "$out"
    CELLA=$folder/src/cli/cella BUILD=$folder timeout 600 "$bench" 2>&1 | tee -a "$out" || { echo "failed: $bench"; bad=1; }
    echo | tee -a "$out"
done
[ "$count" != 0 ] || { echo "no benchmark found" >&2; exit 1; }
echo "tables: $out"
exit $bad
