/* The server's certificates: read, watched, and where they are for development, issued by the
 * folder's own authority and renewed in time. One thread at a time. */
#ifndef CELLA_SERVICE_CERTIFICATES_H
#define CELLA_SERVICE_CERTIFICATES_H

#include "base/secret.h"
#include "service/config.h"
#include "service/hosts.h"

#define CELLA_SERVICE_CA     "ca.pem"
#define CELLA_SERVICE_CA_KEY "tls/ca.key"

struct cella_service_pair {
    const char *label; /* "default", or the name of the instance */
    char certificate_path[4096], key_path[4096];
    bool development;
    struct cella_buffer certificate; /* PEM, owned: of the files as they were taken last */
    struct cella_secret key;
    uint64_t not_before_unix, not_after_unix;
    uint8_t seen[32];   /* of the files, when they were looked at last */
    bool warned, stale; /* said already; seen but not taken */
};
struct cella_service_certificates {
    const char *folder;
    struct cella_service_hosts hosts;
    size_t count;
    struct cella_service_pair pair[1 + CELLA_SERVICE_ATTEST_MAX + CELLA_SERVICE_VAULT_MAX];
};

/* Reads every pair that the configuration names; development ones are issued first. With check
 * nothing is issued. */
CELLA_RESULT cella_service_certificates_open(const struct cella_service_config *config,
                                             uint64_t now_unix, bool check,
                                             struct cella_service_certificates **out);
void cella_service_certificates_free(struct cella_service_certificates **certificates);
/* The pair of an instance; NULL name: the default. */
struct cella_service_pair *cella_service_certificates_find(
    struct cella_service_certificates *certificates, const char *name);

/* Takes a changed pair for every site that has it. */
typedef struct cella_result cella_service_certify(void *context,
                                                  const struct cella_service_pair *pair,
                                                  struct cella_bytes certificate,
                                                  struct cella_bytes key);
/* Renews, and looks at the files; what changed and is taken by certify replaces what was. What is
 * not stays out, with a warning, and is tried again. Warns 30 days before a certificate expires. */
void cella_service_certificates_tend(struct cella_service_certificates *certificates,
                                     uint64_t now_unix, cella_service_certify *certify,
                                     void *context);

/* A first start: the authority, for these hosts. */
CELLA_RESULT cella_service_make_authority(const char *folder,
                                          const struct cella_service_hosts *hosts,
                                          uint64_t now_unix);

#endif
