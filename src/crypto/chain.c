#include "crypto/chain.h"

#include "base/memory.h"

enum { KEY_CERT_SIGN = 1 << 5, NAME_SIZE = 80 };

static const struct {
    const char *name, *what, *hint;
    enum cella_code code;
} checks[] = {
    [CELLA_CHAIN_GOOD] = {"good", "is good", NULL, CELLA_OK},
    [CELLA_CHAIN_COUNT] = {"count", "the chain has no certificate, or too many", NULL,
                           CELLA_ERR_LIMIT},
    [CELLA_CHAIN_NOT_YET] = {"notBefore", "is not valid yet", "check the time that was given",
                             CELLA_ERR_EXPIRED},
    [CELLA_CHAIN_EXPIRED] = {"notAfter", "has expired", "get newer evidence or collateral",
                             CELLA_ERR_EXPIRED},
    [CELLA_CHAIN_CRITICAL] = {"critical extension",
                              "has a critical extension that is not known here", NULL,
                              CELLA_ERR_REFUSED},
    [CELLA_CHAIN_NAME] = {"issuer", "names another issuer than the certificate that follows it",
                          "give the chain in order, leaf first", CELLA_ERR_REFUSED},
    [CELLA_CHAIN_CA] = {"basicConstraints", "issued another but is not a CA", NULL,
                        CELLA_ERR_REFUSED},
    [CELLA_CHAIN_KEY_USAGE] = {"keyUsage", "issued another but may not sign certificates", NULL,
                               CELLA_ERR_REFUSED},
    [CELLA_CHAIN_PATH_LENGTH] = {"pathLenConstraint", "has more CAs under it than it allows", NULL,
                                 CELLA_ERR_REFUSED},
    [CELLA_CHAIN_ROOT] = {"root", "is neither the pinned root nor signed by it",
                          "give the maker's own chain, or its root with --roots",
                          CELLA_ERR_REFUSED},
    [CELLA_CHAIN_KEY] = {"public key", "has a public key that cannot be used", NULL,
                         CELLA_ERR_REFUSED},
    [CELLA_CHAIN_SIGNATURE] = {"signature", "is not signed by its issuer", NULL,
                               CELLA_ERR_INTEGRITY},
};

const char *cella_chain_check_name(enum cella_chain_check check) {
    return (size_t)check < sizeof(checks) / sizeof(checks[0]) ? checks[check].name : "unknown";
}

static bool same(struct cella_bytes a, struct cella_bytes b) {
    return a.size == b.size && cella_equal(a.data, b.data, a.size);
}

static enum cella_chain_check check_itself(const struct cella_certificate *c,
                                           const struct cella_chain_options *o) {
    if (o->time_unix < c->not_before_unix) return CELLA_CHAIN_NOT_YET;
    if (o->time_unix > c->not_after_unix)
        return CELLA_CHAIN_EXPIRED; /* both ends belong to it, RFC 5280 4.1.2.5 */
    if (c->unknown_critical && !o->allow_unknown_critical) return CELLA_CHAIN_CRITICAL;
    return CELLA_CHAIN_GOOD;
}

/* below: CAs between this one and the leaf, which pathLenConstraint counts without those issued to
 * themselves. */
static enum cella_chain_check check_issuer(const struct cella_certificate *c,
                                           const struct cella_chain_options *o, size_t below) {
    if (!c->has_basic_constraints || !c->is_ca) return CELLA_CHAIN_CA;
    if (!c->has_key_usage && !o->without_key_usage) return CELLA_CHAIN_KEY_USAGE;
    if (c->has_key_usage && !(c->key_usage & KEY_CERT_SIGN)) return CELLA_CHAIN_KEY_USAGE;
    if (c->path_length >= 0 && below > (size_t)c->path_length) return CELLA_CHAIN_PATH_LENGTH;
    return CELLA_CHAIN_GOOD;
}

/* All that costs nothing, before any signature. */
static enum cella_chain_check check_roles(const struct cella_certificate *c, size_t count,
                                          const struct cella_chain_options *o, size_t *index) {
    for (*index = 0; *index < count; ++*index) {
        size_t i = *index;
        enum cella_chain_check found = check_itself(&c[i], o);
        if (found == CELLA_CHAIN_GOOD && i > 0) found = check_issuer(&c[i], o, i - 1);
        if (found == CELLA_CHAIN_GOOD && i + 1 < count && !same(c[i].issuer, c[i + 1].subject))
            found = CELLA_CHAIN_NAME;
        if (found != CELLA_CHAIN_GOOD) return found;
    }
    *index = count - 1;
    return CELLA_CHAIN_GOOD;
}

static enum cella_chain_check check_under(const struct cella_certificate *c,
                                          const struct cella_verifykey *key) {
    struct cella_result r = cella_certificate_check(c, key);
    bool failed = cella_failed(r);
    cella_result_drop(r);
    return failed ? CELLA_CHAIN_SIGNATURE : CELLA_CHAIN_GOOD;
}

static enum cella_chain_check check_by_spki(const struct cella_certificate *c,
                                            struct cella_bytes spki) {
    CELLA_VERIFYKEY key = NULL;
    struct cella_result r = cella_verifykey_new(spki, &key);
    bool failed = cella_failed(r);
    cella_result_drop(r);
    return failed ? CELLA_CHAIN_KEY : check_under(c, key);
}

static enum cella_chain_check check_by_root(const struct cella_certificate *c,
                                            const struct cella_chain_options *o) {
    return o->root_key ? check_under(c, o->root_key) : check_by_spki(c, o->root_spki);
}

/* From the root down: nothing of a certificate's key is used before its own signature is known to
 * be good. A root is no exception: its key is pinned, but its times and constraints are whatever an
 * attacker wrote until it is checked. */
static enum cella_chain_check check_signatures(const struct cella_certificate *c, size_t count,
                                               const struct cella_chain_options *o, size_t *index) {
    *index = count - 1;
    bool pinned = o->root_der.size > 0 && same(c[count - 1].der, o->root_der);
    if (!pinned && check_by_root(&c[count - 1], o) != CELLA_CHAIN_GOOD) return CELLA_CHAIN_ROOT;
    for (size_t i = count - 1; i > 0; i--) {
        *index = i - 1;
        bool by_root = o->root_key && i == count - 1 && same(c[i].spki, o->root_spki);
        enum cella_chain_check found =
            by_root ? check_by_root(&c[i - 1], o) : check_by_spki(&c[i - 1], c[i].spki);
        if (found == CELLA_CHAIN_KEY) *index = i; /* the issuer's */
        if (found != CELLA_CHAIN_GOOD) return found;
    }
    return CELLA_CHAIN_GOOD;
}

CELLA_RESULT cella_chain_check(const struct cella_certificate *certificates, size_t count,
                               const struct cella_chain_options *options,
                               struct cella_chain_fault *fault) {
    struct cella_chain_fault found = {CELLA_CHAIN_COUNT, 0};
    bool counted = count > 0 && count <= CELLA_CHAIN_CERTIFICATES;
    if (counted) found.check = check_roles(certificates, count, options, &found.index);
    if (found.check == CELLA_CHAIN_GOOD)
        found.check = check_signatures(certificates, count, options, &found.index);
    if (fault) *fault = found;
    if (found.check == CELLA_CHAIN_GOOD) return CELLA_SUCCESS;
    char name[NAME_SIZE] = "";
    if (counted) cella_name_common(certificates[found.index].subject, name, sizeof(name));
    FAIL(checks[found.check].code, checks[found.check].hint, "certificate %zu of %zu (%s): %s",
         found.index + 1, count, name[0] ? name : "no common name", checks[found.check].what);
}
