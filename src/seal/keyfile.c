#include "seal/keyfile.h"

#include "base/file.h"
#include "base/text.h"

CELLA_RESULT cella_keyfile_read(const char *path, struct cella_secret *key) {
    CELLA_SECRET text = {0};
    CELLA_SECRET bytes = {0};
    TRY(cella_file_read_secret(path, 256, &text));
    size_t digits = text.size;
    if (digits > 0 && text.data[digits - 1] == '\n') digits--;
    ENSURE(digits == CELLA_KEYFILE_KEY_SIZE * 2, CELLA_ERR_FORMAT,
           "`cella keygen --data -o NAME.key` makes one",
           "%s is not a data key: expected %d hex digits and a newline, found %zu bytes", path,
           CELLA_KEYFILE_KEY_SIZE * 2, text.size);
    TRY(cella_secret_new(CELLA_KEYFILE_KEY_SIZE, &bytes));
    struct cella_result r =
        cella_hex_decode(cella_bytes(text.data, digits), bytes.data, bytes.size);
    bool good = !cella_failed(r);
    cella_result_drop(r); /* may quote the text */
    ENSURE(good, CELLA_ERR_FORMAT, "`cella keygen --data -o NAME.key` makes one",
           "%s is not a data key: expected hex digits only", path);
    *key = MOVE(bytes);
    return CELLA_SUCCESS;
}
