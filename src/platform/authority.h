/* What the platform vouches with, and the answers it gives an enclave (abi/platcall.h): SGX's part,
 * played.
 *
 * Pure of sockets and processes: a request's bytes and the caller's identity in, a reply's bytes
 * out.
 */
#ifndef CELLA_PLATFORM_AUTHORITY_H
#define CELLA_PLATFORM_AUTHORITY_H

#include "base/buffer.h"
#include "evidence/software.h"
#include "platform/assurance.h"
#include "platform/report.h"
#include "platform/root.h"
#include "platform/state.h"

struct cella_authority {
    struct cella_state state;
    struct cella_report_secret report;
    struct cella_software_signer *signer;
    struct cella_settings_source settings;
    struct cella_root_evidence root;
};

/* Who asks: known by the channel, set by the monitor when it started the enclave. */
struct cella_caller {
    struct cella_identity identity;
    uint8_t instance_id[16];
    bool memory_secret;
};

/* Takes an opened state; prepares root evidence (root_spec: as cella_root_open) and signer.
 * settings_root is "" but in tests. */
CELLA_RESULT cella_authority_open(struct cella_authority *authority, const char *root_spec,
                                  const char *settings_root);
/* Makes the signer anew, of authority->root and its key. Called by _open; apart for tests, which
 * have no confidential VM. */
CELLA_RESULT cella_authority_use_root(struct cella_authority *authority);
void cella_authority_close(struct cella_authority *authority);

/* Appends the reply. A failure means that the request was malformed and its enclave must end; a
 * refusal of a well-formed request is a reply with its code. */
CELLA_RESULT cella_authority_answer(struct cella_authority *authority,
                                    const struct cella_caller *caller, struct cella_bytes request,
                                    struct cella_buffer *reply);

#endif
