/* Bodies of the type application/x-www-form-urlencoded, strict: names and values are
 * percent-encoded printable text, a name comes once, and their number and size are bounded. */
#ifndef CELLA_IDENTITY_FORM_H
#define CELLA_IDENTITY_FORM_H

#include <cella/bytes.h>
#include <cella/result.h>
#include <stdbool.h>

#include "base/secret.h"

enum { CELLA_FORM_FIELDS = 32, CELLA_FORM_MAX = 1 << 16, CELLA_FORM_NAME_MAX = 64 };

struct cella_form {
    size_t count;
    struct {
        struct cella_bytes name, value; /* of storage */
    } field[CELLA_FORM_FIELDS];
    struct cella_secret storage; /* owned: a form can hold a client's secret */
};
void cella_form_free(struct cella_form *form);
#define CELLA_FORM __attribute__((cleanup(cella_form_free))) struct cella_form

/* CELLA_ERR_FORMAT, or CELLA_ERR_LIMIT; neither tells what stood there. */
CELLA_RESULT cella_form_parse(struct cella_bytes body, struct cella_form *out);
/* The value; false when there is none. Names are compared byte for byte. */
bool cella_form_find(const struct cella_form *form, const char *name, struct cella_bytes *value);
/* One name or value: "+" is a space, %XX a byte; no control characters. To out, with room for
 * text.size bytes. */
bool cella_form_decode(struct cella_bytes text, uint8_t *out, size_t *size);

#endif
