#!/bin/sh
# The headers of both sides are read by a C++ compiler, and name C functions. Usage: cplusplus_test.sh SOURCE-ROOT
set -eu
cxx=$(command -v g++ || command -v clang++) || { echo "no C++ compiler"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/both.cc" <<'CC'
#include <cella/enclave.h>
#include <cella/inside.h>
int main() {
    struct cella_enclave *e;
    struct cella_enclave_settings settings = {};
    struct cella_inside inside = {};
    struct cella_result r = cella_enclave_create("image", &settings, &e), s = cella_serve(&inside);
    cella_result_drop(r);
    cella_result_drop(s);
}
CC
"$cxx" -std=c++17 -Wall -Wextra -Wpedantic -Werror -I"$1/include" -c -o "$work/both.o" "$work/both.cc"
wanted='cella_enclave_create cella_result_drop cella_serve'
found=$(nm -u "$work/both.o" | awk '{print $2}' | grep cella_ | sort | xargs)
[ "$found" = "$wanted" ] || { echo "expected $wanted, found $found"; exit 1; }
