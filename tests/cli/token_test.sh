#!/usr/bin/env bash
# Grants on the word of an attestation service: token_test.sh CELLA MAKE_PROOF SOURCE_ROOT
# A service that trusts two platforms judges their key requests; every token but the right one is refused.
set -uo pipefail
cella=$(realpath "$1") make_proof=$(realpath "$2") source_root=$(realpath "$3")
work=$(mktemp -d)
. "$source_root/tests/clients/lib.sh"
trap 'stop_server; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
cd "$work" || exit 1
mkdir one two && "$make_proof" one && "$make_proof" two || exit 1
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
attest() { "$cella" attest "$@"; }
policy() { # TEXT-OF-CONDITIONS: in force from now on
    printf 'version=1.0;\nauthorizationrules { %s => permit(); };\nissuancerules { };\n' "$1" >policy
    expect 0 Updated attest policy SoftwareEnclave --set policy
}

start_server data --port "$(free_ports)"
stop_server
cp one/trust.der data/one.der && cp two/trust.der data/two.der
sed -i 's/^\[collateral\]$/&\nplatform_keys = one.der two.der/; s/^cache = .*/source = none/' data/cella.conf
start_server data
# shellcheck disable=SC1091
. data/dev/env.sh
url=$ATTESTATION_AAD_URL
curl -sf "$url/certs" >jwks.json && curl -sf "$ATTESTATION_SHARED_URL/certs" >shared.jwks.json || exit 1
"$cella" keygen --data -o key >/dev/null || exit 1
grant() { # MORE FLAGS: the good way, but for what is added; the last of a flag counts
    "$cella" grant --key key --name a --mrenclave "$ones" --allow software:S0 --token token --issuer "$url" --jwks jwks.json -o grant "$@"
}

# policies, as a client sees them
expect 2 "No attestation policy has been set" attest one/request -o token
policy '[type=="x-ms-cella-mrenclave", value=="'"$ones"'"]'
expect 0 "x-ms-cella-mrenclave" attest policy SoftwareEnclave
expect 2 PolicyParsingError attest policy SoftwareEnclave --set key
expect 0 "" attest one/request -o token
expect 0 "" attest two/request -o two.token
expect 0 "" attest one/evidence -o bare.token
expect 3 "a rule with deny() fired" attest one/evidence --draft <(echo 'version=1.0; authorizationrules { => deny(); }; issuancerules { };') -o none
printf 'version=1.0; authorizationrules { => permit(); }; issuancerules { };' >open.policy
expect 0 "" attest one/request --draft open.policy -o draft.token

# the right one, with the key set at hand and fetched; what a token is about stands in the owner's words
expect 0 "granted a to enclave $ones (software, S1, not confidential computing)" grant one/request
expect 0 "granted" "$cella" grant --key key --name a --mrenclave "$ones" --allow software:S1 --token token --issuer "$url" --ca data/ca.pem \
    one/request -o grant
expect 0 "verdict: accept" "$cella" verify one/request --token token --issuer "$url" --jwks jwks.json --allow software:S0 --mrenclave "$ones"
expect 0 "" grant one/request --max-age 600 --mrsigner "$twos" --product-id 7 --min-svn 3
rm -f grant

# another request; another enclave's token; a token about evidence alone (A13)
expect 3 "x-ms-cella-key-request" grant two/request
expect 3 "x-ms-cella-key-request" grant one/request --token two.token
expect 3 "x-ms-cella-key-request" grant one/request --token bare.token
# the issuer: another instance's name, its keys, a slash at the end, keys by TLS of an unknown authority (A25, A27)
expect 3 "iss" grant one/request --issuer "$url/"
expect 3 "iss" grant one/request --issuer "$ATTESTATION_SHARED_URL"
expect 3 "kid" grant one/request --jwks shared.jwks.json
expect 3 "kid" "$cella" grant --key key --name a --mrenclave "$ones" --allow software:S0 --token token --issuer "$ATTESTATION_SHARED_URL" \
    --ca data/ca.pem one/request -o grant
openssl req -x509 -newkey rsa:2048 -nodes -keyout /dev/null -out stranger.pem -days 2 -subj /CN=stranger 2>/dev/null
status=$(SSL_CERT_FILE=/dev/null "$cella" grant --key key --name a --mrenclave "$ones" --allow software:S0 --token token --issuer "$url" \
    --ca stranger.pem one/request -o grant >/dev/null 2>&1; echo $?)
count=$((count + 1)); [ "$status" != 0 ] || { echo "keys from a server that nobody vouches for"; bad=1; }
# times (A27)
expect 3 "exp" grant one/request --time "$(date -u -d '+9 hours' +%FT%TZ)"
expect 3 "nbf" grant one/request --time "$(date -u -d '-9 hours' +%FT%TZ)"
expect 3 "iat" grant one/request --time "$(date -u -d '+1 hour' +%FT%TZ)" --max-age 600
# algorithms: a draft's token, and one that says it is one (A24)
expect 3 "alg" grant one/request --token draft.token
IFS=. read -r head payload signature <token
printf 'eyJhbGciOiJub25lIn0.%s.' "$payload" >unsigned.token
expect 3 "alg" grant one/request --token unsigned.token
printf '%s.%s.%s' "$head" "$payload" "A${signature:1:-1}A" >forged.token
expect 3 "signature" grant one/request --token forged.token
printf '%s.%s.%s' "$head" "$(cut -d. -f2 two.token)" "$signature" >mixed.token
expect 3 "signature" grant one/request --token mixed.token
head -c 300 token >cut.token
expect 3 "" grant one/request --token cut.token
: >empty.token
expect 3 "" grant one/request --token empty.token
expect 3 "" grant one/request --token one/evidence
# what an owner expects of the evidence is expected of the token (A23)
expect 3 "policy: mrenclave" grant one/request --mrenclave "$twos"
expect 3 "policy: mrsigner" grant one/request --mrsigner "$ones"
expect 3 "assurance" grant one/request --allow software:S2
expect 3 "product-id" grant one/request --product-id 8
expect 3 "svn" grant one/request --min-svn 4
expect 3 "tee" "$cella" grant --key key --name a --mrenclave "$ones" --token token --issuer "$url" --jwks jwks.json one/request -o grant
# the policy: pinned by its hash, and changed
hash=$(cut -d. -f2 token | tr '_-' '/+' | { read -r t; printf '%s%s' "$t" "$(printf '%*s' $(((4 - ${#t} % 4) % 4)) '' | tr ' ' '=')"; } |
    base64 -d | sed -n 's/.*"x-ms-policy-hash": *"\([^"]*\)".*/\1/p')
expect 0 "granted" grant one/request --claim "maa.x-ms-policy-hash=$hash"
rm -f grant
policy '=>permit(); [type=="x-ms-cella-svn"]'
expect 0 "" attest one/request -o later.token
expect 3 "x-ms-policy-hash" grant one/request --claim "maa.x-ms-policy-hash=$hash" --token later.token
policy '[type=="x-ms-cella-mrenclave", value=="'"$twos"'"]'
expect 3 "no rule with permit() fired" attest one/request -o none
id=$(attest one/request -o none 2>&1 | sed -n 's,.*/decisions/\([0-9a-f-]*\).*,\1,p')
expect 0 "found     x-ms-cella-mrenclave = \"$ones\"" attest explain "$id"
expect 0 '"verdict": "denied"' attest explain "$id" --json
expect 1 "no decision of that request" attest explain 00000000-0000-4000-8000-000000000000
expect 0 Removed attest policy SoftwareEnclave --reset
# flags that do not go together, files that are none
expect 2 "there is none" "$cella" grant --key key --name a --mrenclave "$ones" --issuer "$url" one/request -o grant
expect 2 "which keys" "$cella" verify one/request --token token --issuer "$url"
expect 2 "whose token" "$cella" grant --key key --name a --mrenclave "$ones" --token token --jwks jwks.json one/request -o grant
expect 2 "leave out --trust" grant one/request --trust one/trust.der
expect 2 "no service" env -u ATTESTATION_AAD_URL "$cella" attest one/request -o none
expect 2 "no evidence is sent as" attest one/request --type Tpm -o none
expect 2 "-o is missing" attest one/request
expect 2 "letters, digits" attest policy ../certs
"$cella" grant --key key --name a --mrenclave "$ones" --allow software:S0 --token token --issuer "$url" --jwks policy one/request -o grant 2>err &&
    { echo "a policy as a key set"; bad=1; }
grep -q 'not a JSON Web Key Set' err || { echo "expected a word on the key set: $(cat err)"; bad=1; }
count=$((count + 1))
[ ! -e grant ] || { echo "a grant was written where all was refused"; bad=1; }

[ $bad = 0 ] && echo "token: $count checks"
exit $bad
