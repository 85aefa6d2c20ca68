#include "service/config.h"

#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/instance.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/moment.h"
#include "base/text.h"
#include "service/config_check.h"
#include "service/config_table.h"
#include "service/config_value.h"

enum {
    LINE_SIZE = 198, /* libinih takes 199 bytes with the line's end and cuts longer ones silently */
    SECTION_SIZE = 49, /* and names of sections */
    SEEN_MAX = 1024,
    TEXT_SIZE = 1024,
};

struct seen {
    char section[SECTION_SIZE + 1];
    const char *setting; /* of the table; "" for the section itself */
    unsigned line;
};

struct parse {
    const char *name; /* of the file */
    struct cella_bytes bytes;
    size_t at;
    unsigned line;
    enum cella_setting_section section;
    void *part; /* the section's struct */
    char section_name[SECTION_SIZE + 1];
    struct seen seen[SEEN_MAX];
    unsigned seen_count;
    struct cella_service_config *config;
    struct cella_result error; /* the first */
};

static struct cella_result bad(const struct parse *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static struct cella_result bad(const struct parse *p, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return CELLA_FAILURE(CELLA_ERR_USAGE, "docs/formats/configuration.md lists all settings",
                         "%s:%u: %s", p->name, p->line, text);
}
#define BAD(...) return bad(p, __VA_ARGS__)
#define WANT(cond, ...)                                                                            \
    do {                                                                                           \
        if (!(cond)) BAD(__VA_ARGS__);                                                             \
    } while (0)

/* --- Texts --- */

static CELLA_RESULT keep(struct cella_service_config *config, const char *text, const char **out) {
    char **grown = realloc(config->text, (config->text_count + 1) * sizeof(*grown));
    char *copy = grown ? strdup(text) : NULL;
    if (grown) config->text = grown;
    ENSURE(copy, CELLA_ERR_MEMORY, NULL, "no memory for a configuration");
    config->text[config->text_count++] = copy;
    *out = copy;
    return CELLA_SUCCESS;
}

static CELLA_RESULT keep_path(struct parse *p, const char *text, const char **out) {
    char path[4096];
    WANT(*text, "expected a path, found nothing");
    if (text[0] == '/') return keep(p->config, text, out);
    WANT(snprintf(path, sizeof(path), "%s/%s", p->config->folder, text) < (int)sizeof(path),
         "the path is too long");
    return keep(p->config, path, out);
}

void cella_service_config_free(struct cella_service_config *config) {
    for (size_t i = 0; i < config->text_count; i++) free(config->text[i]);
    free(config->text);
    *config = (struct cella_service_config){0};
}

/* --- Values --- */

static CELLA_RESULT put_number(struct parse *p, const struct cella_setting_row *row,
                               const char *value, uint64_t *out) {
    WANT(cella_number_read(value, out) && *out >= row->min && *out <= row->max,
         "%s: expected a number from %llu to %llu, found '%s'", row->name,
         (unsigned long long)row->min, (unsigned long long)row->max, value);
    return CELLA_SUCCESS;
}

static CELLA_RESULT put_word(struct parse *p, const struct cella_setting_row *row,
                             const char *value, uint64_t *out) {
    static const struct {
        enum cella_setting_type type;
        const char *word;
        uint64_t number;
    } words[] = {
        {CELLA_CONF_MODE, "aad", CELLA_ATTEST_AAD},
        {CELLA_CONF_MODE, "isolated", CELLA_ATTEST_ISOLATED},
        {CELLA_CONF_MODE, "shared", CELLA_ATTEST_SHARED},
        {CELLA_CONF_ALGORITHM, "RS256", CELLA_JOSE_RS256},
        {CELLA_CONF_ALGORITHM, "ES256", CELLA_JOSE_ES256},
    };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (words[i].type != row->type || strcmp(words[i].word, value) != 0) continue;
        *out = words[i].number;
        return CELLA_SUCCESS;
    }
    BAD("%s: expected %s, found '%s'", row->name,
        row->type == CELLA_CONF_MODE ? "aad, isolated or shared" : "RS256 or ES256", value);
}

static CELLA_RESULT put_item(struct parse *p, const struct cella_setting_row *row, const char *item,
                             const char **out) {
    if (row->type == CELLA_CONF_PATHS) return keep_path(p, item, out);
    WANT(row->type != CELLA_CONF_LISTEN || cella_conf_listen(item),
         "%s: expected ADDRESS:PORT, numeric, for example 127.0.0.1:8443 or [::1]:8443, found '%s'",
         row->name, item);
    WANT(row->type != CELLA_CONF_SOURCES || cella_conf_source(item),
         "%s: expected none, pcs=https://HOST[:PORT] or kds=https://HOST[:PORT], found '%s'",
         row->name, item);
    return keep(p->config, item, out);
}

static CELLA_RESULT put_list(struct parse *p, const struct cella_setting_row *row,
                             const char *value, struct cella_service_list *list) {
    char item[LINE_SIZE + 2];
    list->count = 0;
    for (value += strspn(value, " \t"); *value; value += strspn(value, " \t")) {
        size_t size = strcspn(value, " \t");
        snprintf(item, sizeof(item), "%.*s", (int)size, value);
        WANT(list->count < CELLA_SERVICE_LIST_MAX, "%s: more than %d values", row->name,
             CELLA_SERVICE_LIST_MAX);
        TRY(put_item(p, row, item, &list->item[list->count]));
        list->count++;
        value += size;
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT put_text(struct parse *p, const struct cella_setting_row *row,
                             const char *value, const char **out) {
    enum cella_setting_type type = row->type;
    WANT(*value, "%s: expected a value, found nothing", row->name);
    WANT(type != CELLA_CONF_URL || cella_conf_url(value),
         "%s: expected an origin in lower case, https://HOST or https://HOST:PORT with nothing "
         "after it, found '%s'",
         row->name, value);
    WANT(type != CELLA_CONF_GUID || cella_conf_guid(value),
         "%s: expected a GUID in lower case, found '%s'", row->name, value);
    WANT(type != CELLA_CONF_ONE_LISTEN || cella_conf_listen(value),
         "%s: expected ADDRESS:PORT, numeric, for example 127.0.0.1:8449, found '%s'", row->name,
         value);
    bool word = strcmp(value, "none") == 0 || strcmp(value, "stderr") == 0;
    if (type == CELLA_CONF_PATH || (type == CELLA_CONF_LOG && !word))
        return keep_path(p, value, out);
    return keep(p->config, value, out);
}

static CELLA_RESULT put(struct parse *p, const struct cella_setting_row *row, const char *value) {
    void *to = (char *)p->part + row->offset;
    switch (row->type) {
    case CELLA_CONF_COUNT: return put_number(p, row, value, to);
    case CELLA_CONF_MODE:
    case CELLA_CONF_ALGORITHM: return put_word(p, row, value, to);
    case CELLA_CONF_TIME:
        WANT(cella_time_read(value, to),
             "%s: expected a time like 2026-02-14T00:17:59Z, found "
             "'%s'",
             row->name, value);
        return CELLA_SUCCESS;
    case CELLA_CONF_BOOL:
        WANT(strcmp(value, "yes") == 0 || strcmp(value, "no") == 0,
             "%s: expected yes or no, found '%s'", row->name, value);
        *(bool *)to = value[0] == 'y';
        return CELLA_SUCCESS;
    case CELLA_CONF_LISTEN:
    case CELLA_CONF_WORDS:
    case CELLA_CONF_PATHS:
    case CELLA_CONF_SOURCES: return put_list(p, row, value, to);
    default: return put_text(p, row, value, to);
    }
}

/* --- Sections --- */

static CELLA_RESULT note_seen(struct parse *p, const char *setting) {
    for (unsigned i = 0; i < p->seen_count; i++)
        WANT(strcmp(p->seen[i].section, p->section_name) != 0 ||
                 strcmp(p->seen[i].setting, setting) != 0,
             setting[0] ? "[%s] %s was already set in line %u"
                        : "[%s]%s was already begun in line %u",
             p->section_name, setting, p->seen[i].line);
    WANT(p->seen_count < SEEN_MAX, "more than %d settings", SEEN_MAX);
    struct seen *seen = &p->seen[p->seen_count++];
    snprintf(seen->section, sizeof(seen->section), "%s", p->section_name);
    seen->setting = setting;
    seen->line = p->line;
    return CELLA_SUCCESS;
}

static CELLA_RESULT apply_defaults(struct parse *p) {
    for (size_t i = 0; i < cella_setting_row_count; i++) {
        const struct cella_setting_row *row = &cella_setting_rows[i];
        if (row->section == p->section && row->initial && row->initial[0])
            TRY(put(p, row, row->initial));
    }
    return CELLA_SUCCESS;
}

static const char *after_word(const char *text, const char *word) {
    size_t size = strlen(word);
    if (strncmp(text, word, size) != 0 || text[size] != ' ') return NULL;
    return text + size + strspn(text + size, " \t");
}

/* The next section of a kind that comes by name; its first member is the name. */
struct named {
    const char *word; /* "attest" */
    enum cella_setting_section section;
    size_t *count;
    size_t max;
    void *first;
    size_t size;
};

static CELLA_RESULT begin_named(struct parse *p, const char *name, const struct named *kind) {
    WANT(cella_conf_name(name),
         "[%s NAME]: expected a name of 1 to 63 of 0-9, a-z and -, found '%s'", kind->word, name);
    WANT(*kind->count < kind->max, "more sections [%s NAME] than %zu", kind->word, kind->max);
    p->section = kind->section;
    p->part = (char *)kind->first + (*kind->count)++ * kind->size;
    return keep(p->config, name, p->part);
}

/* Finds the kind that a section's name begins with; *rest: what is behind it. */
static bool find_named(struct cella_service_config *c, const char *name, struct named *out,
                       const char **rest) {
#define KIND(word, SECTION, part)                                                                  \
    {                                                                                              \
        word, CELLA_SECTION_##SECTION, &c->part##_count, sizeof(c->part) / sizeof(c->part[0]),     \
            c->part, sizeof(c->part[0])                                                            \
    }
    const struct named kinds[] = {KIND("attest", ATTEST, attest), KIND("issuer", ISSUER, issuer),
                                  KIND("vault", VAULT, vault),
                                  KIND("authority", AUTHORITY, authority)};
#undef KIND
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        *rest = after_word(name, kinds[i].word);
        *out = kinds[i];
        if (*rest) return true;
    }
    return false;
}

static void *part_of(struct cella_service_config *c, enum cella_setting_section section) {
    switch (section) {
    case CELLA_SECTION_SERVER: return &c->server;
    case CELLA_SECTION_TLS: return &c->tls;
    case CELLA_SECTION_STORE: return &c->store;
    case CELLA_SECTION_AUDIT: return &c->audit;
    case CELLA_SECTION_IDENTITY: return &c->identity;
    case CELLA_SECTION_COLLATERAL: return &c->collateral;
    default: return NULL;
    }
}

static CELLA_RESULT begin_section(struct parse *p, const char *name) {
    const char *rest;
    struct named kind;
    WANT(strlen(name) <= SECTION_SIZE, "expected a section's name of at most %d bytes",
         SECTION_SIZE);
    snprintf(p->section_name, sizeof(p->section_name), "%s", name);
    TRY(note_seen(p, ""));
    if (find_named(p->config, name, &kind, &rest))
        TRY(begin_named(p, rest, &kind));
    else {
        p->section = CELLA_SECTION_NONE;
        for (int i = 1; i < CELLA_SECTION_COUNT; i++)
            if (strcmp(name, cella_setting_section_name(i)) == 0) p->section = i;
        p->part = part_of(p->config, p->section);
        WANT(p->part,
             "unknown section [%s]; expected [server], [tls], [store], [audit], [identity], "
             "[issuer NAME], [attest NAME], [vault NAME], [authority NAME] or [collateral]",
             name);
        return CELLA_SUCCESS; /* its defaults are there already */
    }
    return apply_defaults(p);
}

static CELLA_RESULT set(struct parse *p, const char *name, const char *value) {
    WANT(p->section != CELLA_SECTION_NONE, "'%s' stands before the first [section]", name);
    for (size_t i = 0; i < cella_setting_row_count; i++) {
        const struct cella_setting_row *row = &cella_setting_rows[i];
        if (row->section != p->section || strcmp(row->name, name) != 0) continue;
        TRY(note_seen(p, row->name));
        return put(p, row, value);
    }
    BAD("unknown setting '%s' in [%s]", name, p->section_name);
}

/* --- Lines --- */

/* [name], with nothing but a comment after it. */
static CELLA_RESULT section_line(struct parse *p, const char *line) {
    char name[LINE_SIZE + 2];
    const char *end = strchr(line, ']');
    WANT(end, "expected ']' at the end of the section's name");
    const char *rest = end + 1 + strspn(end + 1, " \t\r\n");
    WANT(*rest == '\0' || *rest == ';' || *rest == '#',
         "expected nothing after [section], found '%.*s'", (int)strcspn(rest, "\r\n"), rest);
    snprintf(name, sizeof(name), "%.*s", (int)(end - line - 1), line + 1);
    return begin_section(p, name);
}

/* Gives libinih one line. Leading blanks go, so that it never takes a line for the continuation of
 * another. */
static CELLA_RESULT next_line(struct parse *p, char *line, size_t size) {
    const char *from = (const char *)p->bytes.data + p->at;
    const char *end = memchr(from, '\n', p->bytes.size - p->at);
    size_t length = end ? (size_t)(end - from) : p->bytes.size - p->at;
    p->line++;
    p->at += length + (end ? 1 : 0);
    while (length && (*from == ' ' || *from == '\t')) from++, length--;
    WANT(length <= LINE_SIZE && length + 2 <= size,
         "expected a line of at most %d bytes, found %zu", LINE_SIZE, length);
    memcpy(line, from, length);
    line[length] = '\n';
    line[length + 1] = '\0';
    return line[0] == '[' ? section_line(p, line) : CELLA_SUCCESS;
}

static char *read_line(char *line, int size, void *stream) {
    struct parse *p = stream;
    if (cella_failed(p->error) || p->at >= p->bytes.size) return NULL;
    p->error = next_line(p, line, (size_t)size);
    return cella_failed(p->error) ? NULL : line;
}

static int on_setting(void *user, const char *section, const char *name, const char *value) {
    struct parse *p = user;
    (void)section;
    if (!cella_failed(p->error)) p->error = set(p, name, value);
    return !cella_failed(p->error);
}

/* --- The whole --- */

static CELLA_RESULT start(struct parse *p, const char *folder) {
    TRY(keep(p->config, folder, &p->config->folder));
    for (int i = 1; i < CELLA_SECTION_COUNT; i++) {
        p->section = i;
        p->part = part_of(p->config, p->section);
        if (p->part) TRY(apply_defaults(p));
    }
    p->section = CELLA_SECTION_NONE;
    return CELLA_SUCCESS;
}

static CELLA_RESULT run(struct parse *p) {
    for (size_t i = 0; i < p->bytes.size; i++) {
        uint8_t b = p->bytes.data[i];
        p->line += b == '\n';
        if (b == 0 || (b < ' ' && b != '\t' && b != '\n' && b != '\r') || b == 0x7f) {
            p->line++;
            BAD("a control character (byte 0x%02x)", b);
        }
    }
    p->line = 0;
    int bad_line = ini_parse_stream(read_line, p, on_setting, p);
    TRY(p->error);
    if (bad_line && p->line > (unsigned)bad_line) p->line = (unsigned)bad_line;
    WANT(!bad_line, "expected NAME = VALUE, [section] or a comment");
    return cella_service_config_check(p->config, p->name);
}

CELLA_RESULT cella_service_config_parse(struct cella_bytes bytes, const char *name,
                                        const char *folder, struct cella_service_config *out) {
    *out = (struct cella_service_config){0};
    ENSURE(bytes.size <= CELLA_SERVICE_CONFIG_MAX, CELLA_ERR_LIMIT, NULL,
           "%s: larger than %d bytes", name, CELLA_SERVICE_CONFIG_MAX);
    struct parse *p = calloc(1, sizeof(*p));
    ENSURE(p, CELLA_ERR_MEMORY, NULL, "no memory for a configuration");
    *p = (struct parse){.name = name, .bytes = bytes, .config = out};
    struct cella_result r = start(p, folder);
    if (!cella_failed(r)) r = run(p);
    free(p);
    if (!cella_failed(r)) return CELLA_SUCCESS;
    cella_service_config_free(out);
    return cella_result_trace(r, CELLA_WHERE);
}

CELLA_RESULT cella_service_config_read(const char *folder, struct cella_service_config *out) {
    CELLA_BUFFER text = {0};
    char path[4096];
    *out = (struct cella_service_config){0};
    ENSURE(snprintf(path, sizeof(path), "%s/" CELLA_SERVICE_CONFIG_NAME, folder) <
               (int)sizeof(path),
           CELLA_ERR_LIMIT, NULL, "the name of the data folder is too long");
    TRY(cella_file_read(path, CELLA_SERVICE_CONFIG_MAX, &text));
    return cella_service_config_parse(cella_buffer_bytes(&text), path, folder, out);
}
