/* Root pkcs11: an AES key that never leaves an HSM wraps the root (RFC 7512 names it). One call to
 * the HSM at start; only this file knows PKCS#11. */
#include <limits.h>
#include <p11-kit/p11-kit.h>
#include <p11-kit/uri.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "crypto/digest.h"
#include "store/sealer_inner.h"

enum { IV_SIZE = 12, TAG_SIZE = 16, PIN_MAX = 256, SLOTS_MAX = 64 };

struct hsm {
    P11KitUri *uri;
    CK_FUNCTION_LIST *single;   /* of module-path */
    CK_FUNCTION_LIST **modules; /* that p11-kit knows, NULL at the end */
    CK_FUNCTION_LIST *module;   /* the one that has the token */
    CK_SLOT_ID slot;
    char label[33];
    CK_SESSION_HANDLE session;
    bool open;
    CK_OBJECT_HANDLE key;
};

static void hsm_close(struct hsm *h) {
    if (h->open) (void)h->module->C_CloseSession(h->session);
    if (h->single) {
        (void)p11_kit_module_finalize(h->single);
        p11_kit_module_release(h->single);
    }
    if (h->modules) p11_kit_modules_finalize_and_release(h->modules);
    p11_kit_uri_free(h->uri);
}
#define HSM __attribute__((cleanup(hsm_close))) struct hsm

/* --- The URI --- */

static CELLA_RESULT parse(const char *root, struct hsm *h) {
    h->uri = p11_kit_uri_new();
    ENSURE(h->uri, CELLA_ERR_MEMORY, NULL, "no memory for a URI");
    const char *form = "pkcs11:token=NAME;object=NAME?pin-source=file:PATH (RFC 7512)";
    int bad = p11_kit_uri_parse(root, P11_KIT_URI_FOR_ANY, h->uri);
    ENSURE(bad == P11_KIT_URI_OK && !p11_kit_uri_any_unrecognized(h->uri), CELLA_ERR_USAGE, form,
           "the root is no PKCS#11 URI: %s", bad ? p11_kit_uri_message(bad) : "a part is unknown");
    /* K25: what is in a URI is in the configuration, in logs and on command lines. */
    ENSURE(!p11_kit_uri_get_pin_value(h->uri), CELLA_ERR_USAGE,
           "write the PIN into a file of mode 0600, and pin-source=file:PATH",
           "a root with its PIN in it (pin-value)");
    ENSURE(p11_kit_uri_get_attribute(h->uri, CKA_LABEL) ||
               p11_kit_uri_get_attribute(h->uri, CKA_ID),
           CELLA_ERR_USAGE, form, "the root names no key: expected object= or id=");
    return CELLA_SUCCESS;
}

/* The root's name for messages: without what a query says. */
static const char *name_of(const char *root, char name[128]) {
    snprintf(name, 128, "%.*s", (int)strcspn(root, "?"), root);
    return name;
}

/* --- Module and token --- */

static CELLA_RESULT load(struct hsm *h) {
    const char *path = p11_kit_uri_get_module_path(h->uri);
    p11_kit_be_quiet(); /* the messages are ours */
    if (!path) {
        h->modules = p11_kit_modules_load_and_initialize(0);
        ENSURE(h->modules && h->modules[0], CELLA_ERR_UNAVAILABLE,
               "install the HSM's module, or name it: ?module-path=/usr/lib/.../NAME.so",
               "p11-kit knows no PKCS#11 module");
        return CELLA_SUCCESS;
    }
    h->single = p11_kit_module_load(path, 0);
    ENSURE(h->single, CELLA_ERR_UNAVAILABLE, "see module-path of the root",
           "the PKCS#11 module %s cannot be loaded", path);
    CK_RV rv = p11_kit_module_initialize(h->single);
    if (rv != CKR_OK) {
        p11_kit_module_release(h->single);
        h->single = NULL;
    }
    ENSURE(rv == CKR_OK, CELLA_ERR_UNAVAILABLE, NULL, "the PKCS#11 module %s cannot be started: %s",
           path, p11_kit_strerror(rv));
    return CELLA_SUCCESS;
}

static bool fits(struct hsm *h, CK_FUNCTION_LIST *module, CK_SLOT_ID slot) {
    CK_TOKEN_INFO info;
    if (module->C_GetTokenInfo(slot, &info) != CKR_OK || !(info.flags & CKF_TOKEN_INITIALIZED) ||
        !p11_kit_uri_match_token_info(h->uri, &info))
        return false;
    h->module = module;
    h->slot = slot;
    snprintf(h->label, sizeof(h->label), "%.32s", (const char *)info.label);
    return true;
}

static unsigned search(struct hsm *h, CK_FUNCTION_LIST *module) {
    CK_SLOT_ID slot[SLOTS_MAX];
    CK_ULONG count = SLOTS_MAX;
    CK_INFO info;
    unsigned found = 0;
    if (module->C_GetInfo(&info) != CKR_OK || !p11_kit_uri_match_module_info(h->uri, &info) ||
        module->C_GetSlotList(CK_TRUE, slot, &count) != CKR_OK)
        return 0;
    for (CK_ULONG i = 0; i < count; i++) found += fits(h, module, slot[i]);
    return found;
}

static CELLA_RESULT find_token(struct hsm *h, const char *name) {
    unsigned found = 0;
    if (h->single) found = search(h, h->single);
    for (size_t i = 0; h->modules && h->modules[i]; i++) found += search(h, h->modules[i]);
    ENSURE(found > 0, CELLA_ERR_UNAVAILABLE,
           "is the HSM connected, and is the module of its maker known to p11-kit? "
           "`p11-kit list-modules` shows its tokens",
           "no token is there that fits %s", name);
    ENSURE(found == 1, CELLA_ERR_USAGE, "add serial= or manufacturer= to the root",
           "%u tokens fit %s", found, name);
    return CELLA_SUCCESS;
}

/* --- Session and key --- */

static CELLA_RESULT read_pin(const struct sealer_place *at, const struct hsm *h,
                             struct cella_secret *pin) {
    const char *source = p11_kit_uri_get_pin_source(h->uri);
    char path[PATH_MAX];
    ENSURE(source && strncmp(source, "file:", 5) == 0 && source[5], CELLA_ERR_USAGE,
           "write the PIN into a file of mode 0600, and pin-source=file:PATH",
           "the root does not say where the token's PIN is");
    source += 5;
    if (strncmp(source, "///", 3) == 0) source += 2; /* file:///PATH of RFC 8089 */
    int n = snprintf(path, sizeof(path), "%s%s%s", *source == '/' ? "" : at->folder,
                     *source == '/' ? "" : "/", source);
    ENSURE(n > 0 && n < (int)sizeof(path), CELLA_ERR_LIMIT, NULL, "path too long: %s", source);
    TRY_IN(cella_file_read_secret(path, PIN_MAX, pin), "the token's PIN");
    while (pin->size && pin->data[pin->size - 1] == '\n') pin->size--;
    ENSURE(pin->size, CELLA_ERR_FORMAT, NULL, "the PIN's file %s is empty", path);
    return CELLA_SUCCESS;
}

static CELLA_RESULT log_in(struct hsm *h, struct cella_secret *pin) {
    CK_RV rv = h->module->C_OpenSession(h->slot, CKF_SERIAL_SESSION, NULL, NULL, &h->session);
    ENSURE(rv == CKR_OK, CELLA_ERR_UNAVAILABLE, NULL, "token %s gives no session: %s", h->label,
           p11_kit_strerror(rv));
    h->open = true;
    rv = h->module->C_Login(h->session, CKU_USER, pin->data, pin->size);
    ENSURE(rv != CKR_PIN_LOCKED, CELLA_ERR_PERMISSION, "let the HSM's officer unlock it",
           "the PIN of token %s is locked after too many wrong ones", h->label);
    ENSURE(rv != CKR_PIN_INCORRECT && rv != CKR_PIN_LEN_RANGE && rv != CKR_PIN_INVALID,
           CELLA_ERR_PERMISSION, "see the file of pin-source; a token locks after a few wrong PINs",
           "token %s refuses the PIN", h->label);
    ENSURE(rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN, CELLA_ERR_UNAVAILABLE, NULL,
           "cannot log in to token %s: %s", h->label, p11_kit_strerror(rv));
    return CELLA_SUCCESS;
}

static CELLA_RESULT find_key(struct hsm *h, const char *name) {
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_AES;
    CK_ATTRIBUTE wanted[4] = {{CKA_CLASS, &class, sizeof(class)},
                              {CKA_KEY_TYPE, &type, sizeof(type)}};
    CK_ULONG wanted_count = 2, found = 0;
    CK_OBJECT_HANDLE key[2];
    const CK_ATTRIBUTE_TYPE named[] = {CKA_LABEL, CKA_ID};
    for (size_t i = 0; i < 2; i++) {
        const CK_ATTRIBUTE *a = p11_kit_uri_get_attribute(h->uri, named[i]);
        if (a) wanted[wanted_count++] = *a;
    }
    CK_RV rv = h->module->C_FindObjectsInit(h->session, wanted, wanted_count);
    if (rv == CKR_OK) {
        rv = h->module->C_FindObjects(h->session, key, 2, &found);
        (void)h->module->C_FindObjectsFinal(h->session);
    }
    ENSURE(rv == CKR_OK, CELLA_ERR_UNAVAILABLE, NULL, "cannot search token %s: %s", h->label,
           p11_kit_strerror(rv));
    ENSURE(found > 0, CELLA_ERR_NOT_FOUND,
           "make one: pkcs11-tool --module MODULE --token-label TOKEN --login --keygen --key-type "
           "AES:32 --label NAME; if it was there before, restore the HSM from its backup",
           "the token has no AES key that fits %s", name);
    ENSURE(found == 1, CELLA_ERR_USAGE, "give id= and object=", "more than one AES key fits %s",
           name);
    h->key = key[0];
    return CELLA_SUCCESS;
}

/* A key that may leave the HSM protects no better than a file does. */
static void warn_of_key(struct hsm *h, const char *name) {
    CK_BBOOL sensitive = CK_FALSE, extractable = CK_TRUE;
    CK_ATTRIBUTE a[] = {{CKA_SENSITIVE, &sensitive, sizeof(sensitive)},
                        {CKA_EXTRACTABLE, &extractable, sizeof(extractable)}};
    (void)h->module->C_GetAttributeValue(h->session, h->key, a, 2);
    if (!sensitive || extractable)
        cella_log(CELLA_LOG_WARN,
                  "root %s: the token lets this key out (it is %ssensitive, %sextractable)", name,
                  sensitive ? "" : "not ", extractable ? "" : "not ");
}

static CELLA_RESULT hsm_open(const struct sealer_place *at, struct hsm *h) {
    char name[128];
    CELLA_SECRET pin = {0};
    name_of(at->root, name);
    TRY(parse(at->root, h));
    TRY(read_pin(at, h, &pin));
    TRY(load(h));
    TRY(find_token(h, name));
    TRY(log_in(h, &pin));
    TRY(find_key(h, name));
    warn_of_key(h, name);
    return CELLA_SUCCESS;
}

/* --- Wrapping: AES-GCM within the HSM --- */

static char purpose[] = "cella store root v1";

static CELLA_RESULT run(struct hsm *h, bool encrypt, uint8_t iv[IV_SIZE], struct cella_bytes in,
                        uint8_t *out, size_t room, size_t *size) {
    CK_GCM_PARAMS gcm = {.iv_ptr = iv,
                         .iv_len = IV_SIZE,
                         .iv_bits = IV_SIZE * 8,
                         .aad_ptr = (unsigned char *)purpose,
                         .aad_len = sizeof(purpose) - 1,
                         .tag_bits = TAG_SIZE * 8};
    CK_MECHANISM mechanism = {CKM_AES_GCM, &gcm, sizeof(gcm)};
    CK_ULONG count = room;
    CK_RV rv = encrypt ? h->module->C_EncryptInit(h->session, &mechanism, h->key)
                       : h->module->C_DecryptInit(h->session, &mechanism, h->key);
    ENSURE(rv == CKR_OK, CELLA_ERR_UNSUPPORTED,
           "the key must be AES, allow encrypt and decrypt, and the token know CKM_AES_GCM",
           "token %s does not %s with the key: %s", h->label, encrypt ? "encrypt" : "decrypt",
           p11_kit_strerror(rv));
    rv = encrypt ? h->module->C_Encrypt(h->session, (uint8_t *)in.data, in.size, out, &count)
                 : h->module->C_Decrypt(h->session, (uint8_t *)in.data, in.size, out, &count);
    ENSURE(rv == CKR_OK, CELLA_ERR_INTEGRITY,
           "the key may be another of the same name: restore the HSM, or store.key, from a backup",
           "token %s does not %s the root: %s", h->label, encrypt ? "wrap" : "unwrap",
           p11_kit_strerror(rv));
    *size = count;
    return CELLA_SUCCESS;
}

CELLA_RESULT sealer_pkcs11_wrap(const struct sealer_place *at, struct cella_bytes key,
                                json_t *kept) {
    HSM h = {0};
    uint8_t iv[IV_SIZE], out[SEALER_KEY_SIZE + TAG_SIZE];
    size_t size = 0;
    TRY(hsm_open(at, &h));
    TRY(cella_random(iv, sizeof(iv)));
    TRY(run(&h, true, iv, key, out, sizeof(out), &size));
    ENSURE(size == sizeof(out), CELLA_ERR_UNSUPPORTED, NULL,
           "token %s gave %zu bytes of AES-GCM, expected %zu", h.label, size, sizeof(out));
    TRY(sealer_kept_put(kept, "iv", CELLA_BYTES_OF(iv)));
    return sealer_kept_put(kept, "wrapped", CELLA_BYTES_OF(out));
}

CELLA_RESULT sealer_pkcs11_unwrap(const struct sealer_place *at, const json_t *kept,
                                  struct cella_secret *key) {
    HSM h = {0};
    CELLA_BUFFER iv = {0}, wrapped = {0};
    CELLA_SECRET out = {0};
    size_t size = 0;
    TRY(sealer_kept_get(kept, "iv", &iv));
    TRY(sealer_kept_get(kept, "wrapped", &wrapped));
    ENSURE(iv.size == IV_SIZE && wrapped.size == SEALER_KEY_SIZE + TAG_SIZE, CELLA_ERR_FORMAT,
           "restore it from a backup", "store.key: a wrapped root of %zu and %zu bytes", iv.size,
           wrapped.size);
    TRY(hsm_open(at, &h));
    /* Some tokens ask for room for the tag too. */
    TRY(cella_secret_new(SEALER_KEY_SIZE + TAG_SIZE, &out));
    TRY(run(&h, false, iv.data, cella_buffer_bytes(&wrapped), out.data, out.size, &size));
    ENSURE(size == SEALER_KEY_SIZE, CELLA_ERR_INTEGRITY, NULL,
           "token %s unwrapped %zu bytes, expected %d", h.label, size, SEALER_KEY_SIZE);
    return cella_secret_from(cella_bytes(out.data, size), key);
}
