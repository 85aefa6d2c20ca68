#include "cli/envelope.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli/vault_call.h"
#include "crypto/digest.h"
#include "crypto/jose.h"
#include "seal/keyfile.h"

enum { FILE_MAX = 65536, URL_MAX = 512 };
static const char algorithm[] = "RSA-OAEP-256";

/* The vault of a key's URL; path: what is behind it, "/keys/NAME[/VERSION]". */
static CELLA_RESULT split(const char *url, char base[URL_MAX], const char **path) {
    const char *keys = strstr(url, "/keys/");
    ENSURE(strncmp(url, "https://", 8) == 0 && keys && keys > url + 8 &&
               (size_t)(keys - url) < URL_MAX && keys[6],
           CELLA_ERR_USAGE, NULL, "expected the URL of a key, https://VAULT/keys/NAME, found '%s'",
           url);
    snprintf(base, URL_MAX, "%.*s", (int)(keys - url), url);
    *path = keys;
    return CELLA_SUCCESS;
}

static CELLA_RESULT use(const char *key_url, const char *ca, const char *operation,
                        const json_t *body, json_t **reply) {
    CELLA_VAULT_CLIENT vault = {0};
    char base[URL_MAX], path[URL_MAX];
    const char *key = NULL;
    TRY(split(key_url, base, &key));
    struct cella_vault_arguments arguments = {.command = "seal", .vault = base, .ca = ca};
    TRY(cella_vault_open(&arguments, &vault));
    snprintf(path, sizeof(path), "%.400s/%s", key, operation);
    return cella_vault_send(&vault, "POST", path, body, reply);
}

CELLA_RESULT cella_cli_envelope_new(const char *key_url, const char *ca, const char *path,
                                    struct cella_secret *key) {
    CELLA_BUFFER text = {0};
    CELLA_JSON reply = NULL;
    TRY(cella_secret_new(CELLA_KEYFILE_KEY_SIZE, key));
    TRY(cella_random(key->data, key->size));
    TRY(cella_base64_encode(cella_secret_bytes(key), true, &text));
    CELLA_JSON body =
        json_pack("{s:s, s:s%}", "alg", algorithm, "value", (const char *)text.data, text.size);
    cella_wipe(text.data, text.capacity);
    TRY(use(key_url, ca, "wrapkey", body, &reply));
    const char *kid = json_string_value(json_object_get(reply, "kid"));
    const char *value = json_string_value(json_object_get(reply, "value"));
    ENSURE(kid && value, CELLA_ERR_PROTOCOL, NULL, "%s: expected kid and value in the answer",
           key_url);
    CELLA_JSON kept = json_pack("{s:s, s:s, s:s}", "kid", kid, "alg", algorithm, "value", value);
    char *json = kept ? json_dumps(kept, JSON_INDENT(2)) : NULL;
    ENSURE(json, CELLA_ERR_MEMORY, NULL, "no memory for a wrapped key");
    struct cella_result result = cella_file_write(path, cella_bytes_text(json), 0644, 0);
    free(json);
    return result;
}

/* Whether kid is that vault's, or that key's. */
static bool below(const char *kid, const char *url) {
    size_t size = strlen(url);
    while (size && url[size - 1] == '/') size--;
    return strncmp(kid, url, size) == 0 && (kid[size] == '/' || kid[size] == 0);
}

CELLA_RESULT cella_cli_envelope_open(const char *url, const char *ca, const char *path,
                                     struct cella_secret *key) {
    CELLA_BUFFER file = {0}, bytes = {0};
    CELLA_JSON kept = NULL;
    CELLA_JSON reply = NULL;
    TRY(cella_file_read(path, FILE_MAX, &file));
    TRY_IN(cella_json_object(cella_buffer_bytes(&file), "wrapped key", &kept), "%s", path);
    const char *kid = json_string_value(json_object_get(kept, "kid"));
    const char *alg = json_string_value(json_object_get(kept, "alg"));
    const char *value = json_string_value(json_object_get(kept, "value"));
    ENSURE(kid && value && alg && strcmp(alg, algorithm) == 0, CELLA_ERR_FORMAT, NULL,
           "%s: expected kid, alg %s and value", path, algorithm);
    ENSURE(strncmp(url, "https://", 8) == 0 && strlen(url) > 9 && below(kid, url),
           CELLA_ERR_REFUSED, "name its vault with --vault, if you trust it with your token",
           "%s names a key of another vault: %s", path, kid);
    CELLA_JSON body = json_pack("{s:s, s:s}", "alg", alg, "value", value);
    TRY(use(kid, ca, "unwrapkey", body, &reply));
    const json_t *plain = json_object_get(reply, "value");
    ENSURE(json_is_string(plain), CELLA_ERR_PROTOCOL, NULL, "%s: no value in the answer", kid);
    struct cella_result result = cella_base64_decode(
        cella_bytes(json_string_value(plain), json_string_length(plain)), true, &bytes);
    if (!cella_failed(result) && bytes.size != CELLA_KEYFILE_KEY_SIZE)
        result = CELLA_FAILURE(CELLA_ERR_FORMAT, NULL, "%s: expected a key of %d bytes", path,
                               CELLA_KEYFILE_KEY_SIZE);
    if (!cella_failed(result)) result = cella_secret_from(cella_buffer_bytes(&bytes), key);
    if (bytes.data) cella_wipe(bytes.data, bytes.capacity);
    return result;
}
