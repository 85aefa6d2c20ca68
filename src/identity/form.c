#include "identity/form.h"

#include <string.h>

#include "base/memory.h"

void cella_form_free(struct cella_form *form) {
    cella_secret_free(&form->storage);
    form->count = 0;
}

static int digit(uint8_t c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* What clients leave as it is differs (RFC 3986, WHATWG, curl), so anything printable may stay but
 * what divides the form. */
static bool literal(uint8_t c) { return c > ' ' && c < 0x7f && c != '%' && c != '&' && c != '='; }

bool cella_form_decode(struct cella_bytes text, uint8_t *out, size_t *size) {
    size_t n = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (c == '+') {
            c = ' ';
        } else if (c == '%') {
            int high = i + 2 < text.size ? digit(text.data[i + 1]) : -1;
            int low = high >= 0 ? digit(text.data[i + 2]) : -1;
            if (low < 0) return false;
            c = (uint8_t)(high << 4 | low);
            i += 2;
        } else if (!literal(c)) {
            return false;
        }
        if (c < ' ' || c == 0x7f) return false;
        out[n++] = c;
    }
    *size = n;
    return true;
}

bool cella_form_find(const struct cella_form *form, const char *name, struct cella_bytes *value) {
    for (size_t i = 0; i < form->count; i++)
        if (form->field[i].name.size == strlen(name) &&
            cella_equal(form->field[i].name.data, name, form->field[i].name.size)) {
            *value = form->field[i].value;
            return true;
        }
    return false;
}

static bool is_double(const struct cella_form *form, struct cella_bytes name) {
    for (size_t i = 0; i < form->count; i++)
        if (form->field[i].name.size == name.size &&
            cella_equal(form->field[i].name.data, name.data, name.size))
            return true;
    return false;
}

static CELLA_RESULT add(struct cella_form *form, struct cella_bytes pair, uint8_t **to) {
    const uint8_t *equals = pair.size ? memchr(pair.data, '=', pair.size) : NULL;
    ENSURE(equals, CELLA_ERR_FORMAT, NULL, "form: field %zu is not name=value", form->count + 1);
    ENSURE(form->count < CELLA_FORM_FIELDS, CELLA_ERR_LIMIT, NULL, "form: more than %d fields",
           CELLA_FORM_FIELDS);
    struct cella_bytes name = cella_bytes(pair.data, (size_t)(equals - pair.data));
    struct cella_bytes value = cella_bytes(equals + 1, pair.size - name.size - 1);
    size_t name_size = 0, value_size = 0;
    bool good = cella_form_decode(name, *to, &name_size) &&
                cella_form_decode(value, *to + name_size, &value_size);
    ENSURE(good && name_size > 0 && name_size <= CELLA_FORM_NAME_MAX, CELLA_ERR_FORMAT, NULL,
           "form: field %zu is not percent-encoded text, or its name is empty or longer than %d",
           form->count + 1, CELLA_FORM_NAME_MAX);
    name = cella_bytes(*to, name_size);
    value = cella_bytes(*to + name_size, value_size);
    ENSURE(!is_double(form, name), CELLA_ERR_FORMAT, NULL, "form: field %zu comes a second time",
           form->count + 1);
    form->field[form->count].name = name;
    form->field[form->count++].value = value;
    *to += name_size + value_size;
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_form_parse(struct cella_bytes body, struct cella_form *out) {
    CELLA_FORM form = {.count = 0};
    *out = form;
    ENSURE(body.size <= CELLA_FORM_MAX, CELLA_ERR_LIMIT, NULL, "form: %zu bytes, expected up to %d",
           body.size, CELLA_FORM_MAX);
    if (body.size == 0) return CELLA_SUCCESS;
    TRY(cella_secret_new(body.size, &form.storage));
    uint8_t *to = form.storage.data;
    for (size_t at = 0; at <= body.size;) {
        const uint8_t *from = body.data + at;
        const uint8_t *end = at < body.size ? memchr(from, '&', body.size - at) : NULL;
        size_t size = end ? (size_t)(end - from) : body.size - at;
        TRY(add(&form, cella_bytes(from, size), &to));
        at += size + 1;
    }
    *out = form;
    form = (struct cella_form){.count = 0};
    return CELLA_SUCCESS;
}
