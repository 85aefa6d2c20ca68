/* Assignments of roles one by one, by the names that Azure gives them: GUIDs, of which a root scope
 * ("/vault/NAME") has each once. The same rows as access.h's, which decide.
 *
 * Functions of a session are part of its transaction: the caller commits. */
#ifndef CELLA_IDENTITY_ASSIGNMENTS_H
#define CELLA_IDENTITY_ASSIGNMENTS_H

#include "identity/apps.h"

struct cella_assignment {
    char name[CELLA_ID_TEXT]; /* GUID in lower case; "" of a new one: made */
    char object[128];         /* who */
    char role[128 + 1];       /* GUID in lower case; of a new one also its name */
    char role_name[128 + 1];  /* out */
    char scope[512];          /* where, and all below */
    char issuer[256];         /* of its tokens alone; "": of any */
};

/* 8-4-4-4-12 hex digits of either case, as lower case; false for all else. */
bool cella_guid_read(const char *text, char out[CELLA_ID_TEXT]);

/* Checked, and brought to their one form in place. CELLA_ERR_NOT_FOUND: there is no such role;
 * CELLA_ERR_USAGE: a form, or a scope that the role is not for; CELLA_ERR_EXISTS: the name is in
 * use, or the same is assigned already. role: also by name. who NULL: the user of this process. */
CELLA_RESULT cella_assignment_add(struct cella_session *session,
                                  struct cella_assignment *assignment, const char *who);
/* The one of this name at exactly that scope; CELLA_ERR_NOT_FOUND. */
CELLA_RESULT cella_assignment_find(struct cella_session *session, const char *scope,
                                   const char *name, struct cella_assignment *out);
/* As found; CELLA_ERR_NOT_FOUND when it is gone. */
CELLA_RESULT cella_assignment_remove(struct cella_session *session,
                                     const struct cella_assignment *assignment, const char *who);

/* Those of scope's root that are at the scope or above it, or, unless at_or_above, below it; of one
 * object when it is given. By name, from behind `after`: *count of them, at most max. */
struct cella_assignments_wish {
    const char *scope, *object /* NULL: of all */, *after /* "": from the start */;
    bool at_or_above;
};
CELLA_RESULT cella_assignments_list(struct cella_session *session,
                                    const struct cella_assignments_wish *wish,
                                    struct cella_assignment *out, size_t max, size_t *count);

#endif
