/* A program of somebody else's: linked with the installed library through pkg-config, it measures
 * an image. usage: library_program IMAGE */
#include <cella/image.h>
#include <cella/seal.h>
#include <cella/verify.h>
#include <stdio.h>
#include <stdlib.h>

static struct cella_result measure(struct cella_bytes file, uint8_t mrenclave[32]) {
    struct cella_image image = {0};
    TRY(cella_image_open(file, &image));
    struct cella_identity identity;
    struct cella_result r = cella_image_verify(&image, &identity);
    if (!cella_failed(r)) __builtin_memcpy(mrenclave, identity.mrenclave, 32);
    cella_image_free(&image);
    return r;
}

int main(int argc, char **argv) {
    static uint8_t file[1 << 24];
    uint8_t mrenclave[32];
    FILE *f = argc == 2 ? fopen(argv[1], "rb") : NULL;
    size_t size = f ? fread(file, 1, sizeof(file), f) : 0;
    struct cella_result r = measure(cella_bytes(file, size), mrenclave);
    if (cella_failed(r)) {
        fprintf(stderr, "%s\n", r.error->what);
        cella_result_drop(r);
        return 1;
    }
    for (int i = 0; i < 32; i++) printf("%02x", mrenclave[i]);
    putchar('\n');
    return 0;
}
