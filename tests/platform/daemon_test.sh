#!/bin/sh
# A platform with enclaves in it: tampering, limits, crashes, kills. Usage: daemon_test.sh CELLA
set -u
cella=$1
work=$(mktemp -d)
passed=0 failed=0 skipped=0 pids=""
export CELLA_PLATFORM_SOCKET="$work/run/p.sock" CELLA_PLATFORM_STATE="$work/state"
# shellcheck disable=SC2154
trap 'for p in $pids; do kill -9 $p 2>/dev/null; done; rm -rf "$work"' EXIT
# The platform drops root to an ordinary user, and tests below run as one: both must reach the images.
chmod 755 "$work"

pass() { passed=$((passed + 1)); echo "ok: $1"; }
fail() { failed=$((failed + 1)); echo "FAILED: $1"; [ -f "$work/out" ] && sed 's/^/    /' "$work/out" | tail -5; }
skip() { skipped=$((skipped + 1)); echo "skipped: $1"; }
check() { name=$1; shift; if "$@" >"$work/check" 2>&1; then pass "$name"; else fail "$name"; fi; }
# expect STATUS TEXT NAME command...: exit status and a text in its output
expect() {
    want=$1 text=$2 name=$3; shift 3
    timeout 30 "$@" >"$work/out" 2>&1
    got=$?
    if [ $got -eq "$want" ] && grep -q -- "$text" "$work/out"; then pass "$name"; else
        fail "$name (status $got, wanted $want with '$text')"; fi
}
start_platform() {
    "$cella" platform "$@" >"$work/platform.log" 2>&1 &
    platform=$!
    pids="$pids $platform"
    for _ in $(seq 100); do "$cella" platform status >/dev/null 2>&1 && return; sleep 0.05; done
    echo "the platform did not start"; cat "$work/platform.log"
}
stop_platform() { kill $platform 2>/dev/null; wait $platform 2>/dev/null; }
wait_for() { for _ in $(seq 100); do grep -q "$1" "$2" 2>/dev/null && return 0; sleep 0.05; done; return 1; }

cat >"$work/program.c" <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
enum { SIZE = 2 << 20 };
int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    printf("inside\n");
    fflush(stdout);
    unsigned char *p = malloc(SIZE);
    if (!strcmp(what, "wait")) for (;;) pause();
    if (!strcmp(what, "canary")) { memset(p, 0xc5, SIZE); *(volatile char *)8 = 1; }
    if (!strcmp(what, "look")) {
        unsigned n = 0;
        for (int i = 0; i < SIZE; i++) n += p[i] == 0xc5;
        printf("canary bytes %u\n", n);
        return n > SIZE / 1000;
    }
    return 42;
}
C
${CC:-gcc} -O1 -static-pie -o "$work/program" "$work/program.c" || exit 77
printf '[enclave]\nheap = 4M\n[arguments]\nhost = yes\n' >"$work/app.manifest"
"$cella" keygen -o "$work/key.pem" >/dev/null
sign() { "$cella" sign "$work/program" -m "$1" -k "$work/key.pem" -o "$2" >"$work/out" 2>&1 || { cat "$work/out"; exit 1; }; }
sign "$work/app.manifest" "$work/app.cella"

start_platform --pool 8
expect 42 inside "runs and gives the program's exit status" "$cella" run "$work/app.cella"
expect 42 inside "warm start" "$cella" run "$work/app.cella"
expect 2 "takes no signal\|no mount\|/nowhere" "unknown mount is refused" "$cella" run --mount /nowhere=/tmp "$work/app.cella"
expect 1 "cannot open" "no image" "$cella" run "$work/none.cella"

# T09: every kind of tampering is refused before anything runs
size=$(stat -c %s "$work/app.cella")
for at in 0 16 40 4096 4100 4224 4736 5056 8192 8200 8216 8224 12288 $((size / 2)) $((size - 4096)) $((size - 1)); do
    cp "$work/app.cella" "$work/bad.cella"
    byte=$(od -An -tu1 -j $at -N 1 "$work/bad.cella" | tr -d ' ')
    printf "\\$(printf %o $((byte ^ 1)))" | dd of="$work/bad.cella" bs=1 seek=$at conv=notrunc 2>/dev/null
    timeout 30 "$cella" run "$work/bad.cella" >"$work/out" 2>&1
    got=$?
    if [ $got -ne 42 ] && ! grep -q inside "$work/out"; then pass "flipped byte at $at refused"; else fail "flipped byte at $at ran"; fi
done
head -c $((size - 4096)) "$work/app.cella" >"$work/bad.cella"
timeout 30 "$cella" run "$work/bad.cella" >"$work/out" 2>&1
[ $? -ne 42 ] && pass "truncated image refused" || fail "truncated image ran"
# the file changed after a good start: not served from the kept copy
cp "$work/app.cella" "$work/live.cella"
expect 42 inside "a copy runs" "$cella" run "$work/live.cella"
printf 'X' | dd of="$work/live.cella" bs=1 seek=$((size - 100)) conv=notrunc 2>/dev/null
timeout 30 "$cella" run "$work/live.cella" >"$work/out" 2>&1
[ $? -ne 42 ] && pass "a changed file is measured anew" || fail "a changed file ran from the kept copy"

# pool: what does not fit is refused clearly, and fits again later
printf '[enclave]\nheap = 64M\n' >"$work/big.manifest"
sign "$work/big.manifest" "$work/big.cella"
expect 1 "whole pool has 8192 KiB" "an enclave larger than the pool" "$cella" run "$work/big.cella"
rm -f "$work/waiting" # what an earlier one said
"$cella" run "$work/app.cella" -- wait >"$work/waiting" 2>&1 &
waiting=$!
pids="$pids $waiting"
wait_for inside "$work/waiting"
expect 1 "in one piece" "a pool in use" "$cella" run "$work/app.cella"
"$cella" platform status >"$work/out"
grep -q "enclaves=1" "$work/out" && pass "status counts it" || fail "status"

# T4: descriptors of a running enclave; T1: nothing but its own range is mapped
pid=$(sed -n 's/^enclave=pid \([0-9]*\),.*/\1/p' "$work/out")
if [ "$(id -u)" = 0 ] && [ -n "$pid" ]; then
    [ "$(ls "/proc/$pid/fd" | sort -n | tr '\n' ' ')" = "0 1 2 3 4 " ] && pass "five descriptors" || fail "descriptors: $(ls "/proc/$pid/fd")"
    # T4: no process of the platform holds a descriptor of the secret memory, which would be all of it to a thief
    stolen=$(for p in $platform $(pgrep -P $platform) $pid; do ls -l /proc/$p/fd; done | grep -c secretmem)
    [ "$stolen" = 0 ] && pass "no descriptor of secret memory in any process of the platform" || fail "descriptors of secret memory: $stolen"
    low=$(sed -n 's/^\([0-9a-f]*\)-.*/\1/p' "/proc/$pid/maps" | head -1)
    grep -v 'vsyscall\|secretmem\|memfd:cella-image' "/proc/$pid/maps" >"$work/out"
    [ -n "$low" ] && [ ! -s "$work/out" ] && pass "maps: sealed image and secret memory alone" || fail "maps"
    [ "$(awk '/^CapBnd|^CapPrm|^CapEff/ {s = s $2} END {gsub("0", "", s); print s}' "/proc/$pid/status")" = "" ] &&
        pass "no capabilities" || fail "capabilities"
    [ "$(stat -c %u "/proc/$pid/stat")" = 0 ] && pass "non-dumpable" || fail "dumpable"
    [ "$(awk '/^Uid/ {print $2}' "/proc/$pid/status")" != 0 ] && pass "not root" || fail "runs as root"
    [ "$(readlink "/proc/$pid/ns/net")" != "$(readlink /proc/self/ns/net)" ] && pass "own network namespace" || fail "namespace"
else skip "layout of a running enclave (needs root)"; fi

# the client goes: its enclave ends
kill -9 $waiting; wait $waiting 2>/dev/null
for _ in $(seq 100); do "$cella" platform status | grep -q "enclaves=0" && break; sleep 0.05; done
"$cella" platform status | grep -q "enclaves=0" && pass "the enclave ends with its client" || fail "enclave outlived its client"

# a signal that the image does not take ends the enclave
rm -f "$work/waiting" # what an earlier one said
"$cella" run "$work/app.cella" -- wait >"$work/waiting" 2>&1 &
waiting=$!
wait_for inside "$work/waiting"
kill -TERM $waiting; wait $waiting
[ $? -eq 143 ] && pass "SIGTERM ends it with 128 + 15" || fail "SIGTERM"

# T11: a crash leaves a canary; whoever gets the slice next does not see it
for i in 1 2 3; do
    timeout 30 "$cella" run "$work/app.cella" -- canary >"$work/out" 2>&1
    [ $? -ge 128 ] || fail "the canary program did not crash"
    timeout 30 "$cella" run "$work/app.cella" -- look >"$work/out" 2>&1 && pass "canary is gone ($i)" || fail "canary seen"
done

# the daemon is killed with an enclave running: it dies, and cella run says so
rm -f "$work/waiting" # what an earlier one said
"$cella" run "$work/app.cella" -- wait >"$work/waiting" 2>&1 &
waiting=$!
wait_for inside "$work/waiting"
pid=$("$cella" platform status | sed -n 's/^enclave=pid \([0-9]*\),.*/\1/p')
kill -9 $platform; wait $platform 2>/dev/null
wait $waiting
status=$?
grep -q "the platform stopped; the enclave ended with it" "$work/waiting" && [ $status -eq 1 ] && pass "daemon killed: said so" || { cp "$work/waiting" "$work/out"; fail "daemon killed"; }
for _ in $(seq 40); do [ -d "/proc/$pid" ] || break; sleep 0.05; done
[ -n "$pid" ] && [ ! -d "/proc/$pid" ] && pass "daemon killed: enclave gone" || fail "enclave outlived the daemon"
start_platform --pool 8
expect 42 inside "starts again after kill -9" "$cella" run "$work/app.cella"
stop_platform

# kill -9 at many moments of the first start: never half a key, always the same one in the end
rm -rf "$CELLA_PLATFORM_STATE"
key=""
for delay in 0 0.001 0.002 0.004 0.006 0.008 0.010 0.013 0.016 0.02 0.03 0.05; do
    "$cella" platform --pool 1 >/dev/null 2>&1 &
    p=$!
    sleep $delay
    kill -9 $p 2>/dev/null; wait $p 2>/dev/null
    if [ -e "$CELLA_PLATFORM_STATE/seal-root" ]; then
        now=$(sha256sum <"$CELLA_PLATFORM_STATE/seal-root")
        [ "$(stat -c %s "$CELLA_PLATFORM_STATE/seal-root")" = 32 ] || fail "half a seal root"
        [ -z "$key" ] || [ "$key" = "$now" ] || fail "another seal root after a kill"
        key=$now
    fi
done
start_platform --pool 1
check "key after kills during start" "$cella" platform key
[ -z "$(find "$CELLA_PLATFORM_STATE" -name '*tmp*')" ] && pass "nothing left over" || fail "left over: $(ls "$CELLA_PLATFORM_STATE")"
stop_platform
chmod 644 "$CELLA_PLATFORM_STATE/seal-root"
expect 1 "chmod 600" "a seal root that others may read" "$cella" platform
chmod 600 "$CELLA_PLATFORM_STATE/seal-root"
mv "$CELLA_PLATFORM_STATE/seal-root" "$work/away"
expect 1 "missing though" "a lost seal root is not silently made anew" "$cella" platform
mv "$work/away" "$CELLA_PLATFORM_STATE/seal-root"
chmod 755 "$CELLA_PLATFORM_STATE"
expect 1 "chmod 700" "a state folder others may enter" "$cella" platform
chmod 700 "$CELLA_PLATFORM_STATE"

# started on demand, by two at once; ends when told
"$cella" run "$work/app.cella" >"$work/one" 2>&1 & a=$!
"$cella" run "$work/app.cella" >"$work/two" 2>&1 & b=$!
wait $a; ra=$?; wait $b; rb=$?
[ $ra$rb = 4242 ] && pass "two first runs at once, one daemon" || { cat "$work/one" "$work/two" >"$work/out"; fail "on demand: $ra $rb"; }
bad=0
for _ in 1 2 3 4 5 6 7 8; do
    "$cella" platform stop || bad=1
    timeout 30 "$cella" run "$work/app.cella" >"$work/out" 2>&1
    [ $? -eq 42 ] || bad=1
done
[ $bad = 0 ] && pass "a run right after a stop starts the next one" || fail "run after stop"
check "stop" "$cella" platform stop
for _ in $(seq 40); do "$cella" platform status >/dev/null 2>&1 || break; sleep 0.05; done
expect 1 "no platform runs" "status without a platform" "$cella" platform status
expect 1 "no platform runs" "--no-start" "$cella" run --no-start "$work/app.cella"

# an ordinary user: the usual 8 MiB work; 64 KiB are refused, unless memory = private, which is said
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
    mkdir "$work/home"; chown 12345 "$work/home"
    cat >"$work/user" <<USER
#!/bin/sh
limit=\$1; shift
ulimit -l \$limit
unset CELLA_PLATFORM_SOCKET CELLA_PLATFORM_STATE XDG_RUNTIME_DIR XDG_DATA_HOME
HOME=$work/home exec setpriv --reuid 12345 --regid 12345 --clear-groups --inh-caps=-all --bounding-set=-all "\$@"
USER
    chmod 755 "$work/user"
    user=$work/user
    expect 42 inside "ordinary user, 8 MiB" "$user" 8192 "$cella" run "$work/app.cella"
    "$user" 8192 "$cella" platform stop >/dev/null 2>&1; sleep 0.3
    expect 1 "64 KiB" "ordinary user, 64 KiB: clear refusal" "$user" 64 "$cella" run "$work/app.cella"
    "$user" 64 "$cella" platform stop >/dev/null 2>&1; sleep 0.3
    expect 1 "no secret memory: " "no lock limit at all: clear refusal" "$user" 0 "$cella" run "$work/app.cella"
    "$user" 0 "$cella" platform stop >/dev/null 2>&1; sleep 0.3
    printf '[enclave]\nheap = 4M\nmemory = private\n[arguments]\nhost = yes\n' >"$work/private.manifest"
    if "$cella" sign "$work/program" -m "$work/private.manifest" -k "$work/key.pem" -o "$work/private.cella" >"$work/out" 2>&1; then
        expect 42 "ordinary private memory" "memory = private is allowed and said" "$user" 64 "$cella" run "$work/private.cella"
        "$user" 64 "$cella" platform stop >/dev/null 2>&1
    else fail "sign with memory = private"; fi
    # disk full while the keys are made: a clear failure, nothing half-written, and fine after
    mkdir "$work/small"
    if mount -t tmpfs -o size=4k,mode=700 none "$work/small" 2>/dev/null; then
        head -c 4096 /dev/zero >"$work/small/fill" 2>/dev/null
        expect 1 "space\|cannot" "disk full" "$cella" platform --state "$work/small"
        [ ! -s "$work/small/seal-root" ] && pass "disk full: nothing half-written" || fail "disk full: $(ls -l "$work/small")"
        umount "$work/small"
    else skip "disk full (no tmpfs may be mounted)"; fi
else skip "ordinary user, memory-lock limits, disk full (needs root and setpriv)"; fi
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
