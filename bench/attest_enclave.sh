#!/bin/bash
# Evidence of a live enclave for attest_bench.sh: attest_enclave.sh CELLA FOLDER makes FOLDER/request (a key request) and
# FOLDER/platform.pem, with a platform of its own and an enclave that it ends itself.
set -euo pipefail
cella=$1 work=$2
export CELLA_PLATFORM_STATE=$work/platform CELLA_PLATFORM_SOCKET=$work/platform.sock
cat >"$work/wait.c" <<'C'
#include <fcntl.h>
#include <unistd.h>
int main(void) {
    char key[32];
    return read(open("/dev/cella/keys/data", O_RDONLY), key, sizeof(key)) != sizeof(key);
}
C
gcc -static-pie -O1 -o "$work/wait" "$work/wait.c"
printf '[enclave]\nthreads = 1\nheap = 1M\nstack = 128K\npath = /app/wait\n\n[key data]\n' >"$work/manifest"
"$cella" sign "$work/wait" -m "$work/manifest" -k "$work/sign.pem" -o "$work/wait.cella"
mkdir -p "$work/grants"
"$cella" run "$work/wait.cella" --request "$work/request" --grants "$work/grants" &
enclave=$!
trap 'kill $enclave 2>/dev/null || true; "$cella" platform stop || true' EXIT
for _ in $(seq 200); do [ -s "$work/request" ] && break; sleep 0.05; done
"$cella" platform key >"$work/platform.pem"
[ -s "$work/request" ]
