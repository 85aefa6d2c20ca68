/* The call ring: memory that a host program and its enclave share, by which they call each other
 * (docs/formats/calls.md). A memfd of the host's, sealed against another size, mapped outside the
 * enclave's range. Its shape follows from the measured configuration alone: thread_count slots of
 * calls_size bytes each; nothing in the ring says how it is laid out (R24).
 *
 * A slot is one host thread and one enclave thread that take turns. Whose turn it is says the turn
 * word: n << 1 | parked, where n counts the turns taken since the ring was made. The host has the
 * slot while n is even, the enclave while it is odd; it begins at 0, with zeros. Who has it writes
 * a message and hands over by exchanging the word for (n + 1) << 1, and wakes the other where the
 * old word said that it is parked: who waits longer than it spins sets that bit by compare-and-swap
 * and sleeps on the word by a shared futex. All integers little-endian.
 */
#ifndef CELLA_ABI_CALLS_H
#define CELLA_ABI_CALLS_H

enum {
    CELLA_CALLS_VERSION = 1,
    CELLA_CALLS_SIZE_MIN = 65536, /* bytes of a slot, page aligned */
    CELLA_CALLS_SIZE_MAX = 32 << 20,

    /* a slot */
    CELLA_CALLS_AT_TURN = 0,     /* u32, above */
    CELLA_CALLS_AT_KIND = 4,     /* u32, enum cella_calls_kind */
    CELLA_CALLS_AT_FUNCTION = 8, /* u32, of the table of the side that is called */
    CELLA_CALLS_AT_STATUS = 12,  /* u32, enum cella_calls_status; RETURN only */
    CELLA_CALLS_AT_SIZE = 16,    /* u64, bytes of the message */
    CELLA_CALLS_AT_MESSAGE = 32,

    CELLA_CALLS_PARKED = 1,    /* bit of the turn word */
    CELLA_CALLS_DEPTH_MAX = 8, /* calls within calls on one slot */

    /* read of /dev/cella/calls */
    CELLA_CALLS_GEOMETRY = 32, /* u32 CELLA_CALLS_VERSION, u32 slots, u64 bytes of a slot; the
                                  enclave's own memory, outside of which the ring is: u64 first
                                  address, u64 bytes */
};
#define CELLA_CALLS_DEVICE "/dev/cella/calls"

enum cella_calls_kind {
    CELLA_CALLS_CALL = 1,  /* of a function of the other side's table */
    CELLA_CALLS_RETURN = 2 /* from the innermost call of the other side */
};

/* How a call ended, as the side that was called says. What the function itself has to say is in its
 * message. */
enum cella_calls_status {
    CELLA_CALLS_DONE = 0,
    CELLA_CALLS_REFUSED = 1,   /* not now: before HELLO, after GOODBYE, or a second of them (R11) */
    CELLA_CALLS_TOO_DEEP = 2,  /* more than CELLA_CALLS_DEPTH_MAX calls within calls */
    CELLA_CALLS_CANCELLED = 3, /* whoever called waits no longer */
    CELLA_CALLS_STATUS_COUNT
};

/* Functions of the ring's own; all others are the program's. */
#define CELLA_CALLS_OWN 0x80000000U /* and above; the program's are below */
/* The host's first call, on slot 0, once: u32 CELLA_CALLS_VERSION -> u32 slots served, from 0. */
#define CELLA_CALLS_HELLO (CELLA_CALLS_OWN + 0)
/* The host's last: serving ends and the program goes on. No message, either way. */
#define CELLA_CALLS_GOODBYE (CELLA_CALLS_OWN + 1)
enum { CELLA_CALLS_HELLO_SIZE = 4 /* bytes of both messages */ };

#endif
