/* Authorities' URLs: one spelling for each (K01). */
#ifndef CELLA_VAULT_AUTHORITY_H
#define CELLA_VAULT_AUTHORITY_H

#include <stdbool.h>

enum { CELLA_AUTHORITY_MAX = 256 };

/* An https URL without user, query, fragment or a character beyond printable ASCII: its host in
 * lower case, without one slash at the end. False for all else. */
bool cella_authority_normal(const char *url, char out[CELLA_AUTHORITY_MAX]);
/* Whether both are such URLs and the same. */
bool cella_authority_same(const char *a, const char *b);

#endif
