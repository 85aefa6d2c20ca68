/* A program whose keys come from a vault, looked at from inside: enclave_test.sh says what it must
 * find. The first argument says what to do. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern const Elf64_Ehdr __ehdr_start; /* the linker's; at the offset that `inspect` says */

static size_t read_key(const char *name, uint8_t *key, size_t size) {
    char path[256];
    snprintf(path, sizeof(path), "/dev/cella/keys/%s", name);
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? 0 : read(fd, key, size);
    if (fd >= 0) close(fd);
    return n < 0 ? 0 : (size_t)n;
}

static void show_key(const char *name) {
    uint8_t key[64];
    size_t n = read_key(name, key, sizeof(key));
    printf("found %s %zu ", name, n);
    for (size_t i = 0; i < n; i++) printf("%02x", key[i]);
    puts("");
}

static void show_opens(const char *path, int flags) {
    int fd = open(path, flags);
    printf("open %s: %s\n", path, fd < 0 ? strerrorname_np(errno) : "open");
    if (fd >= 0) close(fd);
}

static void show(int argc, char **argv) {
    for (int i = 0; i < argc; i++) printf("argument %d '%s'\n", i, argv[i]);
    printf("FIXED=%s HOST=%s\n", getenv("FIXED"), getenv("HOST"));
    for (int i = 2; i < argc; i++) {
        char path[256];
        snprintf(path, sizeof(path), "/dev/cella/keys/%s", argv[i]);
        show_key(argv[i]);
        show_opens(path, O_WRONLY);
    }
    show_opens("/dev/cella/vault", O_RDONLY);
    show_opens("/dev/cella/connect/localhost:443", O_RDWR);
    show_opens("/dev/cella/connect/credential/localhost:443", O_RDONLY);
    show_opens("/cella/fetch", O_RDONLY);
    printf("exec /cella/fetch: %d\n", execl("/cella/fetch", "/cella/fetch", NULL) < 0 ? errno : 0);
    for (int fd = 3; fd < 64; fd++)
        if (fcntl(fd, F_GETFD) >= 0) printf("descriptor %d is open\n", fd);
}

/* scan KEY PROGRAM {KIND OFFSET SIZE}...: of the enclave's memory. zeros: must be; else nothing of
 * the fetching program's work may be there: the key, tokens. Kept out of stack and heap itself. */
static uint8_t key[32];
static int scan(int argc, char **argv) {
    const uint8_t *base = (const uint8_t *)&__ehdr_start - strtoull(argv[3], NULL, 0);
    int bad = 0;
    if (read_key(argv[2], key, sizeof(key)) != sizeof(key)) return 3;
    for (int i = 4; i + 2 < argc; i += 3) {
        const uint8_t *from = base + strtoull(argv[i + 1], NULL, 0);
        size_t size = strtoull(argv[i + 2], NULL, 0), used = 0;
        for (size_t at = 0; at < size; at++) used += from[at] != 0;
        int keys = memmem(from, size, key, sizeof(key)) != NULL;
        int tokens =
            memmem(from, size, "eyJ", 3) != NULL || memmem(from, size, "Bearer ", 7) != NULL;
        if (!strcmp(argv[i], "zeros")) keys = used != 0;
        printf("scanned %s: %zu of %zu bytes in use%s%s\n", argv[i], used, size,
               keys ? ", A KEY" : "", tokens ? ", A TOKEN" : "");
        bad |= keys || tokens;
    }
    return bad;
}

static int files(const char *path) {
    char text[32] = "";
    FILE *file = fopen(path, "r");
    if (!file) file = fopen(path, "w+");
    if (!file) return 1;
    if (fread(text, 1, sizeof(text) - 1, file) == 0) fputs("patients", file);
    printf("file '%s'\n", text);
    return fclose(file);
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    setbuf(stdout, NULL);
    if (!strcmp(what, "show")) show(argc, argv);
    if (!strcmp(what, "key")) show_key(argv[2]);
    if (!strcmp(what, "scan")) return scan(argc, argv);
    if (!strcmp(what, "files")) return files(argv[2]);
    if (!strcmp(what, "exec"))
        return execl("/bin/second", "second", "key", argv[2], NULL) < 0 ? errno : 0;
    if (!strcmp(what, "wait")) {
        puts("waiting");
        for (;;) pause();
    }
    return 7;
}
