#!/usr/bin/env bash
# T1, T2, T3, T4, T5, T7, T8: the layout of a running enclave, and every attack of `operator` on it as whoever this
# machine lets us be; each outcome must be the one that the evidence's level promises.
# usage: matrix_test.sh CELLA OPERATOR VICTIMS-FOLDER
# shellcheck source=tests/attack/lib.sh
source "$(dirname "$0")/lib.sh" "$1" "$3"
operator=$2
sign victim victim
start victim 60
root=$([ "$(id -u)" = 0 ] && echo yes || echo no)
level=$(level)
echo "enclave $pid at level $level, root: $root"

# The same program outside an enclave: the attacks must work there, or their failure proves nothing.
"$victims/victim" 20 >"$work/plain" &
plain=$!
for ((i = 0; i < 100; i++)); do grep -q ready "$work/plain" && break; sleep 0.02; done
"$operator" "$plain" "$canary_hex" "$(sed -n 's/^ready //p' "$work/plain")" >"$work/control"
kill "$plain"
for name in proc-mem-read process-vm-read ptrace-registers; do
    if grep -q "^$name.READS" "$work/control"; then ok "control: $name reads an ordinary process"
    elif [ "$root" = no ]; then ok "control: $name is refused even on an ordinary process (Yama)"
    else wrong "control: $name did not read an ordinary process"; fi
done

# T1: maps equal the allow-list exactly. Writable memory is secret memory, all else the sealed image.
if [ "$root" = yes ]; then
    while read -r _ mode _ _ _ path; do
        case "$mode $path" in
        "r--s /memfd:cella-image (deleted)" | "r-xs /memfd:cella-image (deleted)") ;;
        "rw-s /secretmem (deleted)" | "r--s /secretmem (deleted)" | "---s /secretmem (deleted)") ;;
        "--xp [vsyscall]") ;;
        *) wrong "T1: unexpected mapping: $mode $path" ;;
        esac
    done <"/proc/$pid/maps"
    expect "T1: text is mapped executable from the sealed image" grep -q 'r-xs.*cella-image' "/proc/$pid/maps"
    # T4: no descriptor but its channels and the standard streams
    fds=$(find "/proc/$pid/fd" -mindepth 1 -printf '%f ' | tr ' ' '\n' | sort -n | tr '\n' ' ')
    expect "T4: descriptors are exactly 0 1 2 3 4, found$fds" test "${fds# }" = "0 1 2 3 4 "
    expect "T7: no core can be dumped: not dumpable" test "$(stat -c %U "/proc/$pid/environ")" = root
    expect "seccomp filter is on" grep -q '^Seccomp:.2' "/proc/$pid/status"
    expect "no capability" grep -q '^CapEff:.0000000000000000' "/proc/$pid/status"
    expect "no new privileges" grep -q '^NoNewPrivs:.1' "/proc/$pid/status"
fi

# What each attacker may get. Columns: attack, outcomes allowed.
judge() { # WHO ALLOWED-OF-KNOWN-LEAKS < operator's lines
    local who=$1 leaks=$2 name outcome detail
    while IFS=$'\t' read -r name outcome detail; do
        case "$outcome" in
        blocked | nothing | not-offered | information) ok "$who: $name: $outcome ($detail)" ;;
        READS)
            if [[ " $leaks " == *" $name "* ]]; then ok "$who: $name: READS, as level $level says ($detail)"
            else wrong "$who: $name: READS ($detail)"; fi ;;
        *) wrong "$who: $name: $outcome ($detail)" ;;
        esac
    done
}
case "$level" in
S0) leaks="ptrace-registers perf-user-stack bpf-probe-read-user tracefs-probe" ;;
S1) leaks="perf-user-stack bpf-probe-read-user tracefs-probe" ;;
*) leaks="" ;;
esac
if [ "$root" = yes ]; then
    judge root "$leaks" < <("$operator" "$pid" "$canary_hex" "$address")
    # T5: other users, the enclave's own user, and uid 0 without the four capabilities get nothing at any level.
    run_as() { setpriv --reuid="$1" --regid="$1" --clear-groups --inh-caps=-all -- "$operator" "$pid" "$canary_hex" "$address"; }
    judge "other user" "" < <(run_as 12345)
    judge "the enclave's user" "" < <(run_as "$(stat -c %u "/proc/$pid")")
    judge "user 65534" "" < <(run_as 65534)
    judge "uid 0 minus four capabilities" "" < <(setpriv --bounding-set=-sys_ptrace,-perfmon,-bpf,-sys_admin \
        --inh-caps=-all -- "$operator" "$pid" "$canary_hex" "$address")
    if unshare --user --map-root-user true 2>/dev/null; then
        judge "root of a user namespace" "" < <(setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all -- \
            unshare --user --map-root-user -- "$operator" "$pid" "$canary_hex" "$address" 2>&1)
    fi
else
    judge "same user" "" < <("$operator" "$pid" "$canary_hex" "$address")
fi

# T7: a crash leaves no core with the canary, and the run says what happened.
expect "the enclave still runs after all that" kill -0 "$running"
finish
