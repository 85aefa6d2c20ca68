#!/usr/bin/env bash
# T10 of the threat model, R50: a debug enclave opens to an ordinary debugger and says so everywhere; the production
# build of the same program does neither.
# usage: debug_test.sh CELLA OPERATOR VICTIMS-FOLDER
# shellcheck source=tests/attack/lib.sh
source "$(dirname "$0")/lib.sh" "$1" "$3"
operator=$2
command -v gdb >/dev/null || skip "no gdb here"
[ "$(id -u)" = 0 ] || [ "$(cat /proc/sys/kernel/yama/ptrace_scope 2>/dev/null || echo 0)" = 0 ] || skip "Yama keeps debuggers out"
words() { gdb -nx -batch -p "$pid" -ex "x/8xb 0x$address" 2>&1 | sed -n 's/^0x[0-9a-f]*[^:]*:[[:space:]]*\(0x[0-9a-f][0-9a-f][[:space:]]\)/\1/p'; }
first=$(for ((i = 0; i < 8; i++)); do printf '0x%02x\t' $(((i * 7 + 3) % 256)); done)

sign victim victim
start victim 30
production=$("$cella" measure -q "$work/victim.cella")
expect "production: gdb reads nothing" test -z "$(words)"
stop

sign victim victim 'debug = yes'
expect "the debug attribute changes what owners pin: inspect says debug" grep -q '"debug": true' \
    <("$cella" inspect --json "$work/victim.cella")
debug=$("$cella" measure -q "$work/victim.cella")
expect "and the measurement is another one" test "$debug" != "$production"
start victim 30
expect "run says that it is a debug enclave" grep -qi debug "$work/err"
expect "debug: gdb reads the canary: $(words | head -n 1)" test "$(words | head -n 1)" = "${first%$'\t'}"
expect "debug: and so does the operator" grep -q '^proc-mem-read.READS' \
    <("$operator" "$pid" "$canary_hex" "$address" proc-mem-read)
stop
finish
