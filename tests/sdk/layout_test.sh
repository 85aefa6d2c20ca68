#!/usr/bin/env bash
# What an enclave with calls has besides one without: the ring's one mapping, of exactly its size, and no descriptor (T1, T4).
# Usage: layout_test.sh CELLA HOST INSIDE
[ "$(id -u)" = 0 ] || { echo "reading another process's maps needs root"; exit 77; }
# shellcheck source=tests/sdk/lib.sh
source "$(dirname "$0")/lib.sh" "$1"
host=$2
sign "$3" app 'calls = 128K' 'threads = 3' 'heap = 6M'
"$host" "$cella" "$work/app.cella" hammer >"$work/out" 2>&1 &
running=$!
trap 'kill -9 $running; end' EXIT
for _ in $(seq 200); do grep -q calling "$work/out" && break; sleep 0.01; done
pid=$("$cella" platform status | sed -n 's/^enclave=pid \([0-9]*\).*/\1/p')
ring=$(grep 'memfd:cella-calls' "/proc/$pid/maps" || true)
[ "$(wc -l <<<"$ring")" = 1 ] || { echo "expected one mapping of the ring, found:"; echo "$ring"; exit 1; }
read -r range mode _ <<<"$ring"
size=$((16#${range#*-} - 16#${range%-*}))
[ "$mode" = rw-s ] && [ $size = $((3 * 128 * 1024)) ] || { echo "the ring is mapped $mode with $size bytes"; exit 1; }
# Nothing else that is shared and writable but secret memory; the ring outside the enclave's own range.
other=$(grep ' rw-s ' "/proc/$pid/maps" | grep -cvE 'secretmem|memfd:cella-calls' || true)
[ "$other" = 0 ] || { echo "shared writable mappings besides:"; grep ' rw-s ' "/proc/$pid/maps"; exit 1; }
descriptors=$(find "/proc/$pid/fd" -mindepth 1 -printf '%f ')
[ "$(xargs -n1 <<<"$descriptors" | sort -n | xargs)" = "0 1 2 3 4" ] || { echo "descriptors: $descriptors"; exit 1; }
echo "layout: the ring and nothing else"
