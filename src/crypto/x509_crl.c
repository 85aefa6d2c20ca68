#include "base/memory.h"
#include "crypto/der.h"
#include "crypto/x509.h"
#include "crypto/x509_inner.h"

static const char use_der[] = "fetch the list anew from its issuer";
#define DER_OR_FAIL(cond, part)                                                                    \
    ENSURE(cond, CELLA_ERR_FORMAT, use_der,                                                        \
           "revocation list: %s is not as X.509 has it in strict DER", part)

static const uint8_t oid_crl_number[3] = {0x55, 0x1d, 0x14};

static bool is_time(uint8_t tag) {
    return tag == CELLA_DER_UTC_TIME || tag == CELLA_DER_GENERALIZED_TIME;
}

/* A critical extension of an entry (certificateIssuer) changes whose certificate is meant: none is
 * read here. */
static bool entry_extensions_are_plain(struct cella_reader *entry) {
    struct cella_bytes list = cella_der_bytes(entry, CELLA_DER_SEQUENCE);
    if (entry->failed || !x509_extensions_are_distinct(list)) return false;
    struct cella_reader r = cella_reader(list);
    struct x509_extension e;
    while (x509_next_extension(&r, &e))
        if (e.critical) return false;
    return true;
}

static CELLA_RESULT check_entries(struct cella_bytes revoked) {
    struct cella_reader r = cella_reader(revoked);
    while (cella_reader_left(&r)) {
        struct cella_reader entry = cella_der_read(&r, CELLA_DER_SEQUENCE);
        (void)cella_der_unsigned(&entry, CELLA_DER_INTEGER);
        (void)cella_der_time_unix(&entry);
        DER_OR_FAIL(!entry.failed, "an entry");
        if (!cella_reader_left(&entry)) continue;
        ENSURE(entry_extensions_are_plain(&entry) && cella_reader_done(&entry), CELLA_ERR_FORMAT,
               use_der,
               "revocation list: an entry's extensions are malformed or critical, as in lists of "
               "several issuers");
    }
    DER_OR_FAIL(cella_reader_done(&r), "the list of entries");
    return CELLA_SUCCESS;
}

/* A critical extension narrows what the list says (deltas, distribution points): refused, not
 * ignored. */
static CELLA_RESULT read_extensions(struct cella_bytes extensions, struct cella_crl *out) {
    DER_OR_FAIL(x509_extensions_are_distinct(extensions),
                "the list of extensions (each once, at most 32)");
    struct cella_reader r = cella_reader(extensions);
    struct x509_extension e;
    while (x509_next_extension(&r, &e)) {
        ENSURE(!e.critical, CELLA_ERR_UNSUPPORTED, NULL,
               "revocation list: a critical extension says that the list is only part of one");
        if (!x509_oid_is(e.oid, oid_crl_number, sizeof(oid_crl_number))) continue;
        struct cella_reader number = cella_reader(e.value);
        out->number = cella_der_unsigned(&number, CELLA_DER_INTEGER);
        DER_OR_FAIL(cella_reader_done(&number), "the list's number");
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT read_tbs(struct cella_bytes algorithm, struct cella_crl *out) {
    struct cella_reader whole = cella_reader(out->tbs);
    struct cella_reader tbs = cella_der_read(&whole, CELLA_DER_SEQUENCE);
    uint8_t tag = 0;
    ENSURE(cella_der_number(&tbs, CELLA_DER_INTEGER) == 1 && !tbs.failed, CELLA_ERR_FORMAT, NULL,
           "revocation list: the version is not 2, the only one read here");
    struct cella_bytes inner = cella_der_whole(&tbs, &tag);
    ENSURE(inner.size == algorithm.size && cella_equal(inner.data, algorithm.data, inner.size),
           CELLA_ERR_FORMAT, use_der,
           "revocation list: the signature algorithm inside and outside of the signed part differ");
    out->issuer = x509_read_name(&tbs);
    DER_OR_FAIL(!tbs.failed, "the issuer's name");
    out->this_update_unix = cella_der_time_unix(&tbs);
    if (is_time(cella_der_peek(&tbs))) out->next_update_unix = cella_der_time_unix(&tbs);
    DER_OR_FAIL(!tbs.failed, "a time");
    if (cella_der_peek(&tbs) == CELLA_DER_SEQUENCE)
        out->revoked = cella_der_bytes(&tbs, CELLA_DER_SEQUENCE);
    TRY(check_entries(out->revoked));
    if (cella_reader_left(&tbs)) {
        struct cella_reader explicit = cella_der_read(&tbs, CELLA_DER_CONTEXT_0);
        struct cella_bytes extensions = cella_der_bytes(&explicit, CELLA_DER_SEQUENCE);
        DER_OR_FAIL(cella_reader_done(&explicit), "what follows the entries");
        TRY(read_extensions(extensions, out));
    }
    DER_OR_FAIL(cella_reader_done(&tbs), "the end of the signed part");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_crl_parse(struct cella_bytes der, struct cella_crl *out) {
    *out = (struct cella_crl){0};
    struct cella_crl found = {.der = der};
    struct cella_reader r = cella_reader(der);
    struct x509_signed parts;
    DER_OR_FAIL(x509_read_signed(&r, &parts), "the outer structure");
    DER_OR_FAIL(cella_reader_done(&r), "what follows its end");
    found.tbs = parts.tbs;
    found.signature = parts.signature;
    found.signature_algorithm = x509_algorithm(parts.algorithm);
    TRY(read_tbs(parts.algorithm, &found));
    *out = found;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_crl_check(const struct cella_crl *crl, const struct cella_verifykey *issuer) {
    return x509_check("the revocation list's signature", crl->tbs, crl->signature_algorithm,
                      crl->signature, issuer);
}

/* Walks to the end even after a hit: a list that breaks off says nothing reliable. */
CELLA_RESULT cella_crl_revokes(const struct cella_crl *crl, struct cella_bytes serial,
                               bool *revoked) {
    *revoked = true; /* whoever forgets to look at the result errs on the safe side */
    bool found = false;
    struct cella_reader r = cella_reader(crl->revoked);
    while (cella_reader_left(&r)) {
        struct cella_reader entry = cella_der_read(&r, CELLA_DER_SEQUENCE);
        struct cella_bytes number = cella_der_unsigned(&entry, CELLA_DER_INTEGER);
        DER_OR_FAIL(!entry.failed, "an entry");
        if (number.size == serial.size && cella_equal(number.data, serial.data, serial.size))
            found = true;
    }
    DER_OR_FAIL(cella_reader_done(&r), "the list of entries");
    *revoked = found;
    return CELLA_SUCCESS;
}
