/* Forms and single values of them: whatever is taken decodes to text that fits where it was put,
 * and no two fields have one name. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "identity/form.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(struct cella_bytes text) {
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] < ' ' || text.data[i] == 0x7f) abort();
}

static void check_form(const struct cella_form *form, size_t size) {
    size_t sum = 0;
    for (size_t i = 0; i < form->count; i++) {
        struct cella_bytes name = form->field[i].name, value = form->field[i].value;
        check_text(name);
        check_text(value);
        sum += name.size + value.size;
        for (size_t k = 0; k < i; k++)
            if (form->field[k].name.size == name.size &&
                cella_equal(form->field[k].name.data, name.data, name.size))
                abort();
    }
    if (sum > size || form->count > CELLA_FORM_FIELDS) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    CELLA_FORM form = {.count = 0};
    size_t decoded = 0;
    uint8_t *out = malloc(size ? size : 1);
    if (!out) return 0;
    if (cella_form_decode(cella_bytes(data, size), out, &decoded)) {
        if (decoded > size) abort();
        check_text(cella_bytes(out, decoded));
    }
    free(out);
    struct cella_result r = cella_form_parse(cella_bytes(data, size), &form);
    if (cella_failed(r) && form.count) abort();
    cella_result_drop(r);
    check_form(&form, size);
    return 0;
}
