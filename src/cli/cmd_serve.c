#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/cli.h"
#include "service/service.h"

const char cella_help_serve[] =
    "usage: cella serve [attest|vault] --data DIR [options]\n"
    "       cella serve --check --data DIR    read the configuration, and change nothing\n"
    "Serves what DIR/cella.conf says, until SIGTERM or SIGINT; `attest`: the attestation service "
    "and the issuer\n"
    "it needs alone. The first start makes a development set-up in DIR: an authority for its TLS "
    "certificates, a\n"
    "tenant with an application, three instances; it prints what clients need in their "
    "environment.\n"
    "Of a first start:\n"
    "  --host NAME      host name in the URLs (localhost)\n"
    "  --port N         first of the ports (8443)\n"
    "  --listen ADDR    address to listen on (127.0.0.1 and ::1)\n"
    "Of every start:\n"
    "  --quiet          nothing on standard output\n";

static CELLA_RESULT set_port(const char *value, unsigned *port) {
    uint64_t number;
    enum { LAST = 65535 - 8 /* further ports follow it */ };
    if (!cella_number_read(value, &number) || number == 0 || number > LAST)
        return cella_cli_usage("serve", "--port: expected 1 to %d, found '%s'", LAST, value);
    *port = (unsigned)number;
    return CELLA_SUCCESS;
}

static CELLA_RESULT read_options(int argc, char **argv, struct cella_service_options *o,
                                 bool *check) {
    enum { DATA = 1, HOST, PORT, LISTEN, QUIET, CHECK };
    static const struct option options[] = {{"data", 1, NULL, DATA},   {"host", 1, NULL, HOST},
                                            {"port", 1, NULL, PORT},   {"listen", 1, NULL, LISTEN},
                                            {"quiet", 0, NULL, QUIET}, {"check", 0, NULL, CHECK},
                                            {NULL, 0, NULL, 0}};
    *o = (struct cella_service_options){.host = "localhost", .port = 8443};
    opterr = 0; /* the message is ours */
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) switch (c) {
        case DATA: o->data = optarg; break;
        case HOST: o->host = optarg; break;
        case PORT: TRY(set_port(optarg, &o->port)); break;
        case LISTEN: o->listen = optarg; break;
        case QUIET: o->quiet = true; break;
        case CHECK: *check = true; break;
        default:
            return cella_cli_usage("serve", "unknown or incomplete option '%s'", argv[optind - 1]);
        }
    if (argc - optind > 1 || (argc - optind == 1 && strcmp(argv[optind], "attest") != 0 &&
                              strcmp(argv[optind], "vault") != 0))
        return cella_cli_usage(
            "serve", "expected nothing, 'attest' or 'vault' to serve, found '%s'", argv[optind]);
    if (argc > optind) o->only = argv[optind];
    if (!o->data || !*o->data) return cella_cli_usage("serve", "expected --data DIR");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_cmd_serve(int argc, char **argv) {
    struct cella_service_options options;
    bool check = false;
    TRY(read_options(argc, argv, &options, &check));
    if (!check) return cella_service_run(&options);
    TRY(cella_service_check(&options));
    printf("%s: the configuration is good\n", options.data);
    return CELLA_SUCCESS;
}
