#!/usr/bin/env bash
# The commands of the vault against a server of their own: vault_test.sh CELLA
set -uo pipefail
cella=$(realpath "$1")
port=$(python3 "$(dirname "$0")/../service/server.py")
work=$(mktemp -d)
cd "$work" || exit 1
server='' failed=0
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT
ok() { # WORDS COMMAND...: it succeeds, and says that (nothing is asked of -)
    local words=$1
    shift
    if timeout 60 "$@" >out 2>&1 && { [ "$words" = - ] || grep -qe "$words" out; }; then echo "ok: $*"; return; fi
    echo "FAILED: $*: expected '$words'"
    sed 's/^/    /' out
    failed=1
}
refused() { # STATUS WORDS COMMAND...
    local status=$1 words=$2 found=0
    shift 2
    timeout 60 "$@" >out 2>&1 || found=$?
    if [ $found = "$status" ] && grep -qe "$words" out; then echo "ok: refused: $*"; return; fi
    echo "FAILED: $*: expected status $status and '$words', found $found"
    sed 's/^/    /' out
    failed=1
}
start() {
    "$cella" serve --data data --port "$port" >served 2>log &
    server=$!
    for _ in $(seq 300); do grep -q '^ready after' served && return 0; kill -0 $server 2>/dev/null || break; sleep 0.1; done
    return 1
}
start || { cat log; exit 1; }
# shellcheck disable=SC1091
. data/dev/env.sh
unset SSL_CERT_FILE CURL_CA_BUNDLE NODE_EXTRA_CA_CERTS
ca=$work/data/ca.pem
export CELLA_CA=$ca

# ---- keys ----
ok "^kty  *RSA" "$cella" key create k1
ok "^crv  *P-384" "$cella" key create ec --kty EC --curve P-384
ok "enabled  *https://.*/keys/k1$" "$cella" key list
ok '"kid"' "$cella" key show k1 --json
ok "keys/k1/" "$cella" key rotate k1
[ "$("$cella" key versions k1 | wc -l)" = 2 ] || { echo "FAILED: two versions"; failed=1; }
ok - "$cella" key backup ec -o ec.backup && ok "scheduledPurgeDate" "$cella" key delete ec
refused 1 "KeyNotFound" "$cella" key show ec
ok "deletedkeys/ec\|keys/ec" "$cella" key list --deleted
"$cella" key purge ec || failed=1
ok "^crv  *P-384" "$cella" key restore ec.backup
[ "$(stat -c %a ec.backup)" = 600 ] || { echo "FAILED: a backup is for its owner"; failed=1; }
refused 2 "unknown option" "$cella" key create k1 --colour red
refused 2 "no vault" env -u CELLA_VAULT "$cella" key list
refused 2 "invalid name" "$cella" key create bad_name
refused 3 "TLS" env CELLA_CA=/etc/ssl/certs/ca-certificates.crt "$cella" key list
refused 3 "AADSTS7000215" env AZURE_CLIENT_SECRET=wrong "$cella" key list
grep -q wrong out && { echo "FAILED: the secret is in the message"; failed=1; }

# ---- secrets and certificates ----
printf 'hush\n' >value
ok "secrets/s1/" "$cella" secret set s1 --file value
grep -q hush out && { echo "FAILED: set shows the value"; failed=1; }
ok "^hush$" "$cella" secret get s1
ok - "$cella" secret get s1 -o kept
if ! cmp -s kept value || [ "$(stat -c %a kept)" != 600 ]; then echo "FAILED: secret get -o"; failed=1; fi
head -c 26000 /dev/zero | tr '\0' x >long
refused 1 "long" "$cella" secret set s2 --file long
ok "completed" "$cella" cert create web --subject CN=host.example --dns host.example
ok "CN=host.example" "$cella" cert show web
ok "inProgress" "$cella" cert create asked --subject CN=asked.example --csr
"$cella" cert pending asked --json | sed -n 's/.*"csr": "\(.*\)".*/\1/p' | base64 -d >csr.der
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out authority.pem -subj /CN=authority -days 2 2>/dev/null
openssl x509 -req -inform DER -in csr.der -CA authority.pem -CAkey ca.key -CAcreateserial -days 1 -out leaf.pem 2>/dev/null
refused 2 "not of the key" "$cella" cert merge asked --file authority.pem
ok "CN=asked.example" "$cella" cert merge asked --file leaf.pem
openssl pkcs12 -export -in authority.pem -inkey ca.key -passout pass:open -out bundle.pfx
echo open >password
ok "CN=authority" "$cella" cert import taken --file bundle.pfx --password-file password
echo shut >password
refused 2 "right password" "$cella" cert import other --file bundle.pfx --password-file password

# ---- files under a key of the vault ----
head -c 100000 /dev/urandom >plain
ok - "$cella" seal --vault "$CELLA_VAULT/keys/k1" plain sealed
cmp -s plain sealed && { echo "FAILED: not sealed"; failed=1; }
ok - "$cella" unseal --vault "$CELLA_VAULT" sealed opened
cmp -s plain opened || { echo "FAILED: another content"; failed=1; }
refused 2 "either --key FILE or --vault URL" "$cella" unseal sealed opened --force
# A wrapped key that names another vault gets no token: nobody is asked.
python3 - "$work" <<'P' &
import socket, sys
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen(1)
open(sys.argv[1] + "/thief", "w").write(str(s.getsockname()[1]))
s.settimeout(30)
try:
    s.accept()
    open(sys.argv[1] + "/asked", "w").write("asked")
except OSError:
    pass
P
thief=$!
for _ in $(seq 50); do [ -s thief ] && break; sleep 0.1; done
sed "s,https://localhost:[0-9]*,https://localhost:$(cat thief)," sealed.key.json >other.json
refused 3 "another vault" "$cella" unseal --vault "$CELLA_VAULT" sealed opened --force --wrapped other.json
sed "s,$CELLA_VAULT,$CELLA_VAULT.evil.example," sealed.key.json >other.json
refused 3 "another vault" "$cella" unseal --vault "$CELLA_VAULT" sealed opened --force --wrapped other.json
[ ! -e asked ] || { echo "FAILED: another server was asked"; failed=1; }
kill $thief
cut='s/"value": "...../"value": "AAAAA/'
sed "$cut" sealed.key.json >other.json
refused 2 "parameter is incorrect" "$cella" unseal --vault "$CELLA_VAULT" sealed opened --force --wrapped other.json
version=$(sed -n 's/.*keys\/\(k1\/[0-9a-f]*\)".*/\1/p' sealed.key.json)
ok - "$cella" key disable "$version"
refused 3 "disabled" "$cella" unseal --vault "$CELLA_VAULT" sealed opened --force
ok - "$cella" key enable "$version" && ok - "$cella" unseal --vault "$CELLA_VAULT" sealed opened --force

# ---- release policies ----
hex=$(printf 'ab%.0s' $(seq 32))
ok '"x-ms-cella-mrenclave","equals":"abab' "$cella" policy release --authority "$ATTESTATION_AAD_URL" --mrenclave "$hex" --min-svn 2 --assurance S2
"$cella" policy release --authority "$ATTESTATION_AAD_URL" --mrenclave "$hex" -o policy
ok "RSA-HSM" "$cella" key create out --release-policy policy
echo not.a.token >token
refused 3 "cannot be verified" "$cella" key release out --token token
refused 2 "some code" "$cella" policy release --authority "$ATTESTATION_AAD_URL"
refused 2 "https URL" "$cella" policy release --authority http://plain --mrenclave "$hex"
refused 2 "expected 16 to 64" "$cella" policy release --authority "$ATTESTATION_AAD_URL" --mrenclave abcd
refused 2 "S0, S1, S2 or S3" "$cella" policy release --authority "$ATTESTATION_AAD_URL" --mrenclave "$hex" --assurance S9

# K11: nothing of it in what the server wrote.
# (A first start prints the client's secret to who started it, once: that is `served`.)
secret=$AZURE_CLIENT_SECRET
kill $server && wait $server
server=''
for canary in hush "$secret"; do
    grep -rlaF -e "$canary" log data/cella.db* data/audit.log && { echo "FAILED: '$canary' was written"; failed=1; }
done
ok whole "$cella" audit verify data/audit.log --key data
exit $failed
