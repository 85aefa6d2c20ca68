/* Envelopes: the spellings in which evidence reaches us (docs/formats/envelopes.md): raw, hex,
 * base64, base64url, PEM, or a JSON object that carries the evidence and what goes with it. Strict
 * within each: one spelling per value (A32). For files of the evidence part and the command line.
 */
#ifndef CELLA_EVIDENCE_ENVELOPE_H
#define CELLA_EVIDENCE_ENVELOPE_H

#include <cella/verify.h>

#include "base/buffer.h"

enum { CELLA_PART_MAX = 16, CELLA_PART_NAME_MAX = 32 };

struct cella_part {
    char name[CELLA_PART_NAME_MAX]; /* "tpm_quote.msg", "vcek", ...; a value of JSON that is no text
                                       or list: as JSON */
    struct cella_bytes content;     /* of the envelope's store */
};

struct cella_envelope {
    struct cella_bytes evidence; /* view: of the input where that was raw, else of the store */
    uint32_t part_count;
    struct cella_part part[CELLA_PART_MAX];
    struct cella_buffer store; /* owned */
};
void cella_envelope_free(struct cella_envelope *envelope);
#define CELLA_ENVELOPE __attribute__((cleanup(cella_envelope_free))) struct cella_envelope

/* Decodes text in any spelling; CELLA_ERR_FORMAT when it is none of them. The result is another's
 * guess until a verifier has read it. Input of at most CELLA_EVIDENCE_INPUT_MAX bytes. */
CELLA_RESULT cella_envelope_open(struct cella_bytes input, struct cella_envelope *out);

#endif
