/* The transport: how a message gets to the other side of the border and its reply back.
 *
 * The marshalling (sdk/peer.h) knows messages and nothing of rings; a transport knows
 * slots and nothing of what is in a message. Both sides, host and enclave, use this same interface.
 *
 * A message is one contiguous run of bytes at the start of a slot: shared memory, aligned to
 * CELLA_SLOT_ALIGN, that the other side may read and change at any time. Request and reply use the
 * same slot: the callee has copied the request to its own memory before it writes the first byte of
 * the reply.
 *
 * The copies of one call, and there are no others:
 *     caller's buffers -> slot        by the marshalling, which builds the request in the slot
 *     slot -> callee's own memory     by the marshalling, once, before it looks at a byte (R24)
 *     callee's own memory -> slot     the reply's out buffers
 *     slot -> caller's buffers        each byte once; a length is read once and checked (R29)
 *
 * Slots of one call chain nest like a stack: while a callee runs an ecall it may begin an ocall,
 * and while the host runs that ocall it may begin an ecall. Such a nested message lies above the
 * outer one in the same stack of slots, on the same pair of threads, so that who is inside which
 * call is known to each side by its own stack alone (R09).
 *
 * What travels beside the message, in words of the transport's own: the function number, the size
 * of the request, the size of the reply. The transport reads each of them once and hands out its
 * copy; the marshalling checks them against the slot.
 */
#ifndef CELLA_SDK_TRANSPORT_H
#define CELLA_SDK_TRANSPORT_H

#include <cella/result.h>
#include <stddef.h>
#include <stdint.h>

/* 32: the turn word, the sizes and the first 32 bytes of a message share a cache line. */
enum { CELLA_SLOT_ALIGN = 32, CELLA_SLOT_MIN = 256 /* bytes every slot has at least */ };

struct cella_slot {
    uint8_t *host_data; /* aligned to CELLA_SLOT_ALIGN; both sides may change it */
    size_t capacity;    /* bytes at host_data, for the request and for the reply alike */
    uint64_t cookie;    /* the transport's own */
};

/* Set by the marshalling in the flags of a call. Hints: a transport may ignore them. */
enum {
    CELLA_CALL_SWITCHLESS = 1, /* transition_using_threads in the interface file */
};

struct cella_transport {
    /* Takes a slot on top of this thread's stack with room for size bytes (0 is fine). capacity is
     * all the room there is, often more than size, because the reply of a deep copy may be longer
     * than anybody knew before. CELLA_ERR_LIMIT when size is over what a slot can have, waits when
     * all slots are taken (back-pressure), CELLA_ERR_UNAVAILABLE when the other side is gone. */
    struct cella_result (*begin)(struct cella_transport *t, size_t size, struct cella_slot *slot)
        __attribute__((warn_unused_result));

    /* Sends the request, request_size bytes (<= capacity) at host_data, and waits for the reply.
     * Calls of the other side that arrive meanwhile for this stack are given to the service (below)
     * on this thread. *reply_size is the transport's one reading of it, at most capacity: a larger
     * value from the other side is CELLA_ERR_PROTOCOL. Fails also when the other side died. */
    struct cella_result (*call)(struct cella_transport *t, struct cella_slot *slot,
                                uint32_t function, uint32_t flags, size_t request_size,
                                size_t *reply_size) __attribute__((warn_unused_result));

    /* Gives the slot back; once for every begin that succeeded, newest first. */
    void (*end)(struct cella_transport *t, struct cella_slot *slot);
};

/* What a transport calls when a request arrives: cella_peer_serve() of sdk/peer.h behind a pointer,
 * so that transports need not link it. function and request_size are the transport's one reading of
 * them; slot->capacity is the room for the reply. Returns the reply's size, at most slot->capacity;
 * whatever was in the request, there is a reply, and it says what was wrong. Called on any thread,
 * on several at once. */
struct cella_peer;
typedef size_t cella_service_function(struct cella_peer *peer, struct cella_slot *slot,
                                      uint32_t function, size_t request_size);

#endif
