/* URLs and settings of keys that come from a vault. What is taken has one spelling, in which it is
 * taken again. */
#include <stdlib.h>
#include <string.h>

#include "fetch/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool done(struct cella_result r) {
    bool good = !cella_failed(r);
    cella_result_drop(r);
    return good;
}
static void must(bool held) {
    if (!held) abort();
}

static void url(const uint8_t *data, size_t size) {
    char text[2 * CELLA_FETCH_URL_MAX];
    struct cella_fetch_url out;
    if (size >= sizeof(text) || memchr(data, 0, size)) return;
    memcpy(text, data, size);
    text[size] = 0;
    bool key = cella_fetch_key_url(text, &out);
    bool good = cella_fetch_url(text, &out);
    must(good || !key);
    if (!good) return;
    must(strlen(out.authority) + strlen(out.path) + 8 + (text[size - 1] == '/') == size);
    must(!strpbrk(text, "@?#%\\ \r\n") && strncmp(out.peer, out.host, strlen(out.host)) == 0);
}

static void settings(struct cella_bytes bytes) {
    CELLA_FETCH_SETTINGS first = {0}, second = {0};
    CELLA_BUFFER text = {0}, again = {0};
    struct cella_fetch_url out;
    if (!done(cella_fetch_settings_read(bytes, &first))) return;
    must(first.count >= 1 && first.count <= CELLA_FETCH_KEY_MAX);
    for (size_t i = 0; i < first.count; i++) must(cella_fetch_key_url(first.key[i].url, &out));
    must(done(cella_fetch_settings_write(&first, &text)));
    must(done(cella_fetch_settings_read(cella_buffer_bytes(&text), &second)));
    must(second.count == first.count && strcmp(second.ca, first.ca) == 0);
    must(done(cella_fetch_settings_write(&second, &again)));
    must(again.size == text.size && memcmp(again.data, text.data, text.size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    url(data, size);
    settings(cella_bytes(data, size));
    return 0;
}
