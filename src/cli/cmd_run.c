#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cella/image.h>

#include "abi/image.h"
#include "base/file.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/run_loop.h"
#include "platform/channel.h"

const char cella_help_run[] =
    "usage: cella run IMAGE [options] [-- ARGUMENTS...]\n"
    "Starts an enclave from a signed image, serves it and exits with its exit status.\n"
    "  --mount PATH=FOLDER   the host's folder for a mount of the image (instead of the "
    "manifest's)\n"
    "  --env NAME=VALUE      an environment variable that the image lets the host set\n"
    "  --request FILE        write the enclave's key request here, for the keys' owners\n"
    "  --grant FILE          an owner's grant; may be repeated\n"
    "  --grants FOLDER       wait for NAME.grant files to appear here\n"
    "  --socket PATH, --state FOLDER   another platform than root's or your own\n"
    "  --no-start            fail where no platform runs, instead of starting one\n"
    "Without a platform running, one of your own is started; it ends a minute after its last "
    "enclave.\n";

struct run_options {
    const char *image_path, *socket, *state, *request, *grants;
    const char *mounts[CELLA_CONFIG_MOUNT_MAX], *grant[CELLA_HOST_GRANT_MAX];
    char *envs[CELLA_CONFIG_ENV_MAX];
    uint32_t mount_count, grant_count, env_count;
    bool no_start;
    char **args;
    uint32_t arg_count;
};

struct image_file {
    int fd;
    struct cella_image image;
    struct cella_config config;
};

static struct cella_result add(const char **list, uint32_t *count, uint32_t max, const char *value,
                               const char *what) {
    if (*count == max) return cella_cli_usage("run", "at most %u times %s", max, what);
    list[(*count)++] = value;
    return CELLA_SUCCESS;
}

static struct cella_result parse(int argc, char **argv, struct run_options *o) {
    enum { MOUNT = 1, ENV, REQUEST, GRANT, GRANTS, SOCKET, STATE, NO_START };
    static const struct option options[] = {
        {"mount", 1, NULL, MOUNT}, {"env", 1, NULL, ENV},           {"request", 1, NULL, REQUEST},
        {"grant", 1, NULL, GRANT}, {"grants", 1, NULL, GRANTS},     {"socket", 1, NULL, SOCKET},
        {"state", 1, NULL, STATE}, {"no-start", 0, NULL, NO_START}, {NULL, 0, NULL, 0}};
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

/* Read for its configuration alone: what to serve. The platform makes, measures and verifies its
 * own copy. */
static struct cella_result open_image(const char *path, struct image_file *out) {
    struct stat st;
    out->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ENSURE(out->fd >= 0 && fstat(out->fd, &st) == 0,
           errno == ENOENT ? CELLA_ERR_NOT_FOUND : CELLA_ERR_IO, "make one with `cella sign`",
           "cannot open %s: %s", path, strerror(errno));
    ENSURE(S_ISREG(st.st_mode) && st.st_size > 0, CELLA_ERR_FORMAT,
           "make an image with `cella sign`", "%s is not an image", path);
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, out->fd, 0);
    ENSURE(p != MAP_FAILED, CELLA_ERR_IO, NULL, "cannot map %s: %s", path, strerror(errno));
    TRY_IN(cella_image_open(cella_bytes(p, (size_t)st.st_size), &out->image), "%s", path);
    TRY_IN(cella_config_decode(out->image.config, &out->config), "%s", path);
    return CELLA_SUCCESS;
}

static bool same_text(struct cella_bytes a, const char *text, size_t size) {
    return a.size == size && cella_equal(a.data, text, size);
}

/* The folder for a mount: the last --mount that names it, else the manifest's. */
static struct cella_result folder_of(const struct run_options *o,
                                     const struct cella_config_mount *mount, char out[PATH_MAX]) {
    snprintf(out, PATH_MAX, "%.*s", (int)mount->host.size, (const char *)mount->host.data);
    for (uint32_t i = 0; i < o->mount_count; i++) {
        const char *equals = strchr(o->mounts[i], '=');
        if (equals && same_text(mount->path, o->mounts[i], (size_t)(equals - o->mounts[i])))
            snprintf(out, PATH_MAX, "%s", equals + 1);
    }
    ENSURE(out[0], CELLA_ERR_USAGE, "give --mount PATH=FOLDER",
           "the mount %.*s has no folder on the host", (int)mount->path.size,
           (const char *)mount->path.data);
    return CELLA_SUCCESS;
}

static struct cella_result check_mount_words(const struct run_options *o,
                                             const struct cella_config *config) {
    for (uint32_t i = 0; i < o->mount_count; i++) {
        const char *equals = strchr(o->mounts[i], '=');
        bool known = false;
        for (uint32_t k = 0; equals && k < config->mount_count; k++)
            known |=
                same_text(config->mount[k].path, o->mounts[i], (size_t)(equals - o->mounts[i]));
        if (!equals)
            return cella_cli_usage("run", "--mount wants PATH=FOLDER, found '%s'", o->mounts[i]);
        if (!known)
            return cella_cli_usage("run", "the image has no mount '%.*s'",
                                   (int)(equals - o->mounts[i]), o->mounts[i]);
    }
    return CELLA_SUCCESS;
}

static struct cella_result open_mounts(const struct run_options *o,
                                       const struct cella_config *config,
                                       struct cella_host_server *server) {
    TRY(check_mount_words(o, config));
    for (uint32_t i = 0; i < config->mount_count; i++) {
        char folder[PATH_MAX];
        TRY(folder_of(o, &config->mount[i], folder));
        server->mount[i].folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        server->mount[i].writable = config->mount[i].writable;
        server->mount_count = i + 1;
        ENSURE(server->mount[i].folder >= 0, CELLA_ERR_NOT_FOUND,
               "make it, or name another with --mount PATH=FOLDER",
               "the folder %s for the mount %.*s: %s", folder, (int)config->mount[i].path.size,
               (const char *)config->mount[i].path.data, strerror(errno));
    }
    return CELLA_SUCCESS;
}

/* What the image does not let the host say is an error here rather than silence inside (R44). */
static struct cella_result check_words(const struct run_options *o,
                                       const struct cella_config *config) {
    if (o->arg_count && !(config->flags & CELLA_CONFIG_HOST_ARGS))
        return cella_cli_usage(
            "run",
            "the image takes no arguments from the host; its manifest would have to allow them");
    for (uint32_t i = 0; i < o->env_count; i++) {
        const char *equals = strchr(o->envs[i], '=');
        if (!equals)
            return cella_cli_usage("run", "--env wants NAME=VALUE, found '%s'", o->envs[i]);
        size_t size = (size_t)(equals - o->envs[i]);
        bool allowed = false;
        for (uint32_t k = 0; k < config->env_count; k++)
            allowed |= config->env[k].from_host && same_text(config->env[k].name, o->envs[i], size);
        if (!allowed)
            return cella_cli_usage("run", "the image does not let the host set the variable '%.*s'",
                                   (int)size, o->envs[i]);
    }
    return CELLA_SUCCESS;
}

static struct cella_result prepare_server(const struct run_options *o,
                                          const struct cella_config *config,
                                          struct cella_host_server *server) {
    *server = (struct cella_host_server){.args = o->args,
                                         .arg_count = o->arg_count,
                                         .envs = o->envs,
                                         .env_count = o->env_count,
                                         .request_path = o->request,
                                         .grant_count = o->grant_count,
                                         .grant_folder = o->grants,
                                         .config = config};
    memcpy(server->grant_paths, o->grant, sizeof(o->grant));
    TRY(check_words(o, config));
    return open_mounts(o, config, server);
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

static struct cella_result start(const struct run_options *o, const struct image_file *file,
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
    static struct image_file file;
    static struct cella_host_server server;
    struct cella_run run = {.server = &server};
    struct cella_client_exited exited;
    TRY(parse(argc, argv, &options));
    TRY(open_image(options.image_path, &file));
    TRY(prepare_server(&options, &file.config, &server));
    TRY(cella_run_watch_signals(&run.signals));
    TRY(start(&options, &file, &run));
    TRY(cella_run_serve(&run, &exited));
    fflush(NULL);
    exit(exit_status(&run, &exited));
}
