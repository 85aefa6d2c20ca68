#!/usr/bin/env bash
# The Key Vault SDK against vaults whose keys live in SoftHSM: hsm_test.sh CELLA SOURCE_ROOT BUILD_ROOT
set -uo pipefail
cella=$(realpath "$1") source_root=$(realpath "$2") build_root=$(realpath "$3")
. "$source_root/tests/clients/lib.sh"
command -v softhsm2-util >/dev/null && command -v pkcs11-tool >/dev/null || skip "no softhsm2 or no opensc"
work=$(mktemp -d)
trap 'stop_server; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
install_packages "$build_root/npm"
# shellcheck source=tests/hsm/token.sh
. "$source_root/tests/hsm/token.sh"
token_new keys 864209753 || exit 1

data=$work/data port=$(free_ports)
start_server "$data" --port "$port"
stop_server
printf '864209753\n' >"$data/hsm.pin"
chmod 600 "$data/hsm.pin"
sed -i "s#^\[vault dev.*#&\nhsm_keys = pkcs11:token=keys?module-path=$module\&pin-source=file:hsm.pin#" "$data/cella.conf"
start_server "$data"
# shellcheck disable=SC1091
. "$data/dev/env.sh"
timeout 120 node "$source_root/tests/clients/hsm_test.js" >"$work/js" 2>&1
result=$?
[ $result = 0 ] || { cat "$work/js"; tail -n 20 "$work/server.log"; }
grep -E '^(# |ℹ )(tests|pass|fail|skipped) ' "$work/js" | sed 's/^[^ ]* //' | tr '\n' ' '
echo
stop_server
# What the HSM has, by its own tool: two keys that were not purged, neither of which leaves it.
tool keys 864209753 --list-objects || result=1
[ "$(grep -c 'cella/devvault/\|cella/devhsm/' "$work/out")" = 2 ] || { cat "$work/out"; result=1; }
[ "$(grep -c 'Access:.*sensitive, .*never extractable' "$work/out")" = 2 ] || { cat "$work/out"; result=1; }
# K25
grep -rq 864209753 "$data/audit.log" "$data/cella.db" "$work/server.log" "$work/said" && { echo "the PIN is in a file"; result=1; }
"$cella" audit verify "$data/audit.log" --key "$data" || result=1
exit $result
