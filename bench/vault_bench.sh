#!/bin/bash
# The key vault as clients meet it: requests over keep-alive TLS 1.3, beside the raw OpenSSL operation and beside the bare HTTPS part, all
# in one run. Per operation: requests a second, p50 and p99, the server's processor time for each, and ratios to both. Then signatures
# by a token of SoftHSM, if it is there, and the same vault with many keys.
# Aims: RSA signatures 0.85 of raw; ES256 signatures and reads 0.6 of what the bare HTTPS part answers; latency with KEYS keys within
# 1.5 of that with 1,000, and a start within 500 ms.
# SECONDS_EACH=3 CONNECTIONS=32 KEYS=1000000
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build} cella=$(realpath "${CELLA:-$build/src/cli/cella}")
seconds=${SECONDS_EACH:-3} connections=${CONNECTIONS:-32} keys=${KEYS:-1000000}
ninja -C "$build" bench/load bench/vault_fill bench/token_sign tests/http/http_stand >/dev/null
load=$build/bench/load
work=$(mktemp -d)
server='' stand=''
stop() { # process
    [ -z "$1" ] || { kill "$1" 2>/dev/null && wait "$1" 2>/dev/null; } || true
}
trap 'stop "$server"; stop "$stand"; rm -rf "$work"' EXIT

base=$(python3 tests/service/server.py)
start() {
    "$cella" serve vault --data "$work/data" --port "$base" >"$work/log" 2>&1 &
    server=$!
    for _ in $(seq 300); do grep '^ready after' "$work/log" && return; sleep 0.05; done
    cat "$work/log" >&2
    return 1
}
start >/dev/null
stop "$server"
authority=https://attest.bench.test
python3 bench/release_token.py $authority "$work/data/bench.jwks" "$work/release" "$work/policy"
printf '\n[authority bench]\nurl = %s\njwks = bench.jwks\n' $authority >>"$work/data/cella.conf"
sed -i 's/^\[vault .*/&\nrate = 1000000/' "$work/data/cella.conf"
start >/dev/null
# shellcheck disable=SC1091
. "$work/data/dev/env.sh"
export CELLA_CA=$NODE_EXTRA_CA_CERTS
token=$(curl -s "$AZURE_AUTHORITY_HOST/$AZURE_TENANT_ID/oauth2/v2.0/token" -d grant_type=client_credentials -d client_id="$AZURE_CLIENT_ID" \
    --data-urlencode client_secret="$AZURE_CLIENT_SECRET" -d scope=https://vault.azure.net/.default | sed 's/.*"access_token" *: *"\([^"]*\)".*/\1/')
"$cella" key create rsa >/dev/null
"$cella" key create ec --kty EC >/dev/null
echo value | "$cella" secret set s --file - >/dev/null
call() { curl -s "$KEYVAULT_URI/$1?api-version=7.4" -H "Authorization: Bearer $token" -H 'Content-Type: application/json' --data "$2"; }
call keys/released/create "@$work/policy" >/dev/null
digest=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
printf '{"alg":"RS256","value":"%s"}' $digest >"$work/rs256"
printf '{"alg":"ES256","value":"%s"}' $digest >"$work/es256"
wrapped=$(call keys/rsa/wrapkey "{\"alg\":\"RSA-OAEP-256\",\"value\":\"$digest\"}" | sed 's/.*"value":"\([^"]*\)".*/\1/')
printf '{"alg":"RSA-OAEP-256","value":"%s"}' "$wrapped" >"$work/unwrap"
printf '{"value":"a secret of some length"}' >"$work/secret"

ticks() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$1/stat"; }
hertz=$(getconf CLK_TCK)
measure() { # process port ca arguments...: failures rate p50 p99 cpu-us
    local process=$1 port=$2 ca=$3 before line
    shift 3
    before=$(ticks "$process")
    line=$("$load" "$port" connections="$connections" seconds="$seconds" ca="$ca" "$@")
    echo "$line" | awk -v t=$(($(ticks "$process") - before)) -v h="$hertz" '{ printf "%s %.0f %s %s %.1f\n", $3, $1 / $6, $10, $13, t * 1e6 / h / $1 }'
}
raw() { # openssl-speed-name: microseconds of one signature
    openssl speed -seconds 2 "$1" 2>/dev/null | awk 'END { print 1e6 / $(NF - 1) }'
}
rsa=$(raw rsa2048) ec=$(raw ecdsap256)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
    -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
"$build/tests/http/http_stand" "$work/x" workers="$(nproc)" connection_max=4096 cert="$work/cert.pem" key="$work/key.pem" >"$work/ports" </dev/null &
stand=$!
for _ in $(seq 100); do [ -s "$work/ports" ] && break; sleep 0.05; done
port=$(sed 's/^a \([0-9]*\).*/\1/' "$work/ports")
bare=$(measure "$stand" "$port" "$work/cert.pem" target=/json)
stop "$stand"
stand=''
bare_cpu=${bare##* }
echo "$connections connections, $seconds s each; the client is on the same $(nproc) processors; raw: openssl speed"
printf '%-22s %8s %9s %9s %12s %10s %8s %8s\n' operation req/s 'p50 ms' 'p99 ms' 'cpu us/req' 'raw us' raw/cpu bare/cpu
echo "$bare" | awk '{ printf "%-22s %8d %9.2f %9.2f %12.1f\n", "bare HTTPS, 500 bytes", $2, $3 / 1000, $4 / 1000, $5 }'
row() { # name raw-us method path body
    local result
    set -- "$1" "$2" "$3" "$4" "${5:-}"
    result=$(measure "$server" $((base + 1)) "$CELLA_CA" method="$3" "target=/$4?api-version=7.4" authority="localhost:$((base + 1))" \
        header="Authorization: Bearer $token" ${5:+header="Content-Type: application/json" body="$5"} ${spread:+spread="$spread"})
    [ "${result%% *}" = 0 ] || { echo "$1: ${result%% *} requests failed" >&2; return 1; }
    echo "$result" | awk -v name="$1" -v raw="$2" -v bare="$bare_cpu" '{
        printf "%-22s %8d %9.2f %9.2f %12.1f %10s %8s %8.2f\n", name, $2, $3 / 1000, $4 / 1000, $5, raw ? sprintf("%.1f", raw) : "-", raw ? sprintf("%.2f", raw / $5) : "-", bare / $5 }'
}
row 'sign RS256 2048' "$rsa" POST keys/rsa/sign "$work/rs256"
row 'unwrap RSA-OAEP-256' "$rsa" POST keys/rsa/unwrapkey "$work/unwrap"
row 'sign ES256' "$ec" POST keys/ec/sign "$work/es256"
row 'get key' 0 GET keys/rsa
row 'get secret' 0 GET secrets/s
row 'set secret' 0 PUT secrets/t "$work/secret"
row 'release' "$rsa" POST keys/released/release "$work/release"

# shellcheck source=tests/hsm/token.sh
. tests/hsm/token.sh
if [ -n "$module" ] && command -v softhsm2-util >/dev/null; then
    token_new bench 864209753
    (umask 077 && echo 864209753 >"$work/pin")
    "$build/bench/token_sign" "pkcs11:token=bench?module-path=$module&pin-source=file:pin" "$work"
fi

# Keys all over the vault, of which each is asked for once before any comes again.
many() { # count
    spread=$1
    row "get, $1 keys" 0 GET 'keys/k#'
    row "ES256, $1 keys" "$ec" POST 'keys/k#/sign' "$work/es256"
}
"$build/bench/vault_fill" "$work/data" 0 1000 2>/dev/null
many 1000
stop "$server"
"$build/bench/vault_fill" "$work/data" 1000 $((keys - 1000)) 2>/dev/null
start
many "$keys"
