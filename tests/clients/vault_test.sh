#!/usr/bin/env bash
# The Key Vault SDKs against `cella serve`: vault_test.sh CELLA SOURCE_ROOT BUILD_ROOT
# @azure/keyvault-keys, -secrets, -certificates and @azure/identity, pinned, from npm; Node 18 or later.
set -uo pipefail
cella=$(realpath "$1") source_root=$(realpath "$2") build_root=$(realpath "$3")
. "$source_root/tests/clients/lib.sh"
work=$(mktemp -d)
trap 'stop_server; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
install_packages "$build_root/npm"

data=$work/data port=$(free_ports)
start_server "$data" --port "$port"
stop_server
# An attestation service elsewhere, as the SDK's own tests make one: keys with n and e alone, an issuer with a slash at its end.
export MOCK_KEY=$work/mock.json
node -e '
const crypto = require("node:crypto"), fs = require("node:fs");
const { privateKey } = crypto.generateKeyPairSync("rsa", { modulusLength: 2048 });
const jwk = privateKey.export({ format: "jwk" });
fs.writeFileSync(process.argv[1], JSON.stringify(jwk));
fs.writeFileSync(process.argv[2], JSON.stringify({ keys: [{ kty: "RSA", kid: "mock", n: jwk.n, e: jwk.e }] }));
' "$MOCK_KEY" "$data/mock.jwks" || exit 1
printf '\n[authority mock]\nurl = https://mock.example/\njwks = mock.jwks\n' >>"$data/cella.conf"
start_server "$data"
# shellcheck disable=SC1091
. "$data/dev/env.sh"
timeout 200 node "$source_root/tests/clients/vault_test.js" >"$work/out" 2>&1
result=$?
[ $result = 0 ] || { cat "$work/out"; tail -n 20 "$work/server.log"; }
grep -E '^(# |ℹ )(tests|pass|fail|skipped) ' "$work/out" | sed 's/^[^ ]* //' | tr '\n' ' '
echo
"$cella" audit verify "$data/audit.log" --key "$data" || result=1
exit $result
