/* A message while it is made or read: the pieces of memory that its pointers lead to, in the one
 * order that both sides know.
 *
 * Piece 0 is the struct of the parameters; the pieces behind its pointers follow in the order of
 * the members, then those behind their pointers, and so on: breadth first, one piece for each
 * pointer, NULL too. The list is the queue of the walk, so there is no recursion however deep
 * structs lead. Two pointers to the same memory are two pieces. (threats.md R30;
 * docs/formats/calls.md)
 */
#ifndef CELLA_SDK_MESSAGE_H
#define CELLA_SDK_MESSAGE_H

#include <stdbool.h>

#include "sdk/peer.h"
#include "sdk/scratch.h"
#include "sdk/size.h"

enum {
    CELLA_PIECE_LATE = 64, /* flag beside those of members: memory that the callee allocated */
    CELLA_PIECE_DEPTH_MAX = 1 << 16,
    CELLA_PIECES_MAX = 1 << 22,
    CELLA_MESSAGE_MAX = 1 << 30, /* bytes */
};

struct cella_piece {
    uint8_t *at;           /* this side's own memory; NULL: none */
    size_t size;           /* bytes; 0 when at is NULL */
    size_t request, reply; /* where it is in these */
    uint32_t elements, depth, first_child;
    uint16_t layout;
    uint16_t flags; /* CELLA_MEMBER_IN, _OUT, _STRING, _WSTRING, CELLA_PIECE_LATE */
};

/* What a reply begins with. */
enum cella_call_status {
    CELLA_CALL_DONE,
    CELLA_CALL_UNAGREED,  /* before both sides agreed on the interface */
    CELLA_CALL_UNKNOWN,   /* no such function */
    CELLA_CALL_REFUSED,   /* private, or not allowed during this ocall */
    CELLA_CALL_MALFORMED, /* the request is not what the interface says */
    CELLA_CALL_MEMORY,    /* the callee has not enough memory */
    CELLA_CALL_LIMIT,     /* the reply is larger than the slot */
    CELLA_CALL_RESULT,    /* the function returned a pointer or a size that it may not */
    CELLA_CALL_INTERFACE, /* the sides were built from different interfaces */
    CELLA_CALL_STATUS_COUNT
};
struct cella_reply_head {
    uint32_t status;
    int32_t error_number; /* errno of a function with propagate_errno */
    uint64_t reserved;    /* 0 */
};
_Static_assert(sizeof(struct cella_reply_head) == 16, "docs/formats/calls.md");

struct cella_message {
    const struct cella_peer *peer;
    const struct cella_call_interface *interface;
    const struct cella_call_member *result; /* or NULL */
    struct cella_piece *piece;              /* in scratch memory */
    uint32_t count, capacity;
    size_t request_size, reply_size; /* so far */
    size_t result_at;                /* in the reply */
    bool has_late;                   /* the callee allocates some of what comes back */
    uint32_t child;                  /* of a walk that goes along pieces that are there */
    enum cella_call_status wrong;    /* of the callee, when a step returned false */
    const char *what;                /* for the caller, likewise: static text */
    struct cella_piece first[8];     /* most calls have no more */
};

/* A message whose piece 0 is parameters, which may be NULL with layout 0. */
void cella_message_begin(struct cella_message *m, const struct cella_peer *peer, uint16_t layout,
                         void *parameters);
/* Sets what is wrong; always false. */
bool cella_message_wrong(struct cella_message *m, enum cella_call_status status, const char *what);
/* One more piece; parent is an index. NULL when there is no memory or too many. */
struct cella_piece *cella_message_push(struct cella_message *m, uint32_t parent,
                                       const struct cella_call_member *member);
/* Where size bytes go next, at *cursor: aligned to 16, large ones to 64. */
bool cella_message_place(size_t *cursor, size_t size, size_t *at);
/* The number of elements of a piece whose size is set; false when a part of one would be left. */
bool cella_message_elements(const struct cella_message *m, const struct cella_call_member *member,
                            struct cella_piece *piece);

/* Calls visit for every POINTER member of the elements of piece number parent, in order. The first
 * time, when visit pushes the pieces that these lead to, first_child is set before. */
typedef bool cella_visit(struct cella_message *m, uint32_t parent,
                         const struct cella_call_member *member, uint8_t *in);
bool cella_message_walk(struct cella_message *m, uint32_t parent, cella_visit *visit);

static inline const struct cella_call_layout *cella_layout(const struct cella_message *m,
                                                           uint16_t layout) {
    return &m->interface->layouts[layout];
}

/* ---- image.c: elements between this side's memory and a message ---- */

/* Writes a piece to shared memory: member by member where its type has gaps or pointers. A pointer
 * becomes the size of what it leads to when with_sizes, else 0; a handle is refused when it leads
 * into this side's memory (R27, R30). */
bool cella_image_write(struct cella_message *m, uint32_t piece, uint8_t *host_to, bool with_sizes);
/* The result of the parameters at `from`. */
bool cella_image_write_result(struct cella_message *m, uint8_t *host_to);
/* Reads a piece from shared memory, each byte once. Pointers stay as they are, and the sizes of
 * what they lead to as well, unless the callee allocated that: then sizes are read, and pointers
 * become the size of what they lead to, for the caller to replace. */
bool cella_image_read(struct cella_message *m, uint32_t piece, const uint8_t *host_from);
bool cella_image_read_result(struct cella_message *m, const uint8_t *host_from);
/* Whether all bool members of the piece are 0 or 1; others are undefined behaviour to read. */
bool cella_image_check(const struct cella_message *m, const struct cella_piece *piece);

/* Reads shared memory into this side's own. The compiler cannot read it a second time (R24). */
static inline void cella_fetch(void *to, const uint8_t *host_from, size_t size) {
    if (size) __builtin_memcpy(to, host_from, size);
    __asm__ volatile("" ::: "memory");
}

#endif
