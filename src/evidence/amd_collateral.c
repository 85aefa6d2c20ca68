#include "evidence/amd_collateral.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* ---- the set ---- */

void cella_amd_state_free(struct cella_amd_state **state) {
    struct cella_amd_state *s = *state;
    if (!s) return;
    for (size_t i = 0; i < s->item_count; i++) cella_verifykey_free(&s->item[i].key);
    for (size_t i = 0; i < s->root_count; i++) {
        cella_verifykey_free(&s->root[i].key);
        free((void *)(uintptr_t)s->root[i].spki.data);
    }
    for (size_t i = 0; i < CELLA_AMD_KEY_COUNT; i++) cella_verifykey_free(&s->built_in[i]);
    for (size_t i = 0; i < s->text_count; i++) cella_buffer_free(&s->text[i]);
    free(s->text);
    free(s->item);
    free(s->crl);
    free(s);
    *state = NULL;
}

CELLA_RESULT cella_amd_state_over(const struct cella_amd_state *base,
                                  struct cella_amd_state **out) {
    *out = calloc(1, sizeof(**out));
    ENSURE(*out, CELLA_ERR_MEMORY, NULL, "no memory for collateral");
    (*out)->base = base;
    return CELLA_SUCCESS;
}

/* One more of an array that grows in powers of two. */
static CELLA_RESULT grow(void **array, size_t count, size_t size) {
    ENSURE(count < CELLA_AMD_ITEM_MAX, CELLA_ERR_LIMIT, "give only what this evidence needs",
           "AMD collateral: expected at most %d certificates and lists", CELLA_AMD_ITEM_MAX);
    if (count & (count - 1)) return CELLA_SUCCESS;
    void *more = realloc(*array, (count ? 2 * count : 1) * size);
    ENSURE(more, CELLA_ERR_MEMORY, NULL, "no memory for collateral");
    *array = more;
    return CELLA_SUCCESS;
}

static CELLA_RESULT new_item(struct cella_amd_state *s, struct cella_amd_item **out) {
    void *array = s->item;
    TRY(grow(&array, s->item_count, sizeof(*s->item)));
    s->item = array;
    *out = &s->item[s->item_count++];
    **out = (struct cella_amd_item){0};
    return CELLA_SUCCESS;
}

static CELLA_RESULT new_crl(struct cella_amd_state *s, struct cella_amd_crl **out) {
    void *array = s->crl;
    TRY(grow(&array, s->crl_count, sizeof(*s->crl)));
    s->crl = array;
    *out = &s->crl[s->crl_count++];
    **out = (struct cella_amd_crl){0};
    return CELLA_SUCCESS;
}

void cella_amd_fail(struct cella_amd_failure *failure, const char *field, const char *expected,
                    struct cella_result because) {
    failure->field = field;
    failure->expected = expected;
    const char *what = because.error->what;
    size_t size = strlen(what), room = sizeof(failure->found) - 1;
    cella_copy(failure->found, what, size < room ? size : room);
    failure->found[size < room ? size : room] = 0;
    cella_result_drop(because);
}

/* ---- adding ---- */

static const char *base_name(const char *name) {
    const char *slash = name ? strrchr(name, '/') : NULL;
    return slash ? slash + 1 : name ? name : "";
}

static bool begins(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Only for a file that is not what its name says it is: "vcek.der", "ask", "ark-milan.pem". */
static bool role_by_name(const char *name, enum cella_snp_role *role) {
    static const char *const prefixes[] = {"ark", "ask", "asvk", "vcek", "vlek"};
    const char *base = base_name(name);
    if (strstr(base, "crl")) return false;
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        if (!begins(base, prefixes[i]) || !strchr(".-_", base[strlen(prefixes[i])])) continue;
        *role = (enum cella_snp_role)i;
        return true;
    }
    return false;
}

static bool crl_by_name(const char *name) {
    const char *b = base_name(name);
    return begins(b, "crl.") || begins(b, "amd_crl") || begins(b, "amd-crl") ||
           begins(b, "vcek_crl") || begins(b, "vcek-crl") || begins(b, "vlek_crl") ||
           begins(b, "vlek-crl");
}

static bool known(const struct cella_amd_state *s, struct cella_bytes der) {
    for (size_t i = 0; i < s->item_count; i++) {
        struct cella_bytes have = s->item[i].cert.x509.der;
        if (have.size == der.size && cella_equal(have.data, der.data, der.size)) return true;
    }
    return s->base && known(s->base, der); /* which has checked it already */
}

static CELLA_RESULT add_certificate(struct cella_amd_state *s, const char *name,
                                    struct cella_bytes der, bool *taken) {
    struct cella_certificate x509;
    struct cella_amd_item *item = NULL;
    enum cella_snp_role role;
    enum cella_snp_line line = CELLA_SNP_LINE_NONE;
    struct cella_result r = cella_certificate_parse(der, &x509);
    bool read = !cella_failed(r), ours = read && cella_snp_cert_is(&x509, &role, &line);
    if (!ours && !role_by_name(name, &role)) {
        cella_result_drop(r);
        return CELLA_SUCCESS;
    }
    *taken = true;
    if (ours && known(s, der)) return CELLA_SUCCESS;
    TRY(new_item(s, &item));
    if (read) r = cella_snp_cert_read(&x509, &item->cert);
    if (read && !cella_failed(r)) r = cella_verifykey_new(x509.spki, &item->key);
    item->cert.role = role;
    item->cert.line = line;
    if (cella_code_of(r) == CELLA_ERR_MEMORY) return r;
    if (cella_failed(r))
        cella_amd_fail(&item->failure, "certificate", "an AMD certificate in its form", r);
    else if (role >= CELLA_SNP_VCEK && cella_verifykey_kind(item->key) != CELLA_VERIFYKEY_P384)
        cella_amd_fail(&item->failure, "certificate.key", "a key on curve P-384",
                       CELLA_FAILURE(CELLA_ERR_FORMAT, NULL, "another key"));
    return CELLA_SUCCESS;
}

static CELLA_RESULT add_crl(struct cella_amd_state *s, const char *name, struct cella_bytes der,
                            bool *taken) {
    struct cella_crl crl;
    struct cella_amd_crl *item = NULL;
    char issuer[64] = "";
    enum cella_snp_line line = CELLA_SNP_LINE_NONE;
    struct cella_result r = cella_crl_parse(der, &crl);
    if (!cella_failed(r)) cella_name_common(crl.issuer, issuer, sizeof(issuer));
    for (int i = 1; i < CELLA_SNP_LINE_COUNT; i++)
        if (begins(issuer, "ARK-") &&
            strcmp(issuer + 4, cella_snp_line_name((enum cella_snp_line)i)) == 0)
            line = (enum cella_snp_line)i;
    if (line == CELLA_SNP_LINE_NONE && !(cella_failed(r) && crl_by_name(name))) {
        cella_result_drop(r);
        return CELLA_SUCCESS;
    }
    *taken = true;
    TRY(new_crl(s, &item));
    item->crl = crl;
    item->line = line;
    if (cella_failed(r)) cella_amd_fail(&item->failure, "crl", "a revocation list in its form", r);
    return CELLA_SUCCESS;
}

static CELLA_RESULT add_der(struct cella_amd_state *s, const char *name, struct cella_bytes der,
                            bool *taken) {
    TRY(add_certificate(s, name, der, taken));
    return *taken ? CELLA_SUCCESS : add_crl(s, name, der, taken);
}

/* Text that is not what its name says: its failure counts, as that of a damaged DER file does. */
static CELLA_RESULT keep_damaged(struct cella_amd_state *s, const char *name,
                                 struct cella_result because, bool *taken) {
    struct cella_amd_item *item = NULL;
    enum cella_snp_role role;
    if (!role_by_name(name, &role)) {
        cella_result_drop(because);
        return CELLA_SUCCESS;
    }
    struct cella_result r = new_item(s, &item);
    if (cella_failed(r)) {
        cella_result_drop(because);
        return r;
    }
    *taken = true;
    item->cert.role = role;
    cella_amd_fail(&item->failure, "certificate", "PEM in its form", because);
    return CELLA_SUCCESS;
}

static CELLA_RESULT add_pem(struct cella_amd_state *s, const char *name, struct cella_bytes text,
                            const char *label, bool *taken) {
    for (size_t at = 0;;) {
        CELLA_BUFFER der = {0};
        bool found = false;
        struct cella_result r = cella_pem_next(text, label, &at, &der, &found);
        if (cella_code_of(r) == CELLA_ERR_MEMORY) return r;
        if (cella_failed(r)) return keep_damaged(s, name, r, taken);
        if (!found) return CELLA_SUCCESS;
        void *array = s->text;
        TRY(grow(&array, s->text_count, sizeof(*s->text)));
        s->text = array;
        bool one = false;
        s->text[s->text_count] = MOVE(der);
        TRY(add_der(s, name, cella_buffer_bytes(&s->text[s->text_count++]), &one));
        *taken |= one;
    }
}

static CELLA_RESULT add_table(struct cella_amd_state *s, struct cella_bytes content) {
    struct cella_snp_table t;
    bool taken = false;
    TRY(cella_snp_table_parse(content, &t));
    if (t.vcek.size) TRY(add_der(s, "vcek", t.vcek, &taken));
    if (t.vlek.size) TRY(add_der(s, "vlek", t.vlek, &taken));
    if (t.ask.size) TRY(add_der(s, "ask", t.ask, &taken));
    if (t.ark.size) TRY(add_der(s, "ark", t.ark, &taken));
    if (t.crl.size) TRY(add_der(s, "crl.", t.crl, &taken));
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_amd_add(struct cella_amd_state *s, const char *name, struct cella_bytes content,
                           bool *taken) {
    static const char pem[] = "-----BEGIN ";
    bool der = content.size > 0 && content.data[0] == 0x30; /* a SEQUENCE; no text begins so */
    *taken = false;
    if (cella_snp_table_is(content)) {
        struct cella_result r = add_table(s, content);
        *taken = !cella_failed(r);
        if (cella_code_of(r) == CELLA_ERR_MEMORY) return r;
        cella_result_drop(r);
        return CELLA_SUCCESS;
    }
    if (!der && memmem(content.data, content.size, pem, sizeof(pem) - 1)) {
        TRY(add_pem(s, name, content, "CERTIFICATE", taken));
        return add_pem(s, name, content, "X509 CRL", taken);
    }
    return add_der(s, name, content, taken);
}

/* ---- the family ---- */

static CELLA_RESULT family_new(void **state) {
    struct cella_amd_state *s;
    TRY(cella_amd_state_over(NULL, &s));
    *state = s;
    return CELLA_SUCCESS;
}

static void family_free(void *state) {
    struct cella_amd_state *s = state;
    cella_amd_state_free(&s);
}

static CELLA_RESULT family_add(void *state, const char *name, struct cella_bytes content,
                               bool *taken) {
    return cella_amd_add(state, name, content, taken);
}

static CELLA_RESULT family_finish(void *state) { return cella_amd_finish(state); }

static CELLA_RESULT read_root(struct cella_amd_root *root, struct cella_bytes der) {
    struct cella_certificate x509;
    enum cella_snp_role role;
    *root = (struct cella_amd_root){.spki = der, .name = "root key"};
    struct cella_result r = cella_certificate_parse(der, &x509);
    bool certificate = !cella_failed(r);
    cella_result_drop(r);
    if (certificate) {
        ENSURE(cella_snp_cert_is(&x509, &role, &root->line), CELLA_ERR_UNSUPPORTED, NULL,
               "root: not that of a product line of AMD (ARK-...)");
        if (role != CELLA_SNP_ARK) return CELLA_SUCCESS; /* lies beside its root in AMD's files */
        root->spki = x509.spki;
        cella_name_common(x509.subject, root->name, sizeof(root->name));
        root->signer.not_before_unix = x509.not_before_unix;
        root->signer.not_after_unix = x509.not_after_unix;
        cella_copy(root->serial, x509.serial.data, x509.serial.size);
        root->signer.serial = cella_bytes(root->serial, x509.serial.size);
    }
    root->signer.name = root->name;
    TRY(cella_verifykey_new(root->spki, &root->key));
    ENSURE(cella_verifykey_kind(root->key) == CELLA_VERIFYKEY_RSA, CELLA_ERR_UNSUPPORTED, NULL,
           "root: not an RSA key, as AMD's are");
    uint8_t *copy = malloc(root->spki.size);
    ENSURE(copy, CELLA_ERR_MEMORY, NULL, "no memory for a root");
    cella_copy(copy, root->spki.data, root->spki.size);
    root->spki = cella_bytes(copy, root->spki.size);
    return CELLA_SUCCESS;
}

/* An error for the roots of other makers: with every family's, the common part has a reason. */
static CELLA_RESULT family_set_root(void *state, struct cella_bytes der) {
    struct cella_amd_state *s = state;
    s->own_roots = true;
    if (der.size == 0) return CELLA_SUCCESS;
    ENSURE(s->root_count < CELLA_AMD_ROOT_MAX, CELLA_ERR_LIMIT, NULL,
           "expected at most %d roots for AMD", CELLA_AMD_ROOT_MAX);
    struct cella_amd_root *root = &s->root[s->root_count];
    struct cella_result r = read_root(root, der);
    if (cella_failed(r))
        cella_verifykey_free(&root->key);
    else if (root->key)
        s->root_count++;
    return r;
}

const struct cella_family cella_family_amd = {.name = "amd",
                                              .new_state = family_new,
                                              .free_state = family_free,
                                              .set_root = family_set_root,
                                              .add = family_add,
                                              .finish = family_finish};
