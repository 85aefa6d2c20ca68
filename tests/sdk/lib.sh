# shellcheck shell=bash
# For the scripts of calls: a platform of their own in a temporary folder, and images of programs inside.
# Usage: source lib.sh CELLA
set -euo pipefail
cella=$1
work=$(mktemp -d "${TMPDIR:-/tmp}/cella-sdk.XXXXXX")
chmod 755 "$work"
export CELLA_PLATFORM_STATE=$work/state CELLA_PLATFORM_SOCKET=$work/platform.sock
end() {
    "$cella" platform stop >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap end EXIT
"$cella" keygen -o "$work/key.pem" >/dev/null

sign() { # PROGRAM NAME LINES OF [enclave]...: makes $work/NAME.cella
    local program=$1 name=$2
    shift 2
    # where the limit on locked memory leaves no room for secret memory, ordinary memory will do
    printf '%s\n' '[enclave]' 'memory = private' "$@" >"$work/$name.manifest"
    "$cella" sign "$program" -m "$work/$name.manifest" -k "$work/key.pem" -o "$work/$name.cella" >/dev/null
}
