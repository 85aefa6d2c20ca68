/* Where an HSM is: the PKCS #11 module, the token that a URI of RFC 7512 names, and its PIN. For
 * the files of this part; one place belongs to one thread at a time. */
#ifndef CELLA_HSM_PLACE_H
#define CELLA_HSM_PLACE_H

#include <p11-kit/p11-kit.h>
#include <p11-kit/uri.h>
#include <stdbool.h>

#include "base/secret.h"

enum { HSM_NAME_SIZE = 128 };

struct hsm_place {
    P11KitUri *uri;
    const char *folder;         /* borrowed: what a relative pin-source is relative to */
    CK_FUNCTION_LIST *single;   /* of module-path */
    CK_FUNCTION_LIST **modules; /* that p11-kit knows, NULL at the end */
    CK_FUNCTION_LIST *module;   /* the one that has the token */
    CK_SLOT_ID slot;
    CK_TOKEN_INFO info;
    char label[33], name[HSM_NAME_SIZE]; /* for messages: no PIN and no path to one (K25) */
    CK_SESSION_HANDLE session;           /* a login lasts as long as it does */
    bool open;
};

/* The URI alone: nothing is asked of the HSM. It must name a key, or must not. CELLA_ERR_USAGE. */
CELLA_RESULT hsm_place_read(const char *uri, const char *folder, bool names_key,
                            struct hsm_place *out);
/* Finds the token and logs in. CELLA_ERR_UNAVAILABLE: no module or token; CELLA_ERR_PERMISSION: it
 * refuses the PIN, and locks after a few such. */
CELLA_RESULT hsm_place_open(struct hsm_place *place);
/* The file of pin-source. */
CELLA_RESULT hsm_place_pin_path(const struct hsm_place *place, char *path, size_t size);
/* Logs out and lets the module go; it can be opened again. */
void hsm_place_leave(struct hsm_place *place);
void hsm_place_close(struct hsm_place *place);
#define HSM_PLACE __attribute__((cleanup(hsm_place_close))) struct hsm_place

#endif
