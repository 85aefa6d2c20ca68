#!/usr/bin/env bash
# `cella seal` and `cella unseal` from the shell: tests/seal/seal_test.sh CELLA
set -euo pipefail
cella=$(realpath "${1:?path of cella}")
folder=$(mktemp -d)
mount=
clean() {
    if [ -n "$mount" ]; then umount "$mount"; fi
    rm -rf "$folder"
}
trap clean EXIT
cd "$folder"

checks=0
ok() { echo "ok $((++checks)) - $1"; }
not_ok() { echo "not ok - $1"; [ ! -s err ] || sed 's/^/  /' err; exit 1; }
refused() { # TITLE STATUS TEXT COMMAND...: exits with that status and says that text
    local title=$1 status=$2 text=$3 got=0
    shift 3
    "$@" >out 2>err </dev/null || got=$?
    [ "$got" = "$status" ] || not_ok "$title: expected status $status, found $got"
    grep -qF -- "$text" err || not_ok "$title: expected '$text'"
    ok "$title"
}
new_key() { (umask 077 && head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$1" && echo >>"$1"); }

new_key a.key
new_key b.key
head -c 3000017 /dev/urandom >in
for size in 0 1 16384 16385; do
    head -c $size in >part
    "$cella" seal --key a.key part part.sealed
    "$cella" unseal --key a.key part.sealed part.back
    cmp part part.back || not_ok "$size bytes come back"
    rm part.sealed part.back
done
ok "files of several sizes come back"
"$cella" seal --key a.key in data.sealed
"$cella" unseal --key a.key data.sealed back
cmp in back && [ "$(stat -c %a back)" = 600 ] || not_ok "comes back with mode 0600"
ok "comes back with mode 0600"
"$cella" seal --key a.key - - --name stream <in | "$cella" unseal --key a.key - - --name stream | cmp - in ||
    not_ok "streams"
ok "streams"
"$cella" seal --info data.sealed | grep -q "under a given key" || not_ok "info"
ok "info"
"$cella" seal --key a.key --progress in progress.sealed 2>err && [ ! -s err ] || not_ok "quick work says nothing"
ok "quick work says nothing"

refused "wrong key" 3 "it is under another key, or its header was damaged" "$cella" unseal --key b.key data.sealed x
refused "wrong name" 3 "bound to another name than 'other'" "$cella" unseal --key a.key data.sealed x --name other
cp data.sealed renamed
refused "renamed" 3 "bound to another name than 'renamed'" "$cella" unseal --key a.key renamed x
refused "not a protected file" 1 "this is not a protected file" "$cella" unseal --key a.key in x
refused "existing OUT" 1 "back exists already" "$cella" unseal --key a.key data.sealed back
refused "no key" 2 "expected either --key FILE or --vault URL" "$cella" seal in x
refused "no OUT" 2 "expected IN and OUT" "$cella" seal --key a.key in
refused "stream without name" 2 "expected --name NAME" "$cella" seal --key a.key in -
refused "unknown option" 2 "unknown option '--fast'" "$cella" seal --fast
refused "absent input" 1 "cannot open absent" "$cella" seal --key a.key absent x
refused "a folder" 2 "is a folder" "$cella" seal --key a.key . x
refused "a device as OUT" 2 "not a regular file" "$cella" unseal --key a.key data.sealed /dev/null --force
refused "a folder that is not there" 1 "cannot create a file in absent" "$cella" seal --key a.key in absent/x
chmod 644 b.key
refused "a key that others read" 1 "others may read" "$cella" seal --key b.key in x
(umask 077 && echo 1234 >short.key && printf '%064d' 0 | tr 0 z >letters.key)
refused "a short key" 1 "is not a data key" "$cella" seal --key short.key in x
refused "a key of other letters" 1 "expected hex digits only" "$cella" seal --key letters.key in x
grep -q zzz err && not_ok "the error quotes the key"
for at in 100 5000 20000 1000000 3000000; do
    cp data.sealed flipped
    byte=$(od -An -tu1 -j $at -N 1 data.sealed)
    printf "\\x$(printf %02x $((byte ^ 1)))" | dd of=flipped bs=1 seek=$at conv=notrunc status=none
    [ $at = 5000 ] && continue # in the slot that no commit has used yet
    refused "a flipped bit at $at" 3 "" "$cella" unseal --key a.key flipped x --name data.sealed
done
head -c 2000000 data.sealed >short
refused "a truncated file" 3 "expected more than" "$cella" unseal --key a.key short x --name data.sealed
[ ! -e x ] || not_ok "a refusal left a file"
"$cella" unseal --key a.key data.sealed back --force && cmp in back || not_ok "--force"
ok "--force replaces"

# Killed at any moment: OUT is not there, or whole; nothing else is left in the folder.
head -c 60000000 /dev/zero >big
mkdir kill && whole=0 absent=0
start=$(date +%s%N)
"$cella" seal --key a.key big kill/out && rm kill/out
usual_us=$((($(date +%s%N) - start) / 1000))
for ((i = 0; i < 40; i++)); do
    "$cella" seal --key a.key big kill/out 2>/dev/null &
    sleep "$(printf '%d.%06d' $((usual_us * (i + 1) / 32 / 1000000)) $((usual_us * (i + 1) / 32 % 1000000)))"
    kill -9 $! 2>/dev/null || true
    wait $! 2>/dev/null || true
    if [ -e kill/out ]; then
        "$cella" unseal --key a.key kill/out - --name out | cmp - big || not_ok "half-written after kill -9"
        whole=$((whole + 1))
    else
        absent=$((absent + 1))
    fi
    rm -f kill/out
    [ -z "$(ls -A kill)" ] || not_ok "kill -9 left $(ls -A kill)"
done
[ $absent -gt 0 ] || not_ok "no kill came early enough to tell anything"
ok "killed 40 times: $whole whole, $absent absent, none half-written"

# A full disk, where one can be mounted.
mkdir full
if mount -t tmpfs -o size=1m tmpfs full 2>/dev/null; then
    mount=$folder/full
    echo old >full/out
    refused "a full disk" 1 "no space left" "$cella" seal --key a.key in full/out --force
    [ "$(cat full/out)" = old ] && [ "$(ls -A full)" = out ] || not_ok "the old file is intact, nothing is left"
    ok "after which the old file is intact"
    refused "a full disk, unsealing" 1 "No space left" "$cella" unseal --key a.key data.sealed full/new
    [ "$(ls -A full)" = out ] || not_ok "nothing is left"
    refused "a full output" 1 "No space left" sh -c "'$cella' unseal --key a.key data.sealed - >/dev/full"
else
    echo "notice: no right to mount a small tmpfs: the full disk is left to the unit test"
fi
echo "1..$checks"
