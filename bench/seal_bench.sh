#!/usr/bin/env bash
# Protected files and `cella seal` against plain files and gocryptfs, in one run, on tmpfs. BUILD and CELLA name what
# was built; MIB the size. gocryptfs (package gocryptfs, /dev/fuse) is left out where it cannot be mounted.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build}
cella=${CELLA:-$build/src/cli/cella}
driver=${BENCH_SEAL:-$build/bench/bench_seal}
mib=${MIB:-1024}
rounds=${ROUNDS:-3}

folder=$(mktemp -d /dev/shm/cella-bench.XXXXXX)
clean() {
    if mountpoint -q "$folder/mount" 2>/dev/null; then fusermount -u "$folder/mount" || umount "$folder/mount"; fi
    rm -rf "$folder"
}
trap clean EXIT
mkdir "$folder/cipher" "$folder/mount"
peer=
if command -v gocryptfs >/dev/null && [ -e /dev/fuse ] &&
    gocryptfs -q -init -scryptn 10 -extpass "echo bench" "$folder/cipher" &&
    gocryptfs -q -extpass "echo bench" "$folder/cipher" "$folder/mount"; then
    peer=$folder/mount
else
    echo "notice: no gocryptfs here, so no peer"
fi

"$driver" "$folder" "$mib" ${peer:+"$peer"}
echo

now() { date +%s%N; }
timed() { # NAME COMMAND...: appends its nanoseconds to the array of that name
    local -n list=$1
    shift
    local start
    start=$(now)
    "$@"
    list+=($(($(now) - start)))
}
median() { printf '%s\n' "$@" | sort -n | sed -n "$(($# / 2 + 1))p"; }
rate() { awk -v m="$mib" -v ns="$1" 'BEGIN { printf "%.0f MiB/s", m / (ns / 1e9) }'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2fx", a / b }'; }
line() { # TITLE PLAIN OURS PEER
    printf '%-20s %14s %14s %14s %10s %10s\n' "$1" "$(rate "$2")" "$(rate "$3")" "${4:+$(rate "$4")}" \
        "$(ratio "$2" "$3")" "${4:+$(ratio "$4" "$3")}"
}

head -c "$((mib << 20))" /dev/zero | openssl enc -aes-128-ctr -nosalt -pass pass:bench -pbkdf2 -iter 1 >"$folder/in"
(umask 077 && head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$folder/key" && echo >>"$folder/key")
plain_write=() seal=() peer_write=() plain_read=() unseal=() peer_read=()
copy() { dd if="$1" of="$2" bs=256k conv=fsync status=none; } # read and write, as sealing does; cp may share pages
for ((i = 0; i < rounds; i++)); do
    rm -f "$folder/plain" "$folder/sealed" "$folder/out"
    timed plain_write copy "$folder/in" "$folder/plain"
    timed seal "$cella" seal --key "$folder/key" "$folder/in" "$folder/sealed"
    rm "$folder/plain"
    timed plain_read copy "$folder/in" "$folder/plain"
    rm "$folder/plain"
    timed unseal "$cella" unseal --key "$folder/key" "$folder/sealed" "$folder/out"
    cmp "$folder/in" "$folder/out"
    rm "$folder/out"
    if [ -n "$peer" ]; then
        rm -f "$peer/file"
        timed peer_write copy "$folder/in" "$peer/file"
        timed peer_read copy "$peer/file" "$folder/plain"
        rm "$folder/plain"
    fi
done
printf 'files of %s MiB, median of %s interleaved rounds\n' "$mib" "$rounds"
printf '%-20s %14s %14s %14s %10s %10s\n' "" "dd" "cella" "${peer:+gocryptfs}" "to dd" "${peer:+to peer}"
line "seal" "$(median "${plain_write[@]}")" "$(median "${seal[@]}")" ${peer:+"$(median "${peer_write[@]}")"}
line "unseal" "$(median "${plain_read[@]}")" "$(median "${unseal[@]}")" ${peer:+"$(median "${peer_read[@]}")"}
