#!/usr/bin/env bash
# The SDKs of others against `cella serve`: attestation_test.sh CELLA SOURCE_ROOT BUILD_ROOT
# @azure/attestation, @azure/identity and an independent JOSE library, pinned, from npm; Node 18 or later.
set -uo pipefail
cella=$(realpath "$1") source_root=$(realpath "$2") build_root=$(realpath "$3")
. "$source_root/tests/clients/lib.sh"
work=$(mktemp -d)
trap 'stop_server; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
install_packages "$build_root/npm"

vectors=$CELLA_VECTORS
data=$work/data port=$(free_ports)
start_server "$data" --port "$port"
stop_server

# Instances that judge recorded evidence as of its time, beside those of the development set-up.
listen=$(sed -n '/^\[attest dev\]/,/^\[attest devisolated\]/s/^listen = //p' "$data/cella.conf")
instance() { # NAME PORT MODE MORE
    local name=$1 at=$2 mode=$3
    printf '\n[attest %s]\nurl = https://localhost:%s\nlisten = %s\nmode = %s\n' "$name" "$at" \
        "${listen//:$((port + 2))/:$at}" "$mode"
    shift 3
    printf '%s\n' "$@"
}
recorded=("insecure_time = 2022-05-26T21:20:00Z" "accept_tcb = SWHardeningNeeded OutOfDate" "grace_s = 864000")
{
    instance sgx $((port + 7)) aad "${recorded[@]}"
    instance sgxsigned $((port + 8)) isolated "${recorded[@]}" "algorithm = ES256" "policy_certificates = dev/policy-signing.pem"
    instance tdx $((port + 9)) aad "insecure_time = 2025-02-28T03:44:50Z"
    instance bare $((port + 10)) isolated "policy_certificates = dev/policy-signing.pem"
    printf '\n[issuer outside]\nissuer = https://outside.example\njwks = outside.json\n'
} >>"$data/cella.conf"
echo '{"keys":[]}' >"$data/outside.json" # its key comes with its test
sed -i -e "s/^cache = .*/source = none/" -e "s,^path = collateral\$,path = collateral collateral/sgx collateral/tdx," "$data/cella.conf" # nothing of these tests is fetched
mkdir "$data/collateral/sgx" "$data/collateral/tdx"
if [ -d "$vectors" ]; then
    cp -r "$vectors/sgx-quote/v3-00906ed50000-attestation-e9519cd1/collateral-20220518-ev12/." "$data/collateral/sgx"
    cp -r "$vectors/tdx-quote/v4-00806f050000-go-tdx-guest-00b2526a/collateral-20250228-ev17/." "$data/collateral/tdx"
fi
start_server "$data"
# shellcheck disable=SC1091
. "$data/dev/env.sh"
export SGX_URL=https://localhost:$((port + 7)) SGX_SIGNED_URL=https://localhost:$((port + 8))
export TDX_URL=https://localhost:$((port + 9)) ISOLATED_URL=https://localhost:$((port + 10)) DATA=$data CELLA=$cella
status=0
for noun in identity attestation policies tees; do
    echo "== $noun"
    timeout 120 node "$source_root/tests/clients/${noun}_test.js" >"$work/out" 2>&1
    result=$?
    if [ $result != 0 ]; then
        status=1
        cat "$work/out"
        echo "== $noun failed ($result)"
    fi
    grep -E '^(# |ℹ )(tests|pass|fail|skipped) ' "$work/out" | sed 's/^[^ ]* //' | tr '\n' ' '
    echo
done
[ $status = 0 ] || tail -n 20 "$work/server.log"
exit $status
