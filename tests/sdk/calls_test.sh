#!/usr/bin/env bash
# Calls between a host program and its enclave (calls_host.c). Usage: calls_test.sh CELLA HOST INSIDE
# shellcheck source=tests/sdk/lib.sh
source "$(dirname "$0")/lib.sh" "$1"
host=$2
inside=$3

sign "$inside" app 'calls = 1M' 'threads = 2' 'heap = 6M'
sign "$inside" small 'calls = 64K' 'threads = 2' 'heap = 1M'
timeout 60 "$host" "$cella" "$work/app.cella" "$work/small.cella"
sign "$inside" wide 'calls = 64K' 'threads = 64' 'heap = 32M'
timeout 20 "$host" "$cella" "$work/wide.cella"

# Whoever looks at the image sees that it serves calls, and how large; the setting is measured.
"$cella" inspect "$work/app.cella" >"$work/inspected"
grep -qx 'calls  *2 slots of 1024 KiB' "$work/inspected" || { grep calls "$work/inspected"; exit 1; }
sign "$inside" other 'calls = 1028K' 'threads = 2' 'heap = 6M'
[ "$("$cella" measure -q "$work/app.cella")" != "$("$cella" measure -q "$work/other.cella")" ] || { echo "calls are not measured"; exit 1; }

# Without a host program there is no ring, and the program says so.
! timeout 20 "$cella" run "$work/app.cella" 2>"$work/err" || { echo "it served nobody"; exit 1; }
grep -q 'no host program makes calls here' "$work/err" || { cat "$work/err"; exit 1; }

# An image without calls is refused before it is started.
sign "$inside" none 'threads = 2'
! timeout 20 "$host" "$cella" "$work/none.cella" >"$work/out" 2>&1 || { echo "calls of an image without"; exit 1; }
grep -q 'serves no calls' "$work/out" || { cat "$work/out"; exit 1; }
echo "calls: both ways, and no further"
