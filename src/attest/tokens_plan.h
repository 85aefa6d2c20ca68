/* When keys are made, sign, and go: a pure function of their times and of the clock. For the files
 * of tokens only.
 *
 * The clock may jump, and comes back. So a key is not dropped by its dates, but when it was seen to
 * sign no more for twice its tokens' lifetime: from one look to the next at most TOKENS_STEP_S
 * count, however far the clock went, and a clock that goes back before the key's successor makes it
 * count anew. A key whose time to sign was set by a clock that ran ahead gets an earlier one. And
 * there are never more than TOKENS_KEYS of one instance: beyond that the newest signs on. */
#ifndef CELLA_ATTEST_TOKENS_PLAN_H
#define CELLA_ATTEST_TOKENS_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TOKENS_KEYS = 16,
    TOKENS_LEAD_S = 86400, /* a key is published this long before it signs; at most rotate / 4 */
    TOKENS_SKEW_S = 3600,  /* clients' and servers' clocks */
    TOKENS_STEP_S = 3600,  /* of ageing, from one look to the next */
    TOKENS_LOOK_S = 600,   /* looks that are closer are one */
    TOKENS_NONE = TOKENS_KEYS
};

struct token_times {
    unsigned algorithm;
    uint64_t signs_unix;  /* from when it signs */
    uint64_t ends_unix;   /* notAfter of its certificate */
    uint64_t lifetime_s;  /* the longest of its tokens */
    uint64_t looked_unix; /* when its age was counted last; 0: it signs, or will */
    uint64_t aged_s;      /* how long it was seen to sign no more */
};
struct token_rules {
    unsigned algorithm; /* keys of another sign no more */
    uint64_t rotate_s, lead_s;
};
struct token_plan {
    bool make;           /* a new key is needed ... */
    uint64_t signs_unix; /* ... that signs from then */
    size_t pull;         /* the key whose time is set to pull_unix, or TOKENS_NONE */
    uint64_t pull_unix;
    bool changed; /* any of these differs from the times given, or a key is dropped */
    uint64_t looked_unix[TOKENS_KEYS], aged_s[TOKENS_KEYS];
    bool drop[TOKENS_KEYS];
};

/* The key that signs now, of keys in the order of signs_unix; TOKENS_NONE: none can. */
size_t token_signer(const struct token_times *key, size_t count, unsigned algorithm,
                    uint64_t now_unix);
void token_plan_make(const struct token_times *key, size_t count, const struct token_rules *rules,
                     uint64_t now_unix, struct token_plan *plan);

#endif
