#!/usr/bin/env bash
# T4, T9, T10, T11, T12 and R12: an enclave's life under an operator who steals descriptors at launch, forges signals,
# turns settings, kills, reuses memory and takes away what enclaves need.
# usage: life_test.sh CELLA OPERATOR VICTIMS-FOLDER
# shellcheck source=tests/attack/lib.sh
source "$(dirname "$0")/lib.sh" "$1" "$3"
root=$([ "$(id -u)" = 0 ] && echo yes || echo no)
sign victim victim
PROGRAM=scan sign scan scan

# R12, T10: forged faults never reach handler logic: the victim goes on as if nothing was, or ends with a line.
start victim 4
"$victims/forge" "$pid" 31 11 7 8 4 5 10 12 14 17 23 28 34 50 64 >"$work/forged"
cat "$work/forged"
await
if [ "$status" = 0 ] && grep -q "^done" "$work/out"; then ok "R12: forged signals are ignored"
elif grep -q 'cella:' "$work/err"; then ok "R12: forged signals end the enclave, and it says so: $(tail -n 1 "$work/err")"
else wrong "R12: status $status without a word"; fi

# T11: what a killed enclave had in memory is not in the next one's. The pool holds few, so that slices are reused.
for i in 1 2 3 4 5 6; do
    start victim 20
    kill -9 "$pid" 2>/dev/null || stop
    await
    grep -q 'cella: ' "$work/err" || wrong "T11: a killed enclave's run says nothing"
    "$cella" run "$work/scan.cella" >"$work/scan.out" 2>&1 </dev/null
    if grep -q '^clean' "$work/scan.out"; then ok "T11: round $i: $(tail -n 1 "$work/scan.out")"
    else wrong "T11: round $i: $(tail -n 1 "$work/scan.out")"; fi
done

# T4: descriptors stolen during 200 launches: none is secret memory.
if [ "$root" = yes ]; then
    zygote=$(pgrep -P "$("$cella" platform status | sed -n 's/^platform=.*pid \([0-9]*\).*/\1/p')" | head -n 1)
    "$victims/thief" "$zygote" 10 >"$work/thief" &
    thief=$!
    launched=0
    for ((i = 0; i < 200; i++)); do
        kill -0 "$thief" 2>/dev/null || break
        "$cella" run "$work/scan.cella" >/dev/null 2>&1 </dev/null && launched=$((launched + 1))
    done
    wait "$thief"
    status=$?
    expect "T4: during $launched launches: $(cat "$work/thief")" test "$status" = 0
fi

# T9: a setting that changes between two pieces of evidence is in the second.
setting=/proc/sys/kernel/kptr_restrict
if [ "$root" = yes ] && [ -w $setting ]; then
    was=$(cat $setting)
    mkdir -p "$work/shared"
    cp "$(dirname "$0")/../../examples/hello/app.manifest" "$work/hello.manifest"
    "$cella" sign "$victims/../../examples/hello/hello" -m "$work/hello.manifest" -k "$work/key.pem" -o "$work/hello.cella" >/dev/null
    "$cella" platform key >"$work/platform.pem"
    told() { # the setting as evidence made now says it
        "$cella" run "$work/hello.cella" --mount "/out=$work/shared" >/dev/null 2>&1 </dev/null
        "$cella" verify "$work/shared/evidence.bin" --trust "$work/platform.pem" --allow software:S0 |
            sed -n 's/^ *software\.setting\.kptr_restrict *//p'
    }
    first=$(told)
    echo $((was == 1 ? 2 : 1)) >$setting
    second=$(told)
    echo "$was" >$setting
    expect "T9: kptr_restrict $first, then $second" test "$first" = "$was" -a "$second" != "$was" -a -n "$second"
fi

# The daemon dies: its enclaves die with it, and the run says so.
start victim 30
kill -9 "$("$cella" platform status | sed -n 's/^platform=.*pid \([0-9]*\).*/\1/p')"
await
expect "daemon killed: the run ends with an error ($status)" test "$status" != 0
expect "daemon killed: the run says so" grep -q 'platform' "$work/err"
for ((i = 0; i < 40; i++)); do [ -d "/proc/$pid" ] || break; sleep 0.05; done
expect "daemon killed: the enclave is gone" test ! -d "/proc/$pid"
"$cella" run "$work/scan.cella" >"$work/out" 2>&1 </dev/null
expect "and the next run starts a new one" grep -q '^clean' "$work/out"
"$cella" platform stop >/dev/null 2>&1

# T12: what enclaves need is taken away: a refusal that says what, never a silent downgrade.
refused() { # WORDS PATTERN COMMAND...
    local words=$1 pattern=$2
    shift 2
    "$@" >"$work/out" 2>&1 </dev/null
    status=$?
    "$cella" platform stop >/dev/null 2>&1
    if [ "$status" != 0 ] && grep -qE "$pattern" "$work/out"; then ok "T12: $words: $(grep -m 1 'cella: ' "$work/out")"
    else wrong "T12: $words: status $status: $(head -n 3 "$work/out")"; fi
}
if [ "$root" = yes ]; then
    chmod 644 "$work/scan.cella"
    user() { # COMMAND...: as an ordinary user with a home of its own
        mkdir -p "$work/home" && chown 12345 "$work/home"
        setpriv --reuid=12345 --regid=12345 --clear-groups --inh-caps=-all -- env HOME="$work/home" XDG_RUNTIME_DIR= \
            CELLA_PLATFORM_STATE="$work/home/state" CELLA_PLATFORM_SOCKET="$work/home/sock" "$@"
    }
    refused "memory-lock limit of 64 KiB" 'lock|secret memory' prlimit --memlock=65536:65536 bash -c \
        "$(declare -f user); work=$work; user $cella run $work/scan.cella"
    user "$cella" platform stop >/dev/null 2>&1
    if unshare --pid --fork --mount-proc bash -c 'echo 2 >/proc/sys/vm/memfd_noexec' 2>/dev/null; then
        refused "vm.memfd_noexec = 2" 'memfd_noexec' unshare --pid --fork --mount-proc bash -c \
            "echo 2 >/proc/sys/vm/memfd_noexec; $cella run $work/scan.cella"
    fi
fi
finish
