#include "hsm/root.h"

#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "crypto/digest.h"
#include "hsm/place.h"

static char purpose[] = "cella store root v1";

static CELLA_RESULT find_key(struct hsm_place *p, CK_OBJECT_HANDLE *out) {
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_AES;
    CK_ATTRIBUTE wanted[4] = {{CKA_CLASS, &class, sizeof(class)},
                              {CKA_KEY_TYPE, &type, sizeof(type)}};
    CK_ULONG wanted_count = 2, found = 0;
    CK_OBJECT_HANDLE key[2];
    const CK_ATTRIBUTE_TYPE named[] = {CKA_LABEL, CKA_ID};
    for (size_t i = 0; i < 2; i++) {
        const CK_ATTRIBUTE *a = p11_kit_uri_get_attribute(p->uri, named[i]);
        if (a) wanted[wanted_count++] = *a;
    }
    CK_RV rv = p->module->C_FindObjectsInit(p->session, wanted, wanted_count);
    if (rv == CKR_OK) {
        rv = p->module->C_FindObjects(p->session, key, 2, &found);
        (void)p->module->C_FindObjectsFinal(p->session);
    }
    ENSURE(rv == CKR_OK, CELLA_ERR_UNAVAILABLE, NULL, "cannot search token %s: %s", p->label,
           p11_kit_strerror(rv));
    ENSURE(found > 0, CELLA_ERR_NOT_FOUND,
           "make one: pkcs11-tool --module MODULE --token-label TOKEN --login --keygen --key-type "
           "AES:32 --label NAME; if it was there before, restore the HSM from its backup",
           "the token has no AES key that fits %s", p->name);
    ENSURE(found == 1, CELLA_ERR_USAGE, "give id= and object=", "more than one AES key fits %s",
           p->name);
    *out = key[0];
    return CELLA_SUCCESS;
}

/* A key that may leave the HSM protects no better than a file does. */
static void warn_of_key(struct hsm_place *p, CK_OBJECT_HANDLE key) {
    CK_BBOOL sensitive = CK_FALSE, extractable = CK_TRUE;
    CK_ATTRIBUTE a[] = {{CKA_SENSITIVE, &sensitive, sizeof(sensitive)},
                        {CKA_EXTRACTABLE, &extractable, sizeof(extractable)}};
    (void)p->module->C_GetAttributeValue(p->session, key, a, 2);
    if (!sensitive || extractable)
        cella_log(CELLA_LOG_WARN,
                  "root %s: the token lets this key out (it is %ssensitive, %sextractable)",
                  p->name, sensitive ? "" : "not ", extractable ? "" : "not ");
}

static CELLA_RESULT open_key(const char *uri, const char *folder, struct hsm_place *p,
                             CK_OBJECT_HANDLE *key) {
    TRY(hsm_place_read(uri, folder, true, p));
    TRY(hsm_place_open(p));
    TRY(find_key(p, key));
    warn_of_key(p, *key);
    return CELLA_SUCCESS;
}

static CELLA_RESULT run(struct hsm_place *p, CK_OBJECT_HANDLE key, bool encrypt, uint8_t *iv,
                        struct cella_bytes in, uint8_t *out, size_t room, size_t *size) {
    CK_GCM_PARAMS gcm = {.iv_ptr = iv,
                         .iv_len = CELLA_HSM_IV_SIZE,
                         .iv_bits = CELLA_HSM_IV_SIZE * 8,
                         .aad_ptr = (unsigned char *)purpose,
                         .aad_len = sizeof(purpose) - 1,
                         .tag_bits = CELLA_HSM_TAG_SIZE * 8};
    CK_MECHANISM mechanism = {CKM_AES_GCM, &gcm, sizeof(gcm)};
    CK_ULONG count = room;
    CK_RV rv = encrypt ? p->module->C_EncryptInit(p->session, &mechanism, key)
                       : p->module->C_DecryptInit(p->session, &mechanism, key);
    ENSURE(rv == CKR_OK, CELLA_ERR_UNSUPPORTED,
           "the key must be AES, allow encrypt and decrypt, and the token know CKM_AES_GCM",
           "token %s does not %s with the key: %s", p->label, encrypt ? "encrypt" : "decrypt",
           p11_kit_strerror(rv));
    rv = encrypt ? p->module->C_Encrypt(p->session, (uint8_t *)in.data, in.size, out, &count)
                 : p->module->C_Decrypt(p->session, (uint8_t *)in.data, in.size, out, &count);
    ENSURE(rv == CKR_OK, CELLA_ERR_INTEGRITY,
           "the key may be another of the same name: restore the HSM, or store.key, from a backup",
           "token %s does not %s the root: %s", p->label, encrypt ? "wrap" : "unwrap",
           p11_kit_strerror(rv));
    *size = count;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_hsm_root_wrap(const char *uri, const char *folder, struct cella_bytes key,
                                 uint8_t iv[CELLA_HSM_IV_SIZE], struct cella_buffer *wrapped) {
    HSM_PLACE place = {0};
    CK_OBJECT_HANDLE handle;
    uint8_t *out = NULL;
    size_t size = 0, before = wrapped->size, expected = key.size + CELLA_HSM_TAG_SIZE;
    TRY(open_key(uri, folder, &place, &handle));
    TRY(cella_random(iv, CELLA_HSM_IV_SIZE));
    TRY(cella_buffer_extend(wrapped, expected, &out));
    TRY(run(&place, handle, true, iv, key, out, expected, &size));
    ENSURE(size == expected, CELLA_ERR_UNSUPPORTED, NULL,
           "token %s gave %zu bytes of AES-GCM, expected %zu", place.label, size, expected);
    wrapped->size = before + size;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_hsm_root_unwrap(const char *uri, const char *folder, struct cella_bytes iv,
                                   struct cella_bytes wrapped, struct cella_secret *key) {
    HSM_PLACE place = {0};
    CK_OBJECT_HANDLE handle;
    CELLA_SECRET out = {0};
    uint8_t nonce[CELLA_HSM_IV_SIZE];
    size_t size = 0;
    ENSURE(iv.size == sizeof(nonce) && wrapped.size > CELLA_HSM_TAG_SIZE, CELLA_ERR_FORMAT,
           "restore it from a backup", "a wrapped root of %zu and %zu bytes", iv.size,
           wrapped.size);
    cella_copy(nonce, iv.data, iv.size);
    TRY(open_key(uri, folder, &place, &handle));
    TRY(cella_secret_new(wrapped.size, &out)); /* some tokens ask for room for the tag too */
    TRY(run(&place, handle, false, nonce, wrapped, out.data, out.size, &size));
    ENSURE(size == wrapped.size - CELLA_HSM_TAG_SIZE, CELLA_ERR_INTEGRITY, NULL,
           "token %s unwrapped %zu bytes, expected %zu", place.label, size,
           wrapped.size - CELLA_HSM_TAG_SIZE);
    return cella_secret_from(cella_bytes(out.data, size), key);
}
