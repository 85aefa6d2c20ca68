#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/embedded.h"
#include "image/build.h"

#include <cella/image.h>

const char cella_help_sign[] =
    "usage: cella sign PROGRAM [-m MANIFEST] -k KEY -o IMAGE\n"
    "       cella sign --digest PROGRAM [-m MANIFEST] -o DIGEST [--unsigned FILE]\n"
    "       cella sign --attach UNSIGNED --signature SIG --public PUB -o IMAGE\n"
    "Builds the image of a program, measures it and signs it. The same inputs give the same "
    "bytes,\n"
    "on any machine and day. PROGRAM is a static-PIE or static x86-64 ELF.\n\n"
    "  -m, --manifest FILE   settings (docs/formats/manifest.md); without it all have their "
    "defaults\n"
    "  -k, --key FILE        signing key, as `cella keygen -o FILE` makes it\n"
    "  -o, --output FILE     the image (0644), or what --digest writes\n"
    "  --shim FILE           another shim than the one built in\n"
    "  --fetch FILE          another program that gets keys from a vault\n\n"
    "For a key that lives elsewhere, in two steps:\n"
    "  --digest              write the 256 bytes to sign to DIGEST, and the image without a "
    "signature to\n"
    "                        --unsigned FILE (default: DIGEST with .digest replaced by .unsigned)\n"
    "                        openssl dgst -sha256 -sign KEY -out SIG DIGEST\n"
    "  --attach UNSIGNED     put the signature in and verify the whole\n"
    "  --signature SIG       384 bytes, big-endian, as openssl and PKCS#11 make them\n"
    "  --public PUB          the signer's public key, PEM or DER\n\n"
    "SOURCE_DATE_EPOCH, where set, gives the signature's date; else the manifest's, else "
    "2000-01-01.\n";

struct options {
    const char *manifest, *key, *output, *shim, *fetch, *unsigned_file, *signature, *public_key,
        *input;
    bool digest, attach;
};

enum {
    OPT_SHIM = 256,
    OPT_FETCH,
    OPT_DIGEST,
    OPT_UNSIGNED,
    OPT_ATTACH,
    OPT_SIGNATURE,
    OPT_PUBLIC,
    KEY_MAX = 16384
};

static CELLA_RESULT parse(int argc, char **argv, struct options *o) {
    static const struct option options[] = {{"manifest", required_argument, NULL, 'm'},
                                            {"key", required_argument, NULL, 'k'},
                                            {"output", required_argument, NULL, 'o'},
                                            {"shim", required_argument, NULL, OPT_SHIM},
                                            {"fetch", required_argument, NULL, OPT_FETCH},
                                            {"digest", no_argument, NULL, OPT_DIGEST},
                                            {"unsigned", required_argument, NULL, OPT_UNSIGNED},
                                            {"attach", no_argument, NULL, OPT_ATTACH},
                                            {"signature", required_argument, NULL, OPT_SIGNATURE},
                                            {"public", required_argument, NULL, OPT_PUBLIC},
                                            {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(argc, argv, "m:k:o:", options, NULL)) != -1;) {
        switch (c) {
        case 'm': o->manifest = optarg; break;
        case 'k': o->key = optarg; break;
        case 'o': o->output = optarg; break;
        case OPT_SHIM: o->shim = optarg; break;
        case OPT_FETCH: o->fetch = optarg; break;
        case OPT_DIGEST: o->digest = true; break;
        case OPT_UNSIGNED: o->unsigned_file = optarg; break;
        case OPT_ATTACH: o->attach = true; break;
        case OPT_SIGNATURE: o->signature = optarg; break;
        case OPT_PUBLIC: o->public_key = optarg; break;
        default: return cella_cli_usage("sign", "unknown option or missing value");
        }
    }
    if (optind + 1 != argc)
        return cella_cli_usage("sign", "expected one %s, found %d words",
                               o->attach ? "unsigned image" : "program", argc - optind);
    o->input = argv[optind];
    return CELLA_SUCCESS;
}

static CELLA_RESULT check(const struct options *o) {
    if (!o->output) return cella_cli_usage("sign", "expected -o FILE");
    if (o->digest && o->attach)
        return cella_cli_usage("sign", "--digest and --attach are two steps");
    if (o->attach && (!o->signature || !o->public_key))
        return cella_cli_usage("sign", "--attach needs --signature and --public");
    if (o->attach && (o->manifest || o->key || o->shim || o->fetch || o->unsigned_file))
        return cella_cli_usage(
            "sign",
            "--attach takes the unsigned image as it is: no -m, -k, --shim, --fetch or --unsigned");
    if (!o->attach && (o->signature || o->public_key))
        return cella_cli_usage("sign", "--signature and --public belong to --attach");
    if (o->digest && o->key) return cella_cli_usage("sign", "--digest signs nothing: no -k");
    if (!o->digest && o->unsigned_file)
        return cella_cli_usage("sign", "--unsigned belongs to --digest");
    if (!o->digest && !o->attach && !o->key) return cella_cli_usage("sign", "expected -k KEY");
    return CELLA_SUCCESS;
}

/* SOURCE_DATE_EPOCH (reproducible-builds.org) as BCD of its UTC day; 0 when not set. */
static CELLA_RESULT date_of_environment(uint32_t *date) {
    const char *text = getenv("SOURCE_DATE_EPOCH");
    *date = 0;
    if (!text || !*text) return CELLA_SUCCESS;
    char *end, day[16];
    long long seconds = strtoll(text, &end, 10);
    struct tm tm;
    time_t when = (time_t)seconds;
    ENSURE(*end == '\0' && seconds >= 0 && seconds < 4102444800LL && gmtime_r(&when, &tm),
           CELLA_ERR_USAGE, "unset it, or set it to a Unix time before 2100",
           "SOURCE_DATE_EPOCH: expected seconds, found '%s'", text);
    strftime(day, sizeof(day), "%Y%m%d", &tm);
    *date = (uint32_t)strtoul(day, NULL, 16);
    return CELLA_SUCCESS;
}

static CELLA_RESULT build(const struct options *o, struct cella_buffer *image) {
    CELLA_BUFFER shim = {0};
    CELLA_BUFFER fetch = {0};
    struct cella_build b = {.program = o->input, .manifest = o->manifest};
    TRY(date_of_environment(&b.date));
    if (o->shim) TRY(cella_file_read(o->shim, CELLA_PROGRAM_FILE_MAX, &shim));
    b.shim = o->shim ? cella_buffer_bytes(&shim)
                     : cella_bytes(cella_shim_elf_start,
                                   (size_t)(cella_shim_elf_end - cella_shim_elf_start));
    if (o->fetch) TRY(cella_file_read(o->fetch, CELLA_PROGRAM_FILE_MAX, &fetch));
    b.fetch = o->fetch ? cella_buffer_bytes(&fetch)
                       : cella_bytes(cella_fetch_elf_start,
                                     (size_t)(cella_fetch_elf_end - cella_fetch_elf_start));
    ENSURE(b.shim.size > 0, CELLA_ERR_UNSUPPORTED, "give one with --shim FILE",
           "this build of cella has no shim");
    return cella_image_build(&b, image);
}

static CELLA_RESULT write_digest(const struct options *o, struct cella_buffer *image) {
    uint8_t message[CELLA_SIGSTRUCT_SIGNED_SIZE];
    char name[4096];
    size_t size = strlen(o->output);
    if (size > 7 && strcmp(o->output + size - 7, ".digest") == 0) size -= 7;
    snprintf(name, sizeof(name), "%.*s.unsigned", (int)size, o->output);
    TRY(cella_image_to_sign(cella_buffer_bytes(image), message));
    TRY(cella_file_write(o->unsigned_file ? o->unsigned_file : name, cella_buffer_bytes(image),
                         0644, 0));
    return cella_file_write(o->output, CELLA_BYTES_OF(message), 0644, 0);
}

static CELLA_RESULT attach(const struct options *o, struct cella_buffer *image) {
    CELLA_BUFFER public_file = {0};
    CELLA_BUFFER signature = {0};
    CELLA_RSA3072 key = NULL;
    uint8_t modulus[CELLA_RSA3072_SIZE], little[CELLA_RSA3072_SIZE];
    TRY(cella_file_read(o->input, CELLA_IMAGE_FILE_MAX, image));
    TRY(cella_file_read(o->public_key, KEY_MAX, &public_file));
    TRY(cella_file_read(o->signature, KEY_MAX, &signature));
    ENSURE(signature.size == CELLA_RSA3072_SIZE, CELLA_ERR_FORMAT,
           "sign the digest file with RSA-3072", "%s: expected a signature of %d bytes, found %zu",
           o->signature, CELLA_RSA3072_SIZE, signature.size);
    for (size_t i = 0; i < sizeof(little); i++) little[i] = signature.data[sizeof(little) - 1 - i];
    TRY_IN(cella_rsa3072_public(cella_buffer_bytes(&public_file), &key), "%s", o->public_key);
    TRY(cella_rsa3072_modulus(key, modulus));
    TRY_IN(cella_image_attach(image, modulus, little), "%s does not sign %s under %s", o->signature,
           o->input, o->public_key);
    return cella_file_write(o->output, cella_buffer_bytes(image), 0644, 0);
}

CELLA_RESULT cella_cmd_sign(int argc, char **argv) {
    struct options o = {0};
    CELLA_BUFFER image = {0};
    CELLA_RSA3072 key = NULL;
    TRY(parse(argc, argv, &o));
    TRY(check(&o));
    if (o.attach) return attach(&o, &image);
    if (o.key)
        TRY(cella_rsa3072_load(o.key,
                               &key)); /* before the work: a wrong key file is said at once */
    TRY(build(&o, &image));
    if (o.digest) return write_digest(&o, &image);
    TRY(cella_image_sign(&image, key));
    return cella_file_write(o.output, cella_buffer_bytes(&image), 0644, 0);
}
