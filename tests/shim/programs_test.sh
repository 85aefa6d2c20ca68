#!/usr/bin/env bash
# Ordinary programs inside an enclave, without a platform: the same program run natively is the oracle (T10).
#   programs_test.sh CELLA ENTER SOURCE_ROOT     exit 77: skipped
set -uo pipefail
cella=$(realpath "$1") enter=$(realpath "$2") source=$3/tests/shim/programs
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
bad=0 count=0

# What the kernel lacks is no failure of the shim; the private variant still runs.
modes=--private
python3 -c 'import ctypes, sys; sys.exit(ctypes.CDLL(None).syscall(447, 0) < 0)' 2>/dev/null && modes="--secret --private"

"$cella" keygen -o key.pem || exit 1
manifest() { # NAME EXTRA
    cat >"$1.manifest" <<END
[enclave]
product_id = 1
security_version = 1
threads = 8
heap = 128M
stack = 256K
path = /app/program
date = 2026-01-01
${2:-}
[arguments]
0 = program
host = yes
${3:-}
END
}
sign() { "$cella" sign "$1" -m "${2:-plain}.manifest" -k key.pem -o "$1.cella" || exit 1; }
# What it prints and how it ends must be as wanted.
expect() { # NAME STATUS OUTPUT-FILE COMMAND...
    local name=$1 status=$2 wanted=$3 got
    shift 3
    timeout 60 "$@" >out 2>err
    got=$?
    count=$((count + 1))
    if [ $got != "$status" ] || ! diff -q "$wanted" out >/dev/null; then
        echo "FAIL $name: status $got, expected $status"
        diff "$wanted" out | head -n 5
        head -n 5 err
        bad=1
    fi
}
said() { grep -q -- "$2" err || { echo "FAIL $1: expected the line '$2'"; cat err; bad=1; }; }
manifest plain
compilers=("gcc -static-pie" "gcc -static")
command -v musl-gcc >/dev/null && compilers+=("musl-gcc -static")
command -v g++ >/dev/null && printf '#include <iostream>\n#include <thread>\n#include <vector>\nint main() { std::vector<std::thread> t; for (int i = 0; i < 4; i++) t.emplace_back([]{}); for (auto &x : t) x.join(); try { throw 5; } catch (int v) { std::cout << v << std::endl; } }\n' >cxx.cc

for compiler in "${compilers[@]}"; do
    for program in threads signals waits memory clock hygiene recursion; do
        $compiler -std=gnu11 -O2 -pthread -o "$program" "$source/$program.c" || exit 1
        ./"$program" >native 2>/dev/null
        status=$?
        sign "$program"
        for mode in $modes; do
            argument=
            [ "$program" = threads ] && argument=8 # threads of the image: one more is EAGAIN
            expect "$program ($compiler, $mode)" $status native "$enter" "$mode" "$program.cella" $argument
        done
    done
    said recursion 'segmentation fault at address'
done

if [ -f cxx.cc ] && g++ -static-pie -O2 -pthread -o cxx cxx.cc; then
    ./cxx >native
    sign cxx
    expect "C++ threads and exceptions" 0 native "$enter" --private cxx.cella
fi

# Refusals, each with its line.
gcc -std=gnu11 -O2 -static-pie -o refused "$source/refused.c" || exit 1
sign refused
echo 'refused ok' >wanted
expect refused 0 wanted "$enter" --private refused.cella
said refused 'fork: an enclave is one process'
said refused 'system call 41 (socket)'
[ "$(grep -c socket err)" = 1 ] || { echo "FAIL refused: one line per call, found $(grep -c socket err)"; bad=1; }

# exec of another program of the image, and of itself.
gcc -std=gnu11 -O2 -static-pie -pthread -o exec "$source/exec.c" && cp exec exec-other || exit 1
manifest exec "" "[program /app/other]
file = exec-other"
sign exec exec
printf 'first\nsecond\n' >wanted
for from in 0 1 2; do
    expect "exec of another, from thread $from" 3 wanted "$enter" --private exec.cella /app/other $from
done
expect "exec of itself" 3 wanted "$enter" --private exec.cella /app/program

# R12: signals from the host. Forged faults, traps and wake-ups without end change nothing; a signal that the manifest
# does not name never arrives, one that it names does.
for signal in 4 5 7 8 11 31 10 12 14 15 16 17 34 64; do
    echo 'clock ok' >wanted
    gcc -std=gnu11 -O2 -static-pie -o clock "$source/clock.c" && sign clock
    expect "storm of signal $signal" 0 wanted "$enter" --private --storm "$signal" clock.cella
done
for program in signals waits threads; do
    gcc -std=gnu11 -O2 -static-pie -pthread -o "$program" "$source/$program.c" && sign "$program"
    ./"$program" >wanted
    for signal in 11 16 31 64; do # 16: what wakes threads
        expect "storm of $signal, $program" 0 wanted "$enter" --private --storm $signal "$program.cella"
    done
    # A host without room for one queued signal: threads still wake each other.
    expect "no signal queue, $program" 0 wanted bash -c "ulimit -i 0; exec '$enter' --private $program.cella"
done
gcc -std=gnu11 -O2 -static-pie -pthread -o host_signal "$source/host_signal.c" || exit 1
manifest host "host_signals = USR1 TERM"
sign host_signal host
echo 'signal 10' >wanted
expect "a signal the manifest names" 0 wanted "$enter" --private --storm 10 --after 1000 host_signal.cella # its handler stands
: >wanted
expect "TERM ends it" 143 wanted "$enter" --private --storm 15 host_signal.cella

# R12: each of the two guards alone. A fault's code is not enough (a tracer forges it), nor is the trap number, which
# stays from the last real fault.
gcc -std=gnu11 -O2 -static-pie -o forged "$source/forged.c" && sign forged
echo 'forged 0' >wanted
for signal in 4 8 11; do expect "forged faults $signal" 0 wanted "$enter" --private --storm "$signal" forged.cella; done
: >wanted
expect "a forged code" 125 wanted "$enter" --private --forge 110 forged.cella code
said "a forged code" 'signal 11, code 1, at 0x[0-9a-f]*: a system call or fault of unknown form'

# R08, R47: a signal after every instruction of the shim's way through getppid (110) and pause (34).
gcc -std=gnu11 -O2 -static-pie -o sweep "$source/sweep.c" || exit 1
manifest sweep "host_signals = USR1 USR2"
sign sweep sweep
for call in 110 34; do
    timeout 60 "$enter" --private --sweep $call sweep.cella $call >out 2>err
    status=$?
    sent=$(sed -n 's/^sweep: \([0-9]*\) signals, every instruction$/\1/p' err)
    count=$((count + 1))
    if [ $status != 0 ] || [ "${sent:-0}" -lt 100 ] || [ "$(cat out)" != "$sent" ]; then
        echo "FAIL sweep of call $call: status $status, sent ${sent:-none}, seen $(cat out)"
        cat err
        bad=1
    fi
done

echo "$count runs"
exit $bad
