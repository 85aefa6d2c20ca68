#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/image.h"
#include "base/file.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/run_vault.h"
#include "platform/channel.h"
#include "platform/hostimage.h"
#include "platform/hostrun.h"

const char cella_help_run[] =
    "usage: cella run IMAGE [options] [-- ARGUMENTS...]\n"
    "Starts an enclave from a signed image, serves it and exits with its exit status.\n"
    "  --mount PATH=FOLDER   the host's folder for a mount of the image (instead of the "
    "manifest's)\n"
    "  --env NAME=VALUE      an environment variable that the image lets the host set\n"
    "  --request FILE        write the enclave's key request here, for the keys' owners\n"
    "  --grant FILE          an owner's grant; may be repeated\n"
    "  --grants FOLDER       wait for NAME.grant files to appear here\n"
    "  --bearer FILE         your access token for the vault that the image has keys of; else one "
    "is asked for\n"
    "                        with AZURE_AUTHORITY_HOST, AZURE_TENANT_ID, AZURE_CLIENT_ID, "
    "AZURE_CLIENT_SECRET\n"
    "  --socket PATH, --state FOLDER   another platform than root's or your own\n"
    "  --no-start            fail where no platform runs, instead of starting one\n"
    "Without a platform running, one of your own is started; it ends a minute after its last "
    "enclave.\n";

struct run_options {
    const char *image_path, *socket, *state, *request, *grants, *bearer;
    const char *mounts[CELLA_CONFIG_MOUNT_MAX], *grant[CELLA_HOST_GRANT_MAX];
    char *envs[CELLA_CONFIG_ENV_MAX];
    uint32_t mount_count, grant_count, env_count;
    bool no_start;
    char **args;
    uint32_t arg_count;
};

static struct cella_result add(const char **list, uint32_t *count, uint32_t max, const char *value,
                               const char *what) {
    if (*count == max) return cella_cli_usage("run", "at most %u times %s", max, what);
    list[(*count)++] = value;
    return CELLA_SUCCESS;
}

static struct cella_result parse(int argc, char **argv, struct run_options *o) {
    enum { MOUNT = 1, ENV, REQUEST, GRANT, GRANTS, SOCKET, STATE, NO_START, BEARER };
    static const struct option options[] = {
        {"mount", 1, NULL, MOUNT}, {"env", 1, NULL, ENV},           {"request", 1, NULL, REQUEST},
        {"grant", 1, NULL, GRANT}, {"grants", 1, NULL, GRANTS},     {"socket", 1, NULL, SOCKET},
        {"state", 1, NULL, STATE}, {"no-start", 0, NULL, NO_START}, {"bearer", 1, NULL, BEARER},
        {NULL, 0, NULL, 0}};
    *o = (struct run_options){0};
    int end = 1;
    while (end < argc && strcmp(argv[end], "--") != 0) end++;
    o->args = argv + (end < argc ? end + 1 : argc);
    o->arg_count = (uint32_t)(end < argc ? argc - end - 1 : 0);
    optind = 0;
    opterr = 0;
    for (int c; (c = getopt_long(end, argv, "", options, NULL)) != -1;) switch (c) {
        case MOUNT:
            TRY(add(o->mounts, &o->mount_count, CELLA_CONFIG_MOUNT_MAX, optarg, "--mount"));
            break;
        case ENV:
            TRY(add((const char **)o->envs, &o->env_count, CELLA_CONFIG_ENV_MAX, optarg, "--env"));
            break;
        case GRANT:
            TRY(add(o->grant, &o->grant_count, CELLA_HOST_GRANT_MAX, optarg, "--grant"));
            break;
        case REQUEST: o->request = optarg; break;
        case GRANTS: o->grants = optarg; break;
        case BEARER: o->bearer = optarg; break;
        case SOCKET: o->socket = optarg; break;
        case STATE: o->state = optarg; break;
        case NO_START: o->no_start = true; break;
        default:
            return cella_cli_usage("run", "unknown or incomplete option '%s'", argv[optind - 1]);
        }
    if (end - optind != 1)
        return cella_cli_usage(
            "run", "one image is wanted, found %d; the program's own arguments go after --",
            end - optind);
    o->image_path = argv[optind];
    return CELLA_SUCCESS;
}

static struct cella_result prepare_server(const struct run_options *o,
                                          const struct cella_config *config,
                                          struct cella_host_server *server) {
    const struct cella_host_words words = {.mounts = o->mounts,
                                           .mount_count = o->mount_count,
                                           .args = o->args,
                                           .arg_count = o->arg_count,
                                           .envs = o->envs,
                                           .env_count = o->env_count,
                                           .request = o->request,
                                           .grants = o->grants,
                                           .grant = o->grant,
                                           .grant_count = o->grant_count};
    return cella_host_prepare(&words, config, server);
}

/* A descriptor that a shell closed is /dev/null inside. */
static int standard(int fd) {
    return fcntl(fd, F_GETFD) >= 0 ? fd : open("/dev/null", O_RDWR | O_CLOEXEC);
}

static void say_started(const struct run_options *o, const struct cella_config *config,
                        const struct cella_client_started *started) {
    if (started->debug)
        fprintf(stderr,
                "cella: debug enclave, its memory is open: gdb -p %d -ex 'add-symbol-file PROGRAM "
                "-o 0x%llx'\n",
                started->pid, (unsigned long long)(started->base + config->program[0].bias));
    else if (!started->memory_secret)
        fprintf(stderr,
                "cella: %s runs in ordinary private memory, as its manifest allows: this machine "
                "has no secret "
                "memory for it\n",
                o->image_path);
}

static struct cella_result start(const struct run_options *o, const struct cella_image_file *file,
                                 struct cella_run *run) {
    struct cella_client_options client = {.start_on_demand = !o->no_start};
    TRY(cella_paths_find(o->socket, o->state, &client.paths));
    TRY(cella_client_connect(&client, &run->socket));
    int ends[2];
    TRY(cella_channel_pair(ends));
    run->channel = ends[0];
    CELLA_FD other = ends[1];
    struct cella_client_start start = {.name = o->image_path,
                                       .image = file->fd,
                                       .stdio = {standard(0), standard(1), standard(2)},
                                       .host_channel = other};
    struct cella_client_started started;
    TRY(cella_client_start(run->socket, &start, &started));
    say_started(o, &file->config, &started);
    return CELLA_SUCCESS;
}

/* As a shell has it: 128 + signal. An enclave that is ended because it takes no signal died of that
 * signal. */
static int exit_status(const struct cella_run *run, const struct cella_client_exited *exited) {
    if (!exited->signalled) return (int)exited->status;
    if (exited->status == 9 && run->last_signal) return 128 + run->last_signal;
    fprintf(stderr, "cella: the enclave was ended by signal %u (%s)\n", exited->status,
            strsignal((int)exited->status));
    return 128 + (int)exited->status;
}

CELLA_RESULT cella_cmd_run(int argc, char **argv) {
    static struct run_options options;
    static struct cella_image_file file;
    static struct cella_host_server server;
    static struct cella_run_vault vault;
    static struct cella_run run = {.server = &server};
    struct cella_client_exited exited;
    TRY(parse(argc, argv, &options));
    TRY(cella_image_file_open(options.image_path, &file));
    TRY(prepare_server(&options, &file.config, &server));
    TRY(cella_run_vault(&file.config, options.bearer, &vault, &server));
    TRY(cella_run_watch_signals(&run.signals));
    TRY(start(&options, &file, &run));
    TRY(cella_run_serve(&run, &exited));
    fflush(NULL);
    exit(exit_status(&run, &exited));
}
