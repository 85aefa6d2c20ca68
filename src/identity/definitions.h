/* Roles of a vault's own making, beside those that are everywhere (access.h): Azure's custom role
 * definitions. A role is known by a GUID at a root scope, "/vault/NAME", and is assigned there and
 * below; cella_access_allows decides by both kinds alike.
 *
 * Functions of a session are part of its transaction: the caller commits. */
#ifndef CELLA_IDENTITY_DEFINITIONS_H
#define CELLA_IDENTITY_DEFINITIONS_H

#include <jansson.h>

#include "store/database.h"

enum {
    CELLA_ROLE_NAME_MAX = 128,
    CELLA_ROLES_MAX = 50, /* of one root, as Azure's limit is */
};

/* Azure's properties, checked: {"roleName", "description", "type": "CustomRole",
 * "assignableScopes": [...], "permissions": [{"actions": [], "notActions": [], "dataActions":
 * [...], "notDataActions": [...]}]}. Scopes are as the vault's people write them, below the root:
 * "/",
 * "/keys", "/keys/NAME". Data actions are those that some role of everywhere has whose actions
 * begin with prefix, or hold one "*" and stand for some of them; actions of management are none.
 * Unknown members are refused (K14). CELLA_ERR_USAGE says which member is off. */
CELLA_RESULT cella_role_properties_check(const json_t *properties, const char *prefix,
                                         json_t **normal);
/* New or again. CELLA_ERR_REFUSED: the id or name of a role of everywhere; CELLA_ERR_EXISTS:
 * another one there has the name; CELLA_ERR_LIMIT: too many; CELLA_ERR_USAGE: it is assigned where
 * the new scopes do not reach. properties: as checked. who: for `cella identity changes`. */
CELLA_RESULT cella_role_define(struct cella_session *session, const char *root, const char *id,
                               const json_t *properties, const char *who);
/* CELLA_ERR_NOT_FOUND; CELLA_ERR_REFUSED: it is assigned. */
CELLA_RESULT cella_role_undefine(struct cella_session *session, const char *root, const char *id,
                                 const char *who);
/* A list of {"id", "properties"}, by id; id NULL: all of the root. */
CELLA_RESULT cella_role_definitions(struct cella_session *session, const char *root, const char *id,
                                    json_t **out);
/* Whether a definition's assignableScopes hold a scope, both below the root. */
bool cella_role_reaches(const json_t *properties, const char *scope);

#endif
