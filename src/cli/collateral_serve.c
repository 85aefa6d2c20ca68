/* `cella collateral serve`. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/secret.h"
#include "cli/collateral.h"
#include "collateral/pccs.h"
#include "http/server.h"

enum { PEM_MAX = 1 << 16 };

struct arguments {
    const char *bundle, *listen, *certificate, *key, *insecure, *roots;
};

static CELLA_RESULT read_arguments(int argc, char **argv, struct arguments *a) {
    static const struct option options[] = {
        {"listen", required_argument, NULL, 'l'}, {"cert", required_argument, NULL, 'c'},
        {"key", required_argument, NULL, 'k'},    {"insecure-cert", required_argument, NULL, 'i'},
        {"roots", required_argument, NULL, 'r'},  {NULL, 0, NULL, 0}};
    *a = (struct arguments){.listen = "127.0.0.1:8081"};
    opterr = 0; /* the message is ours */
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'l')
            a->listen = optarg;
        else if (c == 'c')
            a->certificate = optarg;
        else if (c == 'k')
            a->key = optarg;
        else if (c == 'i')
            a->insecure = optarg;
        else if (c == 'r')
            a->roots = optarg;
        else
            return cella_cli_collateral_usage("unknown option, or one without its value");
    }
    if (optind + 1 != argc)
        return cella_cli_collateral_usage("serve: expected one bundle or folder");
    if (!a->insecure == !(a->certificate && a->key) || (a->insecure && (a->certificate || a->key)))
        return cella_cli_collateral_usage(
            "serve: expected --cert FILE and --key FILE, or --insecure-cert FILE");
    a->bundle = argv[optind];
    return CELLA_SUCCESS;
}

/* SIGTERM and SIGINT as a descriptor that becomes readable. */
static CELLA_RESULT watch_signals(int *fd) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    signal(SIGPIPE, SIG_IGN);
    *fd = sigprocmask(SIG_BLOCK, &set, NULL) == 0 ? signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)
                                                  : -1;
    ENSURE(*fd >= 0, CELLA_ERR_IO, NULL, "cannot watch for signals: %m");
    return CELLA_SUCCESS;
}

static CELLA_RESULT serve(const struct arguments *a, struct cella_pccs *pccs,
                          struct cella_bytes certificate, struct cella_bytes key) {
    CELLA_HTTP_SERVER server = NULL;
    CELLA_FD stop = -1;
    TRY(watch_signals(&stop));
    struct cella_http_site site = {.listen = a->listen,
                                   .name = "collateral",
                                   .certificate = certificate,
                                   .key = key,
                                   .handler = cella_pccs_answer,
                                   .context = pccs};
    struct cella_http_settings settings = {.site = &site, .site_count = 1};
    TRY(cella_http_server_new(&settings, &server));
    const char *colon = strrchr(a->listen, ':');
    printf("https://%.*s:%u/sgx/certification/v4/ answers from %zu items\n",
           (int)(colon ? colon - a->listen : 0), a->listen,
           (unsigned)cella_http_server_port(server, 0), cella_pccs_count(pccs));
    fflush(stdout);
    return cella_http_server_run(server, stop);
}

static CELLA_RESULT serve_insecure(const struct arguments *a, struct cella_pccs *pccs) {
    CELLA_BUFFER certificate = {0}, key = {0};
    TRY(cella_http_insecure_certificate(&certificate, &key));
    TRY(cella_file_write(a->insecure, cella_buffer_bytes(&certificate), 0644, 0));
    cella_log(CELLA_LOG_WARN,
              "insecure: nobody vouches for this server's certificate, %s; for development only",
              a->insecure);
    return serve(a, pccs, cella_buffer_bytes(&certificate), cella_buffer_bytes(&key));
}

CELLA_RESULT cella_cli_collateral_serve(int argc, char **argv) {
    struct arguments a;
    CELLA_STORE store = {0};
    CELLA_PCCS pccs = NULL;
    CELLA_BUFFER certificate = {0};
    CELLA_SECRET key = {0};
    TRY(read_arguments(argc, argv, &a));
    TRY(cella_cli_collateral_open(&store, a.bundle, a.roots, false));
    TRY(cella_pccs_new(&store, &pccs));
    ENSURE(cella_pccs_count(pccs) > 0, CELLA_ERR_NOT_FOUND, "see `cella collateral show`",
           "%s: nothing in it that Intel's clients ask for", a.bundle);
    if (a.insecure) return serve_insecure(&a, pccs);
    TRY(cella_file_read(a.certificate, PEM_MAX, &certificate));
    TRY(cella_file_read_secret(a.key, PEM_MAX, &key));
    return serve(&a, pccs, cella_buffer_bytes(&certificate), cella_secret_bytes(&key));
}
