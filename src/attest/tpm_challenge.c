#include "attest/tpm_challenge.h"

#include <stdio.h>

#include "base/memory.h"
#include "base/reader.h"
#include "base/writer.h"
#include "crypto/digest.h"

enum {
    VERSION = 1,
    CALLER_SIZE = CELLA_SHA256_SIZE,
    CONTEXT_SIZE = 1 + CELLA_TPM_CHALLENGE_SIZE + 8 + CALLER_SIZE,
    NAME_SIZE = CELLA_ATTEST_NAME_MAX + 64
};

static const char *const steps[] = {
    "CREATE TABLE attest_tpm_challenges ("
    " instance TEXT NOT NULL, challenge BLOB NOT NULL, expires_unix BIGINT NOT NULL,"
    " PRIMARY KEY (instance, challenge))",
};

CELLA_RESULT cella_tpm_challenges_migrate(struct cella_database *database) {
    return cella_database_migrate(database, "attest_tpm", steps, sizeof(steps) / sizeof(steps[0]));
}

static void name_of(const struct cella_attest_instance *instance, char name[NAME_SIZE]) {
    snprintf(name, NAME_SIZE, "attest|%s|tpm challenge", instance->settings.name);
}

/* Who may use it: the same identity, though perhaps with a newer token. */
static struct cella_result caller_digest(const struct cella_caller *caller,
                                         uint8_t digest[CALLER_SIZE]) {
    static const struct cella_caller anonymous;
    const struct cella_caller *who = caller && caller->known ? caller : &anonymous;
    const struct cella_bytes parts[] = {cella_bytes(who->issuer, sizeof(who->issuer)),
                                        cella_bytes(who->tenant, sizeof(who->tenant)),
                                        cella_bytes(who->object, sizeof(who->object)),
                                        cella_bytes(who->app, sizeof(who->app))};
    CELLA_SHA256 sha = {0};
    TRY(cella_sha256_begin(&sha));
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        size_t size = 0;
        while (size < parts[i].size && parts[i].data[size]) size++;
        TRY(cella_sha256_add(&sha, cella_bytes(parts[i].data, size)));
        TRY(cella_sha256_add(&sha, cella_bytes("", 1))); /* parts do not run together */
    }
    return cella_sha256_end(&sha, digest);
}

CELLA_RESULT cella_tpm_challenge_new(const struct cella_attest_instance *instance,
                                     const struct cella_caller *caller, uint64_t now_unix,
                                     uint8_t challenge[CELLA_TPM_CHALLENGE_SIZE],
                                     struct cella_buffer *context) {
    uint8_t plain[CONTEXT_SIZE], who[CALLER_SIZE];
    char name[NAME_SIZE];
    struct cella_writer w = cella_writer(plain, sizeof(plain));
    TRY(cella_random(challenge, CELLA_TPM_CHALLENGE_SIZE));
    TRY(caller_digest(caller, who));
    cella_writer_u8(&w, VERSION);
    cella_writer_put(&w, cella_bytes(challenge, CELLA_TPM_CHALLENGE_SIZE));
    cella_writer_u64be(&w, now_unix + CELLA_TPM_CHALLENGE_LIFE_S);
    cella_writer_put(&w, CELLA_BYTES_OF(who));
    name_of(instance, name);
    return cella_sealer_seal(instance->sealer, name, cella_writer_bytes(&w), context);
}

/* --- Use --- */

/* Used ones are forgotten when they have ended: from then on their age refuses them. */
static struct cella_result mark_used(const struct cella_attest_instance *instance,
                                     struct cella_bytes challenge, uint64_t expires,
                                     uint64_t now_unix) {
    const struct cella_value ended[] = {cella_value_integer((int64_t)now_unix)};
    const struct cella_value used[] = {cella_value_text(instance->settings.name),
                                       cella_value_bytes(challenge),
                                       cella_value_integer((int64_t)expires)};
    CELLA_SESSION session = NULL;
    TRY(cella_session_begin(instance->database, true, &session));
    TRY(cella_execute(session, "DELETE FROM attest_tpm_challenges WHERE expires_unix < ?", ended, 1,
                      NULL));
    struct cella_result r = cella_execute(session,
                                          "INSERT INTO attest_tpm_challenges"
                                          " (instance, challenge, expires_unix) VALUES (?, ?, ?)",
                                          used, 3, NULL);
    if (cella_code_of(r) == CELLA_ERR_EXISTS) {
        cella_result_drop(r);
        FAIL(CELLA_ERR_EXISTS, "ask for a new challenge",
             "challenge: it was used before; each is good for one request");
    }
    TRY(r);
    return cella_session_commit(&session);
}

struct opened {
    struct cella_bytes challenge, who;
    uint64_t expires;
};

static struct cella_result open_context(const struct cella_attest_instance *instance,
                                        struct cella_bytes context, struct cella_secret *plain,
                                        struct opened *out) {
    char name[NAME_SIZE];
    name_of(instance, name);
    struct cella_result r = cella_sealer_unseal(instance->sealer, name, context, plain);
    if (cella_code_of(r) == CELLA_ERR_INTEGRITY || cella_code_of(r) == CELLA_ERR_FORMAT) {
        cella_result_drop(r);
        FAIL(CELLA_ERR_INTEGRITY, "send service_context back as it came with the challenge",
             "service_context: it is not one that this service made");
    }
    TRY(r);
    struct cella_reader reader = cella_reader(cella_secret_bytes(plain));
    uint8_t version = cella_reader_u8(&reader);
    out->challenge = cella_reader_bytes(&reader, CELLA_TPM_CHALLENGE_SIZE);
    out->expires = cella_reader_u64be(&reader);
    out->who = cella_reader_bytes(&reader, CALLER_SIZE);
    ENSURE(cella_reader_done(&reader) && version == VERSION, CELLA_ERR_INTEGRITY,
           "ask for a new challenge", "service_context: of another version");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_tpm_challenge_use(const struct cella_attest_instance *instance,
                                     const struct cella_caller *caller, uint64_t now_unix,
                                     struct cella_bytes challenge, struct cella_bytes context) {
    CELLA_SECRET plain = {0};
    struct opened opened = {0};
    uint8_t who[CALLER_SIZE];
    TRY(open_context(instance, context, &plain, &opened));
    TRY(caller_digest(caller, who));
    ENSURE(challenge.size == opened.challenge.size &&
               cella_equal(challenge.data, opened.challenge.data, challenge.size),
           CELLA_ERR_INTEGRITY, "answer with the challenge that came with this context",
           "challenge: it is not the one of service_context");
    ENSURE(cella_equal(opened.who.data, who, CALLER_SIZE), CELLA_ERR_PERMISSION,
           "ask for a challenge of your own", "challenge: it was given to another caller");
    ENSURE(now_unix <= opened.expires &&
               opened.expires - now_unix <= CELLA_TPM_CHALLENGE_LIFE_S + 60 /* clocks go back */,
           CELLA_ERR_EXPIRED, "ask for a new challenge",
           "challenge: it ended; each is good for %d seconds", CELLA_TPM_CHALLENGE_LIFE_S);
    return mark_used(instance, challenge, opened.expires, now_unix);
}
