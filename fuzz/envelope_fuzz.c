/* Evidence in any envelope, through detection and whichever verifier it finds, with built-in roots
 * alone. */
#include <cella/verify.h>
#include <stdlib.h>

#include "evidence/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile unsigned sum; /* so that every byte is read */

static unsigned touch(struct cella_bytes bytes) {
    unsigned all = 0;
    for (size_t i = 0; i < bytes.size; i++) all += bytes.data[i];
    return all;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    CELLA_ENVELOPE envelope = {0};
    CELLA_VERIFICATION verification = {0};
    const struct cella_evidence_options options = {.time_unix = 1750000000};
    struct cella_result r = cella_envelope_open(cella_bytes(data, size), &envelope);
    if (!cella_failed(r)) sum = touch(envelope.evidence);
    for (uint32_t i = 0; !cella_failed(r) && i < envelope.part_count; i++)
        sum += touch(envelope.part[i].content);
    cella_result_drop(r);
    r = cella_verify(cella_bytes(data, size), NULL, &options, &verification);
    if (cella_failed(r)) abort(); /* whatever the bytes are, there is a verdict */
    return 0;
}
