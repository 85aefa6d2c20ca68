/* What a vault's release answers: the input as the answer, as its payload, as the envelope in it,
 * as the ciphertext in that, and laid over a genuine ciphertext. Nobody but the genuine one was
 * made for the key, so nothing else opens. */
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "fetch/wrap.h"

#define URL "https://v/keys/k"
enum { RSA_SIZE = 256, KEY_SIZE = 32, GENUINE_SIZE = RSA_SIZE + KEY_SIZE + 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static EVP_PKEY *key;
static uint8_t genuine[512], plain[KEY_SIZE] = {1, 2, 3};

static bool done(struct cella_result r) {
    bool good = !cella_failed(r);
    cella_result_drop(r);
    return good;
}
static void must(bool held) {
    if (!held) abort();
}

static void make(void) {
    uint8_t kek[32] = {4, 5, 6};
    size_t size = sizeof(genuine);
    int more = 0, last = 0;
    must(done(cella_wrap_key_new(&key)));
    EVP_PKEY_CTX *rsa = EVP_PKEY_CTX_new(key, NULL);
    must(EVP_PKEY_encrypt_init(rsa) == 1 &&
         EVP_PKEY_CTX_set_rsa_padding(rsa, RSA_PKCS1_OAEP_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_oaep_md(rsa, EVP_sha256()) == 1 &&
         EVP_PKEY_encrypt(rsa, genuine, &size, kek, sizeof(kek)) == 1 && size == RSA_SIZE);
    EVP_PKEY_CTX_free(rsa);
    EVP_CIPHER_CTX *aes = EVP_CIPHER_CTX_new();
    EVP_CIPHER_CTX_set_flags(aes, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    must(EVP_EncryptInit_ex(aes, EVP_aes_256_wrap_pad(), NULL, kek, NULL) == 1 &&
         EVP_EncryptUpdate(aes, genuine + size, &more, plain, KEY_SIZE) == 1 &&
         EVP_EncryptFinal_ex(aes, genuine + size + more, &last) == 1);
    must(size + (size_t)(more + last) == GENUINE_SIZE);
    EVP_CIPHER_CTX_free(aes);
}

static void append(struct cella_buffer *to, const char *text) {
    must(done(cella_buffer_append(to, cella_bytes_text(text))));
}
static void encode(struct cella_bytes bytes, struct cella_buffer *out) {
    must(done(cella_base64_encode(bytes, true, out)));
}

static bool opens(struct cella_buffer *jws) {
    CELLA_SECRET out = {0};
    must(done(cella_buffer_append(jws, cella_bytes("", 1))));
    bool good = done(cella_wrap_open(key, (const char *)jws->data, URL, &out));
    must(good == (out.size > 0));
    must(!good || (out.size == KEY_SIZE && memcmp(out.data, plain, KEY_SIZE) == 0));
    return good;
}

static bool payload(struct cella_bytes json) {
    CELLA_BUFFER jws = {0};
    append(&jws, "e30.");
    encode(json, &jws);
    append(&jws, ".");
    return opens(&jws);
}

static bool envelope(struct cella_bytes json) {
    CELLA_BUFFER text = {0};
    append(&text, "{\"response\":{\"key\":{\"key\":{\"kid\":\"" URL "/1\",\"key_hsm\":\"");
    encode(json, &text);
    append(&text, "\"}}}}");
    return payload(cella_buffer_bytes(&text));
}

static bool ciphertext(struct cella_bytes bytes) {
    CELLA_BUFFER text = {0};
    append(&text, "{\"ciphertext\":\"");
    encode(bytes, &text);
    append(&text, "\"}");
    return envelope(cella_buffer_bytes(&text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct cella_bytes bytes = cella_bytes(data, size);
    uint8_t changed[GENUINE_SIZE];
    CELLA_BUFFER whole = {0};
    if (!key) make();
    must(done(cella_buffer_append(&whole, bytes)));
    must(!opens(&whole) && !payload(bytes) && !envelope(bytes) && !ciphertext(bytes));
    memcpy(changed, genuine, sizeof(changed));
    for (size_t i = 0; i < size; i++) changed[i % sizeof(changed)] ^= data[i];
    bool same = memcmp(changed, genuine, sizeof(changed)) == 0;
    must(ciphertext(CELLA_BYTES_OF(changed)) == same);
    return 0;
}
