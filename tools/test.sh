#!/usr/bin/env bash
# The tests, a line per step, and at the end "N passed, N failed, N skipped".
#   tools/test.sh             layers, lint, build (gcc, warnings are errors), all tests, ASan+UBSan, shim, demo
#   tools/test.sh --ci        and: clang build, fuzz targets, the documents' commands, install, demo as another user
#   tools/test.sh --only STEP one step: layers lint checks gcc tests asan shim demo clang fuzz docs install user
# A step counts as one; a test program counts by its cases. Nothing is skipped without a reason printed.
# Logs stay in build-test/log/.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

case "${1:-}" in
--help | -h) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 0 ;;
--ci) steps="layers lint checks gcc tests asan shim demo clang fuzz docs install user" ;;
--only) steps=${2:?--only needs the name of a step} ;;
"") steps="layers lint checks gcc tests asan shim demo" ;;
*) echo "tools/test.sh: expected --ci or --only STEP, found $1" >&2; exit 2 ;;
esac

work=build-test
log=$work/log
mkdir -p "$log"
passed=0 failed=0 skipped=0
started=$SECONDS

line() { printf '%-5s %-34s %s\n' "$1" "$2" "${3:-}"; }
pass() { passed=$((passed + 1)); line ok "$1" "$2"; }
skip() { skipped=$((skipped + 1)); line skip "$1" "$2"; }
fail() { # NAME REMARK LOG
    failed=$((failed + 1))
    line FAIL "$1" "$2"
    [ -z "${3:-}" ] || tail -n "${TAIL:-25}" "$3" | sed 's/^/      | /'
}
# Runs a command under a time limit, as one step. Exit status 77 is a skip whose reason is the log's last line.
step() { # NAME SECONDS COMMAND...
    local name=$1 limit=$2 file status begun=$SECONDS
    file=$log/${name//[ \/]/-}.log
    shift 2
    timeout --kill-after=10 "$limit" "$@" >"$file" 2>&1 </dev/null
    status=$?
    local took="($((SECONDS - begun)) s)"
    case $status in
    0) pass "$name" "$took" ;;
    77) skip "$name" "$(tail -n 1 "$file")"; return 0 ;;
    124 | 137) fail "$name" "over its limit of $limit s; log: $file" "$file" ;;
    *) fail "$name" "$took log: $file" "$file" ;;
    esac
    return $status
}
build() { # NAME FOLDER SETUP-OPTIONS...
    local name=$1 folder=$2
    shift 2
    step "$name" 600 tools/build.sh "$folder" "$@"
}
# Runs meson's tests of a built folder and counts their cases.
tests() { # NAME FOLDER MESON-TEST-OPTIONS...
    local name=$1 folder=$2 begun=$SECONDS file counts p f s
    file=$log/${name//[ \/]/-}.log
    shift 2
    rm -f "$folder/meson-logs/testlog.json"
    timeout --kill-after=10 1500 meson test -C "$folder" --no-rebuild --print-errorlogs "$@" >"$file" 2>&1 </dev/null
    if [ ! -s "$folder/meson-logs/testlog.json" ]; then
        fail "$name" "no test ran; log: $file" "$file"
        return 1
    fi
    counts=$(tools/count-tests.py "$folder/meson-logs/testlog.json") || { fail "$name" "cannot count" "$file"; return 1; }
    read -r p f s <<<"$counts"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    sed -n '2,$p' <<<"$counts" | while read -r kind what; do line "$kind" "$name" "$what"; done
    if [ "$f" = 0 ]; then line ok "$name" "$p passed, $s skipped ($((SECONDS - begun)) s)"; return 0; fi
    line FAIL "$name" "$p passed, $f failed, $s skipped; log: $file"
    TAIL=60; grep -vE '^ *[0-9]+/[0-9]+ .* (OK|SKIP) ' "$file" | tail -n $TAIL | sed 's/^/      | /'
    return 1
}

# What the vectors are for and where they may lie; tests that need them skip one by one when they are absent.
vectors=${CELLA_VECTORS:-../shared/vectors}
[ -d "$vectors" ] || echo "note: no folder $vectors (CELLA_VECTORS): tests on real evidence will skip"

run_layers() { step layers 60 tools/check-layers.sh; }
run_lint() { step lint 120 tools/lint.sh; }
run_checks() { step checks 120 tests/docs/checks_test.sh; }
run_gcc() { CC=gcc build "build with gcc" $work/gcc -Dwerror=true; }
run_tests() {
    [ -f $work/gcc/build.ninja ] || CC=gcc build "build with gcc" $work/gcc -Dwerror=true || return
    tests "tests" $work/gcc -t 4
}
run_asan() {
    # Without -Werror: gcc's flow analysis sees ghosts in instrumented code; the two builds proper have it.
    CC=gcc build "build with ASan and UBSan" $work/asan -Db_sanitize=address,undefined \
        -Dbuildtype=debug -Doptimization=1 || return
    UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 ASAN_OPTIONS=detect_stack_use_after_return=1 \
        tests "tests under ASan and UBSan" $work/asan --suite unit -t 6
}
run_shim() {
    local shim
    shim=$(find $work/gcc/src/shim -maxdepth 1 -type f -name '*.elf' -o -maxdepth 1 -type f -perm -100 -name '*shim*' 2>/dev/null | head -n 1)
    [ -n "$shim" ] || { fail "shim" "no shim under $work/gcc/src/shim; build it first"; return; }
    step "shim" 60 tools/check-shim.sh "$shim"
}
run_demo() {
    build "build for the demo" build || return
    step "demo" 180 env CELLA=build/src/cli/cella examples/patients/demo.sh
}
run_clang() { CC=clang build "build with clang" $work/clang -Dwerror=true; }
run_fuzz() {
    local target found=no
    CC=clang step "build of the fuzz targets" 600 tools/fuzz.sh --build || return
    for target in "$work"/fuzz/fuzz/fuzz_*; do
        [ -x "$target" ] && [ -f "$target" ] || continue
        found=yes
        step "fuzz ${target##*/fuzz_}" 60 tools/fuzz.sh 4 "${target##*/fuzz_}"
    done
    [ $found = yes ] || fail "fuzz" "no target was built"
}
run_docs() { step "commands of the documents" 300 tests/docs/commands_test.sh; }
run_install() { step "install" 300 tests/docs/install_test.sh; }
run_user() { step "demo as an ordinary user" 240 tests/docs/user_test.sh; }

for name in $steps; do
    if ! declare -F "run_$name" >/dev/null; then
        echo "tools/test.sh: no step is called $name" >&2
        exit 2
    fi
    "run_$name" || true
done
echo "logs: $log; $((SECONDS - started)) s"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
