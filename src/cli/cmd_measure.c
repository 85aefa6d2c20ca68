#include <cella/image.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/measure_vm.h"
#include "image/foreign.h"
#include "image/sigstruct.h"

const char cella_help_measure[] =
    "usage: cella measure [-q] FILE\n"
    "       cella measure snp --ovmf FILE --vcpu-type NAME [...]\n"
    "       cella measure tdx --firmware FILE [--two-pass] [...]\n\n"
    "Measures an enclave as the processor would and prints its "
    "MRENCLAVE. Where the file holds a SIGSTRUCT, the\n"
    "hash signed there must be the same (exit status 3 when not).\n\n"
    "FILE is an image of cella (also one not signed yet), a signed "
    "enclave of Intel's SDK (.so), an SGXS stream,\n"
    "or a raw SIGSTRUCT of 1808 bytes, of which the signed hash is "
    "printed after the signature is checked.\n\n"
    "  -q, --quiet   print the hex digits only\n\n"
    "snp: the launch digest of an SEV-SNP virtual machine.\n"
    "  --ovmf FILE           firmware\n"
    "  --ovmf-digest HEX     of its pages, instead of measuring them\n"
    "  --kernel FILE --initrd FILE --cmdline TEXT\n"
    "  --vcpus N             1 when not given\n"
    "  --vcpu-type NAME      of QEMU: EPYC, EPYC-Rome, EPYC-Milan, "
    "EPYC-Genoa, EPYC-Turin;\n"
    "  --vcpu-sig NUMBER     or its CPUID signature (flavor qemu)\n"
    "  --guest-features N    SEV_FEATURES, 0x1 when not given\n"
    "  --flavor NAME         qemu, ec2 or gce\n"
    "  --mode NAME           snp, snp-svsm, sev-es or sev\n"
    "  --svsm FILE --vars-size N   with an SVSM below the firmware's "
    "variables\n\n"
    "tdx: MRTD of a TDX virtual machine.\n"
    "  --firmware FILE       TDVF\n"
    "  --two-pass            as older KVM: a section's pages are all "
    "added, then extended\n"
    "  --extend N=HEX        one event's digest into RTMR N; in "
    "order, several\n";

struct measured {
    const char *what;
    uint8_t mrenclave[CELLA_SGX_HASH_SIZE];
    struct cella_bytes sigstruct; /* empty: none in the file */
};

static CELLA_RESULT measure_image(struct cella_bytes file, struct measured *m) {
    struct cella_image image;
    TRY(cella_image_open(file, &image));
    m->sigstruct = image.sigstruct;
    struct cella_result r = cella_image_measure(&image, m->mrenclave);
    cella_image_free(&image);
    return r;
}

static CELLA_RESULT measure_any(struct cella_bytes file, struct measured *m) {
    struct cella_sdk_enclave sdk;
    *m = (struct measured){.what = "image of cella"};
    if (file.size >= 8 && cella_equal(file.data, "CELLAIMG", 8)) return measure_image(file, m);
    if (file.size == CELLA_SGX_SIGSTRUCT_SIZE) {
        struct cella_sigstruct s;
        m->what = "SIGSTRUCT";
        m->sigstruct = file;
        TRY(cella_sigstruct_parse(file, &s));
        cella_copy(m->mrenclave, s.mrenclave, sizeof(s.mrenclave));
        return CELLA_SUCCESS;
    }
    if (cella_sgxs_is(file)) {
        m->what = "SGXS stream";
        return cella_sgxs_measure(file, m->mrenclave);
    }
    ENSURE(cella_sdk_is(file), CELLA_ERR_FORMAT, "see `cella measure --help`",
           "expected an image, an Intel SDK enclave, an SGXS stream or a SIGSTRUCT; found none of "
           "them");
    m->what = "enclave of Intel's SDK";
    TRY(cella_sdk_measure(file, &sdk));
    m->sigstruct = sdk.sigstruct;
    cella_copy(m->mrenclave, sdk.mrenclave, sizeof(sdk.mrenclave));
    return CELLA_SUCCESS;
}

/* *said: what to print of the SIGSTRUCT. */
static CELLA_RESULT compare(const struct measured *m, const char **said) {
    struct cella_sigstruct s;
    *said = "none in the file";
    if (m->sigstruct.size == 0) return CELLA_SUCCESS;
    TRY(cella_sigstruct_parse(m->sigstruct, &s));
    *said = "not signed yet";
    if (s.modulus[CELLA_RSA3072_SIZE - 1] == 0) return CELLA_SUCCESS;
    TRY(cella_sigstruct_verify(&s));
    char signed_hash[2 * CELLA_SGX_HASH_SIZE + 1];
    cella_hex_encode(CELLA_BYTES_OF(s.mrenclave), signed_hash);
    ENSURE(cella_equal(s.mrenclave, m->mrenclave, sizeof(s.mrenclave)), CELLA_ERR_INTEGRITY,
           "the file was changed after signing, or is loaded in a way that this measurer does not "
           "know",
           "the hash that is signed differs: %s", signed_hash);
    *said = "valid, and signs this hash";
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_cmd_measure(int argc, char **argv) {
    static const struct option options[] = {{"quiet", no_argument, NULL, 'q'}, {NULL, 0, NULL, 0}};
    CELLA_BUFFER file = {0};
    struct measured m;
    bool quiet = false;
    /* A file of that name is ./snp. */
    if (argc > 1 && strcmp(argv[1], "snp") == 0) return cella_cli_measure_snp(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "tdx") == 0) return cella_cli_measure_tdx(argc - 1, argv + 1);
    for (int c; (c = getopt_long(argc, argv, "q", options, NULL)) != -1;) {
        if (c != 'q') return cella_cli_usage("measure", "unknown option");
        quiet = true;
    }
    if (optind + 1 != argc) return cella_cli_usage("measure", "expected one file");
    TRY(cella_file_read(argv[optind], CELLA_IMAGE_FILE_MAX, &file));
    TRY_IN(measure_any(cella_buffer_bytes(&file), &m), "%s", argv[optind]);
    char hex[2 * CELLA_SGX_HASH_SIZE + 1];
    const char *said;
    cella_hex_encode(CELLA_BYTES_OF(m.mrenclave), hex);
    if (!quiet) printf("file       %s\nmrenclave  %s\n", m.what, hex);
    TRY_IN(compare(&m, &said), "%s", argv[optind]);
    if (quiet)
        printf("%s\n", hex);
    else
        printf("sigstruct  %s\n", said);
    return CELLA_SUCCESS;
}
