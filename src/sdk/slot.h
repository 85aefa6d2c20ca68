/* One side's end of one slot of the call ring (abi/calls.h): wait for one's turn, read what the
 * other wrote, write, hand over. The same code in the host program and in the enclave; what the
 * other side may do to the shared memory is the same, too.
 *
 * Waiting spins first and then parks on the turn word. How long it spins, each end learns from its
 * own waits: long enough for what came soon, not at all for what never does.
 *
 * Threads: an end belongs to one thread at a time.
 */
#ifndef CELLA_SDK_SLOT_H
#define CELLA_SDK_SLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/calls.h"

struct cella_slot_end {
    uint8_t *host_slot; /* shared memory: every word is read once (R24) */
    size_t size;        /* bytes */
    uint32_t turn;      /* turns taken, as this end counts them: the only next value it believes */
    struct {
        uint32_t cycles; /* how long to spin, by the time-stamp counter */
        uint32_t misses; /* waits in a row that spun in vain and slept */
        uint32_t trial;  /* waits of a trial that are left; 0: none */
        uint32_t until;  /* short waits until the next one */
        uint32_t pause;  /* ...and from that to the one after */
    } spin;
};

/* A message's description; the enclave's copy of what the host wrote, or the other way round. */
struct cella_slot_message {
    uint32_t kind;     /* enum cella_calls_kind */
    uint32_t function; /* CALL */
    uint32_t status;   /* RETURN: enum cella_calls_status */
    uint64_t size;     /* bytes at cella_slot_data(), at most cella_slot_capacity() */
};

enum cella_slot_waited {
    CELLA_SLOT_TURN,    /* one's turn: *out is checked against the format */
    CELLA_SLOT_BROKEN,  /* the other side broke the format: an impossible turn, kind or size */
    CELLA_SLOT_STOPPED, /* *stop was set */
    CELLA_SLOT_LATE     /* the deadline passed; the turn may still come */
};

/* At the ring's beginning: the host then has the turn, the enclave waits for it. */
void cella_slot_init(struct cella_slot_end *end, uint8_t *host_slot, size_t size);
static inline uint8_t *cella_slot_data(const struct cella_slot_end *end) {
    return end->host_slot + CELLA_CALLS_AT_MESSAGE;
}
static inline size_t cella_slot_capacity(const struct cella_slot_end *end) {
    return end->size - CELLA_CALLS_AT_MESSAGE;
}

/* Writes the description and hands over; the message itself lies there already. */
void cella_slot_hand_over(struct cella_slot_end *end, const struct cella_slot_message *message);

/* Waits for the turn. stop: looked at while waiting, NULL for none; who sets it calls
 * cella_slot_stop() then. deadline_ns: of CLOCK_MONOTONIC; 0 for ever. */
enum cella_slot_waited cella_slot_wait(struct cella_slot_end *end, const bool *stop,
                                       uint64_t deadline_ns, struct cella_slot_message *out);
/* Looks once, without waiting: CELLA_SLOT_LATE when it is not the end's turn. */
enum cella_slot_waited cella_slot_look(struct cella_slot_end *end, struct cella_slot_message *out);

/* When the other side is gone: ends a wait on the slot of whoever has set its stop word. */
void cella_slot_stop(uint8_t *host_slot);

#endif
