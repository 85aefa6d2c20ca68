/* Runs inside an enclave (files_program_test.sh): a Linux program that uses every kind of file
 * there. Prints one line per check that fails, and "files: ok" when none does. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int failures;

static void check(int ok, const char *what) {
    if (ok) return;
    printf("failed: %s: %s\n", what, strerror(errno));
    failures++;
}

static long slurp(const char *path, char *out, size_t size) {
    int fd = open(path, O_RDONLY);
    if (fd < 0) return -1;
    long n = read(fd, out, size - 1);
    close(fd);
    if (n >= 0) out[n] = 0;
    return n;
}

static void shared(void) {
    char line[64] = {0};
    FILE *f = fopen("/shared/in", "r");
    check(f && fgets(line, sizeof(line), f) && strcmp(line, "from the host\n") == 0,
          "read a shared file");
    if (f) fclose(f);
    f = fopen("/shared/out", "w");
    check(f && fprintf(f, "%d\n", 42) == 3 && fclose(f) == 0, "write a shared file");
    check(mkdir("/shared/d", 0755) == 0 && rmdir("/shared/d") == 0, "folders of a shared mount");
    check(open("/shared/../../etc/passwd", O_RDONLY) < 0 && errno == ENOENT,
          "no way out of a mount");
    unsigned seen = 0;
    DIR *d = opendir("/shared");
    struct dirent *e;
    while (d && (e = readdir(d)))
        seen += strcmp(e->d_name, "in") == 0 || strcmp(e->d_name, "out") == 0;
    if (d) closedir(d);
    check(seen == 2, "list a shared folder");
}

static void trusted(void) {
    char out[64];
    check(slurp("/trusted/model", out, sizeof(out)) == 12 && strcmp(out, "pinned bytes") == 0,
          "read a trusted file");
    check(open("/trusted/model", O_RDWR) < 0 && errno == EROFS, "a trusted file is read only");
    check(open("/trusted/other", O_RDONLY) < 0 && errno == ENOENT,
          "what is not pinned is not there");
}

static void protected_mount(void) {
    static char big[300000], back[300000];
    struct stat s;
    for (size_t i = 0; i < sizeof(big); i++) big[i] = (char)(i * 7 + i / 1000);
    int fd = open("/vault/state.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600);
    check(fd >= 0 && write(fd, big, sizeof(big)) == sizeof(big), "write a protected file");
    check(fsync(fd) == 0, "fsync a protected file");
    check(pread(fd, back, sizeof(back), 0) == sizeof(back) && memcmp(big, back, sizeof(big)) == 0,
          "read it back");
    check(close(fd) == 0 && rename("/vault/state.tmp", "/vault/state") == 0,
          "rename a protected file");
    check(stat("/vault/state", &s) == 0 && s.st_size == sizeof(big), "its size is the plaintext's");
    fd = open("/vault/counter", O_RDWR | O_CREAT, 0600);
    char c = '0';
    check(fd >= 0 && read(fd, &c, 1) >= 0, "open the counter");
    c++;
    check(pwrite(fd, &c, 1, 0) == 1 && close(fd) == 0, "count the runs");
    printf("run %c\n", c);
}

static void proof(void) {
    char out[16384], nonce[64], report[432], target[512], answer[8];
    const char *folder = "/sys/kernel/config/tsm/report/test";
    memset(nonce, 'n', sizeof(nonce));
    check(mkdir(folder, 0755) == 0 && chdir(folder) == 0, "make a report folder");
    int fd = open("inblob", O_WRONLY);
    check(fd >= 0 && write(fd, nonce, 64) == 64 && close(fd) == 0, "write inblob");
    check(slurp("provider", out, sizeof(out)) > 0 && strcmp(out, "cella_software\n") == 0,
          "provider");
    check(slurp("generation", out, sizeof(out)) == 2 && strcmp(out, "1\n") == 0, "generation");
    long n = slurp("outblob", out, sizeof(out));
    check(n > 500 && memmem(out, (size_t)n, nonce, 64), "evidence that holds the nonce");
    check(chdir("/") == 0 && rmdir(folder) == 0, "remove the report folder");

    fd = open("/dev/cella/targetinfo", O_RDONLY);
    check(fd >= 0 && read(fd, target, sizeof(target)) == sizeof(target) && close(fd) == 0,
          "own target info");
    fd = open("/dev/cella/report", O_RDWR);
    check(fd >= 0 && write(fd, target, 512) == 512 && write(fd, nonce, 64) == 64 &&
              read(fd, report, sizeof(report)) == sizeof(report) && close(fd) == 0,
          "report for oneself");
    fd = open("/dev/cella/verify", O_RDWR);
    check(fd >= 0 && write(fd, report, 432) == 432 && read(fd, answer, 8) == 3, "verify it");
    report[320] ^= 1;
    check(write(fd, report, 432) == 432 && read(fd, answer, 8) < 0 && errno == EACCES,
          "refuse a changed one");
    close(fd);
    char a[33], b[33];
    check(slurp("/dev/cella/seal/enclave", a, 33) == 32 &&
              slurp("/dev/cella/seal/signer", b, 33) == 32 && memcmp(a, b, 32) != 0,
          "seal keys");
    check(slurp("/dev/cella/platform", out, sizeof(out)) > 0, "what the platform says");
}

/* Threads that share a protected file, each writing blocks of its own, while they open, dup and
 * close others. */
enum { THREADS = 3, ROUNDS = 40, PIECE = 5000 };
static int shared_fd;

static void *worker(void *argument) {
    long id = (long)argument;
    char piece[PIECE], back[PIECE];
    for (int i = 0; i < ROUNDS; i++) {
        off_t at = (i * THREADS + id) * (off_t)PIECE;
        memset(piece, 'a' + (int)id + i % 7, PIECE);
        check(pwrite(shared_fd, piece, PIECE, at) == PIECE, "a thread writes its piece");
        int other = open("/vault/counter", O_RDONLY), copy = dup(other);
        check(other >= 0 && copy >= 0 && read(copy, back, 1) == 1, "a thread opens another file");
        close(other);
        close(copy);
        check(pread(shared_fd, back, PIECE, at) == PIECE && memcmp(piece, back, PIECE) == 0,
              "a thread reads it back");
    }
    return NULL;
}

static void threads(void) {
    pthread_t thread[THREADS];
    char back[PIECE];
    shared_fd = open("/vault/threads", O_RDWR | O_CREAT | O_TRUNC, 0600);
    for (long i = 0; i < THREADS; i++)
        check(pthread_create(&thread[i], NULL, worker, (void *)i) == 0, "a thread starts");
    for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
    for (int i = 0; i < ROUNDS * THREADS; i++)
        check(pread(shared_fd, back, PIECE, i * (off_t)PIECE) == PIECE &&
                  back[0] == 'a' + i % THREADS + i / THREADS % 7 && back[PIECE - 1] == back[0],
              "all pieces are whole");
    check(close(shared_fd) == 0, "close the shared file");
}

/* "cat FROM TO": copies a file, so that the script can look at what came out. */
static int copy(const char *from, const char *to) {
    static char bytes[1 << 20];
    long n = slurp(from, bytes, sizeof(bytes));
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (n < 0 || out < 0 || write(out, bytes, (size_t)n) != n || close(out) != 0)
        return perror("cat"), 1;
    return 0;
}

int main(int argc, char **argv) {
    char exe[64] = {0};
    if (argc == 4 && strcmp(argv[1], "cat") == 0) return copy(argv[2], argv[3]);
    check(argc == 2 && strcmp(argv[1], "argument") == 0, "the argument");
    check(getenv("FROM_HOST") && strcmp(getenv("FROM_HOST"), "yes") == 0, "the variable");
    check(readlink("/proc/self/exe", exe, sizeof(exe)) > 0, "/proc/self/exe");
    shared();
    trusted();
    protected_mount();
    threads();
    proof();
    if (failures == 0) puts("files: ok");
    return failures != 0;
}
