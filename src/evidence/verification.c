#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "evidence/envelope.h"
#include "evidence/family.h"

enum { HEX_SHOWN = 48 /* bytes */ };

void cella_verification_free(struct cella_verification *verification) {
    cella_claimset_free(&verification->claims);
}

/* One line of at most the size, whatever the evidence put into it: control characters would let a
 * hostile subject name paint over the verdict on a terminal. */
static void put(char *to, size_t size, const char *text) {
    size_t at = 0;
    for (; text && text[at] && at + 1 < size; at++) {
        unsigned char c = (unsigned char)text[at];
        to[at] = c < 0x20 || c == 0x7f ? '?' : text[at];
    }
    if (text && text[at]) /* cut, but not within a character */
        while (at > 0 && ((unsigned char)text[at] & 0xc0) == 0x80) at--;
    to[at] = 0;
}

struct cella_result cella_refuse(struct cella_verification *out, enum cella_code code,
                                 const char *step, const char *field, const char *remedy,
                                 const char *expected, const char *found) {
    struct cella_reason
        reason; /* apart from out: the texts given may be those of an earlier reason */
    put(reason.step, sizeof(reason.step), step);
    put(reason.field, sizeof(reason.field), field);
    put(reason.remedy, sizeof(reason.remedy), remedy);
    put(reason.expected, sizeof(reason.expected), expected);
    put(reason.found, sizeof(reason.found), found);
    out->reason = reason;
    out->verdict = CELLA_VERIFY_REFUSED;
    return cella_result_new(code, CELLA_WHERE, out->reason.remedy[0] ? out->reason.remedy : NULL,
                            "%s: %s: expected %s, found %s", out->reason.step, out->reason.field,
                            out->reason.expected, out->reason.found);
}

struct cella_result cella_refuse_because(struct cella_verification *out,
                                         struct cella_result because, const char *step,
                                         const char *field, const char *remedy,
                                         const char *expected) {
    struct cella_result refused =
        cella_refuse(out, cella_code_of(because), step, field,
                     remedy ? remedy : because.error->hint, expected, because.error->what);
    cella_result_drop(because);
    return refused;
}

static char *next_text(struct cella_verification *out) {
    enum { COUNT = sizeof(out->scratch) / sizeof(out->scratch[0]) };
    return out->scratch[out->scratch_next++ % COUNT];
}

const char *cella_text(struct cella_verification *out, const char *format, ...) {
    char *text = next_text(out);
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(out->scratch[0]), format, args);
    va_end(args);
    return text;
}

const char *cella_text_hex(struct cella_verification *out, struct cella_bytes bytes) {
    char *text = next_text(out);
    size_t shown = bytes.size < HEX_SHOWN ? bytes.size : HEX_SHOWN;
    cella_hex_encode(cella_bytes(bytes.data, shown), text);
    if (shown < bytes.size) snprintf(text + 2 * shown, sizeof(out->scratch[0]) - 2 * shown, "...");
    return text;
}

int32_t cella_link_add(struct cella_verification *out, int32_t parent, const char *what,
                       const char *name, const char *detail, bool held) {
    if (out->link_count >= CELLA_CHAIN_MAX) return -1;
    int32_t index = (int32_t)out->link_count++;
    struct cella_link *link = &out->link[index];
    link->parent =
        parent < index && parent >= 0 ? parent : -1; /* so that no reader can walk in a circle */
    put(link->what, sizeof(link->what), what);
    put(link->name, sizeof(link->name), name);
    put(link->detail, sizeof(link->detail), detail);
    link->held = held;
    return index;
}

bool cella_evidence_part(const struct cella_verification *out, const char *name,
                         struct cella_bytes *content) {
    *content = cella_bytes(NULL, 0);
    for (uint32_t i = 0; out->envelope && i < out->envelope->part_count; i++) {
        if (strcmp(out->envelope->part[i].name, name) != 0) continue;
        *content = out->envelope->part[i].content;
        return true;
    }
    return false;
}

/* "UpToDate" or what the caller named, letter for letter. */
static bool status_accepted(const struct cella_evidence_options *options, const char *status) {
    if (strcmp(status, "UpToDate") == 0) return true;
    for (size_t i = 0; i < options->accept_tcb_count; i++)
        if (status[0] && strcmp(options->accept_tcb[i], status) == 0) return true;
    return false;
}

/* A01: the list of what is accepted, for the reason. */
static const char *accepted_statuses(struct cella_verification *out,
                                     const struct cella_evidence_options *options) {
    char *text = next_text(out);
    size_t size = sizeof(out->scratch[0]), at = (size_t)snprintf(text, size, "UpToDate");
    for (size_t i = 0; i < options->accept_tcb_count && at < size; i++)
        at += (size_t)snprintf(text + at, size - at, " or %s", options->accept_tcb[i]);
    return text;
}

struct cella_result cella_judge_tcb(struct cella_verification *out,
                                    const struct cella_evidence_options *options,
                                    const char *shortfall) {
    const char *status = out->tcb_status;
    if (status_accepted(options, status)) return CELLA_SUCCESS;
    const char *found = status[0] ? status : "no status";
    if (shortfall && shortfall[0]) found = cella_text(out, "%s: %s", found, shortfall);
    const char *remedy = status[0] ? cella_text(out,
                                                "update the machine's firmware and microcode, or "
                                                "accept it by name (--accept-tcb %s)",
                                                status)
                                   : "give collateral that covers this machine";
    return cella_refuse(out, CELLA_ERR_REFUSED, "tcb level", "tcb status", remedy,
                        accepted_statuses(out, options), found);
}
