/* Where collateral is fetched from: services that speak Intel's PCS or PCCS v4 API, and AMD's KDS
 * API. */
#ifndef CELLA_COLLATERAL_SOURCES_H
#define CELLA_COLLATERAL_SOURCES_H

#include <cella/result.h>
#include <stddef.h>

enum cella_maker { CELLA_MAKER_INTEL, CELLA_MAKER_AMD };
enum { CELLA_SOURCE_MAX = 8, CELLA_SOURCE_URL = 256 };
#define CELLA_INTEL_PCS "https://api.trustedservices.intel.com"
#define CELLA_AMD_KDS   "https://kdsintf.amd.com"

struct cella_sources {
    size_t count;
    struct {
        enum cella_maker maker;
        char base[CELLA_SOURCE_URL]; /* no slash at the end */
    } source[CELLA_SOURCE_MAX];
};
/* https://HOST[:PORT][/PATH]; of a PCCS also with the /sgx/certification/v4/ that Intel's client is
 * configured with. */
CELLA_RESULT cella_sources_add(struct cella_sources *sources, enum cella_maker maker,
                               const char *url);
/* The makers' own, for the makers that no source was given of. */
CELLA_RESULT cella_sources_default(struct cella_sources *sources);

#endif
