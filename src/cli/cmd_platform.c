#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/cli.h"
#include "platform/client.h"
#include "platform/monitor.h"

const char cella_help_platform[] =
    "usage: cella platform [options]            run the daemon, in the foreground\n"
    "       cella platform key|status|stop      ask the one that runs\n"
    "The platform measures images, makes enclaves, and vouches for them. Run by root it serves "
    "every user of the\n"
    "machine (state in /var/lib/cella); run by another user, that user alone. `key` prints the "
    "public key that owners\n"
    "give to --trust: the platform's own, or with root tpm the TPM's attestation key.\n"
    "  --pool MIB            secret memory for all enclaves together (64; what the memory-lock "
    "limit allows)\n"
    "  --root file|tpm[:TCTI]|snp|tdx|auto   what vouches for the platform's key (file); snp and "
    "tdx "
    "inside such a\n"
    "                        confidential VM, auto: that where there is one\n"
    "  --idle SECONDS        end after so long without a client (0: never)\n"
    "  --socket PATH, --state FOLDER   other places than the usual\n";

struct platform_options {
    const char *socket, *state;
    struct cella_monitor_options monitor;
    const char *verb;
};

static struct cella_result number(const char *text, const char *what, unsigned long max,
                                  unsigned long *out) {
    char *end;
    errno = 0;
    *out = strtoul(text, &end, 10);
    if (errno || end == text || *end || *out > max || text[0] == '-')
        return cella_cli_usage("platform", "%s wants a number up to %lu, found '%s'", what, max,
                               text);
    return CELLA_SUCCESS;
}

static struct cella_result parse(int argc, char **argv, struct platform_options *o) {
    enum { POOL = 1, ROOT, IDLE, SOCKET, STATE, READY_FD, ON_DEMAND };
    static const struct option options[] = {
        {"pool", 1, NULL, POOL},           {"root", 1, NULL, ROOT},
        {"idle", 1, NULL, IDLE},           {"socket", 1, NULL, SOCKET},
        {"state", 1, NULL, STATE},         {"ready-fd", 1, NULL, READY_FD},
        {"on-demand", 0, NULL, ON_DEMAND}, {NULL, 0, NULL, 0}};
    const char *pool = getenv("CELLA_PLATFORM_POOL"), *root = getenv("CELLA_PLATFORM_ROOT");
    unsigned long n;
    *o = (struct platform_options){
        .monitor = {.pool_size = CELLA_POOL_DEFAULT, .root = root ? root : "file", .ready_fd = -1}};
    if (pool) {
        TRY(number(pool, "CELLA_PLATFORM_POOL", 1UL << 20, &n));
        o->monitor.pool_size = (uint64_t)n << 20;
    }
    optind = 0;
    opterr = 0;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) switch (c) {
        case POOL:
            TRY(number(optarg, "--pool", 1UL << 20, &n));
            o->monitor.pool_size = (uint64_t)n << 20;
            break;
        case IDLE:
            TRY(number(optarg, "--idle", 1UL << 30, &n));
            o->monitor.idle_s = (unsigned)n;
            break;
        case READY_FD:
            TRY(number(optarg, "--ready-fd", 1UL << 16, &n));
            o->monitor.ready_fd = (int)n;
            break;
        case ROOT: o->monitor.root = optarg; break;
        case SOCKET: o->socket = optarg; break;
        case STATE: o->state = optarg; break;
        case ON_DEMAND: o->monitor.idle_s = CELLA_IDLE_DEFAULT_S; break;
        default:
            return cella_cli_usage("platform", "unknown or incomplete option '%s'",
                                   argv[optind - 1]);
        }
    if (argc - optind > 1)
        return cella_cli_usage("platform", "one word at most, found %d", argc - optind);
    o->verb = argv[optind];
    return cella_paths_find(o->socket, o->state, &o->monitor.paths);
}

static struct cella_result ask(const struct platform_options *o, uint32_t op) {
    struct cella_client_options client = {.paths = o->monitor.paths,
                                          .start_on_demand = op == CELLA_PROTOCOL_KEY};
    CELLA_FD socket = -1;
    CELLA_BUFFER answer = {0};
    TRY(cella_client_connect(&client, &socket));
    TRY(cella_client_ask(socket, op, &answer));
    return cella_file_write_fd(STDOUT_FILENO, "standard output", cella_buffer_bytes(&answer));
}

/* The service manager's protocol (sd_notify(3)): one datagram when the daemon serves. */
static void notify_ready(void) {
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!path || strlen(path) >= sizeof(address.sun_path) || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(address.sun_path, path, strlen(path));
    if (path[0] == '@') address.sun_path[0] = 0; /* abstract */
    CELLA_FD fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    (void)!sendto(fd, "READY=1", 7, MSG_NOSIGNAL, (struct sockaddr *)&address, size);
    unsetenv("NOTIFY_SOCKET");
}

CELLA_RESULT cella_cmd_platform(int argc, char **argv) {
    static struct platform_options o;
    TRY(parse(argc, argv, &o));
    o.monitor.on_ready = notify_ready;
    if (!o.verb) return cella_monitor_run(&o.monitor);
    if (strcmp(o.verb, "key") == 0) return ask(&o, CELLA_PROTOCOL_KEY);
    if (strcmp(o.verb, "status") == 0) return ask(&o, CELLA_PROTOCOL_STATUS);
    if (strcmp(o.verb, "stop") == 0) return ask(&o, CELLA_PROTOCOL_STOP);
    return cella_cli_usage("platform", "key, status or stop is wanted, found '%s'", o.verb);
}
