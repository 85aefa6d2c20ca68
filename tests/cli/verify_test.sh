#!/usr/bin/env bash
# The contract of `cella verify` for scripts: exit status 0, 1, 2 and the JSON: verify_test.sh CELLA MAKE_PROOF
# The part on hardware evidence needs the vectors (CELLA_VECTORS, or ../shared/vectors beside the source).
set -uo pipefail
cella=$(realpath "$1") make_proof=$(realpath "$2")
vectors=${CELLA_VECTORS:-$(dirname "$0")/../../../shared/vectors}
[ -d "$vectors" ] && vectors=$(realpath "$vectors")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
"$make_proof" . || exit 1
bad=0 count=0

expect() { # STATUS WORDS ARGUMENTS...: exit status, and words that the output must hold ("" for none)
    local want=$1 words=$2 out status
    shift 2
    out=$("$cella" verify "$@" 2>&1)
    status=$?
    count=$((count + 1))
    if [ $status != "$want" ] || { [ -n "$words" ] && ! grep -qF -- "$words" <<<"$out"; }; then
        echo "expected $want and '$words', found $status: verify $*"
        tail -5 <<<"$out" | sed 's/^/    | /'
        bad=1
    fi
}
json() { # EXPRESSION ARGUMENTS...: a Python expression over the JSON object d must be true
    local expression=$1
    shift
    count=$((count + 1))
    "$cella" verify "$@" --json 2>/dev/null >json.out
    if ! python3 -c 'import json, sys; d = json.load(open("json.out")); sys.exit(not eval(sys.argv[1]))' "$expression"; then
        echo "not so: $expression: verify $* --json"
        head -12 json.out | sed 's/^/    | /'
        bad=1
    fi
}
trusted=(--trust trust.der --allow software:S0)
keys='set(d) == {"type", "authentic", "verdict", "reason", "tcb_status", "advisories", "claims"}'

# unusable arguments and files are 2, whatever the evidence
expect 2 "cannot open absent" absent "${trusted[@]}"
expect 2 "" evidence --trust absent
expect 2 "" evidence --trust evidence
expect 2 "there is no absent" evidence "${trusted[@]}" --collateral absent
expect 2 "there is no absent" evidence "${trusted[@]}" --roots absent
mkdir empty && expect 2 "no file in it" evidence "${trusted[@]}" --roots empty
expect 2 "root 1" evidence "${trusted[@]}" --roots evidence
printf "\001\002\003" >make_nothing
: >nothing && expect 1 "of a known type" nothing "${trusted[@]}"
expect 2 "no evidence is of type" evidence --type SGX
expect 2 "a time like" evidence --time tomorrow
expect 2 "a time like" evidence --time 2026-02-30T00:00:00Z
expect 2 "a time like" evidence --time -1
expect 2 "statuses with commas" evidence --accept-tcb OutOfDate,,Revoked
expect 2 "NAME=VALUE" evidence --claim tee
expect 2 "NAME=VALUE" evidence --claim =x
expect 2 "bytes in hexadecimal" evidence --measurement 0
expect 2 "32 bytes in hexadecimal" evidence --mrenclave 00
expect 2 "4 or 5 numbers" evidence --min-tcb 1,2,3
expect 2 "4 or 5 numbers" evidence --min-tcb 1,2,3,256
expect 2 "needs a value" evidence --claim
expect 2 "one file at a time" evidence evidence
for f in --type --time --collateral --roots --accept-tcb --grace --min-tcb; do expect 2 "needs a value" evidence $f; done

# accepted is 0, refused 1, and JSON says both
expect 0 "verdict: accepted" evidence "${trusted[@]}"
expect 1 "of a known type" make_nothing "${trusted[@]}"
expect 1 "verdict: refused" evidence "${trusted[@]}" --type sgx
json "$keys" evidence "${trusted[@]}"
json "$keys" evidence
json 'd["type"] == "software" and d["authentic"] is True and d["verdict"] == "accepted" and d["reason"] is None' evidence "${trusted[@]}"
json 'd["tcb_status"] is None and d["advisories"] == [] and d["claims"]["measurement"] == "11" * 32' evidence "${trusted[@]}"
json 'd["claims"]["confidential-computing"] is False and d["claims"]["software"]["memory"] == "secret"' evidence "${trusted[@]}"
json 'd["authentic"] is False and d["verdict"] == "refused" and d["claims"] == {}' evidence
json 'set(d["reason"]) == {"step", "field", "expected", "found", "remedy"} and "--trust" in d["reason"]["remedy"]' evidence
json 'd["authentic"] is True and d["verdict"] == "refused" and d["reason"]["step"] == "policy" and d["claims"]["debug"] is True' debug-evidence "${trusted[@]}"
json 'd["type"] == "unknown" and d["reason"]["step"] == "format"' make_nothing "${trusted[@]}"
json 'd["keys"] == ["a", "result"]' request "${trusted[@]}"
json 'd["type"] == "software"' evidence "${trusted[@]}" --type software

# expectations over any claim
expect 0 "" evidence "${trusted[@]}" --claim svn=3 --claim debug=false --claim software.memory=secret --claim tee=software
expect 1 "policy: svn" evidence "${trusted[@]}" --claim svn=4
expect 1 "no such claim" evidence "${trusted[@]}" --claim sgx.mrenclave=11
expect 1 "policy: debug" evidence "${trusted[@]}" --claim debug=0
expect 1 "no such claim" evidence "${trusted[@]}" --min-tcb 0,0,0,0
expect 0 "" evidence "${trusted[@]}" --measurement "$(printf '11%.0s' {1..32})"
expect 1 "policy: measurement" evidence "${trusted[@]}" --measurement 1111
# time: of the evidence against --time
json 'd["reason"]["field"] == "issued" and d["authentic"] is True' evidence "${trusted[@]}" --time 2100-01-01T00:00:00Z --max-age 60
expect 0 "" evidence "${trusted[@]}" --time 2100-01-01T00:00:00+01:00
# roots: a platform key alone may be one; the trusted key stays beside them
mkdir roots && cp trust.der roots/
expect 0 "" evidence --roots roots --allow software:S0
mkdir others && cp other.der others/
expect 1 "" evidence --roots others --allow software:S0
expect 0 "" evidence --roots others "${trusted[@]}"
# what comes as collateral is never trusted
expect 1 "no key is trusted" evidence --collateral roots --allow software:S0
expect 0 "" evidence "${trusted[@]}" --collateral .
# pictures of the chain
expect 0 "ok   evidence" evidence "${trusted[@]}" --explain
expect 0 "n0 -> n1;" evidence "${trusted[@]}" --dot
"$cella" verify evidence "${trusted[@]}" --dot >graph.dot
if command -v dot >/dev/null; then dot -Tsvg graph.dot >/dev/null || { echo "dot does not read the graph"; bad=1; }; fi

if [ -d "$vectors" ]; then
    quote=$(echo "$vectors"/tdx-quote/v4-90c06f000000-attestation-rs-140cbd8c)
    set=$(echo "$quote"/collateral-*)
    at=$(sed -n 's/.*"verify_time": "\(.*\)".*/\1/p' "$quote/expected.json" | head -1)
    json 'd["type"] == "tdx" and d["authentic"] and d["verdict"] == "refused" and d["reason"]["remedy"]' "$quote/quote.bin" --time "$at"
    for c in "$set" "$quote"; do
        json 'd["verdict"] == "accepted" and d["tcb_status"] == "UpToDate" or d["reason"]["step"] == "tcb level"' "$quote/quote.bin" --time "$at" --collateral "$c"
    done
    tar cf gnu.tar -C "$set" . && tar cf ustar.tar --format=ustar -C "$set" . && tar cf pax.tar --format=pax -C "$set" .
    json 'True' "$quote/quote.bin" --time "$at" --collateral "$set" && cp json.out folder.out
    for b in gnu ustar pax; do # a bundle is as good as its folder
        json 'd == json.load(open("folder.out")) and d["tcb_status"]' "$quote/quote.bin" --time "$at" --collateral $b.tar
    done
    head -c 3000 ustar.tar >cut.tar
    expect 1 "cut short" "$quote/quote.bin" --time "$at" --collateral cut.tar
    # a key set within an envelope is nobody's: it would be the evidence that names its own keys
    token=$vectors/maa-jwt/SimpleAttest-SgxEnclave_Shared-c93c0f4e
    mkdir sets inner && cp "$token/jwks.json" sets/
    printf '{"quote": "00", "jwks": %s, "keys": %s}' "$(cat "$token/jwks.json")" "$(cat "$token/jwks.json")" >inner/evidence.json
    json 'd["authentic"] is True' "$token/token.jwt" --time 2022-06-01T00:00:00Z --collateral sets
    json 'd["authentic"] is False' "$token/token.jwt" --time 2022-06-01T00:00:00Z --collateral inner
    base64 "$quote/quote.bin" >quote.b64
    json 'd == json.load(open("folder.out"))' quote.b64 --time "$at" --collateral "$set"
else
    echo "no vectors: hardware evidence was not tried"
fi

echo "$count runs"
exit $bad
