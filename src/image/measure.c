#include "image/measure.h"

#include <cella/image.h>

#include "base/memory.h"
#include "base/writer.h"

enum { RECORD = 64, SECINFO_MEASURED = 48, CHUNKS = CELLA_PAGE_SIZE / CELLA_MEASURE_CHUNK };

void cella_measure_free(struct cella_measure *m) { cella_sha256_free(&m->sha); }

CELLA_RESULT cella_measure_create(struct cella_measure *m, uint32_t ssa_pages, uint64_t size) {
    uint8_t record[RECORD];
    struct cella_writer w = cella_writer(record, sizeof(record));
    cella_writer_put(&w, cella_bytes("ECREATE", 8));
    cella_writer_u32le(&w, ssa_pages);
    cella_writer_u64le(&w, size);
    cella_writer_zero(&w, RECORD - w.size);
    TRY(cella_sha256_begin(&m->sha));
    return cella_sha256_add(&m->sha, cella_writer_bytes(&w));
}

CELLA_RESULT cella_measure_add(struct cella_measure *m, uint64_t offset, uint64_t flags) {
    uint8_t record[RECORD];
    struct cella_writer w = cella_writer(record, sizeof(record));
    if (flags & CELLA_SGX_SECINFO_TCS) flags &= ~7ULL;
    cella_writer_put(&w, cella_bytes("EADD\0\0\0", 8));
    cella_writer_u64le(&w, offset);
    cella_writer_u64le(&w, flags);
    cella_writer_zero(&w, SECINFO_MEASURED - 8);
    return cella_sha256_add(&m->sha, cella_writer_bytes(&w));
}

CELLA_RESULT cella_measure_extend(struct cella_measure *m, uint64_t offset,
                                  const uint8_t page[CELLA_PAGE_SIZE]) {
    uint8_t records[CHUNKS * (RECORD + CELLA_MEASURE_CHUNK)];
    struct cella_writer w = cella_writer(records, sizeof(records));
    for (size_t i = 0; i < CHUNKS; i++) {
        cella_writer_put(&w, cella_bytes("EEXTEND", 8));
        cella_writer_u64le(&w, offset + i * CELLA_MEASURE_CHUNK);
        cella_writer_zero(&w, RECORD - 16);
        cella_writer_put(&w, cella_bytes(page + i * CELLA_MEASURE_CHUNK, CELLA_MEASURE_CHUNK));
    }
    return cella_sha256_add(&m->sha, cella_writer_bytes(&w));
}

CELLA_RESULT cella_measure_end(struct cella_measure *m, uint8_t mrenclave[CELLA_SGX_HASH_SIZE]) {
    return cella_sha256_end(&m->sha, mrenclave);
}

static CELLA_RESULT measure_region(struct cella_measure *m, struct cella_bytes file,
                                   const struct cella_region *g) {
    static const uint8_t zeros[CELLA_PAGE_SIZE];
    for (uint64_t i = 0; i < g->pages; i++) {
        uint64_t offset = g->offset + i * CELLA_PAGE_SIZE;
        TRY(cella_measure_add(m, offset, g->flags));
        if (!g->measured) continue;
        const uint8_t *page =
            g->file_offset ? file.data + g->file_offset + i * CELLA_PAGE_SIZE : zeros;
        TRY(cella_measure_extend(m, offset, page));
    }
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_image_measure(const struct cella_image *image, uint8_t mrenclave[32]) {
    CELLA_MEASURE m = {0};
    TRY(cella_measure_create(&m, image->ssa_pages, image->enclave_size));
    for (uint32_t i = 0; i < image->region_count; i++)
        TRY(measure_region(&m, image->file, &image->regions[i]));
    return cella_measure_end(&m, mrenclave);
}
