#include "vault/cert_x509.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/text.h"
#include "vault/cert_policy.h"
#include "vault/duration.h"

enum { EARLY_S = 600 /* Azure's certificates begin ten minutes ago */, PART_MAX = 256 };

static void free_x509(X509 **x) { X509_free(*x); }
static void free_request(X509_REQ **x) { X509_REQ_free(*x); }
static void free_bio(BIO **x) { BIO_free(*x); }
static void free_stack(STACK_OF(X509) * *x) { sk_X509_pop_free(*x, X509_free); }
static void free_extensions(STACK_OF(X509_EXTENSION) * *x) {
    sk_X509_EXTENSION_pop_free(*x, X509_EXTENSION_free);
}
#define OF(type, how) __attribute__((cleanup(how))) type *

/* --- Names --- */

/* One "cn=value" of a distinguished name. */
static bool add_part(X509_NAME *name, const char *part) {
    char type[32] = "";
    const char *equals = strchr(part, '=');
    while (*part == ' ') part++;
    if (!equals || equals <= part || (size_t)(equals - part) >= sizeof(type)) return false;
    cella_copy(type, part, (size_t)(equals - part));
    for (char *c = type; *c; c++)
        if (*c >= 'a' && *c <= 'z' && strcasecmp(type, "emailAddress") != 0)
            *c = (char)(*c - 'a' + 'A');
    if (strcasecmp(type, "E") == 0) snprintf(type, sizeof(type), "emailAddress");
    if (strcasecmp(type, "S") == 0) snprintf(type, sizeof(type), "ST");
    return X509_NAME_add_entry_by_txt(name, type, MBSTRING_UTF8, (const unsigned char *)equals + 1,
                                      -1, -1, 0) == 1;
}

/* "CN=host, O=Example\, Inc": parts by comma; a backslash keeps what follows; quotes as a whole. */
static CELLA_RESULT read_name(const char *text, X509_NAME *name) {
    char part[PART_MAX];
    size_t size = 0;
    bool quoted = false;
    for (const char *at = text;; at++) {
        if (*at == '\\' && at[1]) {
            at++;
        } else if (*at == '"') {
            quoted = !quoted;
            continue;
        } else if (!*at || (*at == ',' && !quoted)) {
            part[size] = 0;
            ENSURE(size == 0 || add_part(name, part), CELLA_ERR_FORMAT, NULL,
                   "x509_props.subject: expected NAME=VALUE, found '%.60s'", part);
            size = 0;
            if (!*at) break;
            continue;
        }
        ENSURE(size + 1 < sizeof(part), CELLA_ERR_LIMIT, NULL,
               "x509_props.subject: a part too long");
        part[size++] = *at;
    }
    return CELLA_SUCCESS;
}

/* --- Extensions --- */

static bool push(STACK_OF(X509_EXTENSION) * list, X509V3_CTX *context, int nid, const char *value) {
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, context, nid, value);
    if (extension && sk_X509_EXTENSION_push(list, extension) > 0) return true;
    X509_EXTENSION_free(extension);
    return false;
}

/* Comma-separated texts of a list, each behind a prefix; those with a comma, a line or an @ at
 * their start are refused: they would become other entries, or names of sections. */
static bool join(const json_t *list, const char *prefix, char *text, size_t size) {
    size_t at = strlen(text);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *item = json_string_value(json_array_get(list, i));
        if (!*item || *item == '@' || strpbrk(item, ",;\n\r")) return false;
        int more = snprintf(text + at, size - at, "%s%s%s", at ? "," : "", prefix, item);
        if (more < 0 || (size_t)more >= size - at) return false;
        at += (size_t)more;
    }
    return true;
}

static bool add_names(STACK_OF(X509_EXTENSION) * list, X509V3_CTX *context, const json_t *sans) {
    char text[8192] = "";
    static const char *const kinds[][2] = {{"dns_names", "DNS:"},
                                           {"emails", "email:"},
                                           {"uris", "URI:"},
                                           {"ipAddresses", "IP:"},
                                           {"upns", "otherName:msUPN;UTF8:"}};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (!join(json_object_get(sans, kinds[i][0]), kinds[i][1], text, sizeof(text)))
            return false;
    return !*text || push(list, context, NID_subject_alt_name, text);
}

static CELLA_RESULT extensions(const json_t *policy, X509V3_CTX *context,
                               STACK_OF(X509_EXTENSION) * list) {
    const json_t *props = json_object_get(policy, "x509_props");
    char usage[512] = "critical", ekus[4096] = "";
    const json_t *usages = json_object_get(props, "key_usage");
    ENSURE(push(list, context, NID_basic_constraints, "critical,CA:FALSE") &&
               join(usages, "", usage, sizeof(usage)) &&
               (!json_array_size(usages) || push(list, context, NID_key_usage, usage)),
           CELLA_ERR_FORMAT, NULL, "x509_props.key_usage: not understood");
    ENSURE(join(json_object_get(props, "ekus"), "", ekus, sizeof(ekus)) &&
               (!*ekus || push(list, context, NID_ext_key_usage, ekus)),
           CELLA_ERR_FORMAT, NULL, "x509_props.ekus: expected object identifiers");
    ENSURE(add_names(list, context, json_object_get(props, "sans")), CELLA_ERR_FORMAT, NULL,
           "x509_props.sans: a name that is none of its kind");
    ERR_clear_error();
    return CELLA_SUCCESS;
}

static const EVP_MD *digest_for(const struct cella_material *material) {
    switch (cella_material_curve(material)) {
    case CELLA_CURVE_P384: return EVP_sha384();
    case CELLA_CURVE_P521: return EVP_sha512();
    default: return EVP_sha256();
    }
}

static const char *subject_of(const json_t *policy) {
    return json_string_value(json_object_get(json_object_get(policy, "x509_props"), "subject"));
}

/* --- Making --- */

static CELLA_RESULT fill(X509 *x, const json_t *policy, const struct cella_material *material,
                         int64_t now) {
    struct cella_duration validity = {.months = cella_cert_policy_months(policy)};
    BIGNUM *serial = BN_new();
    bool good = serial && BN_rand(serial, 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
                BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(x)) &&
                X509_set_version(x, X509_VERSION_3) == 1 &&
                ASN1_TIME_set(X509_getm_notBefore(x), (time_t)(now - EARLY_S)) &&
                ASN1_TIME_set(X509_getm_notAfter(x),
                              (time_t)cella_duration_after(now - EARLY_S, &validity)) &&
                X509_set_pubkey(x, cella_material_pkey(material)) == 1;
    BN_free(serial);
    ENSURE(good, CELLA_ERR_MEMORY, NULL, "no memory for a certificate");
    TRY(read_name(subject_of(policy), X509_get_subject_name(x)));
    ENSURE(X509_set_issuer_name(x, X509_get_subject_name(x)) == 1, CELLA_ERR_MEMORY, NULL,
           "no memory for a certificate");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_cert_self(const json_t *policy, const struct cella_material *material,
                             int64_t now_unix, struct cella_buffer *der) {
    OF(X509, free_x509) x = X509_new();
    OF(STACK_OF(X509_EXTENSION), free_extensions) list = sk_X509_EXTENSION_new_null();
    X509V3_CTX context;
    unsigned char *bytes = NULL;
    ENSURE(x && list, CELLA_ERR_MEMORY, NULL, "no memory for a certificate");
    TRY(fill(x, policy, material, now_unix));
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, x, x, NULL, NULL, 0);
    TRY(extensions(policy, &context, list));
    ENSURE(push(list, &context, NID_subject_key_identifier, "hash"), CELLA_ERR_MEMORY, NULL,
           "no memory for a certificate");
    for (int i = 0; i < sk_X509_EXTENSION_num(list); i++)
        ENSURE(X509_add_ext(x, sk_X509_EXTENSION_value(list, i), -1) == 1, CELLA_ERR_MEMORY, NULL,
               "no memory for a certificate");
    ENSURE(X509_sign(x, cella_material_pkey(material), digest_for(material)) > 0,
           CELLA_ERR_INTERNAL, NULL, "cannot sign a certificate");
    int size = i2d_X509(x, &bytes);
    ENSURE(size > 0, CELLA_ERR_MEMORY, NULL, "no memory for a certificate");
    struct cella_result result = cella_buffer_append(der, cella_bytes(bytes, (size_t)size));
    OPENSSL_free(bytes);
    return result;
}

CELLA_RESULT cella_cert_request(const json_t *policy, const struct cella_material *material,
                                struct cella_buffer *der) {
    OF(X509_REQ, free_request) request = X509_REQ_new();
    OF(STACK_OF(X509_EXTENSION), free_extensions) list = sk_X509_EXTENSION_new_null();
    X509V3_CTX context;
    unsigned char *bytes = NULL;
    ENSURE(request && list && X509_REQ_set_version(request, 0) == 1 &&
               X509_REQ_set_pubkey(request, cella_material_pkey(material)) == 1,
           CELLA_ERR_MEMORY, NULL, "no memory for a request");
    TRY(read_name(subject_of(policy), X509_REQ_get_subject_name(request)));
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, NULL, NULL, request, NULL, 0);
    TRY(extensions(policy, &context, list));
    ENSURE(X509_REQ_add_extensions(request, list) == 1 &&
               X509_REQ_sign(request, cella_material_pkey(material), digest_for(material)) > 0,
           CELLA_ERR_INTERNAL, NULL, "cannot sign a request");
    int size = i2d_X509_REQ(request, &bytes);
    ENSURE(size > 0, CELLA_ERR_MEMORY, NULL, "no memory for a request");
    struct cella_result result = cella_buffer_append(der, cella_bytes(bytes, (size_t)size));
    OPENSSL_free(bytes);
    return result;
}

/* --- Reading --- */

static X509 *parse(struct cella_bytes der) {
    const unsigned char *at = der.data;
    X509 *x = d2i_X509(NULL, &at, (long)der.size);
    if (x && at == der.data + der.size) return x;
    X509_free(x);
    ERR_clear_error();
    return NULL;
}

static int64_t seconds(const ASN1_TIME *time) {
    struct tm t;
    return ASN1_TIME_to_tm(time, &t) == 1 ? (int64_t)timegm(&t) : -1;
}

CELLA_RESULT cella_cert_read(struct cella_bytes der, struct cella_cert_facts *out) {
    OF(X509, free_x509) x = parse(der);
    OF(BIO, free_bio) text = BIO_new(BIO_s_mem());
    ENSURE(x && text, CELLA_ERR_FORMAT, NULL, "expected an X.509 certificate");
    out->not_before = seconds(X509_get0_notBefore(x));
    out->not_after = seconds(X509_get0_notAfter(x));
    X509_NAME_print_ex(text, X509_get_subject_name(x), 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
    int size = BIO_read(text, out->subject, sizeof(out->subject) - 1);
    out->subject[size > 0 ? size : 0] = 0;
    return CELLA_SUCCESS;
}

bool cella_cert_fits(struct cella_bytes der, const struct cella_material *material) {
    OF(X509, free_x509) x = parse(der);
    return x && EVP_PKEY_eq(X509_get0_pubkey(x), cella_material_pkey(material)) == 1;
}

/* --- Bundles --- */

static STACK_OF(X509) * chain_of(struct cella_bytes chain) {
    STACK_OF(X509) *list = sk_X509_new_null();
    const unsigned char *at = chain.data; /* NULL where there is no chain */
    while (list && chain.size && at < chain.data + chain.size) {
        X509 *x = d2i_X509(NULL, &at, (long)(chain.data + chain.size - at));
        if (!x || sk_X509_push(list, x) <= 0) {
            X509_free(x);
            break;
        }
    }
    return list;
}

static bool write_pem(BIO *bio, EVP_PKEY *pkey, X509 *leaf, STACK_OF(X509) * chain) {
    bool good =
        (!pkey || PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL) == 1) &&
        PEM_write_bio_X509(bio, leaf) == 1;
    for (int i = 0; good && i < sk_X509_num(chain); i++)
        good = PEM_write_bio_X509(bio, sk_X509_value(chain, i)) == 1;
    return good;
}

/* PKCS #12 without a password, as Azure's secrets have it: its protection is the vault. */
static bool write_pkcs12(BIO *bio, EVP_PKEY *pkey, X509 *leaf, STACK_OF(X509) * chain) {
    PKCS12 *p12 =
        PKCS12_create("", NULL, pkey, leaf, chain, NID_aes_256_cbc, NID_aes_256_cbc, 2048, 1, 0);
    unsigned char *bytes = NULL;
    int size = p12 ? i2d_PKCS12(p12, &bytes) : -1;
    PKCS12_free(p12);
    if (size <= 0) return false;
    size_t room = ((size_t)size + 2) / 3 * 4 + 1;
    unsigned char *text = OPENSSL_malloc(room);
    int made = text ? EVP_EncodeBlock(text, bytes, size) : -1;
    bool good = made > 0 && BIO_write(bio, text, made) == made;
    OPENSSL_clear_free(text, text ? room : 0);
    OPENSSL_clear_free(bytes, (size_t)size);
    return good;
}

CELLA_RESULT cella_cert_bundle(bool pem, bool with_key, const struct cella_material *material,
                               struct cella_bytes leaf, struct cella_bytes chain,
                               struct cella_secret *out) {
    OF(X509, free_x509) x = parse(leaf);
    OF(STACK_OF(X509), free_stack) list = chain_of(chain);
    OF(BIO, free_bio) bio = BIO_new(BIO_s_secmem());
    EVP_PKEY *pkey = with_key ? cella_material_pkey(material) : NULL;
    char *data = NULL;
    ENSURE(x && list && bio &&
               (pem ? write_pem(bio, pkey, x, list) : write_pkcs12(bio, pkey, x, list)),
           CELLA_ERR_INTERNAL, NULL, "cannot write a certificate's secret");
    long size = BIO_get_mem_data(bio, &data);
    return cella_secret_from(cella_bytes(data, (size_t)size), out);
}
