/* vault_fill DATA FIRST COUNT: puts keys k00000FIRST ... into the vault of a development folder, by
 * the library's own records and seals, ten thousand to a transaction. The keys are P-256; their
 * material is the same one in each, sealed each for itself. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bench.h"
#include "store/database.h"
#include "store/sealer.h"
#include "vault/material.h"
#include "vault/records.h"

enum { AT_ONCE = 10000 };
static const char vault[] = "devvault";

struct filling {
    struct cella_database *database;
    struct cella_sealer *sealer;
    struct cella_material *material;
    struct cella_secret bytes;
    json_t *shown;
};

static CELLA_RESULT add_one(const struct filling *f, struct cella_session *session, long number) {
    char context[384];
    CELLA_RECORD record = {.kind = CELLA_RECORD_KEY,
                           .enabled = true,
                           .not_before = -1,
                           .expires = -1,
                           .created = time(NULL),
                           .updated = time(NULL),
                           .deleted = -1,
                           .purge_at = -1,
                           .public = json_incref(f->shown)};
    snprintf(record.name, sizeof(record.name), "k%07ld", number);
    TRY(cella_record_version(record.version));
    TRY(cella_record_context(vault, &record, context));
    TRY(cella_sealer_seal(f->sealer, context, cella_secret_bytes(&f->bytes), &record.sealed));
    return cella_records_add(session, vault, &record);
}

static CELLA_RESULT open_all(struct filling *f, const char *data) {
    char path[512];
    snprintf(path, sizeof(path), "%s/cella.db", data);
    TRY(cella_database_open(path, &f->database));
    TRY(cella_sealer_open("file:root.key", data, &f->sealer));
    TRY(cella_material_new(CELLA_MATERIAL_EC, CELLA_CURVE_P256, 0, 0, &f->material));
    TRY(cella_material_save(f->material, &f->bytes));
    json_t *members = cella_material_members(f->material);
    f->shown = json_pack("{s:s, s:[ss], s:i}", "kty", "EC", "key_ops", "sign", "verify", "bits",
                         (int)cella_material_bits(f->material));
    bool good = members && f->shown && json_object_update(f->shown, members) == 0;
    json_decref(members);
    ENSURE(good, CELLA_ERR_MEMORY, NULL, "no memory for a key");
    return CELLA_SUCCESS;
}

static CELLA_RESULT fill(const struct filling *f, long first, long count) {
    for (long i = 0; i < count;) {
        CELLA_SESSION session = NULL;
        TRY(cella_session_begin(f->database, true, &session));
        for (long end = i + AT_ONCE < count ? i + AT_ONCE : count; i < end; i++)
            TRY(add_one(f, session, first + i));
        TRY(cella_session_commit(&session));
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT run(int argc, char **argv) {
    struct filling f = {.database = NULL};
    ENSURE(argc == 4, CELLA_ERR_USAGE, NULL, "vault_fill DATA FIRST COUNT");
    struct cella_result r = open_all(&f, argv[1]);
    if (!cella_failed(r)) r = fill(&f, strtol(argv[2], NULL, 10), strtol(argv[3], NULL, 10));
    json_decref(f.shown);
    cella_secret_free(&f.bytes);
    cella_material_free(&f.material);
    cella_sealer_close(&f.sealer);
    cella_database_close(&f.database);
    return r;
}

int main(int argc, char **argv) {
    must(run(argc, argv));
    return 0;
}
