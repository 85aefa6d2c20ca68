#include "cli/measure_vm.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "cli/cli.h"
#include "crypto/x509.h"
#include "image/ovmf.h"
#include "image/snp_measure.h"
#include "image/tdx_measure.h"

enum { KERNEL_MAX = 1 << 30 /* bytes */, KEY_MAX = 65536, RTMR_COUNT = 4 };

/* ---- arguments ---- */

static struct cella_result number(const char *text, uint64_t max, uint64_t *out) {
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 0);
    if (text[0] < '0' || text[0] > '9' || *end || errno || *out > max)
        return cella_cli_usage("measure", "expected a number up to %llu, found '%s'",
                               (unsigned long long)max, text);
    return CELLA_SUCCESS;
}

static struct cella_result choice(const char *text, const char *const *names, int count, int *out) {
    for (*out = 0; *out < count; ++*out)
        if (strcmp(text, names[*out]) == 0) return CELLA_SUCCESS;
    return cella_cli_usage("measure", "'%s' is none of the choices", text);
}

static void show(bool quiet, const char *name, const uint8_t *digest, size_t size) {
    char hex[2 * CELLA_SNP_DIGEST_SIZE + 1];
    cella_hex_encode(cella_bytes(digest, size), hex);
    if (quiet)
        printf("%s\n", hex);
    else
        printf("%-11s %s\n", name, hex);
}

/* ---- snp ---- */

struct snp_arguments {
    struct cella_snp_launch launch;
    struct cella_buffer ovmf, svsm, kernel, initrd;
    bool has_type, has_initrd, has_cmdline, has_key, quiet;
    uint8_t key_digest[CELLA_SNP_DIGEST_SIZE];
};

static void snp_free(struct snp_arguments *a) {
    cella_buffer_free(&a->ovmf);
    cella_buffer_free(&a->svsm);
    cella_buffer_free(&a->kernel);
    cella_buffer_free(&a->initrd);
}

static struct cella_result snp_file(struct snp_arguments *a, int c, const char *path) {
    struct cella_snp_launch *l = &a->launch;
    if (c == 'k') {
        l->has_kernel = true;
        TRY(cella_file_read(path, KERNEL_MAX, &a->kernel));
        l->kernel = cella_buffer_bytes(&a->kernel);
    } else if (c == 'i') {
        a->has_initrd = true;
        TRY(cella_file_read(path, KERNEL_MAX, &a->initrd));
        l->initrd = cella_buffer_bytes(&a->initrd);
    } else if (c == 's') {
        TRY(cella_file_read(path, CELLA_OVMF_IMAGE_MAX, &a->svsm));
        l->svsm = cella_buffer_bytes(&a->svsm);
        l->mode = CELLA_MODE_SNP_SVSM;
    } else {
        TRY(cella_file_read(path, CELLA_OVMF_IMAGE_MAX, &a->ovmf));
        l->ovmf = cella_buffer_bytes(&a->ovmf);
    }
    return CELLA_SUCCESS;
}

/* What a report names as signer when the guest is launched with an ID block of this key. */
static struct cella_result snp_key(struct snp_arguments *a, const char *path) {
    CELLA_BUFFER text = {0};
    CELLA_BUFFER spki = {0};
    CELLA_VERIFYKEY key = NULL;
    bool found = false;
    size_t at = 0;
    TRY(cella_file_read(path, KEY_MAX, &text));
    TRY(cella_pem_next(cella_buffer_bytes(&text), "PUBLIC KEY", &at, &spki, &found));
    ENSURE(found, CELLA_ERR_FORMAT, "openssl pkey -in KEY -pubout makes one",
           "%s: expected a public key in PEM", path);
    TRY_IN(cella_verifykey_new(cella_buffer_bytes(&spki), &key), "%s", path);
    ENSURE(cella_verifykey_kind(key) == CELLA_VERIFYKEY_P384, CELLA_ERR_FORMAT, NULL,
           "%s: expected a key on curve P-384", path);
    a->has_key = true;
    return cella_snp_key_digest(spki.data + spki.size - 96, a->key_digest); /* ends in the point */
}

static struct cella_result snp_option(struct snp_arguments *a, int c, const char *value) {
    static const char *const flavors[] = {"qemu", "ec2", "gce"};
    static const char *const modes[] = {"snp", "snp-svsm", "sev-es", "sev"};
    struct cella_snp_launch *l = &a->launch;
    uint64_t n = 0;
    int which = 0;
    switch (c) {
    case 'q': a->quiet = true; return CELLA_SUCCESS;
    case 'c':
        a->has_cmdline = true;
        l->cmdline = cella_bytes_text(value);
        return CELLA_SUCCESS;
    case 'n':
        TRY(number(value, CELLA_SNP_VCPU_MAX, &n));
        l->vcpus = (uint32_t)n;
        return CELLA_SUCCESS;
    case 't': a->has_type = true; return cella_snp_vcpu_signature(value, &l->vcpu_signature);
    case 'T':
        TRY(number(value, UINT32_MAX, &n));
        a->has_type = true;
        l->vcpu_signature = (uint32_t)n;
        return CELLA_SUCCESS;
    case 'g': return number(value, UINT64_MAX, &l->guest_features);
    case 'v': return number(value, UINT32_MAX, &l->ovmf_vars_size);
    case 'f':
        TRY(choice(value, flavors, 3, &which));
        l->flavor = (enum cella_snp_flavor)which;
        return CELLA_SUCCESS;
    case 'm':
        TRY(choice(value, modes, 4, &which));
        l->mode = (enum cella_snp_mode)which;
        return CELLA_SUCCESS;
    case 'd':
        l->has_ovmf_digest = true;
        return cella_hex_decode(cella_bytes_text(value), l->ovmf_digest, sizeof(l->ovmf_digest));
    case 'K': return snp_key(a, value);
    case 'k':
    case 'i':
    case 's':
    case 'o': return snp_file(a, c, value);
    default: return cella_cli_usage("measure", "unknown option, or one without its value");
    }
}

static struct cella_result snp_ensure(const struct snp_arguments *a) {
    const struct cella_snp_launch *l = &a->launch;
    if (!a->ovmf.size) return cella_cli_usage("measure", "expected --ovmf FILE");
    if (!l->has_kernel && (a->has_initrd || a->has_cmdline))
        return cella_cli_usage("measure", "initrd and command line count only with --kernel");
    if ((l->mode == CELLA_MODE_SNP_SVSM) != (a->svsm.size > 0))
        return cella_cli_usage("measure", "an SVSM is given by --svsm FILE, with --mode snp-svsm");
    if (l->flavor == CELLA_FLAVOR_QEMU && l->mode != CELLA_MODE_SEV && !a->has_type)
        return cella_cli_usage("measure", "expected --vcpu-type NAME or --vcpu-sig NUMBER");
    if (l->has_ovmf_digest && l->mode != CELLA_MODE_SNP)
        return cella_cli_usage("measure", "--ovmf-digest goes with --mode snp only");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_cli_measure_snp(int argc, char **argv) {
    static const struct option options[] = {{"ovmf", required_argument, NULL, 'o'},
                                            {"ovmf-digest", required_argument, NULL, 'd'},
                                            {"kernel", required_argument, NULL, 'k'},
                                            {"initrd", required_argument, NULL, 'i'},
                                            {"cmdline", required_argument, NULL, 'c'},
                                            {"vcpus", required_argument, NULL, 'n'},
                                            {"vcpu-type", required_argument, NULL, 't'},
                                            {"vcpu-sig", required_argument, NULL, 'T'},
                                            {"guest-features", required_argument, NULL, 'g'},
                                            {"id-key", required_argument, NULL, 'K'},
                                            {"flavor", required_argument, NULL, 'f'},
                                            {"mode", required_argument, NULL, 'm'},
                                            {"svsm", required_argument, NULL, 's'},
                                            {"vars-size", required_argument, NULL, 'v'},
                                            {"quiet", no_argument, NULL, 'q'},
                                            {NULL, 0, NULL, 0}};
    __attribute__((cleanup(snp_free))) struct snp_arguments a = {
        .launch = {.vcpus = 1, .guest_features = 1}};
    uint8_t digest[CELLA_SNP_DIGEST_SIZE];
    size_t size;
    for (int c; (c = getopt_long(argc, argv, "q", options, NULL)) != -1;)
        TRY(snp_option(&a, c, optarg));
    if (optind != argc) return cella_cli_usage("measure", "'%s' is no option", argv[optind]);
    if (a.has_key) show(a.quiet, "signer", a.key_digest, sizeof(a.key_digest));
    if (a.has_key && !a.ovmf.size) return CELLA_SUCCESS;
    TRY(snp_ensure(&a));
    TRY(cella_snp_launch_digest(&a.launch, digest, &size));
    show(a.quiet, "measurement", digest, size);
    return CELLA_SUCCESS;
}

/* ---- tdx ---- */

struct tdx_arguments {
    struct cella_buffer firmware;
    bool two_pass, quiet, extended[RTMR_COUNT];
    uint8_t rtmr[RTMR_COUNT][CELLA_TDX_DIGEST_SIZE];
};

static void tdx_free(struct tdx_arguments *a) { cella_buffer_free(&a->firmware); }

/* "N=HEX": one event's digest into RTMR N, in the order given. */
static struct cella_result extend(struct tdx_arguments *a, const char *value) {
    uint8_t digest[CELLA_TDX_DIGEST_SIZE];
    if (value[0] < '0' || value[0] >= '0' + RTMR_COUNT || value[1] != '=')
        return cella_cli_usage("measure", "expected --extend N=HEX with N of 0 to 3");
    TRY(cella_hex_decode(cella_bytes_text(value + 2), digest, sizeof(digest)));
    a->extended[value[0] - '0'] = true;
    return cella_tdx_extend(a->rtmr[value[0] - '0'], digest);
}

CELLA_RESULT cella_cli_measure_tdx(int argc, char **argv) {
    static const struct option options[] = {{"firmware", required_argument, NULL, 'f'},
                                            {"two-pass", no_argument, NULL, '2'},
                                            {"extend", required_argument, NULL, 'e'},
                                            {"quiet", no_argument, NULL, 'q'},
                                            {NULL, 0, NULL, 0}};
    __attribute__((cleanup(tdx_free))) struct tdx_arguments a = {.two_pass = false};
    uint8_t mrtd[CELLA_TDX_DIGEST_SIZE];
    for (int c; (c = getopt_long(argc, argv, "q", options, NULL)) != -1;) {
        if (c == 'f')
            TRY(cella_file_read(optarg, CELLA_OVMF_IMAGE_MAX, &a.firmware));
        else if (c == 'e')
            TRY(extend(&a, optarg));
        else if (c == '2')
            a.two_pass = true;
        else if (c == 'q')
            a.quiet = true;
        else
            return cella_cli_usage("measure", "unknown option, or one without its value");
    }
    if (optind != argc) return cella_cli_usage("measure", "'%s' is no option", argv[optind]);
    if (!a.firmware.size) return cella_cli_usage("measure", "expected --firmware FILE");
    TRY(cella_tdx_mrtd(cella_buffer_bytes(&a.firmware), a.two_pass, mrtd));
    show(a.quiet, "mrtd", mrtd, sizeof(mrtd));
    for (int i = 0; i < RTMR_COUNT; i++) {
        char name[8];
        snprintf(name, sizeof(name), "rtmr%d", i);
        if (a.extended[i]) show(a.quiet, name, a.rtmr[i], CELLA_TDX_DIGEST_SIZE);
    }
    return CELLA_SUCCESS;
}
