/* Signing keys in the store. */
#include <string.h>

#include "attest/tokens_inner.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "crypto/digest.h"

enum {
    YEAR_S = 366 * 86400,
    DAY_S = 86400,
    RESULT_S = 3600, /* life of the tokens about policies and certificates */
    RSA_BITS = 2048
};

static const char *const steps[] = {
    "CREATE TABLE attest_tokens_key ("
    " instance TEXT NOT NULL, kid TEXT NOT NULL, algorithm TEXT NOT NULL,"
    " made_unix BIGINT NOT NULL, signs_unix BIGINT NOT NULL, ends_unix BIGINT NOT NULL,"
    " lifetime_s BIGINT NOT NULL, looked_unix BIGINT NOT NULL, aged_s BIGINT NOT NULL,"
    " sealed BLOB NOT NULL, certificate BLOB NOT NULL, PRIMARY KEY (instance, kid))",
};

CELLA_RESULT tokens_migrate(const struct cella_tokens *tokens) {
    return cella_database_migrate(tokens->instance->database, "attest_tokens", steps,
                                  sizeof(steps) / sizeof(steps[0]));
}

void token_fresh_free(struct token_fresh *fresh) { cella_jose_key_free(&fresh->key); }
#define FRESH __attribute__((cleanup(token_fresh_free))) struct token_fresh

CELLA_RESULT token_kid(const struct cella_jose_key *key, char kid[TOKENS_KID]) {
    CELLA_BUFFER spki = {0}, text = {0};
    uint8_t digest[CELLA_SHA256_SIZE];
    TRY(cella_jose_key_spki_der(key, &spki));
    TRY(cella_sha256(cella_buffer_bytes(&spki), digest));
    TRY(cella_base64_encode(CELLA_BYTES_OF(digest), false, &text));
    ENSURE(text.size < TOKENS_KID, CELLA_ERR_INTERNAL, NULL, "a kid of %zu characters", text.size);
    memcpy(kid, text.data, text.size);
    kid[text.size] = 0;
    return CELLA_SUCCESS;
}

CELLA_RESULT token_context(const struct cella_tokens *tokens, const char *kid,
                           struct cella_buffer *out) {
    const char *parts[] = {"attest|", tokens->instance->settings.name, "|signing key|", kid};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        TRY(cella_buffer_append(out, cella_bytes_text(parts[i])));
    return cella_buffer_append(out, cella_bytes("", 1));
}

/* Evidence that the service's key lives in a TEE, where it does. */
static CELLA_RESULT own_evidence(const struct cella_attest_settings *settings,
                                 const struct cella_jose_key *key, struct cella_buffer *out) {
    CELLA_BUFFER spki = {0};
    if (!settings->evidence_over) return cella_buffer_append(out, settings->evidence);
    TRY(cella_jose_key_spki_der(key, &spki));
    return settings->evidence_over(settings->evidence_context, cella_buffer_bytes(&spki), out);
}

CELLA_RESULT token_certify(const struct cella_tokens *tokens, const struct cella_jose_key *key,
                           uint64_t made_unix, uint64_t ends_unix, struct cella_buffer *der) {
    const struct cella_attest_settings *settings = &tokens->instance->settings;
    CELLA_BUFFER evidence = {0};
    TRY(own_evidence(settings, key, &evidence));
    struct cella_jose_certificate as = {
        .common_name = settings->url,
        .not_before_unix = made_unix > DAY_S ? made_unix - DAY_S : 0,
        .not_after_unix = ends_unix,
        /* where Azure's own service shows that its key lives in a TEE (azure-attestation 2.2) */
        .extension_oid = evidence.size ? TOKENS_EVIDENCE_OID : NULL,
        .extension = cella_buffer_bytes(&evidence),
    };
    return cella_jose_certify(key, &as, der);
}

/* --- Reading --- */

static unsigned algorithm_of(struct cella_bytes name) {
    static const unsigned known[] = {CELLA_JOSE_RS256, CELLA_JOSE_ES256};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        const char *text = cella_jose_name(known[i]);
        if (name.size == strlen(text) && cella_equal(name.data, text, name.size)) return known[i];
    }
    return CELLA_JOSE_NONE;
}

static struct cella_value text_value(const char *text) { return cella_value_text(text); }
static struct cella_value time_value(uint64_t unix_s) {
    return cella_value_integer((int64_t)unix_s);
}

CELLA_RESULT tokens_rows(const struct cella_tokens *tokens, struct cella_session *session,
                         struct token_rows *out) {
    const struct cella_value name = text_value(tokens->instance->settings.name);
    CELLA_ROWS rows = NULL;
    bool there = false;
    *out = (struct token_rows){0};
    TRY(cella_query(session,
                    "SELECT kid, algorithm, signs_unix, ends_unix, lifetime_s, looked_unix,"
                    " aged_s"
                    " FROM attest_tokens_key WHERE instance = ? ORDER BY signs_unix, kid",
                    &name, 1, &rows));
    for (;;) {
        TRY(cella_rows_next(rows, &there));
        if (!there) return CELLA_SUCCESS;
        ENSURE(out->count < TOKENS_KEYS, CELLA_ERR_INTEGRITY, NULL,
               "instance %s has more than %d signing keys in the store",
               tokens->instance->settings.name, TOKENS_KEYS);
        struct token_row *row = &out->row[out->count++];
        ENSURE(cella_rows_text(rows, 0, row->kid, sizeof(row->kid)), CELLA_ERR_INTEGRITY, NULL,
               "a signing key's kid in the store is too long");
        row->times = (struct token_times){
            .algorithm = algorithm_of(cella_rows_bytes(rows, 1)),
            .signs_unix = (uint64_t)cella_rows_integer(rows, 2),
            .ends_unix = (uint64_t)cella_rows_integer(rows, 3),
            .lifetime_s = (uint64_t)cella_rows_integer(rows, 4),
            .looked_unix = (uint64_t)cella_rows_integer(rows, 5),
            .aged_s = (uint64_t)cella_rows_integer(rows, 6),
        };
    }
}

/* --- Changing --- */

static struct cella_result generate(const struct cella_tokens *tokens, struct token_fresh *fresh) {
    bool rsa = tokens->rules.algorithm == CELLA_JOSE_RS256;
    TRY(cella_jose_key_new(rsa ? CELLA_JOSE_RSA : CELLA_JOSE_P256, RSA_BITS, &fresh->key));
    return token_kid(fresh->key, fresh->kid);
}

/* A certificate outlives what its key signs by far: rotation may be late, tokens of TPMs live up to
 * a year, and no client should see one end. */
static uint64_t certificate_end(const struct cella_tokens *tokens, uint64_t signs_unix) {
    return signs_unix + 2 * tokens->rules.rotate_s + YEAR_S + 30 * DAY_S;
}

static struct cella_result insert(const struct cella_tokens *tokens, struct cella_session *session,
                                  const struct token_fresh *fresh, uint64_t now_unix,
                                  uint64_t signs_unix) {
    CELLA_BUFFER context = {0}, sealed = {0}, certificate = {0};
    CELLA_SECRET pkcs8 = {0};
    uint64_t ends_unix = certificate_end(tokens, signs_unix);
    TRY(token_context(tokens, fresh->kid, &context));
    TRY(cella_jose_key_export(fresh->key, &pkcs8));
    TRY(cella_sealer_seal(tokens->instance->sealer, (const char *)context.data,
                          cella_secret_bytes(&pkcs8), &sealed));
    TRY(token_certify(tokens, fresh->key, now_unix, ends_unix, &certificate));
    const struct cella_value argument[] = {
        text_value(tokens->instance->settings.name),
        text_value(fresh->kid),
        text_value(cella_jose_name(tokens->rules.algorithm)),
        time_value(now_unix),
        time_value(signs_unix),
        time_value(ends_unix),
        time_value(tokens->lifetime_s > RESULT_S ? tokens->lifetime_s : RESULT_S),
        cella_value_bytes(cella_buffer_bytes(&sealed)),
        cella_value_bytes(cella_buffer_bytes(&certificate)),
    };
    return cella_execute(session,
                         "INSERT INTO attest_tokens_key (instance, kid, algorithm, made_unix,"
                         " signs_unix, ends_unix, lifetime_s, looked_unix, aged_s, sealed,"
                         " certificate)"
                         " VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, ?, ?)",
                         argument, sizeof(argument) / sizeof(argument[0]), NULL);
}

static struct cella_result set_signs(const struct cella_tokens *tokens,
                                     struct cella_session *session, const char *kid,
                                     uint64_t signs_unix) {
    const struct cella_value argument[] = {
        time_value(signs_unix), text_value(tokens->instance->settings.name), text_value(kid)};
    return cella_execute(
        session, "UPDATE attest_tokens_key SET signs_unix = ? WHERE instance = ? AND kid = ?",
        argument, 3, NULL);
}

static struct cella_result set_age(const struct cella_tokens *tokens, struct cella_session *session,
                                   const char *kid, uint64_t looked_unix, uint64_t aged_s) {
    const struct cella_value argument[] = {time_value(looked_unix), time_value(aged_s),
                                           text_value(tokens->instance->settings.name),
                                           text_value(kid)};
    return cella_execute(session,
                         "UPDATE attest_tokens_key SET looked_unix = ?, aged_s = ?"
                         " WHERE instance = ? AND kid = ?",
                         argument, 4, NULL);
}

static struct cella_result drop(const struct cella_tokens *tokens, struct cella_session *session,
                                const char *kid) {
    const struct cella_value argument[] = {text_value(tokens->instance->settings.name),
                                           text_value(kid)};
    cella_log(CELLA_LOG_INFO, "attestation instance %s: signing key %s is forgotten",
              tokens->instance->settings.name, kid);
    return cella_execute(session, "DELETE FROM attest_tokens_key WHERE instance = ? AND kid = ?",
                         argument, 2, NULL);
}

static struct cella_result apply(const struct cella_tokens *tokens, struct cella_session *session,
                                 const struct token_rows *rows, const struct token_plan *plan) {
    if (plan->pull != TOKENS_NONE)
        TRY(set_signs(tokens, session, rows->row[plan->pull].kid, plan->pull_unix));
    for (size_t i = 0; i < rows->count; i++) {
        const struct token_row *row = &rows->row[i];
        if (plan->drop[i])
            TRY(drop(tokens, session, row->kid));
        else if (plan->looked_unix[i] != row->times.looked_unix ||
                 plan->aged_s[i] != row->times.aged_s)
            TRY(set_age(tokens, session, row->kid, plan->looked_unix[i], plan->aged_s[i]));
    }
    return CELLA_SUCCESS;
}

static struct cella_result plan_of(const struct cella_tokens *tokens, struct cella_session *session,
                                   uint64_t now_unix, struct token_rows *rows,
                                   struct token_plan *plan) {
    struct token_times times[TOKENS_KEYS];
    TRY(tokens_rows(tokens, session, rows));
    for (size_t i = 0; i < rows->count; i++) times[i] = rows->row[i].times;
    token_plan_make(times, rows->count, &tokens->rules, now_unix, plan);
    return CELLA_SUCCESS;
}

CELLA_RESULT tokens_carry_out(const struct cella_tokens *tokens, uint64_t now_unix) {
    struct token_rows rows;
    struct token_plan plan;
    FRESH fresh = {0};
    {
        CELLA_SESSION look = NULL;
        TRY(cella_session_begin(tokens->instance->database, false, &look));
        TRY(plan_of(tokens, look, now_unix, &rows, &plan));
    }
    if (!plan.make && !plan.changed && plan.pull == TOKENS_NONE) return CELLA_SUCCESS;
    /* An RSA key takes a tenth of a second to make: not while others wait for the store. */
    if (plan.make) TRY(generate(tokens, &fresh));
    CELLA_SESSION session = NULL;
    TRY(cella_session_begin(tokens->instance->database, true, &session));
    TRY(plan_of(tokens, session, now_unix, &rows, &plan)); /* another process may have been here */
    if (plan.make && fresh.key) TRY(insert(tokens, session, &fresh, now_unix, plan.signs_unix));
    TRY(apply(tokens, session, &rows, &plan));
    return cella_session_commit(&session);
}

CELLA_RESULT tokens_extend(const struct cella_tokens *tokens, const char *kid,
                           uint64_t lifetime_s) {
    const struct cella_value argument[] = {time_value(lifetime_s),
                                           text_value(tokens->instance->settings.name),
                                           text_value(kid), time_value(lifetime_s)};
    CELLA_SESSION session = NULL;
    TRY(cella_session_begin(tokens->instance->database, true, &session));
    TRY(cella_execute(session,
                      "UPDATE attest_tokens_key SET lifetime_s = ?"
                      " WHERE instance = ? AND kid = ? AND lifetime_s < ?",
                      argument, 4, NULL));
    return cella_session_commit(&session);
}

CELLA_RESULT tokens_certificate_store(const struct cella_tokens *tokens, const char *kid,
                                      struct cella_bytes der) {
    const struct cella_value argument[] = {
        cella_value_bytes(der), text_value(tokens->instance->settings.name), text_value(kid)};
    CELLA_SESSION session = NULL;
    TRY(cella_session_begin(tokens->instance->database, true, &session));
    TRY(cella_execute(session,
                      "UPDATE attest_tokens_key SET certificate = ? WHERE instance = ? AND kid = ?",
                      argument, 3, NULL));
    return cella_session_commit(&session);
}
