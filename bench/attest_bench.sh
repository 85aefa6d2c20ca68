#!/bin/bash
# The attestation service as clients meet it: requests over keep-alive TLS 1.3, in the same run as the raw cryptography that one needs.
# Per kind of evidence: requests per second of the server's processor time beside those that the signature checks and one RS256
# signature would allow, p50 and p99 at full and at half load; then start to ready, and memory over many requests.
# Aims: 0.7 of the raw limit, p99 under 20 ms at half load, memory flat, ready within 300 ms.
# SECONDS_EACH=4 CONNECTIONS=32 MANY=100000 (requests of the memory test; 1000000 takes a quarter of an hour)
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build} cella=$(realpath "${CELLA:-$build/src/cli/cella}")
seconds=${SECONDS_EACH:-4} connections=${CONNECTIONS:-32} many=${MANY:-100000}
vectors=$(realpath "${CELLA_VECTORS:-../shared/vectors}" 2>/dev/null || true)
[ -d "$vectors" ] || { echo "skipped: no vectors (CELLA_VECTORS)"; exit 0; }
ninja -C "$build" bench/load bench/bench_decision >/dev/null
load=$build/bench/load
work=$(mktemp -d)
server=''
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT

base=$(python3 tests/service/server.py)
start() { # log: starts the server on the folder and waits until it is ready
    "$cella" serve attest --data "$work/data" --port $base >"$1" 2>&1 &
    server=$!
    for _ in $(seq 200); do grep -q '^ready after' "$1" && return; sleep 0.05; done
    cat "$1" >&2
    return 1
}
stop() { kill "$server"; wait "$server" || true; server=''; }
instance() { # name offset time collateral
    printf '\n[attest %s]\nurl = https://localhost:%d\nlisten = 127.0.0.1:%d\ninsecure_time = %s\n' "$1" $((base + $2)) $((base + $2)) "$3"
}
sgx=sgx-quote/v3-00606a000000-libsignal-3f0db0ac snp=snp-report/v3-milan-vcek-trustee-05b7438a
start "$work/first"
stop
{
    instance sgx 10 2022-07-30T02:44:00Z
    instance snp 11 2026-02-01T00:00:00Z
} >>"$work/data/cella.conf"
sed -i "s#^path = collateral#path = collateral $vectors/$sgx/collateral-20220730-ev12 $vectors/$snp#; s#^cache = .*##" "$work/data/cella.conf"
url64() { base64 -w0 "$1" | tr '+/' '-_' | tr -d '='; }
printf '{"quote":"%s"}' "$(url64 "$vectors/$sgx/quote.bin")" >"$work/sgx.json"
printf '{"SnpReport":"%s"}' "$(url64 "$vectors/$snp/report.bin")" >"$work/report"
printf '{"report":"%s"}' "$(url64 "$work/report")" >"$work/snp.json"

# An enclave's evidence, and a policy for its type.
export XDG_RUNTIME_DIR=$work
if "$cella" keygen -o "$work/sign.pem" >/dev/null && bench/attest_enclave.sh "$cella" "$work" >"$work/enclave.log" 2>&1; then
    sed -i "s#^path = collateral.*#&\nplatform_keys = $work/platform.pem#" "$work/data/cella.conf"
    printf '{"evidence":"%s"}' "$(url64 "$work/request")" >"$work/software.json"
fi
start "$work/log"
. "$work/data/dev/env.sh"
if [ -s "$work/software.json" ]; then
    token=$(curl -s "$AZURE_AUTHORITY_HOST/$AZURE_TENANT_ID/oauth2/v2.0/token" -d grant_type=client_credentials -d client_id="$AZURE_CLIENT_ID" \
        --data-urlencode client_secret="$AZURE_CLIENT_SECRET" -d scope=https://attest.azure.net/.default | sed 's/.*"access_token" *: *"\([^"]*\)".*/\1/')
    text='version=1.0; authorizationrules{=> permit();}; issuancerules{};'
    payload=$(printf '{"AttestationPolicy":"%s"}' "$(printf %s "$text" | base64 -w0 | tr '+/' '-_' | tr -d '=')" | base64 -w0 | tr '+/' '-_' | tr -d '=')
    curl -sf -X PUT "$ATTESTATION_AAD_URL/policies/SoftwareEnclave?api-version=2020-10-01" -H "Authorization: Bearer $token" \
        -H 'Content-Type: text/plain' --data "eyJhbGciOiJub25lIn0.$payload." >/dev/null || rm "$work/software.json"
fi

echo "raw cryptography and whole decisions, one thread, without network (bench_decision):"
CELLA_VECTORS=$vectors "$build/bench/bench_decision" 2>/dev/null | tee "$work/raw"
raw() { sed -n "s/^$1 .*signatures *\([0-9.]*\)), RS256 *\([0-9.]*\),.*/\1 \2/p" "$work/raw" | awk '{ print $1 + $2 }'; }

ticks() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$1/stat"; }
resident() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; }
hertz=$(getconf CLK_TCK)
run() { # kind port body more...: requests failures rate p50 p99 cpu-us
    local before line port=$2 body=$3 kind=$1
    shift 3
    before=$(ticks "$server")
    line=$("$load" "$port" method=POST "target=/attest/$kind?api-version=2025-06-01" header='Content-Type: application/json' body="$body" \
        connections="$connections" ca="$NODE_EXTRA_CA_CERTS" authority="localhost:$port" "$@")
    echo "$line" | awk -v t=$(($(ticks "$server") - before)) -v h="$hertz" '{ printf "%s %s %.0f %s %s %.1f\n", $1, $3, $1 / $6, $10, $13, t * 1e6 / h / $1 }'
}
echo
echo "over TLS, $connections connections, $seconds s; the client is on the same $(nproc) processors"
printf '%-16s %8s %10s %10s %12s %10s %8s %s\n' kind req/s 'p50 ms' 'p99 ms' 'cpu us/req' 'raw us' ratio 'half load: p99 ms'
row() { # kind port body
    local full half limit
    full=$(run "$1" "$2" "$3" seconds="$seconds")
    # shellcheck disable=SC2086
    set -- "$1" "$2" "$3" $full
    [ "$5" = 0 ] || { echo "$1: $5 requests failed" >&2; return 1; }
    half=$(run "$1" "$2" "$3" seconds="$seconds" rate=$(($6 / 2)) | cut -d' ' -f5)
    limit=$(raw "$1")
    awk -v kind="$1" -v rate="$6" -v a="$7" -v b="$8" -v cpu="$9" -v raw="${limit:-0}" -v half="$half" 'BEGIN {
        printf "%-16s %8d %10.1f %10.1f %12.0f %10s %8s %.1f\n", kind, rate, a / 1000, b / 1000, cpu, raw ? raw : "-", raw ? sprintf("%.2f", raw / cpu) : "-", half / 1000 }'
}
row SgxEnclave $((base + 10)) "$work/sgx.json"
row SevSnpVm $((base + 11)) "$work/snp.json"
[ ! -s "$work/software.json" ] || row SoftwareEnclave $((base + 2)) "$work/software.json"

echo
before=$(resident "$server")
run SgxEnclave $((base + 10)) "$work/sgx.json" seconds=100000 requests="$many" >"$work/many"
echo "memory: $before KiB, after $many requests $(resident "$server") KiB"
stop
start "$work/again"
echo "start to ready (restart): $(sed -n 's/^ready after //p' "$work/again")"
