/* Sessions with a token, lent to whoever works with it; inside of this part. */
#ifndef CELLA_HSM_SESSION_H
#define CELLA_HSM_SESSION_H

#include "hsm/hsm.h"
#include "hsm/place.h"

struct hsm_session {
    CK_FUNCTION_LIST *module;
    CK_SLOT_ID slot;
    CK_SESSION_HANDLE handle;
    bool writes; /* objects of the token */
    const char *label;
};

/* What is done in a session, with a key where there is one; the token's own answer. */
typedef CK_RV hsm_job(const struct hsm_session *session, CK_OBJECT_HANDLE key, void *context);
/* Runs a job in a session, with the key of an id, or 0 when id is NULL. Sessions and handles that
 * do not hold any more are taken anew, and the job runs again, when it may (again). out: what the
 * token said at the end, unless that it is gone (CELLA_ERR_UNAVAILABLE). CELLA_ERR_NOT_FOUND: no
 * such key. */
CELLA_RESULT hsm_run(struct cella_hsm *hsm, const uint8_t *id, bool writes, bool again,
                     hsm_job *job, void *context, CK_RV *out);

/* The schemes whose mechanism a token says that it has, a bit each (use.c); all of one that
 * does not say. */
uint32_t hsm_schemes(const struct hsm_place *place);

/* The one private or secret key of an id; CK_INVALID_HANDLE of none. */
CK_RV hsm_find(const struct hsm_session *session, const uint8_t id[CELLA_HSM_ID_SIZE],
               CK_OBJECT_HANDLE *out);

#endif
