#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/moment.h"
#include "base/text.h"
#include "cli/collateral.h"

const char cella_help_collateral[] =
    "usage: cella collateral fetch [--for EVIDENCE]... [--fmspc HEX [--tdx]] [--product NAME] -o "
    "BUNDLE [...]\n"
    "       cella collateral import PATH... -o BUNDLE\n"
    "       cella collateral show BUNDLE [--json]\n"
    "       cella collateral check BUNDLE [--warn-days N]\n"
    "       cella collateral serve BUNDLE --listen ADDRESS:PORT --cert FILE --key FILE\n\n"
    "Gets, keeps and serves what a verifier needs besides evidence, in one file for "
    "`--collateral`.\n"
    "Every item's signature is checked before it is written, and an older one never replaces a "
    "newer.\n\n"
    "fetch: asks every source for what the evidence needs, and keeps the newest that holds.\n"
    "  --for FILE         a quote of SGX or TDX, a report of SEV-SNP or of Azure; again for more\n"
    "  --fmspc HEX        or an Intel platform, for SGX; with --tdx for TDX\n"
    "  --product NAME     or a line of AMD's: Milan, Genoa, Turin\n"
    "  --pcs URL          a service of Intel's PCS or PCCS v4 API; again for more; else Intel's "
    "own\n"
    "  --kds URL          a service of AMD's KDS API; again for more; else AMD's own\n"
    "  --ca FILE          authorities for TLS, instead of the system's\n"
    "  --update KIND      standard or early: which of Intel's TCB recoveries\n"
    "  --timeout-ms N     for one answer; 10000 when not given\n"
    "  -o BUNDLE          what it holds already is kept, unless something newer came\n"
    "import: files, folders and bundles into one bundle, the newest of each thing.\n"
    "check: exit status 1 when an item does not hold, is out of date, or will be within "
    "--warn-days (7; 0: only now).\n"
    "serve: the GET part of the PCCS v4 API over TLS 1.3, for Intel's own clients; ends at "
    "SIGTERM.\n"
    "  --listen A:P       127.0.0.1:8081 when not given; port 0: any that is free\n"
    "  --cert FILE        certificate chain in PEM, and\n"
    "  --key FILE         private key in PEM that only its owner may read\n"
    "  --insecure-cert FILE  instead: makes a certificate for this run and writes it there, for "
    "development\n"
    "all:\n"
    "  --roots PATH       trust these roots (folder or file) instead of the makers' own\n"
    "  --time TIME        judge for this time: seconds since 1970, or RFC 3339; else now\n";

CELLA_RESULT cella_cli_collateral_usage(const char *text) {
    return cella_cli_usage("collateral", "%s", text);
}

CELLA_RESULT cella_cli_collateral_time(const char *text, uint64_t *unix_s) {
    enum { YEAR_9999 = 253402300799 };
    *unix_s = (uint64_t)time(NULL);
    if (!text || cella_time_read(text, unix_s) ||
        (cella_number_read(text, unix_s) && *unix_s <= YEAR_9999))
        return CELLA_SUCCESS;
    return cella_cli_usage(
        "collateral",
        "--time: expected seconds since 1970 or a time like 2026-02-14T00:17:59Z, found '%s'",
        text);
}

CELLA_RESULT cella_cli_collateral_open(struct cella_store *store, const char *path,
                                       const char *roots, bool keep_failed) {
    size_t taken = 0;
    if (roots) TRY(cella_store_roots(store, roots));
    TRY(cella_store_add_path(store, path, &taken));
    ENSURE(taken > 0, CELLA_ERR_FORMAT, "give a bundle, or a folder with collateral",
           "%s: no collateral in it", path);
    TRY(cella_store_check(store));
    return cella_store_settle(store, keep_failed);
}

CELLA_RESULT cella_cli_collateral_write(const struct cella_store *store, const char *path) {
    CELLA_BUFFER bundle = {0};
    TRY(cella_store_bundle(store, &bundle));
    return cella_file_write(path, cella_buffer_bytes(&bundle), 0644, 0);
}

CELLA_RESULT cella_cmd_collateral(int argc, char **argv) {
    static const struct {
        const char *word;
        cella_command *run;
    } commands[] = {{"fetch", cella_cli_collateral_fetch},
                    {"import", cella_cli_collateral_import},
                    {"show", cella_cli_collateral_show},
                    {"check", cella_cli_collateral_check},
                    {"serve", cella_cli_collateral_serve}};
    for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(argv[1], commands[i].word) == 0) return commands[i].run(argc - 1, argv + 1);
    return cella_cli_usage("collateral", "expected fetch, import, show, check or serve");
}
