/* `cella collateral fetch`. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "cli/collateral.h"
#include "collateral/fetch.h"

struct request {
    struct cella_wants wants;
    struct cella_sources sources;
    struct cella_download_settings download;
    const char *roots, *time, *output, *fmspc, *product;
    bool tdx;
    size_t evidence_count;
    const char *evidence[16];
};

static CELLA_RESULT set_timeout(struct request *q, const char *value) {
    uint64_t number;
    if (!cella_number_read(value, &number) || number == 0 || number > 600000)
        return cella_cli_collateral_usage("--timeout-ms: expected 1 to 600000");
    q->download.timeout_ms = (uint32_t)number;
    return CELLA_SUCCESS;
}

static CELLA_RESULT set_option(struct request *q, int option, const char *value) {
    switch (option) {
    case 'f':
        if (q->evidence_count == sizeof(q->evidence) / sizeof(q->evidence[0]))
            return cella_cli_collateral_usage("--for: too many at a time");
        q->evidence[q->evidence_count++] = value;
        return CELLA_SUCCESS;
    case 'm': q->fmspc = value; return CELLA_SUCCESS;
    case 'x': q->tdx = true; return CELLA_SUCCESS;
    case 'p': q->product = value; return CELLA_SUCCESS;
    case 's': return cella_sources_add(&q->sources, CELLA_MAKER_INTEL, value);
    case 'k': return cella_sources_add(&q->sources, CELLA_MAKER_AMD, value);
    case 'c': q->download.ca_path = value; return CELLA_SUCCESS;
    case 'u':
        if (strcmp(value, "standard") != 0 && strcmp(value, "early") != 0)
            return cella_cli_collateral_usage("--update: expected standard or early");
        snprintf(q->wants.update, sizeof(q->wants.update), "%s", value);
        return CELLA_SUCCESS;
    case 'i': return set_timeout(q, value);
    case 'r': q->roots = value; return CELLA_SUCCESS;
    case 't': q->time = value; return CELLA_SUCCESS;
    case 'o': q->output = value; return CELLA_SUCCESS;
    default: return cella_cli_collateral_usage("unknown option, or one without its value");
    }
}

static CELLA_RESULT read_request(int argc, char **argv, struct request *q) {
    static const struct option options[] = {{"for", required_argument, NULL, 'f'},
                                            {"fmspc", required_argument, NULL, 'm'},
                                            {"tdx", no_argument, NULL, 'x'},
                                            {"product", required_argument, NULL, 'p'},
                                            {"pcs", required_argument, NULL, 's'},
                                            {"kds", required_argument, NULL, 'k'},
                                            {"ca", required_argument, NULL, 'c'},
                                            {"update", required_argument, NULL, 'u'},
                                            {"timeout-ms", required_argument, NULL, 'i'},
                                            {"roots", required_argument, NULL, 'r'},
                                            {"time", required_argument, NULL, 't'},
                                            {"output", required_argument, NULL, 'o'},
                                            {NULL, 0, NULL, 0}};
    opterr = 0; /* the message is ours */
    for (int c; (c = getopt_long(argc, argv, "o:", options, NULL)) != -1;)
        TRY(set_option(q, c, optarg));
    if (optind != argc)
        return cella_cli_collateral_usage("fetch: evidence is given with --for FILE");
    if (!q->output) return cella_cli_collateral_usage("fetch: expected -o BUNDLE");
    return CELLA_SUCCESS;
}

static CELLA_RESULT tell_wants(struct request *q) {
    enum { EVIDENCE_MAX = 1 << 20 };
    for (size_t i = 0; i < q->evidence_count; i++) {
        CELLA_BUFFER evidence = {0};
        TRY(cella_file_read(q->evidence[i], EVIDENCE_MAX, &evidence));
        TRY_IN(cella_wants_evidence(&q->wants, cella_buffer_bytes(&evidence), q->product), "%s",
               q->evidence[i]);
    }
    if (q->fmspc) {
        uint8_t fmspc[6];
        TRY_IN(cella_hex_decode(cella_bytes_text(q->fmspc), fmspc, sizeof(fmspc)),
               "--fmspc: expected 12 hexadecimal digits");
        TRY(cella_wants_intel(&q->wants, fmspc, q->tdx, false, false));
    }
    if (q->product) TRY(cella_wants_amd(&q->wants, q->product, false));
    if (q->wants.count == 0)
        return cella_cli_collateral_usage("fetch: expected --for EVIDENCE, --fmspc or --product");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_cli_collateral_fetch(int argc, char **argv) {
    struct request q = {0};
    CELLA_STORE store = {0};
    uint64_t now;
    size_t taken = 0;
    TRY(read_request(argc, argv, &q));
    TRY(tell_wants(&q));
    TRY(cella_sources_default(&q.sources));
    TRY(cella_cli_collateral_time(q.time, &now));
    if (q.roots) TRY(cella_store_roots(&store, q.roots));
    if (access(q.output, F_OK) == 0)
        TRY_IN(cella_store_add_path(&store, q.output, &taken), "%s", q.output);
    TRY(cella_fetch(&store, &q.wants, &q.sources, &q.download, now));
    TRY(cella_cli_collateral_write(&store, q.output));
    fprintf(stderr, "%s: %zu items\n", q.output, store.count);
    return CELLA_SUCCESS;
}
