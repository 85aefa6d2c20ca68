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
    CELLA_CALLS_AT_FILLED = 24,  /* u64, bytes of it that are there */
    CELLA_CALLS_AT_MESSAGE = 32,

    CELLA_CALLS_PARKED = 1,    /* bit of the turn word */
    CELLA_CALLS_DEPTH_MAX = 8, /* calls within calls on one slot */

    /* read of /dev/cella/calls */
    CELLA_CALLS_GEOMETRY = 16, /* u32 CELLA_CALLS_VERSION, u32 slots, u64 bytes of a slot */
};
#define CELLA_CALLS_DEVICE "/dev/cella/calls"

enum cella_calls_kind {
    CELLA_CALLS_CALL = 1,  /* of a function of the other side's table */
    CELLA_CALLS_RETURN = 2 /* from the innermost call of the other side */
};

/* How a call ended, as the side that was called says. */
enum cella_calls_status {
    CELLA_CALLS_DONE = 0,
    CELLA_CALLS_UNKNOWN = 1,     /* no such function in the table */
    CELLA_CALLS_NOT_ALLOWED = 2, /* private, or not on the list of the call it is nested in (R09) */
    CELLA_CALLS_NOT_READY = 3,   /* before the tables were compared (R11) */
    CELLA_CALLS_MISMATCH = 4,    /* the two sides were made from different interfaces (R33) */
    CELLA_CALLS_MALFORMED = 5,   /* a message that the function does not take */
    CELLA_CALLS_NO_MEMORY = 6,
    CELLA_CALLS_TOO_DEEP = 7,
    CELLA_CALLS_CANCELLED = 8, /* whoever called waits no longer */
    CELLA_CALLS_STATUS_COUNT
};

enum {
    /* The first call of each ring, on slot 0: the host's SHA-256 of the interface, answered by
     * u32 number of slots that are served. */
    CELLA_CALLS_HELLO = 0xffffffff,
    CELLA_CALLS_DIGEST_SIZE = 32,
};

#endif
