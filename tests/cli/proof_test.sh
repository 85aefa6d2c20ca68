#!/usr/bin/env bash
# `cella verify` and `cella grant` by their exit status and words: proof_test.sh CELLA MAKE_PROOF
set -uo pipefail
cella=$(realpath "$1") make_proof=$(realpath "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
"$make_proof" . || exit 1
bad=0 count=0
ones=$(printf '11%.0s' {1..32}) twos=$(printf '22%.0s' {1..32})

expect() { # STATUS WORDS COMMAND...: exit status, and words that the output must hold ("" for none)
    local want=$1 words=$2 out status
    shift 2
    out=$("$@" 2>&1)
    status=$?
    count=$((count + 1))
    if [ $status != "$want" ] || { [ -n "$words" ] && ! grep -qF -- "$words" <<<"$out"; }; then
        echo "expected $want and '$words', found $status: $*"
        tail -5 <<<"$out" | sed 's/^/    | /'
        bad=1
    fi
}
verify() { "$cella" verify "$@"; }
trusted=(--trust trust.der --allow software:S0)

expect 0 "verdict: accept" verify evidence "${trusted[@]}"
expect 0 "not confidential computing" verify evidence "${trusted[@]}"
expect 0 "" verify evidence "${trusted[@]}" --mrenclave "$ones" --mrsigner "$twos" --product-id 7 --min-svn 3 --max-age 3600
expect 0 "" verify evidence "${trusted[@]}" --nonce ab000000000000cd
# no trust, another's key, software not allowed, level too high (A23)
expect 1 "no key is trusted" verify evidence --allow software:S0
expect 1 "none of the 1 trusted" verify evidence --trust other.der --allow software:S0
expect 1 "policy: tee" verify evidence --trust trust.der
expect 1 "policy: assurance" verify evidence --trust trust.der --allow software:S2
# each expectation, one off
expect 1 "policy: mrenclave" verify evidence "${trusted[@]}" --mrenclave "$twos"
expect 1 "policy: mrsigner" verify evidence "${trusted[@]}" --mrsigner "$ones"
expect 1 "policy: product-id" verify evidence "${trusted[@]}" --product-id 8
expect 1 "policy: svn" verify evidence "${trusted[@]}" --min-svn 4
expect 1 "policy: report-data" verify evidence "${trusted[@]}" --nonce ab000000000000ce
expect 1 "policy: config-id" verify evidence "${trusted[@]}" --config-id "$ones$ones"
expect 1 "policy: debug" verify debug-evidence "${trusted[@]}"
expect 0 "debug" verify debug-evidence "${trusted[@]}" --allow-debug
# spellings
base64 evidence >b64 && od -An -v -tx1 evidence >hex && base64 -w0 evidence | tr '+/' '-_' | tr -d = >url
for f in b64 hex url; do expect 0 "accept" verify $f "${trusted[@]}"; done
expect 0 "accept" bash -c "'$cella' verify - --trust trust.der --allow software:S0 <evidence"
# damage
head -c 500 evidence >short
expect 1 "refuse" verify short "${trusted[@]}"
{ cat evidence; printf x; } >long
expect 1 "refuse" verify long "${trusted[@]}"
printf 'hello\n' >none
expect 1 "evidence of a known type" verify none "${trusted[@]}"
# JSON on both verdicts
expect 0 '"verdict": "accepted"' verify evidence "${trusted[@]}" --json
expect 0 '"confidential-computing": false' verify evidence "${trusted[@]}" --json
expect 1 '"verdict": "refused"' verify evidence --trust other.der --json
# words of the command line
expect 2 "software:S0 to software:S3" verify evidence --allow software
expect 2 "" verify evidence --allow software:S4
# the guest of a platform: S3 takes hardware and a pin
expect 2 "48 bytes in hexadecimal" verify evidence --root-measurement "$ones"
expect 1 "root-measurement" verify evidence "${trusted[@]}" --root-measurement "$(printf '%096d' 0)"
expect 1 "assurance" verify evidence --trust trust.der --allow software:S3
expect 1 "NO root-measurement" verify evidence --trust trust.der --allow software:S3 --explain
expect 2 "" verify evidence --min-svn 65536
expect 2 "" verify evidence --min-svn -1
expect 2 "unknown flag" verify evidence --frobnicate
expect 2 "" verify

# requests and grants
printf '%064x\n' 7 >key && chmod 600 key
grant() { "$cella" grant --key key --trust trust.der --allow software:S0 -o out "$@"; }
expect 0 "a result" verify request "${trusted[@]}"
expect 2 "not a key request" verify evidence --request "${trusted[@]}"
expect 2 "report data of its own" verify request "${trusted[@]}" --nonce ab000000000000cd
expect 2 "--mrenclave or --mrsigner" grant request --name a
expect 2 "asks for 2 keys" grant request --mrenclave "$ones"
expect 1 "no key called" grant request --mrenclave "$ones" --name b
expect 3 "nothing granted" grant request --mrenclave "$twos" --name a
expect 1 "not a key request" grant evidence --mrenclave "$ones" --name a
sed 's/result/resulu/' request >renamed
expect 3 "nothing granted" grant renamed --mrenclave "$ones" --name resulu
[ ! -e out ] || { echo "a refused grant left a file"; bad=1; }
expect 0 "granted result" grant request --mrenclave "$ones" --name result
[ "$(stat -c '%a %s' out)" = "644 132" ] || { echo "a grant is $(stat -c '%a %s' out)"; bad=1; }
chmod 644 key
expect 1 "others may read" grant request --mrenclave "$ones" --name result
printf '%063x\n' 7 >short && chmod 600 short
expect 1 "64 hex digits" "$cella" grant --key short --trust trust.der --allow software:S0 -o out request --mrenclave "$ones" --name a

echo "$count runs"
exit $bad
