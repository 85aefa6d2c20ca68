#include "attest/managers.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/moment.h"
#include "base/text.h"
#include "crypto/chain.h"
#include "crypto/digest.h"

enum {
    DIGEST_TEXT = 2 * CELLA_SHA256_SIZE + 1,
    CONTEXT_SIZE = CELLA_ATTEST_NAME_MAX + DIGEST_TEXT + 40,
    SOON_S = 30 * 86400 /* an end that near is said at start */
};

void cella_managers_free(struct cella_managers *managers) {
    for (size_t i = 0; i < managers->count; i++) cella_buffer_free(&managers->item[i].der);
    managers->count = 0;
}

static bool is_same(struct cella_bytes a, struct cella_bytes b) {
    return a.size == b.size && cella_equal(a.data, b.data, a.size);
}

static struct cella_result names_of(const struct cella_attest_instance *instance,
                                    struct cella_bytes der, char digest[DIGEST_TEXT],
                                    char context[CONTEXT_SIZE]) {
    uint8_t bytes[CELLA_SHA256_SIZE];
    TRY(cella_sha256(der, bytes));
    cella_hex_encode(CELLA_BYTES_OF(bytes), digest);
    snprintf(context, CONTEXT_SIZE, "attest|%s|policy certificate|%s", instance->settings.name,
             digest);
    return CELLA_SUCCESS;
}

/* --- The store --- */

static struct cella_result read_one(const struct cella_attest_instance *instance,
                                    const struct cella_rows *rows, struct cella_managers *out) {
    char context[CONTEXT_SIZE], digest[DIGEST_TEXT], again[DIGEST_TEXT];
    CELLA_SECRET opened = {0};
    ENSURE(out->count < CELLA_MANAGERS_MAX, CELLA_ERR_INTEGRITY, NULL,
           "attestation instance %s has more than %d policy management certificates",
           instance->settings.name, CELLA_MANAGERS_MAX);
    ENSURE(cella_rows_text(rows, 0, digest, sizeof(digest)), CELLA_ERR_INTEGRITY, NULL,
           "the digest of a policy management certificate in the store is too long");
    snprintf(context, sizeof(context), "attest|%s|policy certificate|%s", instance->settings.name,
             digest);
    TRY_IN(cella_sealer_unseal(instance->sealer, context, cella_rows_bytes(rows, 1), &opened),
           "policy management certificate %s of attestation instance %s", digest,
           instance->settings.name);
    size_t index = out->count++;
    struct cella_buffer *der = &out->item[index].der;
    *der = (struct cella_buffer){0};
    TRY(cella_buffer_append(der, cella_secret_bytes(&opened)));
    TRY(names_of(instance, cella_buffer_bytes(der), again, context));
    ENSURE(strcmp(digest, again) == 0, CELLA_ERR_INTEGRITY, "restore the database from a backup",
           "policy management certificate %s is another in the store", digest);
    return cella_certificate_parse(cella_buffer_bytes(der), &out->item[index].x509);
}

CELLA_RESULT cella_managers_read(const struct cella_attest_instance *instance,
                                 struct cella_session *session, struct cella_managers *out) {
    const struct cella_value name = cella_value_text(instance->settings.name);
    CELLA_ROWS rows = NULL;
    bool there = false;
    out->count = 0;
    TRY(cella_query(session,
                    "SELECT digest, sealed FROM attest_policies_certificate WHERE instance = ?"
                    " ORDER BY position, digest",
                    &name, 1, &rows));
    for (;;) {
        TRY(cella_rows_next(rows, &there));
        if (!there) return CELLA_SUCCESS;
        TRY(read_one(instance, rows, out));
    }
}

static struct cella_result next_position(const struct cella_attest_instance *instance,
                                         struct cella_session *session, int64_t *position) {
    const struct cella_value name = cella_value_text(instance->settings.name);
    CELLA_ROWS rows = NULL;
    bool there = false;
    TRY(cella_query(session,
                    "SELECT COALESCE(MAX(position), 0) FROM attest_policies_certificate"
                    " WHERE instance = ?",
                    &name, 1, &rows));
    TRY(cella_rows_next(rows, &there));
    *position = there ? cella_rows_integer(rows, 0) + 1 : 1;
    return CELLA_SUCCESS;
}

static struct cella_result insert(const struct cella_attest_instance *instance,
                                  struct cella_session *session, struct cella_bytes der) {
    char digest[DIGEST_TEXT], context[CONTEXT_SIZE];
    CELLA_BUFFER sealed = {0};
    int64_t position = 0;
    TRY(names_of(instance, der, digest, context));
    TRY(cella_sealer_seal(instance->sealer, context, der, &sealed));
    TRY(next_position(instance, session, &position));
    const struct cella_value row[] = {cella_value_text(instance->settings.name),
                                      cella_value_text(digest), cella_value_integer(position),
                                      cella_value_bytes(cella_buffer_bytes(&sealed))};
    return cella_execute(
        session,
        "INSERT INTO attest_policies_certificate (instance, digest, position, sealed)"
        " VALUES (?, ?, ?, ?)",
        row, 4, NULL);
}

/* --- Adding and removing --- */

/* What can sign a policy later, or vouch for who does. */
static struct cella_result check_usable(struct cella_bytes der, uint64_t now_unix) {
    struct cella_certificate x509;
    struct cella_jose_key *key = NULL;
    char end[CELLA_TIME_TEXT];
    TRY_IN(cella_certificate_parse(der, &x509), "policy management certificate");
    TRY_IN(cella_jose_key_certificate(der, &key), "policy management certificate");
    cella_jose_key_free(&key);
    cella_time_show(x509.not_after_unix, end);
    ENSURE(now_unix <= x509.not_after_unix, CELLA_ERR_REFUSED, "give one that is valid",
           "the policy management certificate ended %s", end);
    return CELLA_SUCCESS;
}

static size_t find(const struct cella_managers *managers, struct cella_bytes der) {
    for (size_t i = 0; i < managers->count; i++)
        if (is_same(cella_buffer_bytes(&managers->item[i].der), der)) return i;
    return managers->count;
}

CELLA_RESULT cella_managers_add(const struct cella_attest_instance *instance,
                                struct cella_session *session,
                                const struct cella_managers *managers, struct cella_bytes der,
                                uint64_t now_unix) {
    if (find(managers, der) < managers->count) return CELLA_SUCCESS;
    ENSURE(managers->count < CELLA_MANAGERS_MAX, CELLA_ERR_LIMIT, "remove one first",
           "there are %zu policy management certificates, expected at most %d", managers->count,
           CELLA_MANAGERS_MAX);
    TRY(check_usable(der, now_unix));
    return insert(instance, session, der);
}

static bool is_valid(const struct cella_certificate *x509, uint64_t now_unix) {
    return now_unix >= x509->not_before_unix && now_unix <= x509->not_after_unix;
}

CELLA_RESULT cella_managers_remove(const struct cella_attest_instance *instance,
                                   struct cella_session *session,
                                   const struct cella_managers *managers, struct cella_bytes der,
                                   uint64_t now_unix) {
    char digest[DIGEST_TEXT], context[CONTEXT_SIZE];
    size_t index = find(managers, der), remaining = 0;
    if (index == managers->count) return CELLA_SUCCESS;
    for (size_t i = 0; i < managers->count; i++)
        if (i != index && is_valid(&managers->item[i].x509, now_unix)) remaining++;
    ENSURE(remaining, CELLA_ERR_REFUSED, "add another certificate first",
           "without this certificate nobody could set policies any more: it is the last%s",
           managers->count > 1 ? " that is valid" : "");
    TRY(names_of(instance, der, digest, context));
    const struct cella_value key[] = {cella_value_text(instance->settings.name),
                                      cella_value_text(digest)};
    return cella_execute(
        session, "DELETE FROM attest_policies_certificate WHERE instance = ? AND digest = ?", key,
        2, NULL);
}

/* --- Vouching --- */

/* The chain up to a managed CA: the statement's certificates as far as `count`, then the CA. */
static struct cella_result check_chain(const struct cella_certificate *sent, size_t count,
                                       const struct cella_certificate *ca, uint64_t now_unix) {
    struct cella_certificate chain[CELLA_JOSE_X5C_MAX + 1];
    for (size_t i = 0; i < count; i++) chain[i] = sent[i];
    chain[count] = *ca;
    struct cella_chain_options options = {
        .time_unix = now_unix,
        .root_spki = ca->spki,
        .root_der = ca->der,
        .without_key_usage = true, /* authorities that people make often lack it */
    };
    ENSURE(!sent[0].has_key_usage || (sent[0].key_usage & 1), CELLA_ERR_REFUSED,
           "sign with a certificate for digitalSignature",
           "the signer's certificate is not for signatures (keyUsage)");
    return cella_chain_check(chain, count + 1, &options, NULL);
}

static bool is_issued_by(const struct cella_certificate *certificate,
                         const struct cella_certificate *ca) {
    return is_same(certificate->issuer, ca->subject);
}

/* The reason of the refusal that came nearest is told: of a chain that ends at a managed CA. */
static struct cella_result check_authorities(const struct cella_managers *managers,
                                             const struct cella_certificate *sent, size_t count,
                                             uint64_t now_unix) {
    struct cella_result nearest = CELLA_SUCCESS;
    for (size_t m = 0; m < managers->count; m++) {
        const struct cella_certificate *ca = &managers->item[m].x509;
        for (size_t i = 0; i < count && i + 2 <= CELLA_CHAIN_CERTIFICATES; i++) {
            if (!is_issued_by(&sent[i], ca)) continue;
            struct cella_result r = check_chain(sent, i + 1, ca, now_unix);
            if (cella_failed(nearest)) cella_result_drop(nearest);
            if (!cella_failed(r)) return CELLA_SUCCESS;
            nearest = r;
        }
    }
    if (cella_failed(nearest)) return nearest;
    FAIL(CELLA_ERR_REFUSED,
         "sign with a policy management certificate of the instance, or send the chain up to it",
         "the signer's certificate is no policy management certificate, nor issued by one");
}

static struct cella_result check_dates(const struct cella_certificate *x509, uint64_t now_unix) {
    char text[CELLA_TIME_TEXT];
    cella_time_show(now_unix < x509->not_before_unix ? x509->not_before_unix : x509->not_after_unix,
                    text);
    ENSURE(is_valid(x509, now_unix), CELLA_ERR_EXPIRED,
           "sign with another policy management certificate",
           "the signer's policy management certificate %s %s",
           now_unix < x509->not_before_unix ? "begins" : "ended", text);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_managers_vouch(const struct cella_managers *managers,
                                  const struct cella_statement *statement, uint64_t now_unix) {
    const struct cella_jws *jws = &statement->jws;
    struct cella_certificate sent[CELLA_JOSE_X5C_MAX];
    ENSURE(statement->signer, CELLA_ERR_REFUSED,
           "sign it with a policy management certificate of the instance",
           "the JWS is not signed, and the instance is isolated");
    size_t index = find(managers, jws->x5c[0]);
    if (index < managers->count) return check_dates(&managers->item[index].x509, now_unix);
    for (size_t i = 0; i < jws->x5c_count; i++)
        TRY_IN(cella_certificate_parse(jws->x5c[i], &sent[i]), "certificate %zu of x5c", i);
    return check_authorities(managers, sent, jws->x5c_count, now_unix);
}

/* --- The first certificates --- */

static struct cella_result was_imported(const struct cella_attest_instance *instance,
                                        struct cella_session *session, bool *imported) {
    const struct cella_value name = cella_value_text(instance->settings.name);
    CELLA_ROWS rows = NULL;
    TRY(cella_query(session, "SELECT imported_unix FROM attest_policies_import WHERE instance = ?",
                    &name, 1, &rows));
    return cella_rows_next(rows, imported);
}

static struct cella_result import_all(const struct cella_attest_instance *instance,
                                      struct cella_session *session, uint64_t now_unix) {
    struct cella_bytes pem = instance->settings.policy_certificates;
    size_t at = 0, count = 0;
    for (;;) {
        CELLA_MANAGERS have = {0};
        CELLA_BUFFER der = {0};
        bool found = false;
        TRY(cella_pem_next(pem, "CERTIFICATE", &at, &der, &found));
        if (!found) break;
        count++;
        TRY(cella_managers_read(instance, session, &have));
        TRY_IN(cella_managers_add(instance, session, &have, cella_buffer_bytes(&der), now_unix),
               "certificate %zu for attestation instance %s", count, instance->settings.name);
    }
    ENSURE(count, CELLA_ERR_USAGE, "configure a PEM file with at least one certificate",
           "attestation instance %s is isolated, but has no policy management certificate",
           instance->settings.name);
    const struct cella_value row[] = {cella_value_text(instance->settings.name),
                                      cella_value_integer((int64_t)now_unix)};
    return cella_execute(
        session, "INSERT INTO attest_policies_import (instance, imported_unix) VALUES (?, ?)", row,
        2, NULL);
}

static void warn_of_ends(const struct cella_attest_instance *instance,
                         const struct cella_managers *managers, uint64_t now_unix) {
    uint64_t last = 0;
    char text[CELLA_TIME_TEXT];
    for (size_t i = 0; i < managers->count; i++)
        if (managers->item[i].x509.not_after_unix > last)
            last = managers->item[i].x509.not_after_unix;
    if (last > now_unix + SOON_S) return;
    cella_time_show(last, text);
    cella_log(CELLA_LOG_WARN,
              "attestation instance %s: the last policy management certificate ends %s; then no"
              " policy can be set: add its successor before",
              instance->settings.name, text);
}

CELLA_RESULT cella_managers_import(const struct cella_attest_instance *instance,
                                   uint64_t now_unix) {
    CELLA_MANAGERS managers = {0};
    CELLA_SESSION session = NULL;
    bool imported = false;
    if (instance->settings.mode != CELLA_ATTEST_ISOLATED) return CELLA_SUCCESS;
    TRY(cella_session_begin(instance->database, true, &session));
    TRY(was_imported(instance, session, &imported));
    if (!imported) TRY(import_all(instance, session, now_unix));
    TRY(cella_managers_read(instance, session, &managers));
    warn_of_ends(instance, &managers, now_unix);
    return cella_session_commit(&session);
}
