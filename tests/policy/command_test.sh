#!/usr/bin/env bash
# cella policy, and verify with policies, from outside: exit status, what is printed, what is refused.
# command_test.sh CELLA MAKE_PROOF
set -euo pipefail
cella=$(realpath "$1") make_proof=$(realpath "$2")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

fail() { echo "FAILED: $*" >&2; exit 1; }
expect() { # STATUS WORDS... -- TEXT: the command's exit status, and a text that it prints
    local status=$1 found=0 words=() output
    shift
    while [ "$1" != -- ]; do words+=("$1"); shift; done
    output=$("$cella" policy "${words[@]}" 2>&1) || found=$?
    [ "$found" = "$status" ] || fail "${words[*]}: expected status $status, found $found: $output"
    [[ $output == *"$2"* ]] || fail "${words[*]}: expected '$2' in: $output"
}

cat >good.policy <<'P'
version=1.0;
authorizationrules {
  [type=="x-ms-sgx-is-debuggable", value==false]
  && [type=="x-ms-sgx-product-id", value==1]
  && [type=="x-ms-sgx-svn", value>=0] => permit();
};
issuancerules {
  c:[type=="x-ms-sgx-mrsigner"] => issue(type="signer", value=c.value);
  => issue(type="env", value="test");
};
P
echo 'version=1.0; authorizationrules{ => deny(); => permit(); };' >never.policy
printf 'version=1.0;\nauthorizationrules{ c:[type="x"] => permit(); };\n' >bad.policy
echo '{"x-ms-sgx-is-debuggable":false,"x-ms-sgx-product-id":1,"x-ms-sgx-svn":2,"x-ms-sgx-mrsigner":"ab"}' >yes.json
echo '{"x-ms-sgx-is-debuggable":false,"x-ms-sgx-product-id":"1","x-ms-sgx-svn":2}' >no.json
echo '{"a":1,"a":2}' >twice.json

expect 0 check good.policy -- '3 rules, 0 warnings'
expect 1 check never.policy -- 'can never permit'
expect 2 check bad.policy -- 'line 2, column 28'
expect 2 check missing.policy -- 'missing.policy'
expect 0 test good.policy --claims yes.json -- '"signer": "ab"'
expect 0 test good.policy --claims no.json --expect deny -- 'denied'
expect 1 test good.policy --claims no.json -- 'denies'
expect 1 test good.policy --claims yes.json --expect deny -- 'permits'
expect 0 explain good.policy --claims yes.json -- 'line 3: permit(): fired'
expect 1 explain good.policy --claims no.json -- 'expected  value == 1'
expect 1 explain good.policy --claims no.json -- 'x-ms-sgx-product-id = "1" (String, AttestationService)'
expect 0 explain good.policy --claims yes.json --json -- '"verdict": "permitted"'
expect 2 test good.policy --claims twice.json -- 'the same key twice'
expect 2 test good.policy -- '--claims'
expect 2 check good.policy --claims yes.json -- '--claims'
expect 2 test good.policy --claims yes.json --expect maybe -- 'permit or deny'
expect 2 guess good.policy -- 'expected check, test, explain or sign'
expect 2 check -- 'expected check, test or explain and a file'
expect 0 --help -- 'usage: cella policy'
"$cella" policy explain good.policy --claims yes.json --json | python3 -c 'import json,sys; d=json.load(sys.stdin); assert d["issued"]=={"signer":"ab","env":"test"}, d; assert len(d["rules"])==3'

# Signing for an isolated attestation instance; what was signed is checked with openssl and Python alone.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout manager.key -out manager.pem -days 30 \
    -subj '/CN=policy manager' 2>/dev/null
openssl req -x509 -newkey rsa:2048 -nodes -keyout rsa.key -out rsa.pem -days 30 -subj '/CN=second' 2>/dev/null
chmod 600 manager.key rsa.key
cat >jws.py <<'P'
import base64, hashlib, json, subprocess, sys
def decode(text): return base64.urlsafe_b64decode(text + '=' * (-len(text) % 4))
jws, pem, alg = open(sys.argv[1]).read(), sys.argv[2], sys.argv[3]
header, payload, signature = jws.split('.')
head = json.loads(decode(header))
der = base64.b64encode(subprocess.run(['openssl', 'x509', '-in', pem, '-outform', 'DER'], capture_output=True).stdout).decode()
assert head == {'alg': alg, 'x5c': [der]}, head
open('signed', 'w').write(header + '.' + payload)
raw = decode(signature)
if alg == 'ES256':
    def number(b):
        b = b.lstrip(b'\0') or b'\0'
        if b[0] & 128: b = b'\0' + b
        return b'\2' + bytes([len(b)]) + b
    body = number(raw[:32]) + number(raw[32:])
    raw = b'\x30' + bytes([len(body)]) + body
open('signature', 'wb').write(raw)
open('key.pem', 'wb').write(subprocess.run(['openssl', 'x509', '-in', pem, '-noout', '-pubkey'], capture_output=True).stdout)
subprocess.run(['openssl', 'dgst', '-sha256', '-verify', 'key.pem', '-signature', 'signature', 'signed'], check=True,
               stdout=subprocess.DEVNULL)
sys.stdout.write(decode(payload).decode())
P
"$cella" policy sign good.policy --key manager.key --cert manager.pem --out good.jws
python3 jws.py good.jws manager.pem ES256 | python3 -c 'import base64,json,sys
t=json.load(sys.stdin)["AttestationPolicy"]; assert base64.urlsafe_b64decode(t+"="*(-len(t)%4)) == open("good.policy","rb").read()'
"$cella" policy sign --reset --key rsa.key --cert rsa.pem >reset.jws
[ -z "$(python3 jws.py reset.jws rsa.pem RS256)" ] || fail "a reset has a payload"
"$cella" policy sign --manager rsa.pem --key manager.key --cert manager.pem >add.jws
python3 jws.py add.jws manager.pem ES256 | python3 -c 'import json,sys
c=json.load(sys.stdin)["policyCertificate"]; assert c["kty"]=="RSA" and len(c["x5c"])==1, c'
expect 2 sign bad.policy --key manager.key --cert manager.pem -- 'line 2, column 28'
expect 2 sign good.policy --key manager.key --cert rsa.pem -- 'not of the key given'
expect 2 sign good.policy --key manager.pem --cert manager.pem -- 'manager.pem'
expect 2 sign good.policy --reset --key manager.key --cert manager.pem -- 'expected one of'
expect 2 sign --key manager.key --cert manager.pem -- 'expected one of'
expect 2 sign good.policy --cert manager.pem -- 'needs --key and --cert'
expect 2 check good.policy --key manager.key -- 'are for sign'
openssl ec -in manager.key -out old.key 2>/dev/null && chmod 600 old.key
expect 2 sign good.policy --key old.key --cert manager.pem -- 'openssl pkcs8'
chmod 644 manager.key
expect 2 sign good.policy --key manager.key --cert manager.pem -- 'manager.key'

# Policies over verified evidence: software evidence has cella's own names, and no name of hardware (A23).
"$make_proof" .
verify() { # STATUS TEXT ARGUMENTS...
    local status=$1 text=$2 found=0 output
    shift 2
    output=$("$cella" verify evidence --trust trust.der --allow software:S0 "$@" 2>&1) || found=$?
    [ "$found" = "$status" ] || fail "verify $*: expected status $status, found $found: $output"
    [[ $output == *"$text"* ]] || fail "verify $*: expected '$text' in: $output"
}
echo 'version=1.2; authorizationrules{ [type=="tee", value=="software"] && ![type=="x-ms-sgx-mrenclave"] && [type=="x-ms-attestation-type", value=="cella-software"] => permit(); };' >soft.policy
echo 'version=1.0; authorizationrules{ [type=="svn", value>=65000] => permit(); };' >svn.policy
echo 'version=1.0; authorizationrules{ [type=="x-ms-sgx-mrenclave"] => permit(); };' >sgx.policy
echo 'version=1.2; authorizationrules{ [value==AppendString("a", 1)] => permit(); };' >error.policy
verify 0 'verdict: accepted' --policy soft.policy
verify 0 'line 1: permit(): fired' --policy soft.policy --explain
verify 1 'expected value >= 65000' --policy svn.policy
verify 1 'expected value >= 65000' --policy soft.policy --policy svn.policy
verify 1 'no such claim' --policy sgx.policy
verify 1 'two strings for AppendString' --policy error.policy
verify 1 'policies' --policy svn.policy --json
verify 1 'tee' --policy soft.policy --claim tee=sgx
verify 2 'line 2, column 28' --policy bad.policy
verify 2 'absent' --policy absent.policy
echo "cella policy: all as expected"
