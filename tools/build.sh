#!/usr/bin/env bash
# Builds into a folder: tools/build.sh FOLDER [meson setup options]. A line when there is work to do, else nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$1
shift
log=$(mktemp)
trap 'rm -f "$log"' EXIT

fail() {
    # The compilers' complaints, not the commands that led to them.
    grep -E 'error|warning|undefined|FAILED|ERROR' "$log" | head -n 40 >&2 || true
    tail -n 15 "$log" >&2
    echo "build: failed in $folder" >&2
    exit 1
}
if [ ! -f "$folder/build.ninja" ]; then
    echo "build: setting up $folder"
    meson setup "$folder" "$@" >"$log" 2>&1 || fail
fi
if ninja -C "$folder" -n 2>/dev/null | grep -q 'no work to do'; then exit 0; fi
echo "build: compiling into $folder"
ninja -C "$folder" -j "${JOBS:-$(nproc)}" >"$log" 2>&1 || fail
