#!/bin/sh
# Root tpm of the store, whole: swtpm, a server whose store stands on it, bound to PCRs; another TPM, a changed PCR.
# Usage: tpm_test.sh CELLA
# shellcheck disable=SC2086 # $opens is a command with its arguments
set -u
cella=$1
command -v swtpm >/dev/null && command -v tpm2_pcrextend >/dev/null || { echo "skipped: no swtpm or no tpm2-tools"; exit 77; }
# shellcheck source=tests/store/server.sh
. "$(dirname "$0")/server.sh"
tpm_port=$((port + 7))
start_tpm() { # NAME
    mkdir -p "$work/$1"
    swtpm socket --tpm2 --tpmstate "dir=$work/$1" --server "type=tcp,port=$tpm_port,bindaddr=127.0.0.1" \
        --ctrl "type=tcp,port=$((tpm_port + 1)),bindaddr=127.0.0.1" --flags not-need-init,startup-clear 2>/dev/null &
    tpm=$!
    pids="$pids $tpm"
    sleep 0.5
}
stop_tpm() { kill $tpm; wait $tpm 2>/dev/null; }
tcti=swtpm:host=127.0.0.1,port=$tpm_port
extend() { tpm2_pcrextend -T "$tcti" "16:sha256=00000000000000000000000000000000000000000000000000000000000000ff" >"$work/out" 2>&1 || fail "PCR 16 is extended"; }
reset() { tpm2_pcrreset -T "$tcti" 16 >"$work/out" 2>&1 || fail "PCR 16 is reset"; }

start_tpm one
start || exit 1
set_secret s "sealed"
check "re-wrap to the TPM" "$cella" vault rewrap --data "$data" --root "tpm:$tcti"
stop
rm "$data/root.key"
root_is "tpm:$tcti"
start || exit 1
has_secret s "sealed" "opens under the TPM"
# --- K24: the folder whole, with its audit log, from before: the TPM's counter knows ---
stop
cp -r "$data" "$work/whole"
start || exit 1
set_secret s "newer"
stop
rm -r "$data"
mv "$work/whole" "$data"
start || exit 1
refuse "the whole folder put back" "older state" "$cella" secret get s
grep -q "counter of the TPM" "$work/log" && echo "ok: the log says so" || { cp "$work/log" "$work/out"; fail "the log says so"; }
check "accepted" "$cella" vault accept-rollback --data "$data"
stop
start || exit 1
has_secret s "sealed" "and served"
kill -9 $server
wait $server 2>/dev/null
start || exit 1
has_secret s "sealed" "killed, it is no rollback"
check "bound to PCRs" "$cella" vault rewrap --data "$data" --root "tpm:$tcti?pcrs=0,16"
check "opens with the PCRs as they were" $opens
stop
extend
refuse "a PCR that changed" "its PCRs are not what they were" $opens
refuse "a server does not start then" "its PCRs are not what they were" "$cella" serve --data "$data"
refuse "nor another re-wrap" "its PCRs are not what they were" "$cella" vault rewrap --data "$data" --root file:x.key
# The binding is what the TPM keeps, not what store.key says.
cp "$data/store.key" "$work/kept"
sed -i 's/?pcrs=0,16//' "$data/store.key"
refuse "store.key without the PCRs" "does not give the root" $opens
cp "$work/kept" "$data/store.key"
reset
check "the PCR is back: so is the store" $opens
stop_tpm
refuse "the TPM is gone" "no TPM answers" $opens
start_tpm two
refuse "another TPM" "sealed by another TPM" $opens
stop_tpm
start_tpm one
check "the first TPM after a restart" $opens
for bad in tpm: "tpm:$tcti?pcrs=" "tpm:$tcti?pcrs=24" "tpm:$tcti?pcrs=1,,2" "tpm:$tcti?pcr=1" "tpm:$tcti?pcrs=x" tpm:nothing; do
    refuse "no root: $bad" "cella: " "$cella" vault rewrap --data "$data" --root "$bad"
done
check "none of them changed a thing" $opens
for i in 0 1 2 3 4 5 6 7; do
    if [ $((i % 2)) = 0 ]; then to=file:root2.key; else to="tpm:$tcti?pcrs=7"; fi
    "$cella" vault rewrap --data "$data" --root "$to" >/dev/null 2>&1 &
    p=$!
    sleep "0.0$i"
    kill -9 $p 2>/dev/null
    wait $p 2>/dev/null
    stop_tpm # what a dead process left open in it goes with its power
    start_tpm one
    timeout 60 $opens >"$work/out" 2>&1 || fail "killed re-wrap $i"
done
check "back to a file" "$cella" vault rewrap --data "$data" --root file:root3.key
stop_tpm
start || exit 1
has_secret s "sealed" "without any TPM"
stop
exit $failed
