#include <inttypes.h>
#include <stdio.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/seal_arguments.h"

const char cella_help_seal[] =
    "usage: cella seal --key FILE IN OUT [--name NAME] [--force] [--progress]\n"
    "       cella seal --vault https://VAULT/keys/NAME IN OUT [--ca FILE] [--wrapped FILE] ...\n"
    "       cella seal --info FILE\n"
    "Encrypts IN into the protected file OUT, which an enclave with the key mounts or `cella "
    "unseal` opens.\n"
    "\n"
    "  --key FILE    the data key, as `cella keygen --data -o FILE` makes it\n"
    "  --vault URL   a fresh data key instead, wrapped by that key of a vault and kept in "
    "OUT.key.json; who may\n"
    "                unwrap with the vault's key may open the file, until the key is disabled or "
    "gone. Credentials\n"
    "                as `cella key --help` says\n"
    "  --ca FILE     authority of the vault's TLS certificate (default: CELLA_CA, else the "
    "system's)\n"
    "  --wrapped FILE  where the wrapped key is kept\n"
    "  --name NAME   the name it is bound to: opening it under another is refused. Default: the "
    "last part of OUT\n"
    "  --force       replace OUT when it exists\n"
    "  --progress    show progress also when standard error is not a terminal\n"
    "  --info FILE   say what kind of key FILE is under, as its header claims\n"
    "\n"
    "IN and OUT may be - for standard input and output. OUT is whole or not there, whenever this "
    "stops.\n";

static struct cella_result print_info(const char *path) {
    static const char *const kinds[] = {"unknown", "a given key", "an enclave's seal key",
                                        "a signer's seal key"};
    struct cella_seal_info info;
    char id[2 * sizeof(info.key_id) + 1];
    TRY(cella_seal_read_info(path, &info));
    cella_hex_encode(CELLA_BYTES_OF(info.key_id), id);
    printf("protected file, %" PRIu64 " bytes, under %s\n", info.size,
           kinds[info.key_kind <= 3 ? info.key_kind : 0]);
    if (info.key_kind != 1) printf("  security version %u, key id %s\n", info.svn, id);
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_cmd_seal(int argc, char **argv) {
    CELLA_CLI_SEAL s = {0};
    TRY(cella_cli_seal_parse("seal", argc, argv, &s));
    if (s.info) return print_info(s.info);
    return cella_seal_file(s.in, s.out, s.force, &s.options);
}
