# shellcheck shell=bash
# shellcheck disable=SC2034 # status, address and canary_hex are read by the scripts
# For the attack scripts: a platform of their own in a temporary folder, images of the victims, and running them.
# Usage: source lib.sh CELLA BUILD-FOLDER-OF-THE-VICTIMS
set -uo pipefail
cella=$1
victims=$2
work=$(mktemp -d "${TMPDIR:-/tmp}/cella-attack.XXXXXX")
chmod 755 "$work"
export CELLA_PLATFORM_STATE=$work/state CELLA_PLATFORM_SOCKET=$work/platform.sock
bad=0 running=''
# byte i of the canary is i * 7 + 3
canary_hex=$(for ((i = 0; i < 32; i++)); do printf %02x $(((i * 7 + 3) % 256)); done)

end() {
    [ -z "$running" ] || kill -9 "$running" 2>/dev/null
    "$cella" platform stop >/dev/null 2>&1
    rm -rf "$work"
}
trap end EXIT

skip() { echo "$1"; exit 77; }
ok() { echo "ok   $1"; }
wrong() { echo "BAD  $1"; bad=1; }
expect() { # WORDS COMMAND...
    local words=$1
    shift
    if "$@"; then ok "$words"; else wrong "$words"; fi
}
finish() { [ "$bad" = 0 ]; exit; }

sign() { # PROGRAM NAME [MORE LINES OF [enclave]]
    local name=$2
    [ -e "$work/key.pem" ] || "$cella" keygen -o "$work/key.pem" >/dev/null || exit 1
    {
        printf '[enclave]\nproduct_id = 7\nsecurity_version = 1\nthreads = 2\nheap = 1M\nstack = 128K\n'
        shift 2
        printf '%s\n' "$@"
        printf 'path = /app/%s\n[arguments]\n0 = %s\nhost = yes\n' "$name" "$name"
    } >"$work/$name.manifest"
    "$cella" sign "$victims/${PROGRAM:-$name}" -m "$work/$name.manifest" -k "$work/key.pem" -o "$work/$name.cella" \
        >"$work/sign.out" 2>&1 || { cat "$work/sign.out"; exit 1; }
}
start() { # NAME ARGUMENTS...: in the background; sets running, pid and address once it says "ready ADDRESS"
    local name=$1 i
    shift
    : >"$work/out"
    "$cella" run "$work/$name.cella" -- "$@" >"$work/out" 2>"$work/err" </dev/null &
    running=$!
    for ((i = 0; i < 200; i++)); do
        address=$(sed -n 's/^ready //p' "$work/out")
        [ -n "$address" ] && break
        kill -0 "$running" 2>/dev/null || break
        sleep 0.05
    done
    [ -n "$address" ] || { echo "the victim did not start:"; cat "$work/err"; exit 1; }
    pid=$("$cella" platform status | sed -n 's/^enclave=pid \([0-9]*\).*/\1/p' | tail -n 1)
    [ -d "/proc/$pid" ] || { echo "no process of the enclave"; exit 1; }
}
# Waits for the run to end by itself; its exit status is in `status`.
await() {
    wait "$running"
    status=$?
    running=''
}
stop() {
    kill -9 "$running" 2>/dev/null
    wait "$running" 2>/dev/null
    running=''
}
level() { "$cella" platform status | sed -n 's/^assurance=//p'; }
