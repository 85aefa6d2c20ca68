/* A loader for tests of the shim alone: maps an image as src/abi/start.h says, without a platform,
 * and answers its host channel with arguments and nothing else. It measures and verifies nothing;
 * never for secrets.
 *
 *   enter [--private | --secret] [--storm SIGNAL] IMAGE [ARGUMENT...]      exit status: the
 * program's, or 128 + signal
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/rseq.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi/hostcall.h"
#include "abi/image.h"
#include "abi/sgx.h"
#include "abi/start.h"
#include "base/reader.h"
#include "base/writer.h"
#include "sweep.h"

enum { PAGE = 4096, EXIT_LOADER = 120 };

struct image {
    uint8_t *data;
    int fd; /* sealed copy */
    uint32_t region_count, base_mode;
    uint64_t size, entry, config_offset, config_size;
};

struct region {
    uint64_t offset, pages, file_offset, flags;
    uint32_t kind;
};

static uint64_t field(const uint8_t *p, size_t size) {
    struct cella_reader r = cella_reader(cella_bytes(p, size));
    return size == 8 ? cella_reader_u64le(&r) : cella_reader_u32le(&r);
}

static void read_image(const char *path, struct image *image) {
    struct stat st;
    int from = open(path, O_RDONLY);
    if (from < 0 || fstat(from, &st) < 0) err(EXIT_LOADER, "%s", path);
    image->fd = memfd_create("image", MFD_ALLOW_SEALING | 0x10U /* MFD_EXEC */);
    if (image->fd < 0) image->fd = memfd_create("image", MFD_ALLOW_SEALING);
    if (image->fd < 0) err(EXIT_LOADER, "memfd_create");
    for (off_t at = 0; at < st.st_size;)
        if (sendfile(image->fd, from, &at, (size_t)(st.st_size - at)) <= 0)
            err(EXIT_LOADER, "copying the image");
    close(from);
    fcntl(image->fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    image->data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, image->fd, 0);
    if (image->data == MAP_FAILED || memcmp(image->data, CELLA_IMAGE_MAGIC, 8) != 0)
        errx(EXIT_LOADER, "no image");
    image->region_count = (uint32_t)field(image->data + CELLA_IMAGE_AT_REGION_COUNT, 4);
    image->base_mode = (uint32_t)field(image->data + CELLA_IMAGE_AT_BASE_MODE, 4);
    image->size = field(image->data + CELLA_IMAGE_AT_ENCLAVE_SIZE, 8);
    image->entry = field(image->data + CELLA_IMAGE_AT_ENTRY, 8);
    image->config_offset = field(image->data + CELLA_IMAGE_AT_CONFIG_OFFSET, 8);
    image->config_size = field(image->data + CELLA_IMAGE_AT_CONFIG_SIZE, 8);
}

static struct region region_at(const struct image *image, uint32_t i) {
    const uint8_t *p =
        image->data + CELLA_IMAGE_REGIONS_OFFSET + (size_t)i * CELLA_IMAGE_REGION_SIZE;
    return (struct region){field(p + CELLA_IMAGE_REGION_OFFSET, 8),
                           field(p + CELLA_IMAGE_REGION_PAGES, 8),
                           field(p + CELLA_IMAGE_REGION_FILE_OFFSET, 8),
                           field(p + CELLA_IMAGE_REGION_FLAGS, 8),
                           (uint32_t)field(p + CELLA_IMAGE_REGION_KIND, 4)};
}

static uint64_t choose_base(const struct image *image) {
    if (image->base_mode == CELLA_IMAGE_BASE_ZERO) return 0;
    uint8_t *p =
        mmap(NULL, 2 * image->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) err(EXIT_LOADER, "reserving the enclave's range");
    munmap(p, 2 * image->size);
    return ((uint64_t)p + image->size - 1) & ~(image->size - 1);
}

static bool is_mapped(const struct region *r) {
    return r->kind != CELLA_REGION_TCS && r->kind != CELLA_REGION_SSA;
}

static int prot_of(uint64_t flags) {
    return (flags & CELLA_SGX_SECINFO_R ? PROT_READ : 0) |
           (flags & CELLA_SGX_SECINFO_W ? PROT_WRITE : 0) |
           (flags & CELLA_SGX_SECINFO_X ? PROT_EXEC : 0);
}

static int secret_memory(const struct image *image) {
    uint64_t size = 0;
    for (uint32_t i = 0; i < image->region_count; i++) {
        struct region r = region_at(image, i);
        if (is_mapped(&r) && (r.flags & CELLA_SGX_SECINFO_W)) size += r.pages * PAGE;
    }
    int fd = (int)syscall(SYS_memfd_secret, 0);
    if (fd < 0 || ftruncate(fd, (off_t)size) < 0) err(EXIT_LOADER, "memfd_secret");
    return fd;
}

static void map_image(const struct image *image, uint64_t base, bool private, uint64_t *start) {
    uint64_t used = 0;
    int secret = private ? -1 : secret_memory(image);
    for (uint32_t i = 0; i < image->region_count; i++) {
        struct region r = region_at(image, i);
        if (!is_mapped(&r)) continue;
        bool writable = r.flags & CELLA_SGX_SECINFO_W;
        int flags = MAP_FIXED | (writable && private ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED);
        int fd = !writable ? image->fd : secret;
        void *at = (void *)(base + r.offset);
        void *p = mmap(at, r.pages * PAGE, prot_of(r.flags), flags, fd,
                       (off_t)(writable ? used : r.file_offset));
        if (p != at) err(EXIT_LOADER, "mapping region %u", i);
        if (writable) used += r.pages * PAGE;
        if (r.kind == CELLA_REGION_START) *start = r.offset;
    }
    if (secret >= 0) close(secret);
}

static void fill_start(uint64_t base, uint64_t start, bool private) {
    struct cella_writer w = cella_writer((void *)(base + start), CELLA_START_SIZE);
    uint8_t seed[64];
    if (getrandom(seed, sizeof seed, 0) != sizeof seed) err(EXIT_LOADER, "getrandom");
    cella_writer_u32le(&w, CELLA_START_MAGIC);
    cella_writer_u32le(&w, CELLA_START_VERSION);
    cella_writer_u64le(&w, base);
    cella_writer_u64le(&w, private ? 0 : CELLA_START_SECRET_MEMORY);
    cella_writer_u64le(&w, getauxval(AT_HWCAP));
    cella_writer_u64le(&w, getauxval(AT_HWCAP2));
    cella_writer_put(&w, CELLA_BYTES_OF(seed));
    cella_writer_u64le(&w, getauxval(AT_MINSIGSTKSZ));
    uint64_t rseq =
        __rseq_size ? (uint64_t)__builtin_thread_pointer() + (uint64_t)__rseq_offset : 0;
    cella_writer_u64le(&w, rseq);
    cella_writer_u32le(&w, 32);
    cella_writer_u32le(&w, RSEQ_SIG);
}

static void enclave(const struct image *image, uint64_t base, bool private, int host,
                    int platform) {
    uint64_t start = 0;
    map_image(image, base, private, &start);
    fill_start(base, start, private);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_DUMPABLE, 0);
    dup2(host, 100);
    dup2(platform, 101);
    dup2(100, CELLA_FD_HOST);
    dup2(101, CELLA_FD_PLATFORM);
    syscall(SYS_close_range, CELLA_FD_FIRST_FREE, ~0U, 0);
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    /* Slots lie where the first THREAD region does. */
    uint64_t slots = 0;
    for (uint32_t i = 0; i < image->region_count && !slots; i++) {
        struct region r = region_at(image, i);
        if (r.kind == CELLA_REGION_THREAD) slots = r.offset - CELLA_SLOT_THREAD;
    }
    uint64_t sp = base + slots + CELLA_SLOT_STACK_END, entry = base + image->entry;
    __asm__ volatile("mov %0, %%rsp\n\tjmp *%1"
                     :
                     : "r"(sp), "r"(entry), "D"(base), "S"(image->config_offset),
                       "d"(image->config_size), "c"(start)
                     : "memory");
    __builtin_unreachable();
}

static void answer_boot(int fd, char **arguments) {
    static uint8_t reply[CELLA_HOSTCALL_MAX];
    struct cella_writer w = cella_writer(reply, sizeof reply);
    uint32_t count = 0;
    while (arguments[count]) count++;
    cella_writer_u64le(&w, 0);
    cella_writer_u32le(&w, 0);
    cella_writer_u32le(&w, count);
    for (uint32_t i = 0; i < count; i++) {
        cella_writer_u32le(&w, (uint32_t)strlen(arguments[i]));
        cella_writer_put(&w, cella_bytes_text(arguments[i]));
    }
    cella_writer_u32le(&w, 0);
    cella_writer_patch_u32le(&w, 8, (uint32_t)w.size - CELLA_HOSTCALL_REPLY_HEADER);
    if (send(fd, reply, w.size, 0) < 0) err(EXIT_LOADER, "send");
}

static void serve(int fd, char **arguments) {
    uint8_t request[CELLA_HOSTCALL_MAX];
    for (ssize_t n; (n = recv(fd, request, sizeof request, 0)) > 0;) {
        if (field(request, 4) == CELLA_HOSTCALL_BOOT) {
            answer_boot(fd, arguments);
            continue;
        }
        uint8_t reply[CELLA_HOSTCALL_REPLY_HEADER] = {0};
        int64_t refused = -ENOENT;
        memcpy(reply, &refused, sizeof refused);
        if (send(fd, reply, sizeof reply, MSG_NOSIGNAL) < 0) return;
    }
}

/* R12: a host that sends signals to the enclave, without end, until it ends. */
static pid_t storm(pid_t target, int signal, int after_ms) {
    pid_t pid = fork();
    if (pid != 0) return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    usleep((useconds_t)after_ms * 1000);
    /* Every code that the kernel lets a sender claim; it refuses those of its own. */
    for (int code = -1; kill(target, signal) == 0; code = code > -100 ? code - 1 : -1) {
        siginfo_t info = {.si_signo = signal, .si_code = code};
        syscall(SYS_rt_sigqueueinfo, target, signal, &info);
        usleep(200);
    }
    _exit(0);
}

static void usage(void) {
    errx(EXIT_LOADER,
         "enter [--private | --secret] [--storm SIGNAL [--after MS] | --sweep CALL | --forge CALL] "
         "IMAGE [ARGUMENT...]");
}

struct options {
    bool private;
    int storm;  /* signal, or 0 */
    int after;  /* milliseconds until the storm */
    int sweep;  /* system call number, or -1 */
    bool forge; /* after that call, instead of a sweep */
};

static int parse(int argc, char **argv, struct options *o) {
    int at = 1;
    *o = (struct options){.sweep = -1, .after = 20};
    for (; at < argc && argv[at][0] == '-'; at++) {
        bool more = at + 1 < argc;
        if (strcmp(argv[at], "--private") == 0)
            o->private = true;
        else if (strcmp(argv[at], "--storm") == 0 && more)
            o->storm = atoi(argv[++at]);
        else if (strcmp(argv[at], "--after") == 0 && more)
            o->after = atoi(argv[++at]);
        else if (strcmp(argv[at], "--sweep") == 0 && more)
            o->sweep = atoi(argv[++at]);
        else if (strcmp(argv[at], "--forge") == 0 && more)
            o->sweep = atoi(argv[++at]), o->forge = true;
        else if (strcmp(argv[at], "--secret") != 0)
            usage();
    }
    if (at >= argc) usage();
    return at;
}

/* The tracer must be the parent, so another process answers the host channel meanwhile. */
static int run_sweep(const struct image *image, uint64_t base, pid_t pid, int host,
                     char **arguments, const struct options *o) {
    uint64_t text = 0, end = 0;
    for (uint32_t i = 0; i < image->region_count; i++) {
        struct region r = region_at(image, i);
        if (r.kind != CELLA_REGION_SHIM_TEXT) continue;
        text = base + r.offset;
        end = text + r.pages * PAGE;
    }
    pid_t server = fork();
    if (server == 0) {
        serve(host, arguments);
        _exit(0);
    }
    close(host);
    int status;
    waitpid(pid, &status, 0);
    status = (o->forge ? forge : sweep)(pid, text, end, o->sweep);
    waitpid(server, NULL, 0);
    return status;
}

static int run_plain(pid_t pid, int host, char **arguments, const struct options *o) {
    int status;
    pid_t stormer = o->storm ? storm(pid, o->storm, o->after) : 0;
    serve(host, arguments);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    if (stormer) {
        kill(stormer, SIGKILL);
        waitpid(stormer, NULL, 0);
    }
    return status;
}

int main(int argc, char **argv) {
    struct options o;
    struct image image;
    int at = parse(argc, argv, &o), host[2], platform[2];
    read_image(argv[at], &image);
    uint64_t base = choose_base(&image);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, host) < 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET, 0, platform) < 0)
        err(EXIT_LOADER, "socketpair");
    sigset_t all, old; /* a storm may begin before the enclave stands */
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &old);
    pid_t pid = fork();
    if (pid == 0) {
        close(host[0]);
        if (o.sweep >= 0) ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        if (o.sweep >= 0) raise(SIGSTOP);
        enclave(&image, base, o.private, host[1], platform[1]);
    }
    sigprocmask(SIG_SETMASK, &old, NULL);
    close(host[1]);
    close(platform[1]);
    char **arguments = argv + at + 1;
    int status = o.sweep >= 0 ? run_sweep(&image, base, pid, host[0], arguments, &o)
                              : run_plain(pid, host[0], arguments, &o);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
