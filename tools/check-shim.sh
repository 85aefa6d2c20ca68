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
# A system call instruction outside the gate would be one more door to watch; ipsec-mb and BearSSL have none.
[ $bad = 0 ] || exit 1
echo "shim: $(stat -c %s "$shim") bytes; segments, relocations and symbols as they must be"
