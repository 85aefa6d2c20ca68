#!/usr/bin/env bash
# One static library a side, and the public headers, are enough for a host program and its enclave.
# Usage: libraries_test.sh CELLA SOURCE-ROOT LIBCELLA LIBCELLA-ENCLAVE
# shellcheck source=tests/sdk/lib.sh
source "$(dirname "$0")/lib.sh" "$1"
include=$2/include
cat >"$work/inside.c" <<'C'
#include <cella/inside.h>
static size_t run(struct cella_peer *peer, struct cella_slot *slot, uint32_t function, size_t size) {
    (void)peer, (void)slot, (void)function, (void)size;
    return 0;
}
int main(void) {
    const struct cella_inside inside = {.run = run};
    struct cella_result r = cella_serve(&inside);
    if (cella_failed(r)) cella_result_print(r);
    return cella_failed(r) ? 1 : 7;
}
C
cat >"$work/host.c" <<'C'
#include <cella/enclave.h>
#include <stdio.h>
int main(int argc, char **argv) {
    struct cella_enclave *e;
    struct cella_enclave_facts facts;
    struct cella_enclave_end end;
    const struct cella_enclave_settings settings = {.cella = argv[argc - 1]};
    struct cella_result r = cella_enclave_create(argv[1], &settings, &e);
    if (cella_failed(r)) return cella_result_print(r), 1;
    cella_enclave_describe(e, &facts);
    cella_enclave_destroy(e, 2000, &end);
    printf("%u threads, messages of %zu bytes, status %u\n", facts.threads, facts.message_size, end.status);
    return 0;
}
C
flags='-O2 -Wall -Wextra -Werror'
# shellcheck disable=SC2086
"${CC:-cc}" $flags -fPIE -static-pie -I"$include" -o "$work/inside" "$work/inside.c" "$4" -pthread
# shellcheck disable=SC2086
"${CC:-cc}" $flags -I"$include" -o "$work/host" "$work/host.c" "$3" -lcrypto -ljansson -lcbor -linih \
    -ltss2-esys -ltss2-mu -ltss2-tctildr -lIPSec_MB -lbearssl -lhogweed -lgmp -lpthread -lm
sign "$work/inside" app 'calls = 64K' 'threads = 2' 'heap = 1M'
said=$("$work/host" "$work/app.cella" "$cella")
[ "$said" = "2 threads, messages of 65504 bytes, status 7" ] || { echo "found: $said"; exit 1; }
