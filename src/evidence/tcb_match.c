#include "evidence/tcb_match.h"

#include <stdio.h>
#include <time.h>

#include "base/memory.h"

enum { LINE_SIZE = 192, DATE_SIZE = 16 };

static uint8_t hex_digit(uint8_t c) {
    if (c >= '0' && c <= '9') return (uint8_t)(c - '0');
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') return (uint8_t)((c | 0x20) - 'a' + 10);
    return 0xff;
}

/* "TDX_" and two hex digits of the version, in either case. */
static bool names_version(struct cella_bytes id, uint8_t version) {
    if (id.size != 6) return false;
    for (size_t i = 0; i < 3; i++)
        if ((id.data[i] | 0x20) != "tdx"[i]) return false;
    return id.data[3] == '_' && hex_digit(id.data[4]) == version >> 4 &&
           hex_digit(id.data[5]) == (version & 15);
}

const struct cella_tdx_module *cella_tcb_module(const struct cella_tcbinfo *info,
                                                const uint8_t tdx[16]) {
    if (tdx[1] == 0) return info->has_module ? &info->module : NULL;
    for (uint32_t i = 0; i < info->identity_count; i++)
        if (names_version(info->identity[i].id, tdx[1])) return &info->identity[i];
    return NULL;
}

/* Every component on its own (A10). */
static bool reaches(const uint8_t *has, const uint8_t *needs, size_t from) {
    for (size_t i = from; i < 16; i++)
        if (has[i] < needs[i]) return false;
    return true;
}

/* With a module version above 0, components 0 and 1 are the module's own, which its identity
 * judges. */
static size_t tdx_from(const uint8_t *tdx) { return tdx[1] > 0 ? 2 : 0; }

static const struct cella_tcb_level *match_platform(const struct cella_tcbinfo *info,
                                                    const struct cella_tcb_platform *p) {
    for (uint32_t i = 0; i < info->level_count; i++) {
        const struct cella_tcb_level *level = &info->level[i];
        if (!reaches(p->sgx, level->sgx, 0) || p->pcesvn < level->pcesvn) continue;
        if (p->tdx && !reaches(p->tdx, level->tdx, tdx_from(p->tdx))) continue;
        return level;
    }
    return NULL;
}

/* What a Revoked or OutOfDate part does to the platform's status (A02). */
static enum cella_tcb_status converge(enum cella_tcb_status platform, enum cella_tcb_status part) {
    if (part == CELLA_TCB_REVOKED) return CELLA_TCB_REVOKED;
    if (part != CELLA_TCB_OUT_OF_DATE) return platform;
    if (platform == CELLA_TCB_UP_TO_DATE || platform == CELLA_TCB_SW_HARDENING_NEEDED)
        return CELLA_TCB_OUT_OF_DATE;
    if (platform == CELLA_TCB_CONFIGURATION_NEEDED ||
        platform == CELLA_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED)
        return CELLA_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED;
    return platform;
}

static void earlier(uint64_t *date, uint64_t other) {
    if (other && (*date == 0 || other < *date)) *date = other;
}

void cella_tcb_evaluate(const struct cella_tcbinfo *info, const struct cella_enclave_identity *qe,
                        const struct cella_tcb_platform *p, struct cella_tcb_match *out) {
    *out = (struct cella_tcb_match){0};
    out->platform = match_platform(info, p);
    out->qe = cella_tcb_svn_match(qe->level, qe->level_count, p->qe_isvsvn);
    bool versioned = p->tdx && p->tdx[1] > 0;
    if (p->tdx) out->module = cella_tcb_module(info, p->tdx);
    if (versioned && out->module)
        out->module_level =
            cella_tcb_svn_match(out->module->level, out->module->level_count, p->tdx[0]);
    if (!out->platform)
        out->unsupported = "platform TCB";
    else if (!out->qe)
        out->unsupported = "quoting enclave";
    else if (p->tdx && (!out->module || (versioned && !out->module_level)))
        out->unsupported = "TDX module";
    if (out->unsupported) return;
    out->status = converge(out->platform->verdict.status, out->qe->verdict.status);
    if (out->module_level) {
        enum cella_tcb_status module = out->module_level->verdict.status;
        /* Revoked wins over all; a part that is OutOfDate counts once, whichever it is. */
        if (module == CELLA_TCB_REVOKED || out->qe->verdict.status != CELLA_TCB_OUT_OF_DATE)
            out->status = converge(out->status, module);
    }
    out->date_unix = out->platform->verdict.date_unix;
    earlier(&out->date_unix, out->qe->verdict.date_unix);
    if (out->module_level) earlier(&out->date_unix, out->module_level->verdict.date_unix);
}

static bool is_current(enum cella_tcb_status s) {
    return s == CELLA_TCB_UP_TO_DATE || s == CELLA_TCB_SW_HARDENING_NEEDED ||
           s == CELLA_TCB_CONFIGURATION_NEEDED ||
           s == CELLA_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED;
}

static bool asks_configuration(enum cella_tcb_status s) {
    return s == CELLA_TCB_CONFIGURATION_NEEDED ||
           s == CELLA_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED ||
           s == CELLA_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED;
}

enum cella_tcb_status cella_tcb_relaunch(enum cella_tcb_status launch,
                                         enum cella_tcb_status current) {
    bool old =
        launch == CELLA_TCB_OUT_OF_DATE || launch == CELLA_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED;
    if (!old || !is_current(current)) return launch;
    return asks_configuration(launch) || asks_configuration(current)
               ? CELLA_TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED
               : CELLA_TCB_TD_RELAUNCH_ADVISED;
}

static void date_text(uint64_t unix_s, char out[DATE_SIZE]) {
    time_t t = (time_t)unix_s;
    struct tm tm;
    if (!gmtime_r(&t, &tm) || strftime(out, DATE_SIZE, "%Y-%m-%d", &tm) == 0) out[0] = 0;
}

struct shortage {
    const char *what;          /* "sgx component", ... */
    int number;                /* -1: none */
    struct cella_bytes detail; /* category */
    uint32_t has, needs;
    uint64_t since_unix;
};

static void tell(const struct shortage *s, void (*line)(void *to, const char *text), void *to) {
    char text[LINE_SIZE], date[DATE_SIZE], number[16] = "", detail[40] = "";
    date_text(s->since_unix, date);
    if (s->number >= 0) snprintf(number, sizeof(number), " %d", s->number);
    if (s->detail.size)
        snprintf(detail, sizeof(detail), " (%.*s)",
                 (int)(s->detail.size < 32 ? s->detail.size : 32), (const char *)s->detail.data);
    snprintf(text, sizeof(text), "%s%s%s: has %u, needs %u since %s", s->what, number, detail,
             s->has, s->needs, date);
    line(to, text);
}

/* When the need for more than `has` of a component came: the oldest level that asks for it. */
static uint64_t since(const struct cella_tcbinfo *info, bool tdx, size_t component, uint32_t has) {
    uint64_t date = 0;
    for (uint32_t i = 0; i < info->level_count; i++) {
        const struct cella_tcb_level *level = &info->level[i];
        uint32_t needs = component == 16 ? level->pcesvn
                         : tdx           ? level->tdx[component]
                                         : level->sgx[component];
        if (needs > has) earlier(&date, level->verdict.date_unix);
    }
    return date;
}

static void svn_shortfall(const char *what, const struct cella_svn_level *level, uint32_t count,
                          uint16_t has, void (*line)(void *to, const char *text), void *to) {
    if (count == 0 || has >= level[0].isvsvn) return;
    struct shortage s = {.what = what, .number = -1, .has = has, .needs = level[0].isvsvn};
    for (uint32_t i = 0; i < count; i++)
        if (level[i].isvsvn > has) earlier(&s.since_unix, level[i].verdict.date_unix);
    tell(&s, line, to);
}

void cella_tcb_shortfall(const struct cella_tcbinfo *info, const struct cella_enclave_identity *qe,
                         const struct cella_tcb_platform *p, const struct cella_tcb_match *match,
                         void (*line)(void *to, const char *text), void *to) {
    const struct cella_tcb_level *newest = &info->level[0];
    for (size_t i = 0; i < 16; i++)
        if (p->sgx[i] < newest->sgx[i])
            tell(&(struct shortage){"sgx component", (int)i + 1, info->sgx_category[i], p->sgx[i],
                                    newest->sgx[i], since(info, false, i, p->sgx[i])},
                 line, to);
    if (p->pcesvn < newest->pcesvn)
        tell(
            &(struct shortage){
                "pce svn", -1, {0}, p->pcesvn, newest->pcesvn, since(info, false, 16, p->pcesvn)},
            line, to);
    for (size_t i = p->tdx ? tdx_from(p->tdx) : 16; i < 16; i++)
        if (p->tdx[i] < newest->tdx[i])
            tell(&(struct shortage){"tdx component", (int)i + 1, info->tdx_category[i], p->tdx[i],
                                    newest->tdx[i], since(info, true, i, p->tdx[i])},
                 line, to);
    svn_shortfall("quoting enclave isvsvn", qe->level, qe->level_count, p->qe_isvsvn, line, to);
    if (p->tdx && p->tdx[1] > 0 && match->module)
        svn_shortfall("tdx module isvsvn", match->module->level, match->module->level_count,
                      p->tdx[0], line, to);
}
