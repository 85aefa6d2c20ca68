#!/usr/bin/env bash
# The checks themselves can fail: each is shown what it must object to, and something it must let pass.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
top=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0
expect() { # pass|fail WORDS COMMAND...
    local want=$1 words=$2 got=pass
    shift 2
    "$@" >"$work/out" 2>&1 || got=fail
    if [ "$got" != "$want" ] || ! grep -q -- "$words" "$work/out"; then
        echo "expected $want with '$words', found $got: $*"
        tail -n 5 "$work/out"
        bad=1
    fi
}

mkdir -p "$work/layers/base" "$work/layers/shim"
echo '#include "base/text.h"' >"$work/layers/base/good.c"
expect pass 'all point down' tools/check-layers.sh "$work/layers"
echo '#  include "crypto/key.h"' >"$work/layers/base/up.c"
expect fail 'up.c:1: base includes crypto/key.h' tools/check-layers.sh "$work/layers"
echo '#include "crypto/key.h"' >"$work/layers/base/up.c"
expect fail 'base includes crypto' tools/check-layers.sh "$work/layers"
echo '#include "key.h"' >"$work/layers/base/up.c"
expect fail 'expected "part/name.h"' tools/check-layers.sh "$work/layers"
echo '#include "base/../crypto/key.h"' >"$work/layers/base/up.c"
expect fail 'expected "part/name.h"' tools/check-layers.sh "$work/layers"
rm "$work/layers/base/up.c"
mkdir "$work/layers/misc"
expect fail 'no such part' tools/check-layers.sh "$work/layers"

tree=$work/tree
mkdir -p "$tree/tools" "$tree/src/seal"
cp tools/lint.sh "$tree/tools/" && cp .clang-format "$tree/"
lint() { # CODE: of one C file
    printf '%s\n' "$1" >"$tree/src/seal/noun.c"
    "$tree/tools/lint.sh"
}
expect pass 'are clean' lint 'int noun(void) { return 1; }'
expect fail 'not in house format' lint 'int noun (void) {return 1;}'
expect fail 'unbounded' lint 'void noun(char *a, const char *b) { strcpy(a, b); }'
expect fail 'starts a shell' lint 'int noun(const char *a) { return system(a); }'
expect fail 'which comparison' lint 'int noun(const char *a, const char *b) { return memcmp(a, b, 4) == 0; }'
expect fail 'which comparison' lint 'int noun(const char *a, const char *b) { return !memcmp(a, b, 4); }'
expect fail 'cella_equal_secret alone' lint 'int noun(const char *a, const char *tag) { return strcmp(a, tag); }'
expect fail "finish it" lint "/* FIX""ME: later */"
expect fail 'columns; at most 100' lint "const char *noun = \"$(printf '%0120d' 0)\";"

# Counting: cases, a skip with its reason, and a crash, which is a failure and not fewer tests.
cat >"$work/log.json" <<'J'
{"name": "u / a", "result": "OK", "stdout": "[==========] Running 3 test(s).\n[ RUN      ] one\n[       OK ] one\n[ RUN      ] two\nno vectors here\n[  SKIPPED ] two\n[ RUN      ] three\n[       OK ] three\n[==========] 3 test(s) run.\n[  SKIPPED ] 1 test(s)\n", "stderr": ""}
{"name": "u / b", "result": "FAIL", "stdout": "[ RUN      ] one\n[       OK ] one\n[ RUN      ] two\n", "stderr": "Segmentation fault\n"}
{"name": "u / c", "result": "FAIL", "stdout": "[ RUN      ] one\n[  FAILED  ] one\n[==========] 1 test(s) run.\n[  FAILED  ] 1 test(s), listed below:\n[  FAILED  ] one\n", "stderr": ""}
{"name": "u / d", "result": "SKIP", "stdout": "no TPM here\n", "stderr": ""}
{"name": "u / e", "result": "TIMEOUT", "stdout": "", "stderr": ""}
J
expect pass '^3 3 2$' tools/count-tests.py "$work/log.json"
expect pass 'skip a.two: no vectors here' tools/count-tests.py "$work/log.json"
expect pass 'fail b: fail: Segmentation fault' tools/count-tests.py "$work/log.json"
expect pass 'skip d: no TPM here' tools/count-tests.py "$work/log.json"
expect fail '' tools/count-tests.py "$work/none.json"

# The shim's check, on what is no shim.
expect fail 'wants an interpreter' tools/check-shim.sh /bin/true
expect fail 'missing\|expected kinds' tools/setup.sh --check no-such-kind
cd "$top" && [ $bad = 0 ] && echo "the checks object to what they must"
exit $bad
