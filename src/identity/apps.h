/* The applications that the embedded issuer knows, and what each proves itself with: secrets,
 * certificates, tokens of other issuers. Also for commands, while a server runs on the same
 * database; every change is recorded in identity_change with who made it. */
#ifndef CELLA_IDENTITY_APPS_H
#define CELLA_IDENTITY_APPS_H

#include <jansson.h>

#include "base/secret.h"
#include "store/database.h"

enum {
    CELLA_ID_TEXT = 64,
    CELLA_APP_NAME_MAX = 120,
    CELLA_APP_SECRETS_MAX = 16, /* of each application; so many certificates and federations too */
    CELLA_APP_DAYS = 365,       /* that a secret holds */
    CELLA_APP_DAYS_MAX = 730,
};

struct cella_app {
    char client[CELLA_ID_TEXT], object[CELLA_ID_TEXT]; /* GUIDs in lower case */
    char name[CELLA_APP_NAME_MAX + 1];
};

/* A new application with one secret that holds for CELLA_APP_DAYS_MAX: for a first start. */
CELLA_RESULT cella_apps_new(struct cella_database *database, const char *name,
                            char client[CELLA_ID_TEXT], char object[CELLA_ID_TEXT],
                            struct cella_secret *secret);
/* name: printable ASCII, unique. client: a GUID, or NULL to make one. */
CELLA_RESULT cella_app_create(struct cella_database *database, const char *name, const char *client,
                              struct cella_app *out);
/* By client id, object id or name. */
CELLA_RESULT cella_app_find(struct cella_database *database, const char *word,
                            struct cella_app *out);
/* With all it has, and its assignments: tokens made before allow nothing any more. */
CELLA_RESULT cella_app_delete(struct cella_database *database, const struct cella_app *app);

/* secret: text of 44 characters, without NUL, that is shown here and kept nowhere. */
CELLA_RESULT cella_app_secret_create(struct cella_database *database, const struct cella_app *app,
                                     unsigned days, char id[CELLA_ID_TEXT],
                                     struct cella_secret *secret);
CELLA_RESULT cella_app_secret_delete(struct cella_database *database, const struct cella_app *app,
                                     const char *id);
/* The first certificate of a PEM text: RSA of 2048 bits or more, or P-256. thumbprint: SHA-256,
 * hex. */
CELLA_RESULT cella_app_certificate_add(struct cella_database *database, const struct cella_app *app,
                                       struct cella_bytes pem, char thumbprint[65]);
CELLA_RESULT cella_app_certificate_delete(struct cella_database *database,
                                          const struct cella_app *app, const char *thumbprint);
/* Tokens of an external issuer stand for the application when iss, sub and aud are these. */
struct cella_app_federation {
    const char *issuer, *subject, *audience;
};
CELLA_RESULT cella_app_federation_add(struct cella_database *database, const struct cella_app *app,
                                      const struct cella_app_federation *federation);
CELLA_RESULT cella_app_federation_delete(struct cella_database *database,
                                         const struct cella_app *app,
                                         const struct cella_app_federation *federation);

/* Lists of objects, new; of all applications or of one (client). Nothing secret is in them. */
CELLA_RESULT cella_apps_list(struct cella_database *database, json_t **out);
CELLA_RESULT cella_app_secrets_list(struct cella_database *database, const char *client,
                                    json_t **out);
CELLA_RESULT cella_app_certificates_list(struct cella_database *database, const char *client,
                                         json_t **out);
CELLA_RESULT cella_app_federations_list(struct cella_database *database, const char *client,
                                        json_t **out);
/* object NULL: all. */
CELLA_RESULT cella_access_list(struct cella_database *database, const char *object, json_t **out);
/* The newest changes first, up to count. */
CELLA_RESULT cella_identity_changes(struct cella_database *database, size_t count, json_t **out);

#endif
