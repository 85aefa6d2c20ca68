#include "checks.h"

#include "bench.h"

static struct checks *recording;

struct cella_result __real_cella_verifykey_check(const struct cella_verifykey *key,
                                                 enum cella_signature_algorithm algorithm,
                                                 struct cella_bytes message,
                                                 struct cella_bytes signature);
struct cella_result __wrap_cella_verifykey_check(const struct cella_verifykey *key,
                                                 enum cella_signature_algorithm algorithm,
                                                 struct cella_bytes message,
                                                 struct cella_bytes signature);
void __real_cella_verifykey_free(struct cella_verifykey **key);
void __wrap_cella_verifykey_free(struct cella_verifykey **key);

struct cella_result __wrap_cella_verifykey_check(const struct cella_verifykey *key,
                                                 enum cella_signature_algorithm algorithm,
                                                 struct cella_bytes message,
                                                 struct cella_bytes signature) {
    if (recording) {
        must_be(recording->count < CHECKS, "record so many signature checks: raise CHECKS");
        struct check *c = &recording->of[recording->count++];
        *c = (struct check){.key = key, .algorithm = algorithm};
        must(cella_buffer_append(&c->message, message));
        must(cella_buffer_append(&c->signature, signature));
    }
    return __real_cella_verifykey_check(key, algorithm, message, signature);
}

void __wrap_cella_verifykey_free(struct cella_verifykey **key) {
    if (recording)
        *key = NULL;
    else
        __real_cella_verifykey_free(key);
}

void checks_record(struct checks *checks) { recording = checks; }

void checks_repeat(const struct checks *checks) {
    for (size_t i = 0; i < checks->count; i++) {
        const struct check *c = &checks->of[i];
        /* Some are tries that fail, as the first of two roots: repeated all the same. */
        cella_result_drop(__real_cella_verifykey_check(c->key, c->algorithm,
                                                       cella_buffer_bytes(&c->message),
                                                       cella_buffer_bytes(&c->signature)));
    }
}
