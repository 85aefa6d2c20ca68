/* Local reports: SGX's EREPORT and EGETKEY(report key), played by the platform (SDM
 * 3D 38.15, 38.17).
 *
 * The MAC key of a report is derived from a secret that lives as long as the daemon and from the
 * target's identity, so only the target, by asking the platform that made it, can check one; nobody
 * else can make one. */
#ifndef CELLA_PLATFORM_REPORT_H
#define CELLA_PLATFORM_REPORT_H

#include <cella/identity.h>
#include <cella/result.h>

#include "abi/sgx.h"
#include "base/secret.h"

struct cella_report_secret {
    struct cella_secret secret; /* 32 bytes, random per start of the platform */
    uint8_t key_id[32];         /* KEYID of this start's reports, public */
};

CELLA_RESULT cella_report_secret_new(struct cella_report_secret *out);
void cella_report_secret_free(struct cella_report_secret *secret);

/* TARGETINFO of an enclave: what others name it by. */
void cella_report_targetinfo(const struct cella_identity *identity,
                             uint8_t out[CELLA_SGX_TARGETINFO_SIZE]);
/* REPORT of identity for the target. Fails with CELLA_ERR_FORMAT when reserved fields of targetinfo
 * are not zero. */
CELLA_RESULT cella_report_make(const struct cella_report_secret *secret,
                               const struct cella_identity *identity, struct cella_bytes targetinfo,
                               struct cella_bytes report_data, uint8_t out[CELLA_SGX_REPORT_SIZE]);
/* CELLA_ERR_INTEGRITY unless the report was made with this secret for the target. */
CELLA_RESULT cella_report_verify(const struct cella_report_secret *secret,
                                 const struct cella_identity *target, struct cella_bytes report);

#endif
