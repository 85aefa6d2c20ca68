/* The signature checks that a verification makes, recorded and repeated: the raw cryptography that
 * it is measured against. A program with checks.c is linked with --wrap for
 * cella_verifykey_check and cella_verifykey_free. Recording is of one thread. */
#ifndef CELLA_BENCH_CHECKS_H
#define CELLA_BENCH_CHECKS_H

#include "base/buffer.h"
#include "crypto/verifykey.h"

enum { CHECKS = 32 };

struct checks {
    struct check {
        const struct cella_verifykey *key; /* kept: while recording, none is freed */
        enum cella_signature_algorithm algorithm;
        struct cella_buffer message, signature;
    } of[CHECKS];
    size_t count;
};

/* From now on every check goes into these too; NULL: no more. */
void checks_record(struct checks *checks);

/* All of them once more, without what is around them. */
void checks_repeat(const struct checks *checks);

#endif
