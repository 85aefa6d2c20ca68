/* The enclave's side of the call ring: one thread per slot, for good. */
#include <cella/inside.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/reader.h"
#include "sdk/slot.h"
#include "sdk/transport.h"

enum { STACK_SIZE = 256 << 10, BROKEN_STATUS = 125 };

/* A slot's thread. Only that thread touches it (R10). */
struct worker {
    struct cella_slot_end end;
    uint32_t index;
    uint32_t depth; /* calls of this enclave that the host has not answered */
    pthread_t thread;
} __attribute__((aligned(64)));

static struct {
    struct cella_inside inside;
    uint8_t *host_ring;
    size_t slot_size;
    uint32_t slot_count; /* that there are */
    uint32_t slots;      /* that are served */
    uint64_t base, size; /* of the enclave's own memory */
    uint32_t state;      /* enum stage; changed by the thread of slot 0, read by all */
    struct worker *workers;
} ring;

enum stage { STAGE_NEW, STAGE_OPEN, STAGE_OVER }; /* R11 */

static __thread struct worker *self;

/* The host is not to be believed: nothing that depends on it goes on (R29: no clamping). */
static __attribute__((noreturn, format(printf, 1, 2))) void broken(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("cella: the host broke the format of calls: ", stderr);
    vfprintf(stderr, format, arguments);
    fputs("\n", stderr);
    va_end(arguments);
    _exit(BROKEN_STATUS);
}

static struct cella_slot slot_of(const struct worker *w) {
    return (struct cella_slot){.host_data = cella_slot_data(&w->end),
                               .capacity = cella_slot_capacity(&w->end),
                               .cookie = w->index};
}

static void await(struct worker *w, struct cella_slot_message *message) {
    if (cella_slot_wait(&w->end, NULL, 0, message) != CELLA_SLOT_TURN)
        broken("an impossible turn, kind or size in slot %u", w->index);
}

static void give_back(struct worker *w, uint32_t status, size_t size) {
    const struct cella_slot_message reply = {
        .kind = CELLA_CALLS_RETURN, .status = status, .size = size};
    cella_slot_hand_over(&w->end, &reply);
}

/* ---- serving ---- */

/* R06, R11: what is not in the range of the program's functions, or not now, never reaches them. */
static void execute(struct worker *w, const struct cella_slot_message *message) {
    struct cella_slot slot = slot_of(w);
    if (message->function >= CELLA_CALLS_OWN ||
        __atomic_load_n(&ring.state, __ATOMIC_ACQUIRE) != STAGE_OPEN) {
        give_back(w, CELLA_CALLS_REFUSED, 0);
        return;
    }
    size_t size = ring.inside.run(ring.inside.peer, &slot, message->function, message->size);
    if (size > slot.capacity) {
        fprintf(stderr, "cella: function %u answered %zu bytes in a slot of %zu\n",
                message->function, size, slot.capacity);
        abort();
    }
    give_back(w, CELLA_CALLS_DONE, size);
}

/* R09: what the host may call while this thread waits for it, the service decides, which knows what
 * it is inside of. */
static void serve_one(struct worker *w, const struct cella_slot_message *message) {
    if (message->kind != CELLA_CALLS_CALL) broken("an answer that nobody waits for");
    execute(w, message);
}

static void *work(void *arg) {
    struct cella_slot_message message;
    self = arg;
    for (;;) {
        await(self, &message);
        serve_one(self, &message);
    }
    return NULL;
}

/* ---- slot 0: the first and the last call ---- */

static void hello(struct worker *w, const struct cella_slot_message *message) {
    uint32_t version = 0, slots = ring.slots;
    if (ring.state != STAGE_NEW) {
        give_back(w, CELLA_CALLS_REFUSED, 0);
        return;
    }
    if (message->size == sizeof(version)) version = *(volatile uint32_t *)cella_slot_data(&w->end);
    if (version != CELLA_CALLS_VERSION)
        broken("it speaks version %u, this enclave %u", version, CELLA_CALLS_VERSION);
    __atomic_store_n(&ring.state, STAGE_OPEN, __ATOMIC_RELEASE);
    memcpy(cella_slot_data(&w->end), &slots, sizeof(slots));
    give_back(w, CELLA_CALLS_DONE, sizeof(slots));
}

static struct cella_result start_others(void) {
    pthread_attr_t attributes;
    size_t size = ring.inside.stack_size ? ring.inside.stack_size : STACK_SIZE;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int e = pthread_attr_setstacksize(&attributes, size);
    for (uint32_t i = 1; i < ring.slots && e == 0; i++)
        e = pthread_create(&ring.workers[i].thread, &attributes, work, &ring.workers[i]);
    pthread_attr_destroy(&attributes);
    ENSURE(e == 0, CELLA_ERR_MEMORY, "give the image more heap or fewer threads",
           "cannot start %u threads to serve calls: %s", ring.slots - 1, strerror(e));
    return CELLA_SUCCESS;
}

/* Until GOODBYE. */
static struct cella_result work_first(struct worker *w) {
    struct cella_slot_message message;
    self = w;
    for (;;) {
        await(w, &message);
        bool call = message.kind == CELLA_CALLS_CALL;
        if (call && message.function == CELLA_CALLS_HELLO) {
            bool first = ring.state == STAGE_NEW;
            hello(w, &message);
            if (first) TRY(start_others());
        } else if (call && message.function == CELLA_CALLS_GOODBYE && ring.state == STAGE_OPEN) {
            __atomic_store_n(&ring.state, STAGE_OVER, __ATOMIC_RELEASE);
            give_back(w, CELLA_CALLS_DONE, 0);
            break;
        } else {
            serve_one(w, &message);
        }
    }
    self = NULL;
    return CELLA_SUCCESS;
}

/* Once; the first caller is alone. */
static struct cella_result open_ring(void) {
    uint8_t geometry[CELLA_CALLS_GEOMETRY];
    if (ring.host_ring) return CELLA_SUCCESS;
    int fd = open(CELLA_CALLS_DEVICE, O_RDWR | O_CLOEXEC);
    ENSURE(fd >= 0, CELLA_ERR_UNAVAILABLE,
           "start it from a program that is linked with libcella; its image needs `calls`",
           "no host program makes calls here (%s: %s)", CELLA_CALLS_DEVICE, strerror(errno));
    bool known = read(fd, geometry, sizeof(geometry)) == sizeof(geometry);
    struct cella_reader r = cella_reader(CELLA_BYTES_OF(geometry));
    uint32_t version = cella_reader_u32le(&r);
    ring.slot_count = cella_reader_u32le(&r);
    ring.slot_size = cella_reader_u64le(&r);
    ring.base = cella_reader_u64le(&r);
    ring.size = cella_reader_u64le(&r);
    size_t size = ring.slot_size * ring.slot_count;
    void *p = known ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
    close(fd);
    ENSURE(known && version == CELLA_CALLS_VERSION && p != MAP_FAILED, CELLA_ERR_UNSUPPORTED,
           "sign the program again with this release", "cannot map %s", CELLA_CALLS_DEVICE);
    ring.host_ring = p;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_inside_range(uint64_t *base, uint64_t *size) {
    TRY(open_ring());
    *base = ring.base;
    *size = ring.size;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_serve(const struct cella_inside *inside) {
    ENSURE(!ring.workers, CELLA_ERR_EXISTS, NULL, "cella_serve serves once");
    TRY(open_ring());
    ring.inside = *inside;
    bool fewer = inside->threads && inside->threads < ring.slot_count;
    ring.slots = fewer ? inside->threads : ring.slot_count;
    ring.workers = aligned_alloc(64, ring.slots * sizeof(struct worker));
    ENSURE(ring.workers, CELLA_ERR_MEMORY, "give the image more heap", "no memory for %u slots",
           ring.slots);
    for (uint32_t i = 0; i < ring.slots; i++) {
        struct worker *w = &ring.workers[i];
        *w = (struct worker){.index = i};
        cella_slot_init(&w->end, ring.host_ring + i * ring.slot_size, ring.slot_size);
    }
    return work_first(&ring.workers[0]);
}

/* ---- calling the host ---- */

static struct cella_result begin(struct cella_transport *t, size_t size, struct cella_slot *slot) {
    (void)t;
    ENSURE(self, CELLA_ERR_UNAVAILABLE, "call the host from the thread that serves its call",
           "this thread serves no call of the host");
    ENSURE(size <= cella_slot_capacity(&self->end), CELLA_ERR_LIMIT,
           "sign the image with larger calls", "a message of %zu bytes does not fit a slot of %zu",
           size, cella_slot_capacity(&self->end));
    *slot = slot_of(self);
    return CELLA_SUCCESS;
}

static struct cella_result call(struct cella_transport *t, struct cella_slot *slot,
                                uint32_t function, uint32_t flags, size_t request_size,
                                size_t *reply_size) {
    struct cella_slot_message message;
    struct worker *w = self;
    (void)t;
    (void)flags; /* switchless is what calls are */
    *reply_size = 0;
    ENSURE(w && slot->cookie == w->index && request_size <= slot->capacity &&
               function < CELLA_CALLS_OWN,
           CELLA_ERR_USAGE, NULL, "a call of function %u with %zu bytes does not fit its slot",
           function, request_size);
    ENSURE(w->depth < CELLA_CALLS_DEPTH_MAX, CELLA_ERR_LIMIT, NULL,
           "more than %d calls within calls", CELLA_CALLS_DEPTH_MAX);
    w->depth++;
    const struct cella_slot_message request = {
        .kind = CELLA_CALLS_CALL, .function = function, .size = request_size};
    cella_slot_hand_over(&w->end, &request);
    for (;;) {
        await(w, &message);
        if (message.kind == CELLA_CALLS_RETURN) break;
        execute(w, &message);
    }
    w->depth--;
    ENSURE(message.status == CELLA_CALLS_DONE, CELLA_ERR_REFUSED, NULL,
           "the host took no call of function %u (status %u)", function, message.status);
    *reply_size = message.size;
    return CELLA_SUCCESS;
}

static void end(struct cella_transport *t, struct cella_slot *slot) { (void)t, (void)slot; }

struct cella_transport *cella_inside_transport(void) {
    static struct cella_transport transport = {.begin = begin, .call = call, .end = end};
    return &transport;
}

struct cella_peer *cella_host_peer(void) {
    return ring.inside.peer;
}
