#include <getopt.h>
#include <stdio.h>

#include "abi/keygrant.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/secret.h"
#include "base/text.h"
#include "cli/cli.h"
#include "crypto/digest.h"
#include "crypto/rsa3072.h"
#include "seal/keyfile.h"

const char cella_help_keygen[] =
    "usage: cella keygen [--data] -o FILE\n"
    "       cella keygen --id FILE\n"
    "Makes a key, in a file that only its owner may read (0600). Never overwrites one.\n\n"
    "  (without --data)    the key that signs images: RSA-3072, exponent 3, PKCS#8 PEM\n"
    "  --data              a key for data: 32 random bytes as 64 hex digits and a newline, for\n"
    "                      `cella seal` and `cella grant`. Prints its id\n"
    "  --id FILE           prints the id of a data key that is there: what a manifest pins as\n"
    "                      `[key NAME] id`. It is not secret\n"
    "  -o, --output FILE   where it goes\n";

enum { DATA_KEY_SIZE = 32 };

static CELLA_RESULT print_id(const struct cella_secret *key) {
    uint8_t id[CELLA_KEY_ID_SIZE];
    char text[2 * CELLA_KEY_ID_SIZE + 1];
    TRY(cella_keyfile_id(key, id));
    cella_hex_encode(CELLA_BYTES_OF(id), text);
    puts(text);
    return CELLA_SUCCESS;
}

static CELLA_RESULT id_of(const char *path) {
    CELLA_SECRET key = {0};
    TRY(cella_keyfile_read(path, &key));
    return print_id(&key);
}

static CELLA_RESULT data_key(const char *path) {
    CELLA_SECRET key = {0};
    CELLA_SECRET text = {0};
    TRY(cella_secret_new(DATA_KEY_SIZE, &key));
    TRY(cella_secret_new(2 * DATA_KEY_SIZE + 1, &text));
    TRY(cella_random(key.data, key.size));
    cella_hex_encode(cella_secret_bytes(&key), (char *)text.data);
    text.data[2 * DATA_KEY_SIZE] = '\n';
    TRY(cella_file_write(path, cella_secret_bytes(&text), 0600, CELLA_FILE_EXCLUSIVE));
    return print_id(&key);
}

static CELLA_RESULT signing_key(const char *path) {
    CELLA_RSA3072 key = NULL;
    TRY(cella_rsa3072_new(&key));
    return cella_rsa3072_save(key, path);
}

CELLA_RESULT cella_cmd_keygen(int argc, char **argv) {
    static const struct option options[] = {{"data", no_argument, NULL, 'd'},
                                            {"id", required_argument, NULL, 'i'},
                                            {"output", required_argument, NULL, 'o'},
                                            {NULL, 0, NULL, 0}};
    const char *output = NULL, *id = NULL;
    bool data = false;
    for (int c; (c = getopt_long(argc, argv, "o:", options, NULL)) != -1;) {
        if (c == 'o')
            output = optarg;
        else if (c == 'd')
            data = true;
        else if (c == 'i')
            id = optarg;
        else
            return cella_cli_usage("keygen", "unknown option or missing value");
    }
    if (optind < argc) return cella_cli_usage("keygen", "unexpected word '%s'", argv[optind]);
    if (id) {
        if (output || data) return cella_cli_usage("keygen", "--id stands alone");
        return id_of(id);
    }
    if (!output) return cella_cli_usage("keygen", "expected -o FILE");
    return data ? data_key(output) : signing_key(output);
}
