/* Base64 as the guests' clients mix it: either alphabet, with padding or without
 * (azure-attestation 3); what bits say is still said in one way. */
#ifndef CELLA_ATTEST_LENIENT_H
#define CELLA_ATTEST_LENIENT_H

#include <jansson.h>

#include "base/buffer.h"

/* Appended. what: the member's name, for the error. */
CELLA_RESULT cella_lenient_base64(struct cella_bytes text, const char *what,
                                  struct cella_buffer *out);
/* Of a string member, replacing what is in out; absent or null gives nothing (required: an error).
 */
CELLA_RESULT cella_lenient_member(const json_t *object, const char *name, bool required,
                                  struct cella_buffer *out);
/* A string member as it stands, or empty. */
struct cella_bytes cella_lenient_text(const json_t *object, const char *name);

#endif
