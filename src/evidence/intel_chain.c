#include "evidence/intel.h"

#include "base/memory.h"

static const char step[] = "pck chain";
static const char new_quote[] = "ask the machine for a new quote";

void cella_intel_chain_free(struct cella_intel_chain *chain) {
    cella_verifykey_free(&chain->ca_owned);
    cella_verifykey_free(&chain->leaf_key);
}

/* A root given along: its key must be pinned (A08), and its own bytes whole (A36). */
static struct cella_result take_root(struct cella_intel_job *job, struct cella_bytes der) {
    struct cella_intel_chain *chain = &job->chain;
    const struct cella_intel_certificate *known = cella_intel_known(job->state, der);
    if (known) {
        chain->root = known->x509;
    } else {
        REFUSE_TRY(job->out, cella_certificate_parse(der, &chain->root), step, "root certificate",
                   new_quote, "a certificate in strict DER");
    }
    const struct cella_intel_root *root = cella_intel_root_of(job->state, chain->root.spki);
    bool role = cella_intel_role(&chain->root) == CELLA_INTEL_ROOT &&
                cella_intel_role_holds(&chain->root, CELLA_INTEL_ROOT);
    if (!root || !role)
        REFUSE(job->out, CELLA_ERR_INTEGRITY, step, "root certificate.key",
               "only evidence under a trusted root counts; trust another with --roots",
               "the key of a trusted root, Intel SGX Root CA",
               cella_text_hex(job->out, chain->root.spki.size > 59
                                            ? cella_bytes(chain->root.spki.data + 27, 32)
                                            : chain->root.spki));
    if (!known)
        REFUSE_TRY(job->out, cella_certificate_check(&chain->root, root->key), step,
                   "root certificate.signature", new_quote, "signed by itself");
    chain->has_root = true;
    return CELLA_SUCCESS;
}

/* Under the pinned keys; remembers which. */
static struct cella_result check_ca(struct cella_intel_job *job) {
    struct cella_intel_chain *chain = &job->chain;
    struct cella_result r = CELLA_FAILURE(CELLA_ERR_REFUSED, NULL, "no root for Intel is trusted");
    for (uint32_t i = 0; i < job->state->root_count; i++) {
        cella_result_drop(r);
        r = cella_certificate_check(&chain->ca, job->state->root[i].key);
        chain->root_spki = job->state->root[i].spki;
        if (!cella_failed(r)) break;
    }
    REFUSE_TRY(job->out, r, step, "pck ca certificate.signature",
               "only evidence under a trusted root counts; trust another with --roots",
               "signed by a trusted root, Intel SGX Root CA");
    return CELLA_SUCCESS;
}

static struct cella_result take_ca(struct cella_intel_job *job, struct cella_bytes der) {
    struct cella_intel_chain *chain = &job->chain;
    const struct cella_intel_certificate *known = cella_intel_known(job->state, der);
    if (known) {
        chain->ca = known->x509;
        chain->ca_key = known->key;
        chain->root_spki = known->signer_spki;
    } else {
        REFUSE_TRY(job->out, cella_certificate_parse(der, &chain->ca), step, "pck ca certificate",
                   new_quote, "a certificate in strict DER");
    }
    chain->ca_role = cella_intel_role(&chain->ca);
    bool role =
        chain->ca_role == CELLA_INTEL_PROCESSOR_CA || chain->ca_role == CELLA_INTEL_PLATFORM_CA;
    if (!role || !cella_intel_role_holds(&chain->ca, chain->ca_role))
        REFUSE(job->out, CELLA_ERR_INTEGRITY, step, "pck ca certificate.role", new_quote,
               "Intel SGX PCK Processor CA or Platform CA, an authority by its constraints",
               cella_intel_role_name(chain->ca_role));
    if (known) return CELLA_SUCCESS;
    TRY(check_ca(job));
    REFUSE_TRY(job->out, cella_verifykey_new(chain->ca.spki, &chain->ca_owned), step,
               "pck ca certificate.key", new_quote, "an ECDSA P-256 key");
    chain->ca_key = chain->ca_owned;
    return CELLA_SUCCESS;
}

/* The leaf, whose authority has been taken. */
static struct cella_result take_leaf(struct cella_intel_job *job,
                                     const struct cella_certificate *leaf) {
    struct cella_intel_chain *chain = &job->chain;
    chain->leaf = *leaf;
    enum cella_intel_role role = cella_intel_role(&chain->leaf);
    if (role != CELLA_INTEL_PCK || !cella_intel_role_holds(&chain->leaf, CELLA_INTEL_PCK))
        REFUSE(job->out, CELLA_ERR_INTEGRITY, step, "pck certificate.role", new_quote,
               "Intel SGX PCK Certificate with its SGX extension, no authority",
               cella_intel_role_name(role));
    if (!cella_intel_same(chain->leaf.issuer, chain->ca.subject) ||
        (chain->has_root && !cella_intel_same(chain->ca.issuer, chain->root.subject)))
        REFUSE(job->out, CELLA_ERR_INTEGRITY, step, "certificate.issuer", new_quote,
               "each issued under the name of the next", "another issuer's name");
    REFUSE_TRY(job->out, cella_certificate_check(&chain->leaf, chain->ca_key), step,
               "pck certificate.signature", new_quote, "signed by its PCK authority");
    REFUSE_TRY(job->out, cella_pck_parse(&chain->leaf, &chain->pck), step,
               "pck certificate.sgx extension", new_quote, "Intel's SGX extension, whole");
    REFUSE_TRY(job->out, cella_verifykey_new(chain->leaf.spki, &chain->leaf_key), step,
               "pck certificate.key", new_quote, "an ECDSA P-256 key");
    return CELLA_SUCCESS;
}

static const struct cella_intel_certificate *authority_of(const struct cella_intel_job *job,
                                                          const struct cella_certificate *leaf) {
    for (uint32_t i = 0; i < job->state->certificate_count; i++) {
        const struct cella_intel_certificate *c = &job->state->certificate[i];
        bool authority = c->role == CELLA_INTEL_PROCESSOR_CA || c->role == CELLA_INTEL_PLATFORM_CA;
        if (c->held && authority && cella_intel_same(c->x509.subject, leaf->issuer)) return c;
    }
    return NULL;
}

/* A leaf that comes alone: its authority is the collateral's. */
static struct cella_result take_alone(struct cella_intel_job *job,
                                      const struct cella_certificate *leaf) {
    const struct cella_intel_certificate *authority = authority_of(job, leaf);
    if (!authority)
        REFUSE(job->out, CELLA_ERR_NOT_FOUND, step, "pck ca certificate",
               "give the PCK certificate's issuer chain as collateral",
               "the certificate of the PCK's authority", "not given");
    TRY(take_ca(job, authority->x509.der));
    return take_leaf(job, leaf);
}

static struct cella_result check_qe(struct cella_intel_job *job) {
    REFUSE_TRY(job->out,
               cella_verifykey_check(job->chain.leaf_key, CELLA_SIG_ECDSA_P256_SHA256,
                                     job->quote.qe.whole, job->quote.qe_signature),
               "qe report", "qe report.signature", new_quote,
               "signed with the PCK certificate's key");
    return CELLA_SUCCESS;
}

/* Types 4 and 5: leaf, or leaf, PCK authority and root. */
static struct cella_result from_pem(struct cella_intel_job *job) {
    struct cella_bytes der[CELLA_INTEL_CHAIN_COUNT];
    struct cella_certificate leaf;
    size_t count = 0;
    REFUSE_TRY(job->out,
               cella_pem_certificates(job->quote.certification, job->chain.storage,
                                      CELLA_INTEL_CHAIN_SIZE, der, CELLA_INTEL_CHAIN_COUNT, &count),
               step, "certification data", new_quote,
               "PCK certificate, PCK authority and root, in PEM");
    bool alone = job->quote.certification_type == 4;
    if (alone ? count != 1 : count < 2)
        REFUSE(job->out, CELLA_ERR_FORMAT, step, "certification data", new_quote,
               alone ? "one certificate" : "PCK certificate, PCK authority and root",
               cella_text(job->out, "%zu certificates", count));
    REFUSE_TRY(job->out, cella_certificate_parse(der[0], &leaf), step, "pck certificate", new_quote,
               "a certificate in strict DER");
    if (alone) {
        TRY(take_alone(job, &leaf));
        return check_qe(job);
    }
    if (count == 3) TRY(take_root(job, der[2]));
    TRY(take_ca(job, der[1]));
    TRY(take_leaf(job, &leaf));
    return check_qe(job);
}

/* Whether a PCK certificate can be the one that these identifiers name. */
static bool fits(const struct cella_certificate *certificate, const struct cella_pck_id *id) {
    struct cella_pck pck;
    struct cella_result r = cella_pck_parse(certificate, &pck);
    bool good = !cella_failed(r) && pck.pcesvn == id->pcesvn &&
                cella_equal(pck.pceid, id->pceid.data, id->pceid.size) &&
                cella_equal(pck.cpusvn, id->cpusvn.data, 16) &&
                (!id->plain || cella_equal(pck.ppid, id->ppid.data, 16));
    cella_result_drop(r);
    return good;
}

/* Types 1 to 3 name the PCK only. Where the PPID is encrypted several platforms may fit: the QE
 * report's signature tells. */
static struct cella_result from_collateral(struct cella_intel_job *job) {
    enum { TRIES_MAX = 16 };
    struct cella_pck_id id;
    unsigned tries = 0;
    struct cella_result r = CELLA_SUCCESS;
    REFUSE_TRY(job->out, cella_quote_pck_id(&job->quote, &id), step, "certification data",
               new_quote, "the PCK's identifiers");
    for (uint32_t i = 0; i < job->state->certificate_count && tries < TRIES_MAX; i++) {
        const struct cella_intel_certificate *c = &job->state->certificate[i];
        if (c->role != CELLA_INTEL_PCK || !fits(&c->x509, &id)) continue;
        tries++;
        cella_intel_chain_free(&job->chain);
        cella_result_drop(r);
        r = take_alone(job, &c->x509);
        if (!cella_failed(r)) r = check_qe(job);
        if (!cella_failed(r) || cella_code_of(r) == CELLA_ERR_MEMORY) return r;
    }
    if (tries > 0) return r; /* why the last that fits does not do */
    REFUSE(job->out, CELLA_ERR_NOT_FOUND, step, "pck certificate",
           "give the platform's PCK certificate and its issuer chain as collateral",
           cella_text(job->out, "a PCK certificate for cpusvn %s, pcesvn %u, pceid %s",
                      cella_text_hex(job->out, id.cpusvn), id.pcesvn,
                      id.pceid.size ? cella_text_hex(job->out, id.pceid) : "any"),
           "pck certificate missing");
}

static struct cella_result valid_at(struct cella_intel_job *job, const struct cella_certificate *c,
                                    const char *field) {
    uint64_t now = job->options->time_unix;
    if (now < c->not_before_unix || now > c->not_after_unix)
        REFUSE(job->out, CELLA_ERR_EXPIRED, step, field,
               "ask the machine for a quote with a certificate that is valid",
               cella_text(job->out, "valid at %llu", (unsigned long long)now),
               cella_text(job->out, "valid from %llu to %llu (seconds since 1970)",
                          (unsigned long long)c->not_before_unix,
                          (unsigned long long)c->not_after_unix));
    return CELLA_SUCCESS;
}

struct cella_result cella_intel_chain_hold(struct cella_intel_job *job) {
    switch (job->quote.certification_type) {
    case 4:
    case 5: TRY(from_pem(job)); break;
    case 1:
    case 2:
    case 3: TRY(from_collateral(job)); break;
    default:
        REFUSE(job->out, CELLA_ERR_UNSUPPORTED, step, "certification data.type",
               "ask for a quote with its PCK certificate chain", "1 to 5",
               cella_text(job->out,
                          "%u: a platform manifest, from which no PCK certificate can be had",
                          job->quote.certification_type));
    }
    /* Without any collateral the verdict is a refusal whatever the time, and authentic speaks of
     * signatures alone. */
    if (job->state->certificate_count + job->state->crl_count + job->state->tcbinfo_count +
            job->state->identity_count ==
        0)
        return CELLA_SUCCESS;
    if (job->chain.has_root) TRY(valid_at(job, &job->chain.root, "root certificate.validity"));
    TRY(valid_at(job, &job->chain.ca, "pck ca certificate.validity"));
    return valid_at(job, &job->chain.leaf, "pck certificate.validity");
}
