#!/bin/sh
# K24: an older copy of the store is put back: the server says so, releases nothing, and goes on once it is accepted.
# And a whole vault as one file: elsewhere with its root alone. Usage: rollback_test.sh CELLA
set -u
cella=$1
# shellcheck source=tests/store/server.sh
. "$(dirname "$0")/server.sh"
command -v curl >/dev/null || { echo "skipped: no curl"; exit 77; }
healthz="curl -s --cacert $data/ca.pem https://127.0.0.1:$((port + 6))/healthz"
copy_store() { # a copy as an attacker, or a careless operator, has it
    rm -rf "${work:?}/$1"
    mkdir "$work/$1"
    cp "$data"/cella.db* "$work/$1/"
}
put_back() { rm -f "$data"/cella.db*; cp "$work/$1"/* "$data/"; }

start || exit 1
set_secret s "to be revoked"
stop
copy_store old
start || exit 1
set_secret s "the new one"
has_secret s "the new one" "before"
stop

# --- put back ---
put_back old
start || exit 1
grep -q "an older one was put back" "$work/log" && echo "ok: the log says so" || { cp "$work/log" "$work/out"; fail "the log says so"; }
refuse "no secret is given" "older state" "$cella" secret get s
refuse "none is taken" "older state" sh -c "printf x | '$cella' secret set t --file -"
refuse "no attestation policy is told" "older state" curl -s --fail-with-body --cacert "$data/ca.pem" "$ATTESTATION_AAD_URL/policies/SgxEnclave?api-version=2022-08-01"
check "health says so" sh -c "$healthz | grep 'an older one was put back'"
stop
start || exit 1
refuse "nor after a restart" "older state" "$cella" secret get s
check "accepted while it runs" "$cella" vault accept-rollback --data "$data"
for _ in $(seq 150); do "$cella" secret get s >/dev/null 2>&1 && break; sleep 0.1; done
has_secret s "to be revoked" "then it serves what is there"
check "health is well" sh -c "$healthz | grep ^ready"
check "the audit log tells of it" grep -q '"action":"accept-rollback"' "$data/audit.log"
refuse "nothing more to accept" "nothing to accept" "$cella" vault accept-rollback --data "$data"
stop
start || exit 1
has_secret s "to be revoked" "after a restart too"
stop
check "the audit log is whole" "$cella" audit verify "$data/audit.log" --key "$data"

# --- a copy of a running server's store, and kill -9 ---
start || exit 1
set_secret s "one"
copy_store running
set_secret s "two"
sleep 11 # an epoch later
kill -9 $server
wait $server 2>/dev/null
start || exit 1
has_secret s "two" "killed, it is no rollback"
kill -9 $server
wait $server 2>/dev/null
put_back running
start || exit 1
refuse "a copy made while it ran" "older state" "$cella" secret get s
"$cella" vault accept-rollback --data "$data" >"$work/out" 2>&1 || fail "accepted"
stop

# --- an audit log that is begun anew is no rollback ---
start && stop
mkdir "$work/logs"
mv "$data"/audit.log* "$work/logs/"
start || exit 1
has_secret s "one" "with a log begun anew"
grep -q "shorter than the store knows" "$work/log" && echo "ok: which is said" || { cp "$work/log" "$work/out"; fail "which is said"; }

# --- backup of a whole vault ---
set_secret gone "deleted, not forgotten"
timeout 60 "$cella" secret delete gone >"$work/out" 2>&1 || fail "delete"
set_secret s "a second version"
timeout 60 "$cella" key create k >"$work/out" 2>&1 || fail "key create"
printf 'correct horse battery\n' >"$work/words"
printf 'another passphrase\n' >"$work/others"
chmod 600 "$work/words" "$work/others"
check "backup while the server runs" "$cella" vault backup --data "$data" devvault -o "$work/file" --passphrase-file "$work/words"
grep -qa "second version" "$work/file" && { echo "FAILED: a secret is readable"; failed=1; }
refuse "not over a file" "File exists" "$cella" vault backup --data "$data" devvault -o "$work/file" --passphrase-file "$work/words"
refuse "no such vault" "nothing in a vault" "$cella" vault backup --data "$data" nothere -o "$work/file2"
[ -e "$work/file2" ] && { echo "FAILED: a file stays"; failed=1; }
refuse "not into the vault that is there" "does not mix" "$cella" vault restore --data "$data" "$work/file" --passphrase-file "$work/words"
check "into another of the same server" "$cella" vault restore --data "$data" "$work/file" --as copy --passphrase-file "$work/words"
grep -q "no \[vault copy\]" "$work/out" && echo "ok: which is not served yet" || fail "which is not served yet"
check "both are in the audit log" grep -q '"action":"vault-restore","object":"copy"' "$data/audit.log"
check "with the store's own root" "$cella" vault backup --data "$data" devvault -o "$work/own"
stop
mv "$data" "$work/first"

# --- elsewhere ---
start || exit 1
stop
refuse "another passphrase" "not the one" "$cella" vault restore --data "$data" "$work/file" --passphrase-file "$work/others"
refuse "this server's root" "under root" "$cella" vault restore --data "$data" "$work/own"
refuse "another kind of root" "store.key" "$cella" vault restore --data "$data" "$work/own" --passphrase-file "$work/words"
refuse "no backup" "no backup" "$cella" vault restore --data "$data" "$work/words"
size=$(wc -c <"$work/file")
for at in 1 100 $((size / 3)) $((size / 2)) $((size - 1)); do
    head -c "$at" "$work/file" >"$work/bad"
    refuse "cut off at $at" "cella: " "$cella" vault restore --data "$data" "$work/bad" --passphrase-file "$work/words"
done
for at in $((size / 3)) $((size / 2)) $((size - 2)); do
    cp "$work/file" "$work/bad"
    printf '\125' | dd of="$work/bad" bs=1 seek="$at" conv=notrunc 2>/dev/null
    cmp -s "$work/file" "$work/bad" || refuse "changed at $at" "cella: " "$cella" vault restore --data "$data" "$work/bad" --passphrase-file "$work/words"
done
cat "$work/file" "$work/words" >"$work/bad"
refuse "more at the end" "not whole" "$cella" vault restore --data "$data" "$work/bad" --passphrase-file "$work/words"
check "nothing of all that is left" "$cella" vault restore --data "$data" "$work/file" --passphrase-file "$work/words"
start || exit 1
has_secret s "a second version" "elsewhere: the newest version"
timeout 60 "$cella" secret versions s >"$work/out" 2>&1
[ "$(grep -c . "$work/out")" -ge 2 ] && echo "ok: all versions" || fail "all versions"
timeout 60 "$cella" secret recover gone >"$work/out" 2>&1 || fail "recover"
sleep 1
has_secret gone "deleted, not forgotten" "what was deleted can be recovered"
check "keys are there" "$cella" key show k
stop
exit $failed
