#!/usr/bin/env bash
# Every #include "part/..." under src/ points down the layers of docs/architecture.md, or stays within its part.
# tools/check-layers.sh [FOLDER holding the parts, default src]
set -euo pipefail
cd "$(dirname "$0")/.."
root=${1:-src}

declare -A below=(
    [base]=""
    [abi]="base"
    [crypto]="base abi"
    [fetch]="base crypto"
    [seal]="base abi crypto"
    [image]="base abi crypto fetch"
    [evidence]="base abi crypto"
    [policy]="base abi crypto"
    [http]="base"
    [collateral]="base abi crypto evidence http"
    [platform]="base abi crypto seal image evidence policy"
    [edl]="base crypto"
    [hsm]="base crypto"
    [store]="base crypto seal hsm"
    [audit]="base crypto"
    [identity]="base crypto store audit http"
    [attest]="base abi crypto evidence policy store audit identity http collateral"
    [vault]="base abi crypto seal hsm store audit identity http"
    [client]="base crypto collateral"
    [service]="base crypto seal hsm store audit identity attest vault http collateral platform"
    [cli]="base edl abi crypto fetch seal image evidence policy platform http collateral store audit identity attest vault client service"
    [sdk]="base abi crypto image evidence platform"
    [shim]="base abi seal"
)

bad=0
count=0
say() {
    echo "$1"
    bad=$((bad + 1))
}
for folder in "$root"/*/; do
    part=$(basename "$folder")
    if [ -z "${below[$part]+there}" ]; then
        say "$folder: no such part in the table of tools/check-layers.sh and in docs/architecture.md"
        continue
    fi
    while IFS=: read -r file line text; do
        [ -n "$file" ] || continue
        count=$((count + 1))
        target=$(sed -E 's/^[^"]*"([^"]*)".*/\1/' <<<"$text")
        to=${target%%/*}
        if [ "$to" = "$target" ] || [[ $target == *..* ]]; then
            say "$file:$line: includes \"$target\"; expected \"part/name.h\" with a part of src/"
        elif [ "$to" != "$part" ] && [[ " ${below[$part]} " != *" $to "* ]]; then
            say "$file:$line: $part includes $target; $part may use: ${below[$part]:-nothing but itself}"
        fi
    done < <(grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' --include='*.c' --include='*.h' --include='*.S' "$folder" || true)
done
# Public headers know no part: they must be readable without src/.
while IFS=: read -r file line text; do
    [ -n "$file" ] && say "$file:$line: a public header includes ${text#*include }; expected <cella/...> or a system header"
done < <([ "$root" != src ] || grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' include || true)

if [ "$count" = 0 ]; then
    echo "no include found under $root: is it the right folder?"
    exit 1
fi
[ "$bad" = 0 ] || exit 1
echo "layers: $count includes, all point down"
