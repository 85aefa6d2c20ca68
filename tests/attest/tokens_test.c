/* Signing keys and tokens: what clients see, how keys come and go while the clock runs, jumps and
 * comes back, and what the store may hold. */
#include <signal.h>
#include <sys/wait.h>

#include "attest/tokens_plan.h"
#include "crypto/x509.h"
#include "stand.h"

enum { HOUR = 3600, DAY = 86400, YEAR = 365 * DAY };
#define START 1800000000ULL

/* --- The plan alone --- */

static const struct token_rules quarterly = {CELLA_JOSE_RS256, 90 * DAY, DAY};

struct keys {
    size_t count, made;
    struct token_times key[TOKENS_KEYS];
    uint64_t serial[TOKENS_KEYS], next_serial;
};

static void put_in_order(struct keys *keys) {
    for (size_t i = 1; i < keys->count; i++)
        for (size_t j = i; j > 0 && keys->key[j].signs_unix < keys->key[j - 1].signs_unix; j--) {
            struct token_times times = keys->key[j];
            uint64_t serial = keys->serial[j];
            keys->key[j] = keys->key[j - 1], keys->serial[j] = keys->serial[j - 1];
            keys->key[j - 1] = times, keys->serial[j - 1] = serial;
        }
}

/* What tokens_store.c does with a plan. */
static void tend(struct keys *keys, const struct token_rules *rules, uint64_t now) {
    struct token_plan plan;
    token_plan_make(keys->key, keys->count, rules, now, &plan);
    if (plan.pull != TOKENS_NONE) keys->key[plan.pull].signs_unix = plan.pull_unix;
    size_t to = 0;
    for (size_t i = 0; i < keys->count; i++) {
        if (plan.drop[i]) continue;
        keys->key[to] = keys->key[i], keys->serial[to] = keys->serial[i];
        keys->key[to].looked_unix = plan.looked_unix[i];
        keys->key[to++].aged_s = plan.aged_s[i];
    }
    keys->count = to;
    if (plan.make) {
        assert_true(keys->count < TOKENS_KEYS);
        keys->serial[keys->count] = keys->next_serial++;
        keys->key[keys->count++] =
            (struct token_times){rules->algorithm,
                                 plan.signs_unix,
                                 plan.signs_unix + 2 * rules->rotate_s + 396 * DAY,
                                 28800,
                                 0,
                                 0};
        keys->made++;
    }
    put_in_order(keys);
}

static bool has(const struct keys *keys, uint64_t serial) {
    for (size_t i = 0; i < keys->count; i++)
        if (keys->serial[i] == serial) return true;
    return false;
}

static void rotation_over_years(void **state) {
    (void)state;
    struct keys keys = {0};
    uint64_t seen_unix[64] = {0}, last_signer = 0;
    for (uint64_t now = START; now < START + 4 * YEAR; now += HOUR) {
        tend(&keys, &quarterly, now);
        for (size_t i = 0; i < keys.count; i++)
            if (!seen_unix[keys.serial[i]]) seen_unix[keys.serial[i]] = now;
        size_t signer = token_signer(keys.key, keys.count, CELLA_JOSE_RS256, now);
        assert_true(signer < keys.count);
        if (keys.serial[signer] != last_signer) {
            /* published a day before, so that clients which keep /certs have it; and the one
             * before stays */
            assert_true(now - seen_unix[keys.serial[signer]] >= DAY);
            assert_true(has(&keys, last_signer));
            last_signer = keys.serial[signer];
        }
        assert_true(keys.count <= 3);
    }
    assert_in_range(keys.made, 4 * 4, 4 * 4 + 2);
}

static void old_keys_outlive_their_tokens(void **state) {
    (void)state;
    struct keys keys = {0};
    tend(&keys, &quarterly, START);
    keys.key[0].lifetime_s = YEAR; /* a TPM's report */
    uint64_t stopped = 0, gone = 0;
    for (uint64_t now = START; now < START + 4 * YEAR && !gone; now += HOUR) {
        tend(&keys, &quarterly, now);
        size_t signer = token_signer(keys.key, keys.count, CELLA_JOSE_RS256, now);
        if (!stopped && keys.serial[signer] != 0) stopped = now;
        if (!has(&keys, 0)) gone = now;
    }
    assert_true(stopped >= START + 90 * DAY && stopped <= START + 90 * DAY + HOUR);
    assert_true(gone > stopped + YEAR && gone < stopped + 3 * YEAR);
}

/* A service that was off for long: the new key is published before it signs all the same. */
static void late_rotation_publishes_first(void **state) {
    (void)state;
    struct keys keys = {0};
    tend(&keys, &quarterly, START);
    uint64_t back = START + 200 * DAY;
    tend(&keys, &quarterly, back);
    assert_int_equal(keys.count, 2);
    assert_int_equal(token_signer(keys.key, keys.count, CELLA_JOSE_RS256, back), 0);
    assert_int_equal(keys.key[1].signs_unix, back + DAY);
    tend(&keys, &quarterly, back + DAY - 1);
    assert_int_equal(token_signer(keys.key, keys.count, CELLA_JOSE_RS256, back + DAY - 1), 0);
    assert_int_equal(token_signer(keys.key, keys.count, CELLA_JOSE_RS256, back + DAY), 1);
}

static void clock_ahead_and_back(void **state) {
    (void)state;
    struct keys keys = {0};
    tend(&keys, &quarterly, START);
    for (int i = 0; i < 50; i++) {
        tend(&keys, &quarterly, START + (uint64_t)(i + 1) * 10 * YEAR);
        tend(&keys, &quarterly, START + HOUR);
        assert_true(has(&keys, 0));
        assert_int_equal(
            keys.serial[token_signer(keys.key, keys.count, CELLA_JOSE_RS256, START + HOUR)], 0);
    }
    assert_true(keys.count <= TOKENS_KEYS && keys.made <= TOKENS_KEYS);
    for (int i = 0; i < 50; i++) { /* less far: certificates have not ended then */
        tend(&keys, &quarterly, START + (uint64_t)(i + 1) * 100 * DAY);
        tend(&keys, &quarterly, START + HOUR);
        assert_true(has(&keys, 0) && keys.count <= TOKENS_KEYS);
    }
    /* and rotation goes on as if nothing had been */
    for (uint64_t now = START; now <= START + 91 * DAY; now += HOUR) tend(&keys, &quarterly, now);
    assert_int_not_equal(
        keys.serial[token_signer(keys.key, keys.count, CELLA_JOSE_RS256, START + 91 * DAY)], 0);
}

static void clock_back_and_forth(void **state) {
    (void)state;
    struct keys keys = {0};
    for (uint64_t now = START; now < START + 200 * DAY; now += HOUR) tend(&keys, &quarterly, now);
    uint64_t now = START + 200 * DAY;
    uint64_t signer = keys.serial[token_signer(keys.key, keys.count, CELLA_JOSE_RS256, now)];
    size_t made = keys.made;
    for (int i = 0; i < 50; i++) {
        tend(&keys, &quarterly, START - (uint64_t)(i + 1) * YEAR);
        tend(&keys, &quarterly, now);
        assert_true(has(&keys, signer));
        assert_int_equal(keys.serial[token_signer(keys.key, keys.count, CELLA_JOSE_RS256, now)],
                         signer);
    }
    assert_int_equal(keys.made, made);
}

/* Whatever the clock does in between: a token made while it was right has its key while it lives,
 * and no key signs that was not published for a while of right clock, but the first. */
static void random_clocks(void **state) {
    (void)state;
    enum { TOKENS = 64, ROUNDS = 200, STEPS = 1000 };
    srand(1);
    for (int round = 0; round < ROUNDS; round++) {
        struct keys keys = {0};
        struct {
            uint64_t serial, until;
        } token[TOKENS] = {{0}};
        size_t next = 0;
        uint64_t real = START;
        for (int step = 0; step < STEPS; step++) {
            real += (uint64_t)(rand() % (2 * HOUR) + 60);
            int64_t off = rand() % 10 ? 0 : (int64_t)(rand() % 20 - 10) * (rand() % 400) * DAY;
            uint64_t clock = (uint64_t)((int64_t)real + off);
            tend(&keys, &quarterly, clock);
            assert_true(keys.count > 0 && keys.count <= TOKENS_KEYS);
            if (off) continue;
            size_t signer = token_signer(keys.key, keys.count, CELLA_JOSE_RS256, clock);
            assert_true(signer < keys.count);
            token[next].serial = keys.serial[signer];
            token[next++ % TOKENS].until = clock + 28800;
            next %= TOKENS;
            for (size_t i = 0; i < TOKENS; i++)
                assert_true(token[i].until < clock || has(&keys, token[i].serial));
        }
    }
}

static void another_algorithm_signs_at_once(void **state) {
    (void)state;
    struct token_rules ec = quarterly;
    struct keys keys = {0};
    tend(&keys, &quarterly, START);
    ec.algorithm = CELLA_JOSE_ES256;
    tend(&keys, &ec, START + DAY);
    assert_int_equal(keys.count, 2);
    assert_int_equal(token_signer(keys.key, keys.count, CELLA_JOSE_ES256, START + DAY), 1);
    for (uint64_t now = START + DAY; now < START + 10 * DAY; now += HOUR) tend(&keys, &ec, now);
    assert_false(has(&keys, 0)); /* its tokens are over */
    assert_true(has(&keys, 1));
}

/* --- Tokens --- */

static void certs(const struct stand *stand, json_t **keys) {
    CELLA_BUFFER body = {0};
    CELLA_JSON set = NULL;
    GOOD(cella_tokens_keyset(stand->instance.tokens, &body));
    assert_null(memmem(body.data, body.size, "\\/", 2));
    GOOD(cella_json_object(cella_buffer_bytes(&body), "certs", &set));
    *keys = json_incref(json_object_get(set, "keys"));
    assert_true(json_is_array(*keys));
}

static void make_tokens(struct stand *stand, uint64_t now) {
    GOOD(cella_tokens_new(&stand->instance, now, &stand->instance.tokens));
}

static void key_set_has_what_clients_need(void **state) {
    (void)state;
    struct stand stand;
    stand_make(&stand, CELLA_ATTEST_AAD);
    make_tokens(&stand, START);
    CELLA_JSON keys = NULL;
    certs(&stand, &keys);
    assert_int_equal(json_array_size(keys), 1);
    const json_t *key = json_array_get(keys, 0);
    const char *texts[] = {"kid", "kty", "use", "alg", "n", "e"};
    for (size_t i = 0; i < 6; i++) assert_true(json_is_string(json_object_get(key, texts[i])));
    assert_string_equal(json_string_value(json_object_get(key, "alg")), "RS256");
    assert_string_equal(json_string_value(json_object_get(key, "use")), "sig");
    /* as real ones: base64 of a SHA-256, here of the key */
    assert_int_equal(strlen(json_string_value(json_object_get(key, "kid"))), 44);
    CELLA_BUFFER der = {0};
    struct cella_certificate x509;
    char name[128];
    const char *x5c = json_string_value(json_array_get(json_object_get(key, "x5c"), 0));
    GOOD(cella_base64_decode(cella_bytes_text(x5c), false, &der));
    GOOD(cella_certificate_parse(cella_buffer_bytes(&der), &x509));
    cella_name_common(x509.subject, name, sizeof(name));
    assert_string_equal(name, "https://localhost:8445");
    assert_true(x509.not_before_unix <= START && x509.not_after_unix > START + YEAR);
    stand_remove(&stand);
}

static void token_has_the_shape_of_real_ones(void **state) {
    (void)state;
    struct stand stand;
    stand_make(&stand, CELLA_ATTEST_AAD);
    make_tokens(&stand, START);
    CELLA_JSON claims =
        json_pack("{s:s, s:b, s:s}", "x-ms-ver", "1.0", "is-debuggable", 1, "a/b", "c/d");
    CELLA_BUFFER token = {0};
    CELLA_JWS jws = {0};
    GOOD(cella_tokens_sign(stand.instance.tokens, claims, START, 28800, true, &token));
    CELLA_JSON checked = token_claims(&stand.instance, cella_buffer_bytes(&token));
    GOOD(cella_jws_open(cella_buffer_bytes(&token), false, &jws));
    assert_int_equal(json_object_size(jws.header), 4);
    assert_string_equal(jws.typ, "JWT");
    assert_string_equal(json_string_value(json_object_get(jws.header, "jku")),
                        "https://localhost:8445/certs");
    uint64_t iat = 0, nbf = 0, exp = 0;
    assert_true(cella_json_date(checked, "iat", &iat) && cella_json_date(checked, "nbf", &nbf) &&
                cella_json_date(checked, "exp", &exp));
    assert_int_equal(iat, START - CELLA_TOKENS_BACKDATE_S);
    assert_int_equal(nbf, iat);
    assert_int_equal(exp, iat + 28800);
    assert_string_equal(json_string_value(json_object_get(checked, "iss")),
                        "https://localhost:8445");
    assert_int_equal(strlen(json_string_value(json_object_get(checked, "jti"))), 64);
    /* members in the order of their names; slashes as they are */
    const char *order[] = {"\"a/b\":\"c/d\"", "\"exp\"", "\"iat\"", "\"is-debuggable\":true",
                           "\"iss\"",         "\"jti\"", "\"nbf\"", "\"x-ms-ver\""};
    const uint8_t *at = jws.payload.data;
    for (size_t i = 0; i < 8; i++) {
        const uint8_t *found =
            memmem(jws.payload.data, jws.payload.size, order[i], strlen(order[i]));
        assert_non_null(found);
        assert_true(found >= at);
        at = found;
    }
    stand_remove(&stand);
}

static void result_tokens_have_no_jti(void **state) {
    (void)state;
    struct stand stand;
    stand_make(&stand, CELLA_ATTEST_AAD);
    make_tokens(&stand, START);
    CELLA_JSON claims = json_object(), *again = json_object();
    CELLA_BUFFER token = {0}, other = {0};
    GOOD(cella_tokens_sign(stand.instance.tokens, claims, START, 3600, false, &token));
    assert_null(json_object_get(claims, "jti"));
    GOOD(cella_tokens_sign(stand.instance.tokens, again, START, 0, true, &other));
    uint64_t iat = 0, exp = 0;
    assert_true(cella_json_date(again, "iat", &iat) && cella_json_date(again, "exp", &exp));
    assert_int_equal(exp - iat, 28800); /* the instance's own */
    REFUSED(cella_tokens_sign(stand.instance.tokens, again, START, 400 * DAY, true, &other),
            CELLA_ERR_USAGE);
    stand_remove(&stand);
}

static void drafts_are_unsecured(void **state) {
    (void)state;
    struct stand stand;
    stand_make(&stand, CELLA_ATTEST_AAD);
    make_tokens(&stand, START);
    CELLA_JSON claims = json_object();
    CELLA_BUFFER token = {0};
    CELLA_JWS jws = {0};
    GOOD(cella_tokens_unsecured(stand.instance.tokens, claims, START, 28800, &token));
    REFUSED(cella_jws_open(cella_buffer_bytes(&token), false, &jws), CELLA_ERR_FORMAT);
    GOOD(cella_jws_open(cella_buffer_bytes(&token), true, &jws));
    assert_int_equal(jws.algorithm, CELLA_JOSE_NONE);
    assert_int_equal(token.data[token.size - 1], '.');
    assert_non_null(jws.kid); /* without it the JavaScript client takes no token */
    assert_non_null(json_object_get(claims, "jti"));
    stand_remove(&stand);
}

static void reports_carry_the_certificate(void **state) {
    (void)state;
    struct stand stand;
    stand_make(&stand, CELLA_ATTEST_AAD);
    make_tokens(&stand, START);
    for (int x5t = 0; x5t < 2; x5t++) {
        CELLA_JSON claims = json_object();
        CELLA_BUFFER token = {0};
        CELLA_JWS jws = {0};
        GOOD(cella_tokens_sign_x5(stand.instance.tokens, claims, START, DAY, x5t, &token));
        GOOD(cella_jws_open(cella_buffer_bytes(&token), false, &jws));
        assert_int_equal(jws.x5c_count, x5t ? 0 : 1);
        assert_int_equal(json_is_string(json_object_get(jws.header, "x5t")), x5t);
        if (!x5t) {
            struct cella_jose_key *key = NULL;
            GOOD(cella_jose_key_certificate(jws.x5c[0], &key));
            GOOD(cella_jws_check(&jws, key, CELLA_JOSE_RS256));
            cella_jose_key_free(&key);
        }
    }
    stand_remove(&stand);
}

static void es256_when_asked(void **state) {
    (void)state;
    struct stand stand;
    stand_make(&stand, CELLA_ATTEST_AAD);
    stand.instance.settings.algorithm = CELLA_JOSE_ES256;
    make_tokens(&stand, START);
    CELLA_JSON keys = NULL, *claims = json_object();
    CELLA_BUFFER token = {0};
    certs(&stand, &keys);
    assert_string_equal(json_string_value(json_object_get(json_array_get(keys, 0), "crv")),
                        "P-256");
    GOOD(cella_tokens_sign(stand.instance.tokens, claims, START, 60, true, &token));
    json_decref(token_claims(&stand.instance, cella_buffer_bytes(&token)));
    cella_tokens_free(&stand.instance.tokens);
    stand.instance.settings.algorithm = CELLA_JOSE_PS256;
    REFUSED(cella_tokens_new(&stand.instance, START, &stand.instance.tokens), CELLA_ERR_USAGE);
    stand_remove(&stand);
}

static const char *kid_at(const json_t *keys, size_t index) {
    return json_string_value(json_object_get(json_array_get(keys, index), "kid"));
}

static void certificate_shows_evidence(void **state) {
    (void)state;
    struct stand stand;
    stand_make(&stand, CELLA_ATTEST_AAD);
    make_tokens(&stand, START);
    CELLA_JSON before = NULL, *after = NULL;
    CELLA_BUFFER der = {0};
    struct cella_certificate x509;
    struct cella_bytes value;
    static const uint8_t oid[] = {0x2b, 6,    1,    4, 1,
                                  0x82, 0x37, 0x69, 1}; /* 1.3.6.1.4.1.311.105.1 */
    certs(&stand, &before);
    cella_tokens_free(&stand.instance.tokens);
    stand.instance.settings.evidence = cella_bytes_text("evidence of this service");
    make_tokens(&stand, START + HOUR);
    certs(&stand, &after);
    assert_int_equal(json_array_size(after), 1);
    assert_string_equal(kid_at(before, 0), kid_at(after, 0)); /* the same key, certified anew */
    const char *x5c =
        json_string_value(json_array_get(json_object_get(json_array_get(after, 0), "x5c"), 0));
    GOOD(cella_base64_decode(cella_bytes_text(x5c), false, &der));
    GOOD(cella_certificate_parse(cella_buffer_bytes(&der), &x509));
    assert_true(cella_certificate_extension(&x509, CELLA_BYTES_OF(oid), &value));
    assert_int_equal(value.size, strlen("evidence of this service"));
    stand_remove(&stand);
}

/* --- Keys in the store --- */

static void rotation_keeps_old_keys(void **state) {
    (void)state;
    struct stand stand;
    stand_make(&stand, CELLA_ATTEST_AAD);
    stand_close(&stand);
    stand.in_memory = true; /* many looks, each of them written */
    stand_open(&stand);
    stand.instance.settings.algorithm = CELLA_JOSE_ES256;
    stand.instance.settings.rotate_s = 30 * DAY;
    make_tokens(&stand, START);
    CELLA_JSON first = NULL, *second = NULL, *third = NULL, *claims = json_object();
    CELLA_BUFFER old = {0}, new = {0};
    CELLA_JWS old_jws = {0}, new_jws = {0};
    certs(&stand, &first);
    GOOD(cella_tokens_tend(stand.instance.tokens, START + 29 * DAY));
    certs(&stand, &second);
    assert_int_equal(json_array_size(second), 2);
    GOOD(cella_tokens_sign(stand.instance.tokens, claims, START + 30 * DAY - 1, 0, true, &old));
    GOOD(cella_tokens_sign(stand.instance.tokens, claims, START + 30 * DAY, 0, true, &new));
    GOOD(cella_jws_open(cella_buffer_bytes(&old), false, &old_jws));
    GOOD(cella_jws_open(cella_buffer_bytes(&new), false, &new_jws));
    assert_string_equal(old_jws.kid, kid_at(first, 0));
    assert_string_not_equal(new_jws.kid, old_jws.kid);
    GOOD(cella_tokens_tend(stand.instance.tokens, START + 30 * DAY + 28800));
    json_decref(token_claims(&stand.instance, cella_buffer_bytes(&old)));
    for (uint64_t at = START + 31 * DAY; at < START + 32 * DAY; at += HOUR)
        GOOD(cella_tokens_tend(stand.instance.tokens, at));
    certs(&stand, &third);
    assert_int_equal(json_array_size(third), 1);
    stand_remove(&stand);
}

static void long_tokens_keep_their_key(void **state) {
    (void)state;
    struct stand stand;
    stand_make(&stand, CELLA_ATTEST_AAD);
    stand_close(&stand);
    stand.in_memory = true; /* many looks, each of them written */
    stand_open(&stand);
    stand.instance.settings.algorithm = CELLA_JOSE_ES256;
    stand.instance.settings.rotate_s = 30 * DAY;
    make_tokens(&stand, START);
    CELLA_JSON claims = json_object();
    CELLA_BUFFER token = {0};
    GOOD(cella_tokens_sign_x5(stand.instance.tokens, claims, START, YEAR, false, &token));
    cella_tokens_free(&stand.instance.tokens); /* the store remembers it, not the process */
    make_tokens(&stand, START + DAY);
    for (uint64_t at = START; at < START + YEAR; at += 12 * HOUR)
        GOOD(cella_tokens_tend(stand.instance.tokens, at));
    json_decref(token_claims(&stand.instance, cella_buffer_bytes(&token)));
    stand_remove(&stand);
}

static void keys_outlive_the_process(void **state) {
    (void)state;
    struct stand stand;
    stand_make(&stand, CELLA_ATTEST_AAD);
    make_tokens(&stand, START);
    CELLA_JSON before = NULL, *after = NULL, *claims = json_object();
    CELLA_BUFFER token = {0};
    certs(&stand, &before);
    GOOD(cella_tokens_sign(stand.instance.tokens, claims, START, 60, true, &token));
    stand_close(&stand);
    stand_open(&stand);
    make_tokens(&stand, START + 1);
    certs(&stand, &after);
    assert_true(json_equal(before, after));
    json_decref(token_claims(&stand.instance, cella_buffer_bytes(&token)));
    stand_remove(&stand);
}

/* K21: a key that was moved to another instance, and a root that is not this store's. */
static void moved_and_foreign_keys_do_not_open(void **state) {
    (void)state;
    struct stand stand;
    CELLA_SESSION session = NULL;
    stand_make(&stand, CELLA_ATTEST_AAD);
    make_tokens(&stand, START);
    cella_tokens_free(&stand.instance.tokens);
    GOOD(cella_session_begin(stand.database, true, &session));
    GOOD(cella_execute(session, "UPDATE attest_tokens_key SET instance = 'other'", NULL, 0, NULL));
    GOOD(cella_session_commit(&session));
    stand.instance.settings.name = "other";
    REFUSED(cella_tokens_new(&stand.instance, START, &stand.instance.tokens), CELLA_ERR_INTEGRITY);
    GOOD(cella_session_begin(stand.database, true, &session));
    GOOD(cella_execute(session, "UPDATE attest_tokens_key SET instance = 'dev'", NULL, 0, NULL));
    GOOD(cella_session_commit(&session));
    stand.instance.settings.name = "dev";
    make_tokens(&stand, START);
    stand_close(&stand);
    assert_int_equal(unlink(stand_path(&stand, "root.key")), 0);
    assert_int_equal(unlink(stand_path(&stand, "store.key")), 0);
    stand_open(&stand);
    REFUSED(cella_tokens_new(&stand.instance, START, &stand.instance.tokens), CELLA_ERR_INTEGRITY);
    stand_remove(&stand);
}

static void private_keys_are_sealed(void **state) {
    (void)state;
    struct stand stand;
    stand_make(&stand, CELLA_ATTEST_AAD);
    make_tokens(&stand, START);
    stand_close(&stand);
    /* PKCS#8 of RSA begins with this algorithm identifier; so does no other thing that is stored */
    static const uint8_t pkcs8[] = {2, 1, 0, 0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7};
    const char *files[] = {"cella.db", "cella.db-wal", "audit.log"};
    for (size_t i = 0; i < 3; i++) {
        FILE *file = fopen(stand_path(&stand, files[i]), "r");
        static uint8_t content[1 << 20];
        size_t size = file ? fread(content, 1, sizeof(content), file) : 0;
        if (file) fclose(file);
        assert_null(memmem(content, size, pkcs8, sizeof(pkcs8)));
        assert_null(memmem(content, size, "PRIVATE", 7));
    }
    stand_remove(&stand);
}

/* Two processes that start at once on an empty store, and two that are killed meanwhile. */
static void processes_agree(void **state) {
    (void)state;
    struct stand stand;
    stand_make(&stand, CELLA_ATTEST_AAD);
    stand_close(&stand); /* RSA keys take long enough to make that the processes meet */
    for (int i = 0; i < 4; i++) {
        pid_t child = fork();
        if (child == 0) {
            struct stand own = stand;
            stand_open(&own);
            make_tokens(&own, START);
            _exit(0);
        }
        assert_true(child > 0);
        if (i >= 2) usleep(1000 * (useconds_t)i), kill(child, SIGKILL);
    }
    while (wait(NULL) > 0) {}
    CELLA_JSON keys = NULL, *others = NULL;
    struct stand other = stand;
    stand_open(&stand);
    make_tokens(&stand, START + 1);
    certs(&stand, &keys);
    assert_int_equal(json_array_size(keys), 1);
    stand_open(&other);
    make_tokens(&other, START + 1);
    GOOD(cella_tokens_tend(stand.instance.tokens, START + 89 * DAY));
    GOOD(cella_tokens_tend(other.instance.tokens, START + 89 * DAY));
    json_decref(keys);
    certs(&stand, &keys);
    certs(&other, &others);
    assert_int_equal(json_array_size(keys), 2);
    assert_true(json_equal(keys, others));
    stand_close(&other);
    stand_remove(&stand);
}

static void *sign_many(void *context) {
    struct stand *stand = context;
    for (int i = 0; i < 50; i++) {
        CELLA_JSON claims = json_object();
        CELLA_BUFFER token = {0};
        GOOD(cella_tokens_sign(stand->instance.tokens, claims, START, 60, true, &token));
        json_decref(token_claims(&stand->instance, cella_buffer_bytes(&token)));
    }
    return NULL;
}

static void signing_goes_on_while_keys_rotate(void **state) {
    (void)state;
    struct stand stand;
    pthread_t thread[3];
    stand_make(&stand, CELLA_ATTEST_AAD);
    stand.instance.settings.algorithm = CELLA_JOSE_ES256;
    make_tokens(&stand, START);
    for (int i = 0; i < 3; i++) pthread_create(&thread[i], NULL, sign_many, &stand);
    for (uint64_t day = 80; day < 400; day += 30)
        GOOD(cella_tokens_tend(stand.instance.tokens, START + day * DAY));
    for (int i = 0; i < 3; i++) pthread_join(thread[i], NULL);
    stand_remove(&stand);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rotation_over_years),
        cmocka_unit_test(old_keys_outlive_their_tokens),
        cmocka_unit_test(late_rotation_publishes_first),
        cmocka_unit_test(clock_ahead_and_back),
        cmocka_unit_test(clock_back_and_forth),
        cmocka_unit_test(random_clocks),
        cmocka_unit_test(another_algorithm_signs_at_once),
        cmocka_unit_test(key_set_has_what_clients_need),
        cmocka_unit_test(token_has_the_shape_of_real_ones),
        cmocka_unit_test(result_tokens_have_no_jti),
        cmocka_unit_test(drafts_are_unsecured),
        cmocka_unit_test(reports_carry_the_certificate),
        cmocka_unit_test(es256_when_asked),
        cmocka_unit_test(certificate_shows_evidence),
        cmocka_unit_test(rotation_keeps_old_keys),
        cmocka_unit_test(long_tokens_keep_their_key),
        cmocka_unit_test(keys_outlive_the_process),
        cmocka_unit_test(moved_and_foreign_keys_do_not_open),
        cmocka_unit_test(private_keys_are_sealed),
        cmocka_unit_test(processes_agree),
        cmocka_unit_test(signing_goes_on_while_keys_rotate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
