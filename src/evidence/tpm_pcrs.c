/* PCR values in the spellings that tools write. */
#include "base/memory.h"
#include "base/text.h"
#include "evidence/json.h"
#include "evidence/tpm_companion.h"

enum { BANK_DEPTH_MAX = 2 /* {"sha256": {"0": ...}} */ };

static struct cella_result put(struct cella_tpm_pcrs *pcrs, uint64_t index,
                               struct cella_bytes hex) {
    if (hex.size >= 2 && hex.data[0] == '0' && (hex.data[1] == 'x' || hex.data[1] == 'X'))
        hex = cella_bytes(hex.data + 2, hex.size - 2);
    for (enum cella_hash hash = CELLA_HASH_SHA1; hash <= CELLA_HASH_SHA512; hash++) {
        if (hex.size != 2 * cella_hash_size(hash)) continue;
        ENSURE(index < CELLA_TPM_PCR_MAX && !(pcrs[hash].given >> index & 1), CELLA_ERR_FORMAT,
               NULL, "PCR values: index %llu is above 23 or there twice",
               (unsigned long long)index);
        TRY(cella_hex_decode(hex, pcrs[hash].value[index], cella_hash_size(hash)));
        pcrs[hash].given |= 1U << index;
        return CELLA_SUCCESS;
    }
    FAIL(CELLA_ERR_FORMAT, NULL, "PCR values: %zu hex digits are the size of no digest", hex.size);
}

static bool number_of(struct cella_bytes text, uint64_t *out) {
    *out = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || text.size > 2) return false;
        *out = *out * 10 + (text.data[i] - (uint64_t)'0');
    }
    return text.size > 0;
}

/* --- Lines --- */

static bool is_between(uint8_t c) {
    return c == ' ' || c == '\t' || c == ':' || c == '=' || c == '\r';
}

static struct cella_bytes word(struct cella_bytes *line) {
    size_t begin = 0;
    while (begin < line->size && is_between(line->data[begin])) begin++;
    size_t end = begin;
    while (end < line->size && !is_between(line->data[end])) end++;
    struct cella_bytes found = cella_bytes(line->data + begin, end - begin);
    *line = cella_bytes(line->data + end, line->size - end);
    return found;
}

/* "7 0123.." or "7 : 0x0123.."; a line of one word that is no number names a bank, which the size
 * tells anyway. */
static struct cella_result take_line(struct cella_bytes line, struct cella_tpm_pcrs *pcrs) {
    struct cella_bytes first = word(&line), second = word(&line), more = word(&line);
    uint64_t index;
    bool number = number_of(first, &index);
    if (first.size == 0 || (!number && second.size == 0)) return CELLA_SUCCESS;
    ENSURE(number && second.size > 0 && more.size == 0, CELLA_ERR_FORMAT, NULL,
           "PCR values: a line that is not an index and a value");
    return put(pcrs, index, second);
}

static struct cella_result parse_lines(struct cella_bytes text, struct cella_tpm_pcrs *pcrs) {
    for (size_t at = 0; at < text.size;) {
        size_t end = at;
        while (end < text.size && text.data[end] != '\n') end++;
        TRY(take_line(cella_bytes(text.data + at, end - at), pcrs));
        at = end + 1;
    }
    return CELLA_SUCCESS;
}

/* --- JSON --- */

static struct cella_result parse_value(struct cella_json *json, struct cella_tpm_pcrs *pcrs,
                                       int depth) {
    struct cella_bytes key;
    uint64_t index = 0;
    if (cella_json_peek(json) == '[') {
        cella_json_array(json);
        for (; cella_json_item(json); index++) TRY(put(pcrs, index, cella_json_string(json)));
        return CELLA_SUCCESS;
    }
    cella_json_enter_object(json);
    while (cella_json_key(json, &key)) {
        uint8_t next = cella_json_peek(json);
        if ((next == '{' || next == '[') && depth < BANK_DEPTH_MAX) {
            TRY(parse_value(json, pcrs, depth + 1));
            continue;
        }
        struct cella_bytes hex = cella_json_string(json);
        ENSURE(number_of(key, &index) && !json->failed, CELLA_ERR_FORMAT, NULL,
               "PCR values: JSON with a name that is no index");
        TRY(put(pcrs, index, hex));
    }
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_tpm_pcrs_parse(struct cella_bytes content,
                                  struct cella_tpm_pcrs pcrs[CELLA_TPM_HASH_COUNT]) {
    if (content.size == 0 || (content.data[0] != '{' && content.data[0] != '['))
        return parse_lines(content, pcrs);
    struct cella_json json;
    cella_json_begin(&json, content);
    TRY(parse_value(&json, pcrs, 0));
    return cella_json_end(&json, "PCR values");
}
