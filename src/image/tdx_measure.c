#include "image/tdx_measure.h"

#include "abi/sgx.h"
#include "base/memory.h"
#include "base/writer.h"
#include "crypto/digest.h"
#include "image/ovmf.h"

enum { RECORD_SIZE = 128, CHUNK = 256, NAME_SIZE = 16 };
#define PAGES_MAX (1ULL << 20) /* a bound on what an image can ask for */

static CELLA_RESULT record(struct cella_sha384 *sha, const char name[NAME_SIZE], uint64_t gpa) {
    uint8_t bytes[RECORD_SIZE] = {0};
    struct cella_writer w = cella_writer(bytes, sizeof(bytes));
    cella_writer_put(&w, cella_bytes(name, NAME_SIZE));
    cella_writer_u64le(&w, gpa);
    return cella_sha384_add(sha, CELLA_BYTES_OF(bytes));
}

static CELLA_RESULT add_page(struct cella_sha384 *sha, uint64_t gpa) {
    static const char name[NAME_SIZE] = "MEM.PAGE.ADD";
    return record(sha, name, gpa);
}

static CELLA_RESULT extend_page(struct cella_sha384 *sha, const struct cella_ovmf_tdx_section *s,
                                uint64_t at) {
    static const char name[NAME_SIZE] = "MR.EXTEND";
    uint8_t page[CELLA_PAGE_SIZE] = {0};
    size_t left = at < s->content.size ? s->content.size - (size_t)at : 0;
    cella_copy(page, left ? s->content.data + at : NULL, left < sizeof(page) ? left : sizeof(page));
    for (size_t i = 0; i < sizeof(page); i += CHUNK) {
        TRY(record(sha, name, s->gpa + at + i));
        TRY(cella_sha384_add(sha, cella_bytes(page + i, CHUNK)));
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT load_section(struct cella_sha384 *sha, const struct cella_ovmf_tdx_section *s,
                                 bool two_pass) {
    bool extend = s->attributes & CELLA_OVMF_TDX_EXTEND;
    for (uint64_t at = 0; at < s->size; at += CELLA_PAGE_SIZE) {
        TRY(add_page(sha, s->gpa + at));
        if (extend && !two_pass) TRY(extend_page(sha, s, at));
    }
    for (uint64_t at = 0; extend && two_pass && at < s->size; at += CELLA_PAGE_SIZE)
        TRY(extend_page(sha, s, at));
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_tdx_mrtd(struct cella_bytes firmware, bool two_pass,
                            uint8_t mrtd[CELLA_TDX_DIGEST_SIZE]) {
    struct cella_ovmf ovmf;
    CELLA_SHA384 sha = {0};
    uint64_t pages = 0;
    TRY(cella_ovmf_read(firmware, &ovmf));
    ENSURE(ovmf.has_tdx, CELLA_ERR_UNSUPPORTED, "use a firmware built for TDX (TDVF)",
           "firmware: expected TDX metadata; found none");
    TRY(cella_sha384_begin(&sha));
    for (uint32_t i = 0; i < ovmf.tdx_count; i++) {
        const struct cella_ovmf_tdx_section *s = &ovmf.tdx[i];
        if (s->attributes & CELLA_OVMF_TDX_AUG) continue; /* added when the guest accepts it */
        ENSURE(!s->cut_off, CELLA_ERR_FORMAT, "use the image whole, as its build made it",
               "firmware: expected the content of TDX section %u inside the image", i);
        pages += s->size / CELLA_PAGE_SIZE;
        ENSURE(s->size / CELLA_PAGE_SIZE <= PAGES_MAX && pages <= PAGES_MAX, CELLA_ERR_LIMIT, NULL,
               "firmware: it asks for more than %llu pages", PAGES_MAX);
        TRY(load_section(&sha, s, two_pass));
    }
    return cella_sha384_end(&sha, mrtd);
}

CELLA_RESULT cella_tdx_extend(uint8_t rtmr[CELLA_TDX_DIGEST_SIZE],
                              const uint8_t digest[CELLA_TDX_DIGEST_SIZE]) {
    uint8_t both[2 * CELLA_TDX_DIGEST_SIZE];
    cella_copy(both, rtmr, CELLA_TDX_DIGEST_SIZE);
    cella_copy(both + CELLA_TDX_DIGEST_SIZE, digest, CELLA_TDX_DIGEST_SIZE);
    return cella_sha384(CELLA_BYTES_OF(both), rtmr);
}
