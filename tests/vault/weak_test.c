/* K10: keys whose numbers all belong together, and which are still none to take: of another size,
 * with an exponent of 1, of primes that are none or the same, with numbers out of their range. */
#include "keys.h"

#include <openssl/ec.h>
#include <openssl/obj_mac.h>

static void taken(const json_t *jwk, bool wanted, const char *what) {
    CELLA_MATERIAL key = NULL;
    struct cella_result result = cella_material_import(jwk, &key);
    if (cella_failed(result) == wanted)
        fail_msg("%s: %s", what, wanted ? result.error->what : "taken");
    if (!wanted) assert_int_equal(cella_code_of(result), CELLA_ERR_FORMAT);
    assert_int_equal(key != NULL, wanted);
    cella_result_drop(result);
}

/* --- RSA --- */

static BIGNUM *prime(int bits) {
    BIGNUM *p = BN_new();
    assert_int_equal(BN_generate_prime_ex(p, bits, 0, NULL, NULL, NULL), 1);
    BN_set_bit(p, bits - 2); /* products of two have all their bits */
    while (!BN_check_prime(p, NULL, NULL)) BN_add_word(p, 2);
    return p;
}

/* The key of two factors, every number as it should be; d of e, or 1 where e has no inverse. */
static json_t *rsa_of(const BIGNUM *p, const BIGNUM *q, BN_ULONG exponent) {
    BN_CTX *ctx = BN_CTX_new();
    json_t *jwk = json_pack("{s:s}", "kty", "RSA");
    BIGNUM *n = BN_new(), *p1 = BN_dup(p), *q1 = BN_dup(q), *phi = BN_new(), *e = BN_new();
    BIGNUM *dp = BN_new(), *dq = BN_new();
    BN_set_word(e, exponent);
    BN_mul(n, p, q, ctx);
    BN_sub_word(p1, 1);
    BN_sub_word(q1, 1);
    BN_mul(phi, p1, q1, ctx);
    BIGNUM *d = BN_mod_inverse(NULL, e, phi, ctx), *qi = BN_mod_inverse(NULL, q, p, ctx);
    if (!d) BN_set_word(d = BN_new(), 1);
    if (!qi) BN_set_word(qi = BN_new(), 1);
    BN_mod(dp, d, p1, ctx);
    BN_mod(dq, d, q1, ctx);
    const struct {
        const char *name;
        const BIGNUM *number;
    } members[] = {{"n", n}, {"e", e},   {"d", d},   {"p", p},
                   {"q", q}, {"dp", dp}, {"dq", dq}, {"qi", qi}};
    for (size_t i = 0; i < 8; i++) put_number(jwk, members[i].name, members[i].number, 0);
    BIGNUM *all[] = {n, p1, q1, phi, e, d, qi, dp, dq};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) BN_clear_free(all[i]);
    BN_CTX_free(ctx);
    return jwk;
}

static void one(json_t *jwk, bool wanted, const char *what) {
    taken(jwk, wanted, what);
    json_decref(jwk);
}

/* With all members, and with n, e and d alone. */
static void both(json_t *jwk, bool wanted, const char *what) {
    static const char *const rest[] = {"p", "q", "dp", "dq", "qi"};
    taken(jwk, wanted, what);
    for (size_t i = 0; i < 5; i++) json_object_del(jwk, rest[i]);
    taken(jwk, wanted, what);
    json_decref(jwk);
}

static void rsa_keys(void **state) {
    (void)state;
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *p = prime(1024), *q = prime(1024), *half = prime(512), *other = prime(512);
    BIGNUM *product = BN_new(), *longer = prime(1025);
    both(rsa_of(p, q, 65537), true, "a sound key");
    both(rsa_of(p, q, 3), BN_mod_word(p, 3) != 1 && BN_mod_word(q, 3) != 1, "an exponent of 3");
    both(rsa_of(p, q, 1), false, "an exponent of 1");
    both(rsa_of(p, q, 2), false, "an even exponent");
    both(rsa_of(p, q, 65536), false, "another even exponent");
    both(rsa_of(half, other, 65537), false, "1024 bits");
    both(rsa_of(p, other, 65537), false, "1536 bits");
    both(rsa_of(longer, q, 65537), false, "2049 bits");
    both(rsa_of(p, p, 65537), false, "a prime and itself");
    BN_mul(product, half, other, ctx);
    one(rsa_of(product, q, 65537), false, "three primes as if they were two");
    BN_mul(product, half, p, ctx); /* 1536 bits */
    one(rsa_of(product, half, 65537), false, "a factor in common");
    BN_set_word(product, 65537);
    BIGNUM *rest = prime(2032);
    one(rsa_of(rest, product, 3), false, "a tiny prime");
    BN_clear_free(rest);
    BN_copy(product, p);
    for (BN_add_word(product, 2); !BN_check_prime(product, ctx, NULL); BN_add_word(product, 2)) {}
    one(rsa_of(p, product, 65537), false, "a prime and the next one");
    BIGNUM *all[] = {p, q, half, other, product, longer};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) BN_clear_free(all[i]);
    BN_CTX_free(ctx);
}

/* --- Curves --- */

static const struct {
    const char *name;
    int nid, size;
} curves[] = {{"P-256", NID_X9_62_prime256v1, 32},
              {"P-256K", NID_secp256k1, 32},
              {"P-384", NID_secp384r1, 48},
              {"P-521", NID_secp521r1, 66}};

/* The public key of d, with d as it is written; a number that has no room is left out. */
static json_t *ec_of(size_t curve, const BIGNUM *d, const BIGNUM *shown) {
    EC_GROUP *group = EC_GROUP_new_by_curve_name(curves[curve].nid);
    EC_POINT *point = EC_POINT_new(group);
    BIGNUM *x = BN_new(), *y = BN_new();
    json_t *jwk = json_pack("{s:s, s:s}", "kty", "EC", "crv", curves[curve].name);
    assert_int_equal(EC_POINT_mul(group, point, d, NULL, NULL, NULL), 1);
    assert_int_equal(EC_POINT_get_affine_coordinates(group, point, x, y, NULL), 1);
    put_number(jwk, "x", x, curves[curve].size);
    put_number(jwk, "y", y, curves[curve].size);
    if (BN_num_bytes(shown) <= curves[curve].size) put_number(jwk, "d", shown, curves[curve].size);
    BN_free(x);
    BN_free(y);
    EC_POINT_free(point);
    EC_GROUP_free(group);
    return jwk;
}

static void add_to(json_t *jwk, const char *name, const BIGNUM *more, int size) {
    CELLA_BUFFER bytes = {0};
    GOOD(cella_base64_decode(cella_bytes_text(json_string_value(json_object_get(jwk, name))), true,
                             &bytes));
    BIGNUM *number = BN_bin2bn(bytes.data, (int)bytes.size, NULL);
    BN_add(number, number, more);
    if (BN_num_bytes(number) <= size) put_number(jwk, name, number, size);
    BN_free(number);
}

static void ec_keys(void **state) {
    (void)state;
    for (size_t c = 0; c < sizeof(curves) / sizeof(curves[0]); c++) {
        EC_GROUP *group = EC_GROUP_new_by_curve_name(curves[c].nid);
        const BIGNUM *order = EC_GROUP_get0_order(group), *field = EC_GROUP_get0_field(group);
        BIGNUM *d = BN_new(), *beyond = BN_new(), *zero = BN_new();
        BN_set_word(d, 5);
        CELLA_JSON sound = ec_of(c, d, d);
        taken(sound, true, "a sound key");
        BN_add(beyond, order, d);
        CELLA_JSON wrapped = ec_of(c, d, beyond); /* the same point */
        taken(wrapped, false, "d beyond the order");
        CELLA_JSON none = ec_of(c, d, zero);
        taken(none, false, "d of zero");
        CELLA_JSON whole = ec_of(c, d, order);
        taken(whole, false, "d of the order");
        CELLA_JSON mirrored = json_copy(sound); /* on the curve, and of -d */
        BN_sub(beyond, order, d);
        CELLA_JSON negative = ec_of(c, beyond, d);
        taken(negative, false, "the point of -d");
        CELLA_JSON padded = json_copy(sound);
        add_to(padded, "x", field, curves[c].size);
        if (!json_equal(padded, sound)) taken(padded, false, "x beyond the field");
        CELLA_JSON off = json_copy(sound);
        add_to(off, "y", BN_value_one(), curves[c].size);
        taken(off, false, "a point off the curve");
        CELLA_JSON swapped = json_copy(sound);
        json_object_set(swapped, "x", json_object_get(sound, "y"));
        json_object_set(swapped, "y", json_object_get(sound, "x"));
        taken(swapped, false, "x and y in each other's place");
        json_object_set_new(mirrored, "crv", json_string(curves[(c + 1) % 2].name));
        taken(mirrored, false, "another curve of that size");
        BN_free(d);
        BN_free(beyond);
        BN_free(zero);
        EC_GROUP_free(group);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(rsa_keys), cmocka_unit_test(ec_keys)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
