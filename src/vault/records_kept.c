#include "vault/records_kept.h"

#include <stdio.h>
#include <stdlib.h>

enum { SEALED_MAX = 8192 /* larger ones are secrets and certificates of some size: not kept */ };

static bool copy(const struct cella_record *from, struct cella_record *to) {
    *to = *from;
    to->sealed = (struct cella_buffer){0};
    json_incref(to->public);
    json_incref(to->tags);
    struct cella_result r =
        from->sealed.size ? cella_buffer_append(&to->sealed, cella_buffer_bytes(&from->sealed))
                          : CELLA_SUCCESS;
    bool good = !cella_failed(r);
    cella_result_drop(r);
    if (!good) cella_record_free(to);
    return good;
}

/* Names of vaults and things have no '|'. */
static struct cella_bytes name_of(const struct record_asked *asked, char key[RECORD_KEY_MAX]) {
    int size =
        snprintf(key, RECORD_KEY_MAX, "record|%s|%d%d%d|%s|%s", asked->vault, (int)asked->kind,
                 asked->deleted, asked->sealed, asked->fold, asked->version);
    return cella_bytes(key, size > 0 && size < RECORD_KEY_MAX ? (size_t)size : 0);
}

bool record_recall(struct cella_session *session, const struct record_asked *asked,
                   struct cella_record *out) {
    char key[RECORD_KEY_MAX];
    const struct cella_record *kept = cella_session_recall(session, name_of(asked, key));
    return kept && copy(kept, out);
}

static void free_kept(void *object) {
    struct cella_record *record = object;
    cella_record_free(record);
    free(record);
}

void record_keep(struct cella_session *session, const struct record_asked *asked,
                 const struct cella_record *record) {
    char key[RECORD_KEY_MAX];
    struct cella_record *kept = record->sealed.size <= SEALED_MAX ? malloc(sizeof(*kept)) : NULL;
    if (kept && copy(record, kept))
        cella_session_keep(session, name_of(asked, key), kept, free_kept);
    else
        free(kept);
}
