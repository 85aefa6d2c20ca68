/* What clients bring into a vault: a private JWK, a bundle of PEM or PKCS #12, a certificate
 * policy, a duration; the first byte says which. A key that is taken is saved and loaded as itself,
 * and signs or encrypts; a certificate that is taken is that of its key. */
#include <stdlib.h>
#include <string.h>

#include "crypto/jose.h"
#include "vault/cert_policy.h"
#include "vault/cert_x509.h"
#include "vault/duration.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held) {
    if (!held) abort();
}
static bool done(struct cella_result result) {
    bool good = !cella_failed(result);
    cella_result_drop(result);
    return good;
}

static void is_a_key(const struct cella_material *key) {
    CELLA_SECRET one = {0}, two = {0};
    CELLA_MATERIAL again = NULL;
    CELLA_PRODUCT made = {0};
    static const char *const ecdsa[] = {"", "ES256", "ES256K", "ES384", "ES512"};
    static const size_t digests[] = {0, 32, 32, 48, 64};
    static const uint8_t digest[64];
    enum cella_material_kind kind = cella_material_kind(key);
    must(done(cella_material_save(key, &one)));
    must(done(cella_material_load(kind, cella_secret_bytes(&one), &again)));
    must(done(cella_material_save(again, &two)));
    must(one.size == two.size && memcmp(one.data, two.data, one.size) == 0);
    struct cella_operands with = {.algorithm = "RS256", .value = cella_bytes(digest, 32)};
    if (kind == CELLA_MATERIAL_EC) {
        with.algorithm = ecdsa[cella_material_curve(key)];
        with.value.size = digests[cella_material_curve(key)];
    }
    if (kind == CELLA_MATERIAL_OCT) with.algorithm = "CKM_AES_KEY_WRAP";
    must(done(cella_material_use(key, kind == CELLA_MATERIAL_OCT ? CELLA_OP_WRAP : CELLA_OP_SIGN,
                                 &with, &made)));
}

static void jwk(struct cella_bytes text) {
    CELLA_JSON object = NULL;
    CELLA_MATERIAL key = NULL;
    if (!done(cella_json_object(text, "jwk", &object))) return;
    if (done(cella_material_import(object, &key))) is_a_key(key);
}

static void bundle(struct cella_bytes bytes) {
    CELLA_MATERIAL key = NULL;
    CELLA_BUFFER leaf = {0}, chain = {0};
    struct cella_cert_facts facts;
    if (!done(cella_cert_import(bytes, "x", &key, &leaf, &chain))) return;
    is_a_key(key);
    must(cella_cert_fits(cella_buffer_bytes(&leaf), key));
    done(cella_cert_read(cella_buffer_bytes(&leaf), &facts));
    for (int i = 0; i < 4; i++) {
        CELLA_SECRET value = {0};
        done(cella_cert_bundle(i % 2, i / 2, key, cella_buffer_bytes(&leaf),
                               cella_buffer_bytes(&chain), &value));
    }
}

static void policy(struct cella_bytes text) {
    static struct cella_material *key;
    CELLA_JSON object = NULL;
    CELLA_JSON made = NULL;
    CELLA_JSON again = NULL;
    CELLA_BUFFER leaf = {0}, request = {0};
    struct cella_cert_key shape;
    if (!key) must(done(cella_material_new(CELLA_MATERIAL_EC, CELLA_CURVE_P256, 0, 0, &key)));
    if (!done(cella_json_object(text, "policy", &object))) return;
    if (!done(cella_cert_policy(object, NULL, &made))) return;
    must(done(cella_cert_policy(made, NULL, &again)) && json_equal(made, again));
    cella_cert_policy_key(made, &shape);
    must(cella_cert_policy_months(made) >= 1);
    cella_cert_policy_pem(made);
    cella_cert_policy_self(made);
    cella_cert_policy_renewal(made, 0, 31536000);
    if (done(cella_cert_self(made, key, 1800000000, &leaf)))
        must(cella_cert_fits(cella_buffer_bytes(&leaf), key));
    done(cella_cert_request(made, key, &request));
}

static void duration(struct cella_bytes bytes) {
    struct cella_duration d;
    char text[64];
    if (bytes.size >= sizeof(text)) return;
    memcpy(text, bytes.data, bytes.size);
    text[bytes.size] = 0;
    if (!cella_duration_read(text, &d)) return;
    must(d.months + d.days > 0);
    for (int64_t at = 0; at < 5000000000; at += 777777777) {
        must(cella_duration_after(at, &d) > at && cella_duration_before(at, &d) < at);
        must(cella_duration_after(at, &d) - at >= (int64_t)cella_duration_days(&d) * 86400);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static void (*const readers[])(struct cella_bytes) = {jwk, bundle, policy, duration};
    if (size > 0) readers[data[0] % 4](cella_bytes(data + 1, size - 1));
    return 0;
}
