/* The smallest enclave worth running: says hello, and proves what it is. The report is asked for by
 * the kernel's own file interface (configfs-tsm), so this same program asks an SNP or TDX guest's
 * hardware unchanged. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char report[] = "/sys/kernel/config/tsm/report/hello";

static int fail(const char *what) {
    fprintf(stderr, "hello: %s: %s\n", what, strerror(errno));
    return 1;
}

int main(int argc, char **argv) {
    const char *who = argc > 1 ? argv[1] : "world";
    printf("hello, %s, from inside\n", who);

    /* 64 bytes of our choice that the evidence will carry: a nonce, or the hash of a key. */
    unsigned char data[64] = {0};
    snprintf((char *)data, sizeof(data), "hello, %s", who);
    char path[128];
    if (mkdir(report, 0700) != 0 && errno != EEXIST) return fail(report);
    snprintf(path, sizeof(path), "%s/inblob", report);
    FILE *f = fopen(path, "w");
    if (!f || fwrite(data, 1, sizeof(data), f) != sizeof(data) || fclose(f) != 0) return fail(path);

    static unsigned char evidence[65536];
    snprintf(path, sizeof(path), "%s/outblob", report);
    f = fopen(path, "r");
    size_t size = f ? fread(evidence, 1, sizeof(evidence), f) : 0;
    if (!f || size == 0) return fail(path);
    fclose(f);

    f = fopen("/out/evidence.bin", "w");
    if (!f || fwrite(evidence, 1, size, f) != size || fclose(f) != 0)
        return fail("/out/evidence.bin");
    printf("evidence of %zu bytes is in /out/evidence.bin\n", size);
    return 0;
}
