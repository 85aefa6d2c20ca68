#include "attest/lenient.h"

#include "attest/body.h"

CELLA_RESULT cella_lenient_base64(struct cella_bytes text, const char *what,
                                  struct cella_buffer *out) {
    uint8_t *to = NULL;
    size_t before = out->size, size = 0;
    if (text.size == 0) return CELLA_SUCCESS;
    TRY(cella_buffer_extend(out, text.size, &to));
    ENSURE(cella_attest_base64(text, to, &size), CELLA_ERR_FORMAT, NULL,
           "%s: expected base64, found %zu characters that are not", what, text.size);
    out->size = before + size;
    return CELLA_SUCCESS;
}

struct cella_bytes cella_lenient_text(const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);
    if (!json_is_string(value)) return cella_bytes(NULL, 0);
    return cella_bytes(json_string_value(value), json_string_length(value));
}

CELLA_RESULT cella_lenient_member(const json_t *object, const char *name, bool required,
                                  struct cella_buffer *out) {
    const json_t *value = json_object_get(object, name);
    cella_buffer_free(out);
    ENSURE(!value || json_is_null(value) || json_is_string(value), CELLA_ERR_FORMAT, NULL,
           "%s: expected a string of base64", name);
    TRY(cella_lenient_base64(cella_lenient_text(object, name), name, out));
    ENSURE(out->size || !required, CELLA_ERR_FORMAT, NULL,
           "%s: expected a string of base64 that is not empty, found none", name);
    return CELLA_SUCCESS;
}
