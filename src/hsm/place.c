#include "hsm/place.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"

enum { PIN_MAX = 256, SLOTS_MAX = 64 };

void hsm_place_leave(struct hsm_place *p) {
    if (p->open) (void)p->module->C_CloseSession(p->session);
    p->open = false;
    if (p->single) {
        (void)p11_kit_module_finalize(p->single);
        p11_kit_module_release(p->single);
    }
    if (p->modules) p11_kit_modules_finalize_and_release(p->modules);
    p->single = p->module = NULL;
    p->modules = NULL;
}

void hsm_place_close(struct hsm_place *place) {
    hsm_place_leave(place);
    p11_kit_uri_free(place->uri);
    place->uri = NULL;
}

/* --- The URI --- */

static CELLA_RESULT parse(const char *text, struct hsm_place *p) {
    p->uri = p11_kit_uri_new();
    ENSURE(p->uri, CELLA_ERR_MEMORY, NULL, "no memory for a URI");
    const char *form = "pkcs11:token=NAME?pin-source=file:PATH (RFC 7512)";
    int bad = p11_kit_uri_parse(text, P11_KIT_URI_FOR_ANY, p->uri);
    ENSURE(bad == P11_KIT_URI_OK && !p11_kit_uri_any_unrecognized(p->uri), CELLA_ERR_USAGE, form,
           "%s is no PKCS#11 URI: %s", p->name,
           bad ? p11_kit_uri_message(bad) : "a part is unknown");
    /* K25: what is in a URI is in the configuration, in logs and on command lines. */
    ENSURE(!p11_kit_uri_get_pin_value(p->uri), CELLA_ERR_USAGE,
           "write the PIN into a file of mode 0600, and pin-source=file:PATH",
           "%s: a URI with its PIN in it (pin-value)", p->name);
    return CELLA_SUCCESS;
}

CELLA_RESULT hsm_place_read(const char *uri, const char *folder, bool names_key,
                            struct hsm_place *out) {
    char path[PATH_MAX];
    *out = (struct hsm_place){.folder = folder};
    snprintf(out->name, sizeof(out->name), "%.*s", (int)strcspn(uri, "?"), uri);
    struct cella_result result = parse(uri, out);
    if (!cella_failed(result)) result = hsm_place_pin_path(out, path, sizeof(path));
    bool named = !cella_failed(result) && (p11_kit_uri_get_attribute(out->uri, CKA_LABEL) ||
                                           p11_kit_uri_get_attribute(out->uri, CKA_ID));
    if (!cella_failed(result) && named != names_key)
        result = CELLA_FAILURE(
            CELLA_ERR_USAGE, "pkcs11:token=NAME;object=NAME?pin-source=file:PATH (RFC 7512)",
            names_key ? "%s names no key: expected object= or id="
                      : "%s names a key: expected a token alone, without object= and id=",
            out->name);
    if (cella_failed(result)) hsm_place_close(out);
    return result;
}

CELLA_RESULT hsm_place_pin_path(const struct hsm_place *place, char *path, size_t size) {
    const char *source = p11_kit_uri_get_pin_source(place->uri);
    ENSURE(source && strncmp(source, "file:", 5) == 0 && source[5], CELLA_ERR_USAGE,
           "write the PIN into a file of mode 0600, and pin-source=file:PATH",
           "%s does not say where the token's PIN is", place->name);
    source += 5;
    if (strncmp(source, "///", 3) == 0) source += 2; /* file:///PATH of RFC 8089 */
    int n = snprintf(path, size, "%s%s%s", *source == '/' ? "" : place->folder,
                     *source == '/' ? "" : "/", source);
    ENSURE(n > 0 && n < (int)size, CELLA_ERR_LIMIT, NULL, "path too long: %s", source);
    return CELLA_SUCCESS;
}

/* --- Module and token --- */

static CELLA_RESULT load(struct hsm_place *p) {
    const char *path = p11_kit_uri_get_module_path(p->uri);
    p11_kit_be_quiet(); /* the messages are ours */
    if (!path) {
        p->modules = p11_kit_modules_load_and_initialize(0);
        ENSURE(p->modules && p->modules[0], CELLA_ERR_UNAVAILABLE,
               "install the HSM's module, or name it: ?module-path=/usr/lib/.../NAME.so",
               "p11-kit knows no PKCS#11 module");
        return CELLA_SUCCESS;
    }
    p->single = p11_kit_module_load(path, 0);
    ENSURE(p->single, CELLA_ERR_UNAVAILABLE, "see its module-path",
           "the PKCS#11 module %s cannot be loaded", path);
    CK_RV rv = p11_kit_module_initialize(p->single);
    if (rv != CKR_OK) {
        p11_kit_module_release(p->single);
        p->single = NULL;
    }
    ENSURE(rv == CKR_OK, CELLA_ERR_UNAVAILABLE, NULL, "the PKCS#11 module %s cannot be started: %s",
           path, p11_kit_strerror(rv));
    return CELLA_SUCCESS;
}

static bool fits(struct hsm_place *p, CK_FUNCTION_LIST *module, CK_SLOT_ID slot) {
    CK_TOKEN_INFO info;
    if (module->C_GetTokenInfo(slot, &info) != CKR_OK || !(info.flags & CKF_TOKEN_INITIALIZED) ||
        !p11_kit_uri_match_token_info(p->uri, &info))
        return false;
    p->module = module;
    p->slot = slot;
    p->info = info;
    size_t size = sizeof(info.label); /* padded with blanks */
    while (size && info.label[size - 1] == ' ') size--;
    snprintf(p->label, sizeof(p->label), "%.*s", (int)size, (const char *)info.label);
    return true;
}

static unsigned search(struct hsm_place *p, CK_FUNCTION_LIST *module) {
    CK_SLOT_ID slot[SLOTS_MAX];
    CK_ULONG count = SLOTS_MAX;
    CK_INFO info;
    unsigned found = 0;
    if (module->C_GetInfo(&info) != CKR_OK || !p11_kit_uri_match_module_info(p->uri, &info) ||
        module->C_GetSlotList(CK_TRUE, slot, &count) != CKR_OK)
        return 0;
    for (CK_ULONG i = 0; i < count; i++) found += fits(p, module, slot[i]);
    return found;
}

static CELLA_RESULT find_token(struct hsm_place *p) {
    unsigned found = 0;
    if (p->single) found = search(p, p->single);
    for (size_t i = 0; p->modules && p->modules[i]; i++) found += search(p, p->modules[i]);
    ENSURE(found > 0, CELLA_ERR_UNAVAILABLE,
           "is the HSM connected, and is the module of its maker known to p11-kit? "
           "`p11-kit list-modules` shows its tokens",
           "no token is there that fits %s", p->name);
    ENSURE(found == 1, CELLA_ERR_USAGE, "add serial= or manufacturer= to it", "%u tokens fit %s",
           found, p->name);
    return CELLA_SUCCESS;
}

/* --- Login --- */

static CELLA_RESULT read_pin(const struct hsm_place *p, struct cella_secret *pin) {
    char path[PATH_MAX];
    TRY(hsm_place_pin_path(p, path, sizeof(path)));
    TRY_IN(cella_file_read_secret(path, PIN_MAX, pin), "the token's PIN");
    while (pin->size && pin->data[pin->size - 1] == '\n') pin->size--;
    ENSURE(pin->size, CELLA_ERR_FORMAT, NULL, "the PIN's file %s is empty", path);
    return CELLA_SUCCESS;
}

static CELLA_RESULT log_in(struct hsm_place *p, struct cella_secret *pin) {
    CK_RV rv = p->module->C_OpenSession(p->slot, CKF_SERIAL_SESSION, NULL, NULL, &p->session);
    ENSURE(rv == CKR_OK, CELLA_ERR_UNAVAILABLE, NULL, "token %s gives no session: %s", p->label,
           p11_kit_strerror(rv));
    p->open = true;
    rv = p->module->C_Login(p->session, CKU_USER, pin->data, pin->size);
    ENSURE(rv != CKR_PIN_LOCKED, CELLA_ERR_PERMISSION, "let the HSM's officer unlock it",
           "the PIN of token %s is locked after too many wrong ones", p->label);
    ENSURE(rv != CKR_PIN_INCORRECT && rv != CKR_PIN_LEN_RANGE && rv != CKR_PIN_INVALID,
           CELLA_ERR_PERMISSION, "see the file of pin-source; a token locks after a few wrong PINs",
           "token %s refuses the PIN", p->label);
    ENSURE(rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN, CELLA_ERR_UNAVAILABLE, NULL,
           "cannot log in to token %s: %s", p->label, p11_kit_strerror(rv));
    return CELLA_SUCCESS;
}

static CELLA_RESULT enter(struct hsm_place *p) {
    CELLA_SECRET pin = {0};
    TRY(read_pin(p, &pin));
    TRY(load(p));
    TRY(find_token(p));
    return log_in(p, &pin);
}

CELLA_RESULT hsm_place_open(struct hsm_place *place) {
    struct cella_result result = enter(place);
    if (cella_failed(result)) hsm_place_leave(place);
    return result;
}
