/* The test enclave: serves the functions of calls.h by hand, without an interface file. Reads each
 * byte of the host's once. */
#include <cella/inside.h>
#include <linux/futex.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "abi/calls.h"
#include "calls.h"
#include "sdk/bulk.h"
#include "sdk/transport.h"

static __thread uint8_t *copy; /* of the request; as long as a slot */

static uint64_t number(size_t size) {
    uint64_t v = 0;
    memcpy(&v, copy, size < 8 ? size : 8);
    return v;
}

static void must(struct cella_result r) {
    if (!cella_failed(r)) return;
    cella_result_print(r);
    exit(3);
}

static size_t host_call(uint32_t function, const void *request, size_t size,
                        struct cella_slot *out) {
    struct cella_transport *t = cella_inside_transport();
    size_t reply;
    must(t->begin(t, size, out));
    cella_bulk_write(out->host_data, request, size);
    struct cella_result r = t->call(t, out, function, 0, size, &reply);
    if (cella_failed(r)) {
        cella_result_drop(r);
        reply = 0;
    }
    t->end(t, out);
    return reply;
}

static size_t forward(struct cella_slot *slot, size_t size) {
    uint32_t function;
    struct cella_slot inner;
    if (size < 4) return 0;
    memcpy(&function, copy, 4);
    /* The request of the inner call lies in private memory, and so must its reply. */
    uint8_t *request = malloc(size - 4 + 1);
    if (!request) exit(4);
    memcpy(request, copy + 4, size - 4);
    size_t n = host_call(function, request, size - 4, &inner);
    memmove(slot->host_data, inner.host_data, n);
    free(request);
    return n;
}

static size_t fill(struct cella_slot *slot, uint64_t count) {
    if (count > slot->capacity) return 0;
    memset(slot->host_data, 0xa5, count);
    return count;
}

static size_t put(struct cella_slot *slot, const void *from, size_t size) {
    cella_bulk_write(slot->host_data, from, size);
    return size;
}

static size_t sleep_ms(uint64_t ms) {
    nanosleep(&(struct timespec){(time_t)(ms / 1000), (long)(ms % 1000 * 1000000)}, NULL);
    return 0;
}

static size_t give(struct cella_slot *slot, uint64_t count) {
    if (count > slot->capacity) return 0;
    cella_bulk_write(slot->host_data, copy, count);
    return count;
}

/* What no honest enclave writes, by hand: kind, size, status, turn. */
static __attribute__((noreturn)) void break_format(struct cella_slot *slot, uint64_t how) {
    volatile uint32_t *word = (uint32_t *)(slot->host_data - CELLA_CALLS_AT_MESSAGE);
    word[CELLA_CALLS_AT_KIND / 4] = how == 0 ? 9 : CELLA_CALLS_RETURN;
    word[CELLA_CALLS_AT_STATUS / 4] = how == 1 ? CELLA_CALLS_STATUS_COUNT : 0;
    word[CELLA_CALLS_AT_SIZE / 4] = how == 2 ? UINT32_MAX : 0;
    word[CELLA_CALLS_AT_SIZE / 4 + 1] = how == 3;
    __atomic_fetch_add((uint32_t *)word, how == 4 ? 8 : 2, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
    for (;;) pause();
}

static size_t run(struct cella_peer *peer, struct cella_slot *slot, uint32_t function,
                  size_t size) {
    struct cella_slot inner;
    uint64_t sum = 0;
    uint32_t index = (uint32_t)slot->cookie;
    (void)peer;
    if (function == CALLS_EMPTY) return 0;
    if (!copy && !(copy = malloc(slot->capacity))) exit(4);
    memcpy(copy, slot->host_data, size);
    switch (function) {
    case CALLS_ECHO: return put(slot, copy, size);
    case CALLS_SUM:
        for (size_t i = 0; i < size; i++) sum += copy[i];
        return put(slot, &sum, sizeof(sum));
    case CALLS_FILL: return fill(slot, number(size));
    case CALLS_TAKE: return 0;
    case CALLS_GIVE: return give(slot, number(size));
    case CALLS_OCALLS:
        for (uint64_t n = number(size); n > 0; n--) host_call(CALLS_HOST_EMPTY, NULL, 0, &inner);
        return 0;
    case CALLS_OCALL: return forward(slot, size);
    case CALLS_SLEEP: return sleep_ms(number(size));
    case CALLS_SLEEP_THEN_OCALL:
        sleep_ms(number(size));
        host_call(CALLS_HOST_EMPTY, NULL, 0, &inner);
        fputs("went on\n", stderr);
        return 0;
    case CALLS_SPIN:
        for (;;) __asm__ volatile("pause");
    case CALLS_EXIT: exit((int)number(size));
    case CALLS_BREAK:
        if (number(size) >= 100) sleep_ms(number(size)); /* and then the size, say */
        break_format(slot, number(size) >= 100 ? 2 : number(size));
    case CALLS_CRASH: __builtin_trap();
    case CALLS_THREAD: return put(slot, &index, sizeof(index));
    case CALLS_LOG: return (size_t)fprintf(stderr, "%.*s\n", (int)size, (const char *)copy) * 0;
    default: return 0;
    }
}

int main(void) {
    const struct cella_inside inside = {.run = run};
    uint64_t base, size, here = (uint64_t)&inside, code = (uint64_t)main;
    struct cella_result known = cella_inside_range(&base, &size);
    /* where the range is known, this program is in it */
    if (!cella_failed(known) && (here - base >= size || code - base >= size)) return 5;
    cella_result_drop(known);
    must(cella_serve(&inside));
    return 42;
}
