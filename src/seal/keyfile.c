#include "seal/keyfile.h"

#include "abi/keygrant.h"
#include "base/file.h"
#include "base/text.h"
#include "crypto/digest.h"

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

CELLA_RESULT cella_keyfile_id(const struct cella_secret *key, uint8_t id[CELLA_KEY_ID_SIZE]) {
    CELLA_SHA256 sha = {0};
    TRY(cella_sha256_begin(&sha));
    TRY(cella_sha256_add(&sha, cella_bytes(CELLA_KEY_ID_LABEL, sizeof(CELLA_KEY_ID_LABEL))));
    TRY(cella_sha256_add(&sha, cella_secret_bytes(key)));
    return cella_sha256_end(&sha, id);
}
