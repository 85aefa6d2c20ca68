# For the scripts of this folder: a server of its own, checks, and what is to end. Sets work, cella.
# shellcheck shell=sh disable=SC2034,SC2154
work=$(mktemp -d)
pids=""
trap 'for p in $pids; do kill $p 2>/dev/null; done; wait 2>/dev/null; rm -rf "$work"' EXIT
failed=0
data=$work/data
opens="$cella audit verify $data/audit.log --key $data" # opens the store, and no more
port=$(python3 "$(dirname "$0")/../service/server.py") # of seven, and two for a TPM
fail() { echo "FAILED: $1"; sed 's/^/    /' "$work/out"; failed=1; }
check() { name=$1; shift; if timeout 60 "$@" >"$work/out" 2>&1; then echo "ok: $name"; else fail "$name"; fi; }
# refuse NAME WORDS COMMAND: it fails, not by a signal, and says so in these words
refuse() {
    name=$1 words=$2
    shift 2
    timeout 60 "$@" >"$work/out" 2>&1
    status=$?
    if [ $status -gt 0 ] && [ $status -lt 124 ] && grep -q -- "$words" "$work/out"; then echo "ok: $name"; else fail "$name ($status)"; fi
}
start() {
    : >"$work/served" # else the words of the one before would do
    "$cella" serve --data "$data" --port $port >"$work/served" 2>"$work/log" &
    server=$!
    pids="$pids $server"
    for _ in $(seq 200); do
        grep -q "^ready after" "$work/served" && break
        kill -0 $server 2>/dev/null || break
        sleep 0.1
    done
    grep -q "^ready after" "$work/served" || { cp "$work/log" "$work/out"; fail "the server starts"; return 1; }
    # shellcheck source=/dev/null
    . "$data/dev/env.sh"
    export CELLA_CA="$data/ca.pem"
}
stop() { kill "$server" 2>/dev/null; wait "$server" 2>/dev/null; }
set_secret() { printf '%s' "$2" >"$work/value"; timeout 60 "$cella" secret set "$1" --file "$work/value" >"$work/out" 2>&1 || fail "secret $1 is set"; }
has_secret() {
    if [ "$(timeout 60 "$cella" secret get "$1" 2>"$work/out")" = "$2" ]; then echo "ok: $3"; else fail "$3"; fi
}
root_is() { sed -i "s|^root = .*|root = $1|" "$data/cella.conf"; }
