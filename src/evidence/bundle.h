/* A bundle: collateral in one file, an archive as `tar` makes it (POSIX ustar; also the GNU form).
 * docs/formats/collateral.md. Bytes are kept exactly: signatures cover them. For files of the
 * evidence part and the command line. */
#ifndef CELLA_EVIDENCE_BUNDLE_H
#define CELLA_EVIDENCE_BUNDLE_H

#include <cella/bytes.h>
#include <cella/result.h>

#include "base/buffer.h"

enum { CELLA_BUNDLE_NAME_MAX = 101 };

struct cella_bundle_file {
    char name[CELLA_BUNDLE_NAME_MAX];
    struct cella_bytes content; /* view into the bundle */
};

/* Whether bytes begin as an archive does: the magic and the checksum of the first header. */
bool cella_bundle_is(struct cella_bytes bytes);
/* The next regular file at *at, which moves behind it; *found is false at the end. Folders, links
 * and extension headers are passed over. CELLA_ERR_FORMAT for a wrong checksum or size. */
CELLA_RESULT cella_bundle_next(struct cella_bytes bundle, size_t *at, struct cella_bundle_file *out,
                               bool *found);
/* Appends a file (the same input gives the same bytes), and the end. */
CELLA_RESULT cella_bundle_put(struct cella_buffer *bundle, const char *name,
                              struct cella_bytes content);
CELLA_RESULT cella_bundle_end(struct cella_buffer *bundle);

#endif
