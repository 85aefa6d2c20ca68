#!/bin/sh
# Root pkcs11, whole: SoftHSM as HSM, a server whose store stands on a key in it, and all that can be wrong with an HSM.
# Usage: pkcs11_test.sh CELLA
# shellcheck disable=SC2086 # $opens is a command with its arguments
set -u
cella=$1
command -v softhsm2-util >/dev/null && command -v pkcs11-tool >/dev/null || { echo "skipped: no softhsm2 or no opensc"; exit 77; }
# shellcheck source=tests/store/server.sh
. "$(dirname "$0")/server.sh"
# shellcheck source=tests/hsm/token.sh
. "$(dirname "$0")/../hsm/token.sh"
token_new vault 246810 && token_new other 135799 || exit 1
tool vault 246810 --keygen --key-type AES:32 --label root --sensitive || fail "a key in the token"
tool other 135799 --keygen --key-type AES:32 --label root --sensitive || fail "a key in the other"
printf '246810\n' >"$work/pin"
printf '111111\n' >"$work/wrong"
chmod 600 "$work/pin" "$work/wrong"
uri="pkcs11:token=vault;object=root?module-path=$module\&pin-source=file:$work/pin"
plain=$(printf '%s' "$uri" | tr -d '\\')

# --- a server that stood on a file moves to the HSM while it runs ---
start || exit 1
set_secret before "of before"
cp "$data/store.key" "$work/old.key"
check "re-wrap to the HSM while the server runs" "$cella" vault rewrap --data "$data" --root "$plain"
grep -q 246810 "$data/audit.log" "$data/store.key" "$work/out" && { echo "FAILED: the PIN is in a file"; failed=1; }
has_secret before "of before" "the server goes on"
set_secret between "sealed after the re-wrap"
check "the audit log tells of it" grep -q '"action":"rewrap","from":"file:root.key","to":"pkcs11:token=vault;object=root"' "$data/audit.log"
stop
rm "$data/root.key"
start || exit 1
has_secret before "of before" "the old root is not needed any more"
has_secret between "sealed after the re-wrap" "nor for what came in between"
grep -q "cella.conf still says file:root.key" "$work/log" && echo "ok: cella.conf is said to be behind" || { echo "FAILED: no warning"; failed=1; }
stop
root_is "$uri"
start || exit 1
has_secret before "of before" "with the root in cella.conf"
set_secret after "under the HSM"
stop

# --- what can be wrong, and nothing is lost by it ---
check "the store opens" $opens
with_root() { # WORDS of the refusal, ROOT: as store.key would name it
    cp "$data/store.key" "$work/kept.key"
    sed -i "s#\"root\": \".*\"#\"root\": \"$2\"#" "$data/store.key"
    refuse "$1" "$1" $opens
    mv "$work/kept.key" "$data/store.key"
}
with_root "refuses the PIN" "pkcs11:token=vault;object=root?module-path=$module\&pin-source=file:$work/wrong"
with_root "no token is there" "pkcs11:token=gone;object=root?module-path=$module\&pin-source=file:$work/pin"
with_root "no AES key that fits" "pkcs11:token=vault;object=gone?module-path=$module\&pin-source=file:$work/pin"
with_root "cannot be loaded" "pkcs11:token=vault;object=root?module-path=/no/module.so\&pin-source=file:$work/pin"
with_root "names no key" "pkcs11:token=vault?module-path=$module\&pin-source=file:$work/pin"
with_root "PIN in it" "pkcs11:token=vault;object=root?module-path=$module\&pin-value=246810"
with_root "does not say where" "pkcs11:token=vault;object=root?module-path=$module"
with_root "no PKCS#11 URI" "pkcs11:token=vault;;object"
printf '135799\n' >"$work/pin2"
chmod 600 "$work/pin2"
with_root "does not unwrap the root" "pkcs11:token=other;object=root?module-path=$module\&pin-source=file:$work/pin2"
chmod 644 "$work/pin"
refuse "a PIN that others can read" "pin" $opens
chmod 600 "$work/pin"
mv "$work/tokens" "$work/away"
mkdir "$work/tokens"
refuse "the HSM is gone" "no token is there" $opens
refuse "a server does not start without it" "no token is there" "$cella" serve --data "$data"
rmdir "$work/tokens"
mv "$work/away" "$work/tokens"
check "the HSM is back: so is the store" $opens
cp -r "$work/tokens" "$work/backup"
tool vault 246810 --delete-object --type secrkey --label root || fail "the key is deleted"
refuse "the key was deleted" "no AES key that fits" $opens
tool vault 246810 --keygen --key-type AES:32 --label root --sensitive || fail "another key"
refuse "another key of that name" "does not unwrap the root" $opens
refuse "and no re-wrap from it" "does not unwrap the root" "$cella" vault rewrap --data "$data" --root file:x.key
rm -r "$work/tokens"
mv "$work/backup" "$work/tokens"
start || exit 1
has_secret after "under the HSM" "with the HSM's backup all is there"

# --- old roots open nothing of now ---
cp -r "$data" "$work/stolen"
stop
head -c 32 /dev/zero >"$work/stolen/root.key"
chmod 600 "$work/stolen/root.key"
cp "$work/old.key" "$work/stolen/store.key"
refuse "store.key of before without its root" "under root" "$cella" audit verify "$data/audit.log" --key "$work/stolen"

# --- killed at every step of a re-wrap: one root works. SoftHSM itself writes its token at each login, and not at once:
# --- a kill can break it, which an HSM of its own is not; so it is put back ---
cp -r "$work/tokens" "$work/backup"
for i in 0 1 2 3 4 5 6 7 8 9 10 11; do
    if [ $((i % 2)) = 0 ]; then to=file:root2.key; else to=$plain; fi
    "$cella" vault rewrap --data "$data" --root "$to" >/dev/null 2>&1 &
    p=$!
    sleep "0.0$((i * 8 / 10))$((i * 8 % 10))"
    kill -9 $p 2>/dev/null
    wait $p 2>/dev/null
    rm -r "$work/tokens"
    cp -r "$work/backup" "$work/tokens"
    $opens >"$work/out" 2>&1 || fail "killed re-wrap $i"
done
"$cella" vault rewrap --data "$data" --root "$plain" >"$work/out" 2>&1 || fail "re-wrap after all"
start || exit 1
has_secret before "of before" "after killed re-wraps"
has_secret after "under the HSM" "all of it"
refuse "a second server in the folder" "another server has the data folder" "$cella" serve --data "$data"
stop
exit $failed
