#!/usr/bin/env bash
# What must hold of the shim's ELF: tools/check-shim.sh SHIM. It is the only code besides the program in an enclave.
set -euo pipefail
shim=${1:?tools/check-shim.sh SHIM}
bad=0
say() {
    echo "shim: $1"
    bad=1
}
segments=$(readelf -lW "$shim")
relocations=$(readelf -rW "$shim")
symbols=$(readelf -sW "$shim")

grep -qE '^ +LOAD .* RWE ' <<<"$segments" && say "a segment is writable and executable (R49)"
[ "$(grep -cE '^ +LOAD .* RW  ' <<<"$segments")" -le 1 ] || say "more than one writable segment"
grep -qE '^ +GNU_STACK .* RWE ' <<<"$segments" && say "an executable stack"
grep -qE '^ +(INTERP|TLS) ' <<<"$segments" && say "wants an interpreter or thread-local storage"
readelf -dW "$shim" | grep -qE '\((NEEDED|TEXTREL)\)' && say "needs a library or writes to its text"
other=$(grep -oE 'R_X86_64_[A-Z0-9_]+' <<<"$relocations" | grep -v '^R_X86_64_RELATIVE$' | sort | uniq -c || true)
[ -z "$other" ] || say "relocations its start code does not know: $other"
undefined=$(awk '$7 == "UND" && $8 != "" && $5 != "WEAK" {print $8}' <<<"$symbols" | sort -u)
[ -z "$undefined" ] || say "undefined symbols: $undefined"
stray=$(awk '$4 == "FUNC" || $4 == "OBJECT" {print $8}' <<<"$symbols" | grep -xE 'malloc|free|printf|__libc_start_main|_dl_.*' || true)
[ -z "$stray" ] || say "a libc got in: $stray"
# Only the writable segment is relocated: the rest is measured and shared as it is.
read -r rw_start rw_size <<<"$(awk '$1 == "LOAD" && $7 == "RW" {print $3, $6}' <<<"$segments")"
outside=$(awk '$3 == "R_X86_64_RELATIVE" {print $1}' <<<"$relocations" | while read -r at; do
    ((16#$at >= rw_start && 16#$at < rw_start + rw_size)) || echo "$at"
done)
[ -z "$outside" ] || say "relocations outside the writable segment: $(head -n 3 <<<"$outside" | xargs)"
# A system call instruction outside the gate would be one more door to watch; ipsec-mb and BearSSL have none.
gate_start=$(awk '$8 == "__gate_start" {print $2}' <<<"$symbols")
gate_end=$(awk '$8 == "__gate_end" {print $2}' <<<"$symbols")
[ -n "$gate_start" ] && [ -n "$gate_end" ] || say "no gate in its symbols"
doors=$(objdump -d --no-show-raw-insn "$shim" | awk '$2 ~ /^(syscall|sysenter|int|lcall|ljmp)$/ {print substr($1, 1, length($1) - 1), $2}')
[ -n "$doors" ] || say "no system call instruction found: the check itself is broken"
while read -r at instruction; do
    [ "$instruction" = syscall ] && ((16#$at >= 16#${gate_start:-0} && 16#$at < 16#${gate_end:-0})) ||
        say "$instruction at $at, outside the gate"
done <<<"$doors"
[ $bad = 0 ] || exit 1
echo "shim: $(stat -c %s "$shim") bytes; segments, relocations and symbols as they must be"
