# SoftHSM for scripts: a token folder in $work, the module's path in $module, `tool TOKEN PIN OPTIONS`. Sourced; the caller skips without
# softhsm2-util and pkcs11-tool.
# shellcheck shell=sh disable=SC2034,SC2154
module=
for path in /usr/lib/softhsm/libsofthsm2.so /usr/lib/*/softhsm/libsofthsm2.so /usr/lib64/pkcs11/libsofthsm2.so; do
    [ -e "$path" ] && module=$path
done
export SOFTHSM2_CONF="$work/softhsm2.conf"
mkdir "$work/tokens"
printf 'directories.tokendir = %s/tokens\nobjectstore.backend = file\nlog.level = ERROR\n' "$work" >"$SOFTHSM2_CONF"
token_new() { # LABEL PIN
    softhsm2-util --init-token --free --label "$1" --so-pin 12345678 --pin "$2" >/dev/null
}
tool() { # LABEL PIN OPTIONS: what it says goes to $work/out
    token=$1 pin=$2
    shift 2
    pkcs11-tool --module "$module" --token-label "$token" --login --pin "$pin" "$@" >"$work/out" 2>&1
}
