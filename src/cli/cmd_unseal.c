#include "cli/cli.h"
#include "cli/seal_arguments.h"

const char cella_help_unseal[] =
    "usage: cella unseal --key FILE IN OUT [--name NAME] [--force] [--progress]\n"
    "       cella unseal --vault https://VAULT[/keys/NAME] IN OUT [--ca FILE] [--wrapped FILE] "
    "...\n"
    "Decrypts the protected file IN to OUT, after checking that every block is what was sealed.\n"
    "\n"
    "  --key FILE    the data key it was sealed with\n"
    "  --vault URL   the vault whose key its data key was wrapped with; it is asked only when "
    "IN.key.json names it\n"
    "  --ca FILE     authority of the vault's TLS certificate (default: CELLA_CA, else the "
    "system's)\n"
    "  --wrapped FILE  the wrapped key. Default: IN.key.json\n"
    "  --name NAME   the name it must be bound to. Default: the last part of IN\n"
    "  --force       replace OUT when it exists\n"
    "  --progress    show progress also when standard error is not a terminal\n"
    "\n"
    "IN and OUT may be - for standard input and output. A file OUT has mode 0600 and is whole or "
    "not there,\n"
    "whenever this stops; on standard output, use nothing of it unless the command succeeds.\n";

CELLA_RESULT cella_cmd_unseal(int argc, char **argv) {
    CELLA_CLI_SEAL s = {0};
    TRY(cella_cli_seal_parse("unseal", argc, argv, &s));
    return cella_unseal_file(s.in, s.out, s.force, &s.options);
}
