#include "evidence/tpm_check.h"

#include <stdio.h>

#include "base/memory.h"

static const char anew[] = "ask the machine for a new quote and pass its bytes on unchanged";

CELLA_RESULT cella_tpm_check_begin(struct cella_tpm_check *check,
                                   const struct cella_tpm_state *state,
                                   const struct cella_evidence_options *options,
                                   struct cella_verification *out) {
    static const char *const parts[] = {"tpm_quote.msg",   "tpm_quote.sig",   "quote.sig",
                                        "quote.sig.der",   "signature",       "pcrs_sha1.txt",
                                        "pcrs_sha256.txt", "pcrs_sha384.txt", "pcrs",
                                        "ak_pub.x",        "ak_pub.y",        "ak_pub",
                                        "ak_cert_chain",   "td_quote",        "nonce",
                                        "nitro_document",  "event_log",       "eventlog"};
    cella_zero(check, sizeof(*check));
    check->out = out;
    check->options = options;
    check->state = state;
    ENSURE(state, CELLA_ERR_MEMORY, NULL, "no memory for the roots of TPMs");
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        struct cella_bytes content;
        bool taken = false;
        if (cella_evidence_part(out, parts[i], &content))
            TRY(cella_tpm_companions_add(&check->own, parts[i], content, &taken));
    }
    const char *broken = check->own.broken[0] ? check->own.broken : state->companions.broken;
    if (broken[0])
        REFUSE(out, CELLA_ERR_FORMAT, "tpm quote", "companions", "leave out the damaged file",
               "files that can be read", broken);
    return CELLA_SUCCESS;
}

void cella_tpm_check_free(struct cella_tpm_check *check) { cella_tpm_companions_free(&check->own); }

/* --- The message --- */

static uint16_t hash_of_size(size_t size) {
    for (enum cella_hash hash = CELLA_HASH_SHA1; hash <= CELLA_HASH_SHA512; hash++)
        if (cella_hash_size(hash) == size) return cella_tpm_hash_id(hash);
    return 0;
}

static struct cella_result read_message(struct cella_bytes bytes, struct cella_tpm_check *check) {
    struct cella_reader r = cella_reader(bytes);
    struct cella_reader sized = r; /* TPM2B_ATTEST: the size goes first */
    size_t size = cella_reader_u16be(&sized);
    struct cella_reader inner = cella_reader_sub(&sized, size);
    bool is_2b = !inner.failed && size >= 4 &&
                 cella_equal(inner.data,
                             "\xff"
                             "TCG",
                             4);
    size_t begin = is_2b ? 2 : 0;
    struct cella_reader *from = is_2b ? &inner : &r;
    TRY(cella_tpm_attest_read(from, &check->attest));
    ENSURE(!is_2b || cella_reader_done(&inner), CELLA_ERR_FORMAT, NULL,
           "TPM quote: TPM2B_ATTEST is longer than its content");
    size_t end = begin + from->at;
    check->message = cella_bytes(bytes.data + begin, from->at);
    check->signature = cella_bytes(bytes.data + end, bytes.size - end);
    return CELLA_SUCCESS;
}

struct cella_result cella_tpm_check_message(struct cella_tpm_check *check,
                                            struct cella_bytes bytes) {
    const struct cella_tpm_attest *a = &check->attest;
    uint32_t selected = 0;
    REFUSE_TRY(check->out, read_message(bytes, check), "tpm quote", "attest", anew,
               "a TPMS_ATTEST of a quote, whole");
    check->hash = hash_of_size(a->pcr_digest.size);
    if (check->hash == 0)
        REFUSE(check->out, CELLA_ERR_FORMAT, "tpm quote", "pcr digest", anew,
               "20, 32, 48 or 64 bytes", cella_text(check->out, "%zu bytes", a->pcr_digest.size));
    for (uint32_t i = 0; i < a->bank_count; i++) {
        enum cella_hash bank;
        if (!cella_tpm_hash_of(a->bank[i].hash, &bank) || a->bank[i].pcrs >> CELLA_TPM_PCR_MAX)
            REFUSE(check->out, CELLA_ERR_UNSUPPORTED, "tpm quote", "pcr selection",
                   "quote PCRs 0 to 23 of a bank of SHA",
                   "PCRs 0 to 23 of banks SHA-1, SHA-256, SHA-384, SHA-512",
                   cella_text(check->out, "bank %04x, PCRs %08x", a->bank[i].hash,
                              a->bank[i].pcrs));
        selected |= a->bank[i].pcrs;
    }
    if (selected == 0) /* A22: such a quote would match any list of values */
        REFUSE(check->out, CELLA_ERR_REFUSED, "tpm quote", "pcr selection",
               "quote the PCRs that matter", "at least one PCR", "none");
    return CELLA_SUCCESS;
}

/* --- The signature --- */

static struct cella_result try_signature(const struct cella_tpm_check *check,
                                         const struct cella_verifykey *key,
                                         struct cella_bytes bytes) {
    struct cella_tpm_signature signature;
    TRY(cella_tpm_signature_parse(bytes, &signature));
    return cella_tpm_signature_check(key, &signature, check->hash, check->message);
}

/* Of several the first that holds; else the reason of the one that came nearest: a mismatch says
 * less than "SHA-1". */
static struct cella_result try_all(const struct cella_tpm_check *check,
                                   const struct cella_verifykey *key,
                                   const struct cella_tpm_companions *from,
                                   struct cella_result last) {
    for (uint32_t i = 0; i < from->signature_count && cella_failed(last); i++) {
        struct cella_result r = try_signature(check, key, from->signature[i].content);
        bool keep_last = cella_failed(r) && cella_code_of(last) == CELLA_ERR_UNSUPPORTED;
        cella_result_drop(keep_last ? r : last);
        if (!keep_last) last = r;
    }
    return last;
}

CELLA_RESULT cella_tpm_check_signature(const struct cella_tpm_check *check,
                                       struct cella_bytes spki) {
    CELLA_VERIFYKEY key = NULL;
    TRY_IN(cella_verifykey_new(spki, &key), "attestation key");
    if (check->signature.size) return try_signature(check, key, check->signature);
    struct cella_result r =
        cella_result_new(CELLA_ERR_NOT_FOUND, CELLA_WHERE,
                         "give the file with the signature (.sig) beside the quote",
                         "no signature came with the quote");
    /* What the evidence brings is what is judged; a good signature elsewhere does not mend it. */
    return try_all(check, key, check->own.signature_count ? &check->own : &check->state->companions,
                   r);
}

struct cella_result cella_tpm_check_attributes(const struct cella_tpm_check *check,
                                               struct cella_bytes spki) {
    const struct cella_tpm_companions *from[] = {&check->own, &check->state->companions};
    const uint32_t need = CELLA_TPM_RESTRICTED | CELLA_TPM_SIGN;
    for (size_t f = 0; f < 2; f++)
        for (uint32_t i = 0; i < from[f]->key_count; i++) {
            const struct cella_tpm_ak *ak = &from[f]->key[i];
            if (!ak->described || ak->spki.size != spki.size ||
                !cella_equal(ak->spki.data, spki.data, spki.size))
                continue;
            /* An unrestricted key signs anything, also what looks like a quote (TPM 2.0 part 1,
             * section 31). */
            if ((ak->attributes & need) != need)
                REFUSE(check->out, CELLA_ERR_REFUSED, "attestation key", "attributes",
                       "quote with a restricted signing key", "restricted and sign",
                       cella_text(check->out, "attributes %08x", ak->attributes));
            if (ak->scheme != CELLA_TPM_NULL && ak->scheme_hash != check->hash)
                REFUSE(check->out, CELLA_ERR_REFUSED, "attestation key", "scheme", anew,
                       cella_text(check->out, "the key's own hash, %04x", ak->scheme_hash),
                       cella_text(check->out, "a quote with %04x", check->hash));
        }
    return CELLA_SUCCESS;
}

/* --- PCR values --- */

static bool digest_is(const struct cella_tpm_check *check,
                      const struct cella_tpm_pcrs *const *values, bool *same) {
    struct cella_bytes parts[CELLA_TPM_BANK_MAX * CELLA_TPM_PCR_MAX];
    const struct cella_tpm_attest *a = &check->attest;
    uint8_t digest[CELLA_HASH_SIZE_MAX];
    enum cella_hash hash = CELLA_HASH_SHA256, bank = CELLA_HASH_SHA256;
    size_t count = 0;
    cella_tpm_hash_of(check->hash, &hash);
    for (uint32_t i = 0; i < a->bank_count; i++) {
        cella_tpm_hash_of(a->bank[i].hash, &bank);
        for (unsigned p = 0; p < CELLA_TPM_PCR_MAX; p++)
            if (a->bank[i].pcrs >> p & 1)
                parts[count++] = cella_bytes(values[i]->value[p], cella_hash_size(bank));
    }
    struct cella_result r = cella_hash(hash, parts, count, digest);
    bool done = !cella_failed(r);
    cella_result_drop(r);
    *same = done && cella_equal(digest, a->pcr_digest.data, a->pcr_digest.size);
    return done;
}

/* Values of every bank that is selected, or none: a digest over several cannot be checked in part.
 */
static struct cella_result find_values(struct cella_tpm_check *check, bool *found) {
    const struct cella_tpm_attest *a = &check->attest;
    *found = true;
    for (uint32_t i = 0; i < a->bank_count; i++) {
        enum cella_hash bank = CELLA_HASH_SHA256;
        cella_tpm_hash_of(a->bank[i].hash, &bank);
        const struct cella_tpm_pcrs *own = &check->own.pcrs[bank],
                                    *given = &check->state->companions.pcrs[bank];
        check->values[i] = own->given ? own : given;
        uint32_t lacking = a->bank[i].pcrs & ~check->values[i]->given;
        if (check->values[i]->given == 0 && a->bank[i].pcrs) *found = false;
        if (check->values[i]->given && lacking)
            REFUSE(check->out, CELLA_ERR_NOT_FOUND, "tpm quote", "pcr values",
                   "give the values of all PCRs that are quoted",
                   cella_text(check->out, "PCRs %06x of bank %04x", a->bank[i].pcrs,
                              a->bank[i].hash),
                   cella_text(check->out, "%06x of them are not there", lacking));
    }
    return CELLA_SUCCESS;
}

/* --- Event log --- */

/* A21. PCRs that the log does not extend are someone else's to explain (the kernel's IMA log,
 * systemd). */
static struct cella_result compare_log(struct cella_tpm_check *check,
                                       const struct cella_registers *log, uint32_t pcrs,
                                       const struct cella_tpm_pcrs *values) {
    size_t size = cella_hash_size(log->hash);
    for (unsigned p = 0; p < CELLA_TPM_PCR_MAX; p++) {
        if (!((log->extended & pcrs) >> p & 1)) continue;
        if (!cella_equal(log->value[p], values->value[p], size))
            REFUSE(check->out, CELLA_ERR_INTEGRITY, "event log",
                   cella_text(check->out, "pcr %u", p),
                   "give the log of the same boot, whole and in its order",
                   cella_text(check->out, "the quoted %s",
                              cella_text_hex(check->out, cella_bytes(values->value[p], size))),
                   cella_text(check->out, "a replay of %s",
                              cella_text_hex(check->out, cella_bytes(log->value[p], size))));
        check->explained |= 1U << p;
    }
    return CELLA_SUCCESS;
}

/* Without values: what the log replays to may itself be what was quoted. PCRs 17 to 22 are all ones
 * until a dynamic launch. When it is not, the log explains nothing here, and nothing is claimed of
 * it. */
static void values_from_log(struct cella_tpm_check *check, const struct cella_registers *log) {
    const struct cella_tpm_pcrs *values[CELLA_TPM_BANK_MAX] = {&check->from_log};
    bool same = false;
    if (check->attest.bank_count != 1) return;
    for (unsigned p = 0; p < CELLA_TPM_PCR_MAX; p++) {
        bool dynamic = p >= 17 && p <= 22 && !(log->extended >> p & 1);
        if (dynamic)
            __builtin_memset(check->from_log.value[p], 0xff, CELLA_HASH_SIZE_MAX);
        else
            cella_copy(check->from_log.value[p], log->value[p], CELLA_HASH_SIZE_MAX);
    }
    if (!digest_is(check, values, &same) || !same) return;
    check->has_values = true;
    check->values[0] = &check->from_log;
    check->explained = log->extended & check->attest.bank[0].pcrs;
}

static struct cella_result check_log(struct cella_tpm_check *check, struct cella_bytes bytes) {
    for (uint32_t i = 0; i < check->attest.bank_count; i++) {
        struct cella_registers log;
        enum cella_hash bank = CELLA_HASH_SHA256;
        cella_tpm_hash_of(check->attest.bank[i].hash, &bank);
        struct cella_result r = cella_eventlog_replay(bytes, bank, &log);
        if (cella_code_of(r) ==
            CELLA_ERR_NOT_FOUND) { /* it was kept in other banks than the quote's */
            cella_result_drop(r);
            continue;
        }
        REFUSE_TRY(check->out, r, "event log", "form", "give the log as the firmware wrote it",
                   "a TCG event log");
        if (check->has_values)
            TRY(compare_log(check, &log, check->attest.bank[i].pcrs, check->values[i]));
        else
            values_from_log(check, &log);
    }
    return CELLA_SUCCESS;
}

struct cella_result cella_tpm_check_pcrs(struct cella_tpm_check *check) {
    const struct cella_tpm_companions *from[] = {&check->own, &check->state->companions};
    bool found = false, same = false;
    TRY(find_values(check, &found));
    if (found && (!digest_is(check, check->values, &same) || !same))
        REFUSE(check->out, CELLA_ERR_INTEGRITY, "tpm quote", "pcr digest",
               "give the PCR values of the moment of the quote",
               cella_text(check->out, "the digest of the given values"),
               cella_text_hex(check->out, check->attest.pcr_digest));
    check->has_values = found;
    for (size_t f = 0; f < 2; f++)
        for (uint32_t i = 0; i < from[f]->log_count; i++)
            TRY(check_log(check, from[f]->log[i].content));
    return CELLA_SUCCESS;
}

/* --- Claims --- */

static const char *bank_name(uint16_t hash) {
    static const char *const names[] = {"sha1", "sha256", "sha384", "sha512"};
    enum cella_hash bank = CELLA_HASH_SHA256;
    cella_tpm_hash_of(hash, &bank);
    return names[bank];
}

static void claim_pcrs(const struct cella_tpm_check *check, uint32_t bank) {
    struct cella_claimset *claims = check->out->claims;
    uint16_t hash = check->attest.bank[bank].hash;
    enum cella_hash size_of = CELLA_HASH_SHA256;
    char name[CELLA_CLAIM_NAME_MAX];
    cella_tpm_hash_of(hash, &size_of);
    cella_claim_list_text(claims, "tpm.pcr-bank", bank_name(hash));
    for (unsigned p = 0; check->has_values && p < CELLA_TPM_PCR_MAX; p++) {
        if (!(check->attest.bank[bank].pcrs >> p & 1)) continue;
        if (check->attest.bank_count == 1)
            snprintf(name, sizeof(name), "tpm.pcr%u", p);
        else
            snprintf(name, sizeof(name), "tpm.%s.pcr%u", bank_name(hash), p);
        cella_claim_bytes(claims, name,
                          cella_bytes(check->values[bank]->value[p], cella_hash_size(size_of)));
    }
}

void cella_tpm_check_claims(const struct cella_tpm_check *check) {
    struct cella_claimset *claims = check->out->claims;
    const struct cella_tpm_attest *a = &check->attest;
    uint8_t firmware[8];
    char index[8];
    for (unsigned i = 0; i < 8; i++) firmware[i] = (uint8_t)(a->firmware >> (56 - 8 * i));
    cella_claim_bytes(claims, "tpm.extra-data", a->extra_data);
    cella_claim_bytes(claims, "tpm.qualified-signer", a->signer);
    cella_claim_bytes(claims, "tpm.firmware-version", CELLA_BYTES_OF(firmware));
    cella_claim_number(claims, "tpm.clock-ms", a->clock_ms);
    cella_claim_number(claims, "tpm.reset-count", a->reset_count);
    cella_claim_number(claims, "tpm.restart-count", a->restart_count);
    cella_claim_boolean(claims, "tpm.clock-safe", a->safe);
    cella_claim_bytes(claims, "tpm.pcr-digest", a->pcr_digest);
    for (uint32_t i = 0; i < a->bank_count; i++) claim_pcrs(check, i);
    for (unsigned p = 0; p < CELLA_TPM_PCR_MAX; p++) {
        if (!(check->explained >> p & 1)) continue;
        snprintf(index, sizeof(index), "%u", p);
        cella_claim_list_text(claims, "tpm.event-log-pcrs", index);
    }
}
