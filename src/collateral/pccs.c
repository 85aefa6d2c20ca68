#include "collateral/pccs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "crypto/x509.h"
#include "evidence/intel_collateral.h"
#include "http/percent.h"
#include "http/target.h"

#define SGX "/sgx/certification/v4/"
#define TDX "/tdx/certification/v4/"

struct served {
    const struct cella_item *item;
    struct cella_buffer
        chain; /* owned: percent-encoded PEM with a NUL; empty for the root's list */
    struct cella_buffer other; /* owned: lists in PEM, the root's in hexadecimal */
};
struct cella_pccs {
    size_t count;
    struct served *served;
};

void cella_pccs_free(struct cella_pccs **pccs) {
    if (!*pccs) return;
    for (size_t i = 0; i < (*pccs)->count; i++) {
        cella_buffer_free(&(*pccs)->served[i].chain);
        cella_buffer_free(&(*pccs)->served[i].other);
    }
    free((*pccs)->served);
    free(*pccs);
    *pccs = NULL;
}

size_t cella_pccs_count(const struct cella_pccs *pccs) { return pccs->count; }

/* --- Making --- */

/* The certificate of a key, or any of a role: of several, the one that is valid longest. */
static const struct cella_item *certificate(const struct cella_store *store,
                                            const struct cella_buffer *spki,
                                            enum cella_intel_role role) {
    const struct cella_item *best = NULL;
    for (size_t i = 0; i < store->count; i++) {
        const struct cella_item *item = &store->item[i];
        struct cella_certificate x509;
        if (item->kind != CELLA_ITEM_CERTIFICATE || item->state != CELLA_ITEM_HELD) continue;
        struct cella_result r = cella_certificate_parse(cella_buffer_bytes(&item->der), &x509);
        bool fits =
            !cella_failed(r) && (spki ? x509.spki.size == spki->size &&
                                            cella_equal(x509.spki.data, spki->data, spki->size)
                                      : cella_intel_role(&x509) == role);
        cella_result_drop(r);
        if (fits && (!best || item->until_unix > best->until_unix)) best = item;
    }
    return best;
}

/* Signer, then root, as Intel gives them. */
static CELLA_RESULT make_chain(const struct cella_store *store, const struct cella_item *item,
                               struct cella_buffer *out, bool *whole) {
    CELLA_BUFFER pem = {0};
    const struct cella_item *signer = certificate(store, &item->signer, CELLA_INTEL_OTHER);
    const struct cella_item *root =
        signer ? certificate(store, &signer->signer, CELLA_INTEL_OTHER) : NULL;
    *whole = signer && root;
    if (!*whole) return CELLA_SUCCESS;
    TRY(cella_item_pem("CERTIFICATE", cella_buffer_bytes(&signer->der), &pem));
    TRY(cella_item_pem("CERTIFICATE", cella_buffer_bytes(&root->der), &pem));
    TRY(cella_percent_encode(cella_buffer_bytes(&pem), out));
    return cella_buffer_append(out, cella_bytes("", 1));
}

static CELLA_RESULT make_hex(struct cella_bytes der, struct cella_buffer *out) {
    uint8_t *to = NULL;
    TRY(cella_buffer_extend(out, 2 * der.size + 1, &to));
    cella_hex_encode(der, (char *)to);
    out->size--;
    return CELLA_SUCCESS;
}

static CELLA_RESULT make_served(const struct cella_store *store, const struct cella_item *item,
                                struct served *out, bool *whole) {
    *out = (struct served){.item = item};
    *whole = true;
    if (strcmp(item->name, "root_ca_crl.der") == 0)
        return make_hex(cella_buffer_bytes(&item->content), &out->other);
    if (item->kind == CELLA_ITEM_CRL)
        TRY(cella_item_pem("X509 CRL", cella_buffer_bytes(&item->content), &out->other));
    return make_chain(store, item, &out->chain, whole);
}

static bool is_served(const struct cella_item *item) {
    bool crl =
        strncmp(item->name, "pck_crl-", 8) == 0 || strcmp(item->name, "root_ca_crl.der") == 0;
    bool kind = item->kind == CELLA_ITEM_TCB_INFO || item->kind == CELLA_ITEM_IDENTITY || crl;
    return kind && item->state == CELLA_ITEM_HELD;
}

CELLA_RESULT cella_pccs_new(const struct cella_store *store, struct cella_pccs **out) {
    *out = NULL;
    CELLA_PCCS pccs = calloc(1, sizeof(*pccs));
    ENSURE(pccs, CELLA_ERR_MEMORY, NULL, "no memory for a service");
    pccs->served = calloc(store->count + 1, sizeof(*pccs->served));
    ENSURE(pccs->served, CELLA_ERR_MEMORY, NULL, "no memory for a service");
    for (size_t i = 0; i < store->count; i++) {
        bool whole = false;
        if (!is_served(&store->item[i])) continue;
        pccs->count++;
        TRY(make_served(store, &store->item[i], &pccs->served[pccs->count - 1], &whole));
        ENSURE(whole, CELLA_ERR_NOT_FOUND,
               "import the issuer chains and the root's certificate too",
               "%s: its issuer's certificates are not in the bundle, and clients need them",
               store->item[i].name);
    }
    *out = pccs;
    pccs = NULL;
    return CELLA_SUCCESS;
}

/* --- Answering --- */

static void say(struct cella_http_response *response, int status, const char *text) {
    response->status = status;
    response->content_type = "text/plain";
    response->body = cella_bytes_text(text);
}

static const struct served *find(const struct cella_pccs *pccs, const char *name) {
    for (size_t i = 0; i < pccs->count; i++)
        if (strcmp(pccs->served[i].item->name, name) == 0) return &pccs->served[i];
    return NULL;
}

static bool is_text(struct cella_bytes value, const char *text) {
    return value.size == strlen(text) &&
           strncasecmp((const char *)value.data, text, value.size) == 0;
}

/* The one evaluation that is in the bundle, under whichever of its ways of asking (PCS API v4);
 * false: 400. */
static bool evaluation_good(const struct cella_http_target *target, const struct served *served,
                            bool *wanted) {
    struct cella_bytes update, number;
    char text[16] = "";
    uint64_t value = 0;
    bool has_update = cella_http_parameter(target, "update", &update);
    bool has_number = cella_http_parameter(target, "tcbEvaluationDataNumber", &number);
    *wanted = true;
    if (has_update && (has_number || !(is_text(update, "standard") || is_text(update, "early"))))
        return false;
    if (!has_number) return true;
    if (number.size == 0 || number.size >= sizeof(text)) return false;
    cella_copy(text, number.data, number.size);
    if (strlen(text) != number.size || !cella_number_read(text, &value)) return false;
    *wanted = served && served->item->evaluation == value;
    return true;
}

static void answer_json(const struct cella_pccs *pccs, const struct cella_http_target *target,
                        const char *name, const char *chain_header,
                        struct cella_http_response *response) {
    const struct served *served = find(pccs, name);
    bool wanted;
    if (!evaluation_good(target, served, &wanted))
        return say(response, 400, "Invalid request parameters.");
    if (!served || !wanted) return say(response, 404, "No cache data for this platform.");
    response->status = 200;
    response->content_type = "application/json";
    response->body = cella_buffer_bytes(&served->item->content);
    cella_http_header(response, chain_header, (const char *)served->chain.data);
}

static void answer_tcb(const struct cella_pccs *pccs, const struct cella_http_target *target,
                       const char *tee, struct cella_http_response *response) {
    struct cella_bytes fmspc;
    uint8_t bytes[6];
    char hex[2 * sizeof(bytes) + 1], name[CELLA_ITEM_NAME];
    bool given = cella_http_parameter(target, "fmspc", &fmspc);
    struct cella_result r = given ? cella_hex_decode(fmspc, bytes, sizeof(bytes)) : CELLA_SUCCESS;
    bool good = given && !cella_failed(r);
    cella_result_drop(r);
    if (!good) return say(response, 400, "Invalid request parameters.");
    cella_hex_encode(CELLA_BYTES_OF(bytes), hex);
    snprintf(name, sizeof(name), "tcb_info-%s-%s.json", tee, hex);
    answer_json(pccs, target, name, "TCB-Info-Issuer-Chain", response);
}

static void answer_crl(const struct cella_pccs *pccs, const struct cella_http_target *target,
                       struct cella_http_response *response) {
    struct cella_bytes ca = {0}, encoding = {0};
    cella_http_parameter(target, "ca", &ca);
    bool platform = is_text(ca, "platform"), der = false;
    if (cella_http_parameter(target, "encoding", &encoding)) der = is_text(encoding, "der");
    bool good = (platform || is_text(ca, "processor")) &&
                (der || encoding.size == 0 || is_text(encoding, "pem"));
    if (!good) return say(response, 400, "Invalid request parameters.");
    const struct served *served =
        find(pccs, platform ? "pck_crl-platform.der" : "pck_crl-processor.der");
    if (!served) return say(response, 404, "No cache data for this platform.");
    response->status = 200;
    response->content_type = der ? "application/pkix-crl" : "application/x-pem-file";
    response->body = cella_buffer_bytes(der ? &served->item->content : &served->other);
    cella_http_header(response, "SGX-PCK-CRL-Issuer-Chain", (const char *)served->chain.data);
}

static void answer_root_crl(const struct cella_pccs *pccs, struct cella_http_response *response) {
    const struct served *served = find(pccs, "root_ca_crl.der");
    if (!served) return say(response, 404, "No cache data for this platform.");
    response->status = 200;
    response->content_type =
        "application/x-pem-file"; /* so Intel's service calls its hexadecimal */
    response->body = cella_buffer_bytes(&served->other);
}

static void answer_target(const struct cella_pccs *pccs, const struct cella_http_target *target,
                          struct cella_http_response *response) {
    static const struct {
        const char *path, *item;
    } identities[] = {{SGX "qe/identity", "qe_identity-qe.json"},
                      {TDX "qe/identity", "qe_identity-td_qe.json"},
                      {SGX "qve/identity", "qe_identity-qve.json"}};
    for (size_t i = 0; i < sizeof(identities) / sizeof(identities[0]); i++)
        if (cella_http_path_is(target, identities[i].path))
            return answer_json(pccs, target, identities[i].item,
                               "SGX-Enclave-Identity-Issuer-Chain", response);
    if (cella_http_path_is(target, SGX "tcb")) return answer_tcb(pccs, target, "sgx", response);
    if (cella_http_path_is(target, TDX "tcb")) return answer_tcb(pccs, target, "tdx", response);
    if (cella_http_path_is(target, SGX "pckcrl")) return answer_crl(pccs, target, response);
    if (cella_http_path_is(target, SGX "rootcacrl")) return answer_root_crl(pccs, response);
    say(response, 404, "Nothing is here.");
}

void cella_pccs_answer(void *context, const struct cella_http_request *request,
                       struct cella_http_response *response) {
    struct cella_http_target target;
    if (request->method.size != 3 || !cella_equal(request->method.data, "GET", 3)) {
        cella_http_header(response, "Allow", "GET");
        return say(response, 405, "Only GET.");
    }
    struct cella_result r = cella_http_target_parse(request->target, &target);
    bool good = !cella_failed(r);
    cella_result_drop(r);
    if (!good) return say(response, 400, "Invalid request parameters.");
    answer_target(context, &target, response);
}
