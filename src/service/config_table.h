/* The table of settings: where each goes, what it may be, its default. For the files of the
 * configuration. */
#ifndef CELLA_SERVICE_CONFIG_TABLE_H
#define CELLA_SERVICE_CONFIG_TABLE_H

#include "service/config.h"

enum cella_setting_type {
    CELLA_CONF_TEXT,
    CELLA_CONF_PATH,  /* relative to the data folder */
    CELLA_CONF_LOG,   /* none, stderr or a path */
    CELLA_CONF_URL,   /* an origin: https://HOST[:PORT] */
    CELLA_CONF_GUID,  /* in lower case */
    CELLA_CONF_BOOL,  /* yes or no */
    CELLA_CONF_COUNT, /* a number, min to max */
    CELLA_CONF_TIME,  /* RFC 3339, to seconds since 1970; 0: none */
    CELLA_CONF_ONE_LISTEN,
    CELLA_CONF_LISTEN,    /* a list of them */
    CELLA_CONF_WORDS,     /* a list */
    CELLA_CONF_PATHS,     /* a list */
    CELLA_CONF_MODE,      /* of an instance */
    CELLA_CONF_ALGORITHM, /* of its tokens */
    CELLA_CONF_SOURCES,   /* a list: none, or pcs=URL and kds=URL */
};
enum cella_setting_section {
    CELLA_SECTION_NONE,
    CELLA_SECTION_SERVER,
    CELLA_SECTION_TLS,
    CELLA_SECTION_STORE,
    CELLA_SECTION_AUDIT,
    CELLA_SECTION_IDENTITY,
    CELLA_SECTION_ISSUER,
    CELLA_SECTION_ATTEST,
    CELLA_SECTION_VAULT,
    CELLA_SECTION_AUTHORITY,
    CELLA_SECTION_COLLATERAL,
    CELLA_SECTION_COUNT
};
struct cella_setting_row {
    enum cella_setting_section section;
    const char *name;
    enum cella_setting_type type;
    size_t offset; /* in the section's struct */
    const char *initial;
    uint64_t min, max;
};
extern const struct cella_setting_row cella_setting_rows[];
extern const size_t cella_setting_row_count;
/* "server", "attest NAME" ... */
const char *cella_setting_section_name(enum cella_setting_section section);

#endif
