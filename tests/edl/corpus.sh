#!/usr/bin/env bash
# Interface files of others, judged one by one: tests/edl/corpus.sh CELLA FOLDER... [-- ARGUMENT...]
# Prints accept or reject and the reason for each .edl under the folders; the arguments (--search-path, -D) go to
# `cella edl`. Nothing of the folders is kept. With ORACLE=PROGRAM, which takes the same arguments and --header-only
# (oeedger8r, sgx_edger8r), prints its verdict too, and a line of counts at the end.
set -euo pipefail
cella=$1
shift
folders=()
while [ "$#" != 0 ] && [ "$1" != -- ]; do
    folders+=("$1")
    shift
done
[ "${1:-}" != -- ] || shift
[ "${#folders[@]}" != 0 ] || {
    echo "usage: corpus.sh CELLA FOLDER... [-- ARGUMENT...]"
    exit 2
}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
declare -A counts=()
while IFS= read -r -d '' file; do
    folder=$(dirname "$file")
    verdict=accept reason=
    "$cella" edl --search-path "$folder" "$@" "$file" >"$scratch/out" 2>&1 || {
        verdict=reject
        reason=$(grep -m1 -v warning "$scratch/out" | sed 's/^cella: //')
    }
    beside=
    if [ -n "${ORACLE:-}" ]; then
        theirs=accept
        "$ORACLE" --header-only --search-path "$folder" "$@" --untrusted-dir "$scratch" --trusted-dir "$scratch" \
            "$file" >"$scratch/theirs" 2>&1 || theirs=reject
        beside="(theirs: $theirs) "
        key="ours $verdict, theirs $theirs"
        counts[$key]=$((${counts[$key]:-0} + 1))
    else
        counts[$verdict]=$((${counts[$verdict]:-0} + 1))
    fi
    echo "$verdict $beside$file${reason:+: $reason}"
done < <(find "${folders[@]}" -name '*.edl' -print0 | sort -z)
for key in "${!counts[@]}"; do echo "${counts[$key]} $key"; done | sort
