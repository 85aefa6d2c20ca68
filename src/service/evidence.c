#include "service/evidence.h"

#include <unistd.h>

#include "base/log.h"
#include "crypto/digest.h"
#include "platform/root_tsm.h"

bool cella_service_evidence_offered(const struct cella_tsm *tsm) {
    return access(tsm->folder, W_OK | X_OK) == 0;
}

static CELLA_RESULT put_octets(struct cella_bytes content, struct cella_buffer *der) {
    uint8_t head[6] = {0x04};
    size_t size = 1, bytes = content.size < 0x80      ? 0
                             : content.size < 0x100   ? 1
                             : content.size < 0x10000 ? 2
                                                      : 3;
    ENSURE(content.size < 1 << 24, CELLA_ERR_LIMIT, NULL, "evidence of %zu bytes", content.size);
    head[size++] = bytes ? (uint8_t)(0x80 | bytes) : (uint8_t)content.size;
    for (size_t i = bytes; i > 0; i--) head[size++] = (uint8_t)(content.size >> (8 * (i - 1)));
    TRY(cella_buffer_append(der, cella_bytes(head, size)));
    return cella_buffer_append(der, content);
}

CELLA_RESULT cella_service_evidence_over(void *context, struct cella_bytes spki,
                                         struct cella_buffer *der) {
    const struct cella_tsm *tsm = context;
    CELLA_BUFFER report = {0};
    uint8_t data[64] = {0};
    enum cella_root root;
    TRY(cella_sha256(spki, data));
    struct cella_result r = cella_tsm_report(tsm, CELLA_ROOT_FILE, data, &root, &report);
    if (cella_code_of(r) == CELLA_ERR_MEMORY) return r;
    if (!cella_failed(r)) return put_octets(cella_buffer_bytes(&report), der);
    cella_log(CELLA_LOG_WARN, "evidence of the server itself: none: %s", r.error->what);
    cella_result_drop(r);
    return CELLA_SUCCESS;
}
