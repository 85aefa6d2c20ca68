#!/usr/bin/env bash
# Memory and protected files inside an enclave, against the same program outside and on gocryptfs (where it mounts),
# in one run, on tmpfs: medians of interleaved rounds. MIB is the size of the file, ROUNDS the rounds.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build}
cella=$(realpath "${CELLA:-$build/src/cli/cella}")
mib=${MIB:-1024} rounds=${ROUNDS:-5} count=${COUNT:-20000}
folder=$(mktemp -d /dev/shm/cella-inside.XXXXXX)
export CELLA_PLATFORM_STATE=$folder/state CELLA_PLATFORM_SOCKET=$folder/socket
clean() {
    "$cella" platform stop >/dev/null 2>&1 || true
    if mountpoint -q "$folder/mount" 2>/dev/null; then fusermount -u "$folder/mount" || umount "$folder/mount"; fi
    rm -rf "$folder"
}
trap clean EXIT
mkdir "$folder/cipher" "$folder/mount" "$folder/plain" "$folder/protected"
peer=
if command -v gocryptfs >/dev/null && [ -e /dev/fuse ] &&
    gocryptfs -q -init -scryptn 10 -extpass "echo bench" "$folder/cipher" &&
    gocryptfs -q -extpass "echo bench" "$folder/cipher" "$folder/mount"; then
    peer=$folder/mount
else
    echo "notice: no gocryptfs here, so no peer"
fi

gcc -O2 -static-pie -o "$folder/inside" bench/inside_program.c
cat >"$folder/inside.manifest" <<END
[enclave]
product_id = 1
security_version = 1
threads = 1
heap = 40M
stack = 128K
path = /app/inside
date = 2026-01-01
[arguments]
0 = inside
host = yes
[mount /protected]
type = protected
key = seal:signer
writable = yes
host = protected
END
"$cella" keygen -o "$folder/key.pem"
"$cella" sign "$folder/inside" -m "$folder/inside.manifest" -k "$folder/key.pem" -o "$folder/inside.cella"
enclave() { "$cella" run "$folder/inside.cella" --mount "/protected=$folder/protected" -- "$@"; }
enclave memory >/dev/null # the platform starts and faults its pool in

declare -A all
note() { # WHO < "name value" lines
    local name value
    while read -r name value; do all[$1.$name]+="$value "; done
}
for ((i = 0; i < rounds; i++)); do
    note plain < <("$folder/inside" memory)
    note enclave < <(enclave memory)
    note plain < <("$folder/inside" files "$folder/plain" "$mib" "$count")
    note enclave < <(enclave files /protected "$mib" "$count")
    [ -z "$peer" ] || note peer < <("$folder/inside" files "$peer" "$mib" "$count")
done
median() { { tr " " "\n" <<<"$1" | grep . || true; } | sort -n | sed -n "$((rounds / 2 + 1))p"; }
line() { # TITLE NAME more|less: what is better
    local p e g
    p=$(median "${all[plain.$2]}") e=$(median "${all[enclave.$2]}") g=$(median "${all[peer.$2]:-}")
    awk -v t="$1" -v p="$p" -v e="$e" -v g="$g" -v better="$3" 'BEGIN {
        r = better == "more" ? e / p : p / e
        q = g == "" ? "" : sprintf("%.2fx", better == "more" ? e / g : g / e)
        printf "%-34s %10s %10s %10s %10s %10s\n", t, p, e, g, sprintf("%.2fx", r), q }'
}
printf 'medians of %s interleaved rounds; files of %s MiB; ratios: above 1 the enclave is faster\n' "$rounds" "$mib"
printf '%-34s %10s %10s %10s %10s %10s\n' "" outside enclave "${peer:+gocryptfs}" "to outside" "${peer:+to peer}"
line "memory, random load, ns" random_ns less
line "memory, fill, GB/s" fill_gbs more
line "file, write and fsync, MiB/s" write_mibs more
line "file, read, MiB/s" read_mibs more
line "file, 4 KiB random read, us" random_read_us less
line "file, 4 KiB random write, us" random_write_us less
