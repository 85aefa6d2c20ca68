#include "fetch/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "crypto/jose.h"

enum { PORT_MAX = 65535, NAME_MAX_ = 127 };

static bool letter_or_digit(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool good_host(const char *host) {
    for (const char *c = host; *c; c++)
        if (!letter_or_digit(*c) && *c != '-' && *c != '.') return false;
    return *host && *host != '.' && *host != '-';
}

static bool good_path(const char *path) {
    for (const char *c = path; *c; c++)
        if (!letter_or_digit(*c) && !strchr("-._~/", *c)) return false;
    return !strstr(path, "//") && !strstr(path, "/.");
}

/* "HOST[:PORT]" */
static bool take_authority(struct cella_fetch_url *out) {
    const char *colon = strchr(out->authority, ':');
    uint64_t port = 443;
    size_t size = colon ? (size_t)(colon - out->authority) : strlen(out->authority);
    if (colon && (!cella_number_read(colon + 1, &port) || port == 0 || port > PORT_MAX))
        return false;
    memcpy(out->host, out->authority, size);
    out->host[size] = 0;
    int n = snprintf(out->peer, sizeof(out->peer), "%s:%u", out->host, (unsigned)port);
    return n > 0 && (size_t)n < sizeof(out->peer) && good_host(out->host);
}

bool cella_fetch_url(const char *url, struct cella_fetch_url *out) {
    static const char scheme[] = "https://";
    *out = (struct cella_fetch_url){"", "", "", ""};
    if (!url || strlen(url) >= CELLA_FETCH_URL_MAX || strncmp(url, scheme, sizeof(scheme) - 1) != 0)
        return false;
    url += sizeof(scheme) - 1;
    size_t size = strcspn(url, "/"), rest = strlen(url + size);
    if (!good_path(url + size)) return false;
    memcpy(out->authority, url, size);
    if (rest && url[size + rest - 1] == '/') rest--;
    memcpy(out->path, url + size, rest);
    return take_authority(out);
}

/* 1 to 127 of [0-9A-Za-z-], as a vault names keys and versions. */
static size_t name_size(const char *text) {
    size_t n = 0;
    while (letter_or_digit(text[n]) || text[n] == '-') n++;
    return n <= NAME_MAX_ ? n : 0;
}

bool cella_fetch_key_url(const char *url, struct cella_fetch_url *out) {
    static const char folder[] = "/keys/";
    if (!cella_fetch_url(url, out) || strncmp(out->path, folder, sizeof(folder) - 1) != 0 ||
        url[strlen(url) - 1] == '/') /* the vault's answer is about the key without one */
        return false;
    const char *at = out->path + sizeof(folder) - 1;
    size_t size = name_size(at);
    if (size == 0) return false;
    at += size;
    if (*at == 0) return true;
    size = *at == '/' ? name_size(at + 1) : 0;
    return size > 0 && at[1 + size] == 0;
}

void cella_fetch_settings_free(struct cella_fetch_settings *settings) {
    json_decref(settings->json);
    settings->json = NULL;
}

CELLA_RESULT cella_fetch_settings_write(const struct cella_fetch_settings *s,
                                        struct cella_buffer *out) {
    CELLA_JSON keys = json_object();
    for (size_t i = 0; keys && i < s->count; i++)
        ENSURE(json_object_set_new(keys, s->key[i].name, json_string(s->key[i].url)) == 0,
               CELLA_ERR_MEMORY, NULL, "no memory for the vault settings");
    CELLA_JSON whole = json_pack("{s:s, s:s, s:O}", "attest", s->attest, "ca", s->ca, "keys", keys);
    char *text = whole ? json_dumps(whole, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    ENSURE(text, CELLA_ERR_MEMORY, NULL, "no memory for the vault settings");
    struct cella_result result = cella_buffer_append(out, cella_bytes_text(text));
    free(text);
    return result;
}

static CELLA_RESULT take_keys(json_t *keys, struct cella_fetch_settings *out) {
    const char *name;
    json_t *value;
    struct cella_fetch_url url;
    ENSURE(json_object_size(keys) >= 1 && json_object_size(keys) <= CELLA_FETCH_KEY_MAX,
           CELLA_ERR_FORMAT, NULL, "vault settings: expected 1 to %d keys", CELLA_FETCH_KEY_MAX);
    json_object_foreach(keys, name, value) {
        const char *text = json_string_value(value);
        ENSURE(cella_fetch_key_url(text, &url), CELLA_ERR_FORMAT, NULL,
               "vault settings: key %.64s: expected https://HOST[:PORT]/keys/NAME[/VERSION], found "
               "'%.200s'",
               name, text ? text : "");
        out->key[out->count++] = (struct cella_fetch_key){name, text};
    }
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_fetch_settings_read(struct cella_bytes bytes, struct cella_fetch_settings *out) {
    struct cella_fetch_url url;
    CELLA_FETCH_SETTINGS s = {0};
    *out = (struct cella_fetch_settings){0};
    TRY(cella_json_object(bytes, "vault settings", &s.json));
    s.attest = json_string_value(json_object_get(s.json, "attest"));
    s.ca = json_string_value(json_object_get(s.json, "ca"));
    ENSURE(json_object_size(s.json) == 3 && cella_fetch_url(s.attest, &url) && s.ca &&
               strlen(s.ca) <= CELLA_FETCH_CA_MAX,
           CELLA_ERR_FORMAT, NULL,
           "vault settings: expected attest, ca and keys, and no other member");
    TRY(take_keys(json_object_get(s.json, "keys"), &s));
    *out = MOVE(s);
    return CELLA_SUCCESS;
}
