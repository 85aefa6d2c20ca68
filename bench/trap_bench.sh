#!/usr/bin/env bash
# A system call served inside an enclave against what a seccomp trap costs at least (an empty SIGSYS handler), in one
# run: the best of interleaved rounds, as neighbours can only add. BUILD names what was built; ROUNDS the rounds.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build}
cella=$(realpath "${CELLA:-$build/src/cli/cella}")
rounds=${ROUNDS:-7}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

gcc -O2 -static-pie -o "$work/trap" bench/trap_program.c
cat >"$work/trap.manifest" <<END
[enclave]
product_id = 1
security_version = 1
threads = 1
heap = 1M
stack = 128K
path = /app/trap
date = 2026-01-01
[arguments]
0 = trap
END
"$cella" keygen -o "$work/key.pem"
"$cella" sign "$work/trap" -m "$work/trap.manifest" -k "$work/key.pem" -o "$work/trap.cella"
plain=() trap=() enclave=()
for ((i = 0; i < rounds; i++)); do
    plain+=("$("$work/trap")")
    trap+=("$("$work/trap" trap)")
    enclave+=("$("$cella" run "$work/trap.cella")")
done
best() { printf '%s\n' "$@" | sort -n | head -n 1; }
p=$(best "${plain[@]}") t=$(best "${trap[@]}") e=$(best "${enclave[@]}")
printf '%-44s %8s\n' "one getppid, best of $rounds rounds" "ns"
printf '%-44s %8s\n' "plain" "$p" "RET_TRAP, empty handler" "$t" "served in an enclave" "$e"
awk -v e="$e" -v t="$t" 'BEGIN { printf "%-44s %7.2fx  (aim: 1.20x)\n", "enclave to RET_TRAP", e / t }'
