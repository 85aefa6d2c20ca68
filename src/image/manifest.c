#include "image/manifest.h"

#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/calls.h"
#include "abi/image.h"
#include "abi/keygrant.h"
#include "abi/sgx.h"
#include "base/memory.h"
#include "base/text.h"
#include "fetch/settings.h"
#include "image/manifest_value.h"

enum {
    LINE_MAX_ = 198, /* libinih takes 199 bytes with the line's end and cuts longer ones silently */
    SECTION_MAX = 49, /* and names of sections */
    SEEN_MAX = 512,
    DEFAULT_THREADS = 4,
};
#define DEFAULT_HEAP  (4ULL << 20)
#define DEFAULT_STACK (256ULL << 10)
#define MIN_SIZE      (64ULL << 10)

enum section {
    SECTION_NONE,
    SECTION_ENCLAVE,
    SECTION_ARGUMENTS,
    SECTION_ENVIRONMENT,
    SECTION_MOUNT,
    SECTION_PROGRAM,
    SECTION_KEY,
    SECTION_VAULT
};

struct parse {
    const char *name; /* of the file */
    struct cella_bytes bytes;
    size_t at;
    unsigned line;
    enum section section;
    char section_name[SECTION_MAX + 1];
    struct {
        char section[SECTION_MAX + 1], setting[64];
        unsigned line;
    } seen[SEEN_MAX];
    unsigned seen_count;
    unsigned mount_line[CELLA_CONFIG_MOUNT_MAX]; /* where [mount] i begins */
    unsigned program_line[CELLA_CONFIG_PROGRAM_MAX];
    unsigned vault_line, url_line; /* of [vault], and of a key that is in one; 0: none */
    uint32_t mount, program, key;  /* the one being filled */
    struct cella_manifest *m;
    struct cella_result error; /* the first */
};

/* ---- errors ---- */

static struct cella_result bad_at(const struct parse *p, unsigned line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static struct cella_result bad_at(const struct parse *p, unsigned line, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return CELLA_FAILURE(CELLA_ERR_USAGE, "docs/formats/manifest.md lists all settings",
                         "%s:%u: %s", p->name, line, text);
}
#define BAD(...) return bad_at(p, p->line, __VA_ARGS__)
#define WANT(cond, ...)                                                                            \
    do {                                                                                           \
        if (!(cond)) BAD(__VA_ARGS__);                                                             \
    } while (0)

/* ---- owned texts ---- */

CELLA_RESULT cella_manifest_own(struct cella_manifest *m, void *block) {
    if (block && m->text_count < CELLA_MANIFEST_TEXT_MAX) {
        m->text[m->text_count++] = block;
        return CELLA_SUCCESS;
    }
    bool given = block;
    free(block);
    ENSURE(given, CELLA_ERR_MEMORY, NULL, "no memory for a manifest");
    FAIL(CELLA_ERR_LIMIT, NULL, "the manifest has more than %d texts", CELLA_MANIFEST_TEXT_MAX);
}

CELLA_RESULT cella_manifest_keep(struct cella_manifest *m, struct cella_bytes text,
                                 const char **out) {
    char *copy = malloc(text.size + 1);
    if (copy) {
        cella_copy(copy, text.data, text.size);
        copy[text.size] = '\0';
    }
    TRY(cella_manifest_own(m, copy));
    *out = copy;
    return CELLA_SUCCESS;
}

static CELLA_RESULT keep(struct parse *p, const char *text, struct cella_bytes *out) {
    const char *copy;
    TRY(cella_manifest_keep(p->m, cella_bytes_text(text), &copy));
    *out = cella_bytes_text(copy);
    return CELLA_SUCCESS;
}

void cella_manifest_free(struct cella_manifest *m) {
    for (uint32_t i = 0; i < m->text_count; i++) free(m->text[i]);
    m->text_count = 0;
}

static bool is(struct cella_bytes a, const char *b) {
    return a.size == strlen(b) && cella_equal(a.data, b, a.size);
}

/* ---- keys ---- */

static CELLA_RESULT add_key(struct parse *p, const char *name, uint32_t *index) {
    struct cella_config *c = &p->m->config;
    WANT(cella_value_key_name(name),
         "expected a key's name of 1 to %d of [0-9A-Za-z_-], found '%s'", CELLA_CONFIG_NAME_MAX,
         name);
    for (*index = 0; *index < c->key_count; ++*index)
        if (is(c->key[*index], name)) return CELLA_SUCCESS;
    WANT(c->key_count < CELLA_CONFIG_KEY_MAX, "more than %d named keys", CELLA_CONFIG_KEY_MAX);
    *index = c->key_count++;
    return keep(p, name, &c->key[*index]);
}

static CELLA_RESULT begin_key(struct parse *p, const char *name) {
    p->section = SECTION_KEY;
    return add_key(p, name, &p->key);
}

/* The key is released by a vault, to this URL. */
static CELLA_RESULT set_key_url(struct parse *p, uint32_t key, const char *url) {
    struct cella_fetch_url parts;
    const char *old = p->m->key_url[key];
    WANT(cella_fetch_key_url(url, &parts),
         "vault: expected https://HOST[:PORT]/keys/NAME[/VERSION], found '%s'", url);
    WANT(!old || strcmp(old, url) == 0, "the key of this name is %s already; name it by [key]",
         old);
    p->url_line = p->line;
    return cella_manifest_keep(p->m, cella_bytes_text(url), &p->m->key_url[key]);
}

static CELLA_RESULT set_key(struct parse *p, const char *name, const char *value) {
    if (strcmp(name, "vault") == 0) return set_key_url(p, p->key, value);
    WANT(strcmp(name, "id") == 0, "unknown setting '%s' in [key]", name);
    uint8_t *id = malloc(CELLA_KEY_ID_SIZE);
    TRY(cella_manifest_own(p->m, id));
    struct cella_result r = cella_hex_decode(cella_bytes_text(value), id, CELLA_KEY_ID_SIZE);
    bool good = !cella_failed(r);
    cella_result_drop(r);
    WANT(good, "id: expected the 64 hex digits of `cella keygen --id`, found '%s'", value);
    p->m->config.key_id[p->key] = cella_bytes(id, CELLA_KEY_ID_SIZE);
    return CELLA_SUCCESS;
}

static CELLA_RESULT add_keys(struct parse *p, const char *list) {
    char name[LINE_MAX_ + 2];
    while (*list) {
        size_t size = strcspn(list, " \t");
        uint32_t index;
        snprintf(name, sizeof(name), "%.*s", (int)size, list);
        TRY(add_key(p, name, &index));
        list += size;
        list += strspn(list, " \t");
    }
    return CELLA_SUCCESS;
}

/* A key that is named as in the vault. */
static CELLA_RESULT add_vault_key(struct parse *p, const char *url, uint32_t *index) {
    char name[CELLA_FETCH_URL_MAX];
    struct cella_fetch_url parts;
    WANT(cella_fetch_key_url(url, &parts),
         "key: expected vault:https://HOST[:PORT]/keys/NAME[/VERSION], found 'vault:%s'", url);
    const char *at = parts.path + strlen("/keys/");
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(at, "/"), at);
    TRY(add_key(p, name, index));
    return set_key_url(p, *index, url);
}

/* ---- [vault] ---- */

static CELLA_RESULT set_vault(struct parse *p, const char *name, const char *value) {
    struct cella_fetch_url parts;
    if (strcmp(name, "ca") == 0) {
        WANT(*value, "ca: expected a PEM file of authorities");
        return cella_manifest_keep(p->m, cella_bytes_text(value), &p->m->vault_ca);
    }
    WANT(strcmp(name, "attest") == 0, "unknown setting '%s' in [vault]; expected attest or ca",
         name);
    WANT(cella_fetch_url(value, &parts),
         "attest: expected the https URL of an attestation service, found '%s'", value);
    return cella_manifest_keep(p->m, cella_bytes_text(value), &p->m->vault_attest);
}

/* ---- [enclave] ---- */

static CELLA_RESULT set_flag(struct parse *p, const char *name, const char *value, uint32_t flag) {
    bool on;
    WANT(cella_value_bool(value, &on), "%s: expected yes or no, found '%s'", name, value);
    if (on) p->m->config.flags |= flag;
    return CELLA_SUCCESS;
}

static CELLA_RESULT set_number(struct parse *p, const char *name, const char *value, uint64_t min,
                               uint64_t max, uint64_t *out) {
    WANT(cella_value_number(value, max, out) && *out >= min,
         "%s: expected a number from %llu to %llu, found '%s'", name, (unsigned long long)min,
         (unsigned long long)max, value);
    return CELLA_SUCCESS;
}

static CELLA_RESULT set_size(struct parse *p, const char *name, const char *value, uint64_t max,
                             uint64_t *out) {
    WANT(cella_value_size(value, MIN_SIZE, max, out),
         "%s: expected a size from 64K to %lluG, like 256K, 64M or 2G, found '%s'", name,
         (unsigned long long)(max >> 30), value);
    return CELLA_SUCCESS;
}

static CELLA_RESULT set_enclave(struct parse *p, const char *name, const char *value) {
    struct cella_config *c = &p->m->config;
    uint64_t number = 0;
    if (strcmp(name, "product_id") == 0) {
        TRY(set_number(p, name, value, 0, UINT16_MAX, &number));
        c->product_id = (uint16_t)number;
    } else if (strcmp(name, "security_version") == 0) {
        TRY(set_number(p, name, value, 0, UINT16_MAX, &number));
        c->svn = (uint16_t)number;
    } else if (strcmp(name, "threads") == 0) {
        TRY(set_number(p, name, value, 1, CELLA_SLOT_MAX, &number));
        c->thread_count = (uint32_t)number;
    } else if (strcmp(name, "debug") == 0) {
        return set_flag(p, name, value, CELLA_CONFIG_DEBUG);
    } else if (strcmp(name, "heap") == 0) {
        return set_size(p, name, value, CELLA_MANIFEST_HEAP_MAX, &p->m->heap_size);
    } else if (strcmp(name, "calls") == 0) {
        WANT(cella_value_size(value, CELLA_CALLS_SIZE_MIN, CELLA_CALLS_SIZE_MAX, &c->calls_size) &&
                 c->calls_size % CELLA_PAGE_SIZE == 0,
             "calls: expected a size from 64K to 32M in whole pages of 4K, found '%s'", value);
    } else if (strcmp(name, "stack") == 0) {
        return set_size(p, name, value, CELLA_MANIFEST_STACK_MAX, &p->m->stack_size);
    } else if (strcmp(name, "config_id") == 0) {
        WANT(cella_value_config_id(value, c->config_id),
             "config_id: expected 1 to 64 bytes in hex, found '%s'", value);
    } else if (strcmp(name, "memory") == 0) {
        WANT(strcmp(value, "secret") == 0 || strcmp(value, "private") == 0,
             "memory: expected secret, or private where ordinary memory will do, found '%s'",
             value);
        if (strcmp(value, "private") == 0) c->flags |= CELLA_CONFIG_MEMORY_PRIVATE;
    } else if (strcmp(name, "host_signals") == 0) {
        WANT(cella_value_signals(value, &c->host_signals),
             "host_signals: expected some of HUP INT QUIT USR1 USR2 ALRM TERM CONT TSTP WINCH, "
             "found '%s'",
             value);
    } else if (strcmp(name, "date") == 0) {
        WANT(cella_value_date(value, &p->m->date), "date: expected YYYY-MM-DD, found '%s'", value);
    } else if (strcmp(name, "path") == 0) {
        WANT(cella_value_path(value, true) && value[1],
             "path: expected an absolute path, found '%s'", value);
        return keep(p, value, &c->program[0].path);
    } else if (strcmp(name, "keys") == 0) {
        return add_keys(p, value);
    } else {
        BAD("unknown setting '%s' in [enclave]", name);
    }
    return CELLA_SUCCESS;
}

/* ---- [arguments], [environment] ---- */

static CELLA_RESULT set_argument(struct parse *p, const char *name, const char *value) {
    struct cella_config *c = &p->m->config;
    uint64_t n;
    if (strcmp(name, "host") == 0) return set_flag(p, name, value, CELLA_CONFIG_HOST_ARGS);
    WANT(cella_value_number(name, CELLA_CONFIG_ARG_MAX - 1, &n),
         "[arguments]: expected 'host' or a number from 0 to %d, found '%s'",
         CELLA_CONFIG_ARG_MAX - 1, name);
    if (n >= c->arg_count) c->arg_count = (uint32_t)n + 1;
    return keep(p, value, &c->arg[n]);
}

static CELLA_RESULT set_environment(struct parse *p, const char *name, const char *value) {
    struct cella_config *c = &p->m->config;
    WANT(c->env_count < CELLA_CONFIG_ENV_MAX, "more than %d environment variables",
         CELLA_CONFIG_ENV_MAX);
    struct cella_config_env *env = &c->env[c->env_count++];
    TRY(keep(p, name, &env->name));
    if (strncmp(value, "fixed:", 6) == 0)
        value += 6;
    else if (strcmp(value, "host") == 0 || strncmp(value, "host:", 5) == 0) {
        env->from_host = true;
        value += value[4] ? 5 : 4;
    }
    return keep(p, value, &env->value);
}

/* ---- [mount ...], [program ...] ---- */

static CELLA_RESULT set_mount_key(struct parse *p, struct cella_config_mount *mount,
                                  const char *value) {
    if (strncmp(value, "named:", 6) == 0) {
        mount->key = CELLA_KEY_NAMED;
        return add_key(p, value + 6, &mount->key_index);
    }
    if (strncmp(value, "vault:", 6) == 0) {
        mount->key = CELLA_KEY_NAMED;
        return add_vault_key(p, value + 6, &mount->key_index);
    }
    if (strcmp(value, "seal:enclave") == 0)
        mount->key = CELLA_KEY_SEAL_ENCLAVE;
    else if (strcmp(value, "seal:signer") == 0)
        mount->key = CELLA_KEY_SEAL_SIGNER;
    else
        BAD("key: expected named:NAME, vault:URL, seal:enclave or seal:signer, found '%s'", value);
    return CELLA_SUCCESS;
}

static CELLA_RESULT set_mount(struct parse *p, const char *name, const char *value) {
    struct cella_config_mount *mount = &p->m->config.mount[p->mount];
    if (strcmp(name, "type") == 0) {
        if (strcmp(value, "protected") == 0)
            mount->type = CELLA_MOUNT_PROTECTED;
        else if (strcmp(value, "trusted") == 0)
            mount->type = CELLA_MOUNT_TRUSTED;
        else if (strcmp(value, "shared") == 0)
            mount->type = CELLA_MOUNT_SHARED;
        else
            BAD("type: expected protected, trusted or shared, found '%s'", value);
    } else if (strcmp(name, "host") == 0) {
        WANT(*value && strlen(value) <= CELLA_CONFIG_PATH_MAX,
             "host: expected a folder on the host");
        TRY(keep(p, value, &mount->host));
        p->m->mount_host[p->mount] = (const char *)mount->host.data;
    } else if (strcmp(name, "key") == 0) {
        return set_mount_key(p, mount, value);
    } else if (strcmp(name, "writable") == 0) {
        WANT(cella_value_bool(value, &mount->writable), "writable: expected yes or no, found '%s'",
             value);
    } else if (strcmp(name, "files") == 0) {
        WANT(*value, "files: expected names or patterns below the mount's host folder");
        struct cella_bytes text;
        TRY(keep(p, value, &text));
        p->m->mount_files[p->mount] = (const char *)text.data;
    } else {
        BAD("unknown setting '%s' in [mount]", name);
    }
    return CELLA_SUCCESS;
}

static CELLA_RESULT set_program(struct parse *p, const char *name, const char *value) {
    struct cella_bytes text;
    WANT(strcmp(name, "file") == 0, "unknown setting '%s' in [program]", name);
    WANT(*value, "file: expected the program's file");
    TRY(keep(p, value, &text));
    p->m->program_file[p->program] = (const char *)text.data;
    return CELLA_SUCCESS;
}

/* ---- lines ---- */

static CELLA_RESULT note_seen(struct parse *p, const char *setting) {
    for (unsigned i = 0; i < p->seen_count; i++)
        WANT(strcmp(p->seen[i].section, p->section_name) != 0 ||
                 strcmp(p->seen[i].setting, setting) != 0,
             setting[0] ? "[%s] %s was already set in line %u"
                        : "[%s]%s was already begun in line %u",
             p->section_name, setting, p->seen[i].line);
    WANT(p->seen_count < SEEN_MAX, "more than %d settings", SEEN_MAX);
    WANT(strlen(setting) < sizeof(p->seen[0].setting), "the name of the setting '%s' is too long",
         setting);
    snprintf(p->seen[p->seen_count].section, sizeof(p->seen[0].section), "%s", p->section_name);
    snprintf(p->seen[p->seen_count].setting, sizeof(p->seen[0].setting), "%s", setting);
    p->seen[p->seen_count++].line = p->line;
    return CELLA_SUCCESS;
}

static const char *after_word(const char *text, const char *word) {
    size_t size = strlen(word);
    if (strncmp(text, word, size) != 0 || (text[size] != ' ' && text[size] != '\t')) return NULL;
    return text + size + strspn(text + size, " \t");
}

static CELLA_RESULT begin_mount(struct parse *p, const char *path) {
    static const char *const taken[] = {"/dev", "/proc",
                                        "/sys"}; /* the shim's own (architecture: files inside) */
    struct cella_config *c = &p->m->config;
    WANT(cella_value_path(path, true), "[mount]: expected an absolute path, found '%s'", path);
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        size_t size = strlen(taken[i]);
        WANT(strncmp(path, taken[i], size) != 0 || (path[size] && path[size] != '/'),
             "[mount]: %s belongs to the enclave's own files", taken[i]);
    }
    for (uint32_t i = 0; i < c->mount_count; i++)
        WANT(!is(c->mount[i].path, path), "[mount %s] was already begun in line %u", path,
             p->mount_line[i]);
    WANT(c->mount_count < CELLA_CONFIG_MOUNT_MAX, "more than %d mounts", CELLA_CONFIG_MOUNT_MAX);
    p->mount = c->mount_count++;
    p->mount_line[p->mount] = p->line;
    p->section = SECTION_MOUNT;
    return keep(p, path, &c->mount[p->mount].path);
}

static CELLA_RESULT begin_program(struct parse *p, const char *path) {
    struct cella_config *c = &p->m->config;
    WANT(cella_value_path(path, true) && path[1],
         "[program]: expected an absolute path, found '%s'", path);
    WANT(c->program_count < CELLA_CONFIG_PROGRAM_MAX, "more than %d programs",
         CELLA_CONFIG_PROGRAM_MAX);
    p->program = c->program_count++;
    p->program_line[p->program] = p->line;
    p->section = SECTION_PROGRAM;
    return keep(p, path, &c->program[p->program].path);
}

static CELLA_RESULT begin_section(struct parse *p, const char *name) {
    const char *rest;
    WANT(strlen(name) <= SECTION_MAX, "expected a section's name of at most %d bytes", SECTION_MAX);
    snprintf(p->section_name, sizeof(p->section_name), "%s", name);
    TRY(note_seen(p, ""));
    if (strcmp(name, "enclave") == 0)
        p->section = SECTION_ENCLAVE;
    else if (strcmp(name, "arguments") == 0)
        p->section = SECTION_ARGUMENTS;
    else if (strcmp(name, "environment") == 0)
        p->section = SECTION_ENVIRONMENT;
    else if (strcmp(name, "vault") == 0)
        p->section = SECTION_VAULT, p->vault_line = p->line;
    else if ((rest = after_word(name, "mount")))
        return begin_mount(p, rest);
    else if ((rest = after_word(name, "program")))
        return begin_program(p, rest);
    else if ((rest = after_word(name, "key")))
        return begin_key(p, rest);
    else
        BAD("unknown section [%s]; expected [enclave], [arguments], [environment], [key NAME], "
            "[mount /PATH], [program /PATH] or [vault]",
            name);
    return CELLA_SUCCESS;
}

/* [name], with nothing but a comment after it. */
static CELLA_RESULT section_line(struct parse *p, const char *line) {
    char name[LINE_MAX_ + 2];
    const char *end = strchr(line, ']');
    WANT(end, "expected ']' at the end of the section's name");
    const char *rest = end + 1 + strspn(end + 1, " \t\r\n");
    WANT(*rest == '\0' || *rest == ';' || *rest == '#',
         "expected nothing after [section], found '%.40s'", rest);
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
    WANT(length <= LINE_MAX_ && length + 2 <= size,
         "expected a line of at most %d bytes, found %zu", LINE_MAX_, length);
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

static CELLA_RESULT set(struct parse *p, const char *name, const char *value) {
    TRY(note_seen(p, name));
    switch (p->section) {
    case SECTION_ENCLAVE: return set_enclave(p, name, value);
    case SECTION_ARGUMENTS: return set_argument(p, name, value);
    case SECTION_ENVIRONMENT: return set_environment(p, name, value);
    case SECTION_MOUNT: return set_mount(p, name, value);
    case SECTION_PROGRAM: return set_program(p, name, value);
    case SECTION_KEY: return set_key(p, name, value);
    case SECTION_VAULT: return set_vault(p, name, value);
    case SECTION_NONE: break;
    }
    BAD("'%s' stands before the first [section]", name);
}

static int on_setting(void *user, const char *section, const char *name, const char *value) {
    struct parse *p = user;
    (void)section;
    if (!cella_failed(p->error)) p->error = set(p, name, value);
    return !cella_failed(p->error);
}

/* ---- the whole ---- */

static CELLA_RESULT check_mount(struct parse *p, uint32_t i) {
    const struct cella_config_mount *mount = &p->m->config.mount[i];
    p->line = p->mount_line[i];
    WANT(mount->type, "[mount]: expected a type: protected, trusted or shared");
    WANT(mount->host.size, "[mount]: expected the host's folder: host = FOLDER");
    if (mount->type == CELLA_MOUNT_PROTECTED)
        WANT(mount->key,
             "[mount]: a protected mount needs a key: named:NAME, vault:URL, seal:enclave or "
             "seal:signer");
    else
        WANT(!mount->key, "[mount]: a key on a mount that is not protected would encrypt nothing");
    if (mount->type == CELLA_MOUNT_TRUSTED) {
        WANT(!mount->writable, "[mount]: trusted files are pinned by hash and cannot be writable");
        WANT(p->m->mount_files[i], "[mount]: a trusted mount needs files = PATTERNS to pin");
    } else {
        WANT(!p->m->mount_files[i], "[mount]: files are pinned on trusted mounts only");
    }
    return CELLA_SUCCESS;
}

/* Keys of a vault and [vault] belong together: who attests the enclave, and whose certificates are
 * believed, is measured. */
static CELLA_RESULT check_vault(struct parse *p) {
    p->line = p->url_line ? p->url_line : p->vault_line;
    if (!p->line) return CELLA_SUCCESS;
    WANT(p->url_line,
         "[vault]: no key is of a vault: key = vault:URL of a mount, or vault = URL of "
         "a [key NAME]");
    WANT(p->m->vault_attest && p->m->vault_ca,
         "a key of a vault needs [vault] with attest = URL and ca = FILE");
    WANT(p->m->heap_size >= CELLA_FETCH_HEAP_MIN,
         "a key of a vault needs heap = 1M or more in [enclave], for the program that gets it");
    return CELLA_SUCCESS;
}

static CELLA_RESULT check_whole(struct parse *p) {
    struct cella_config *c = &p->m->config;
    for (uint32_t i = 0; i < c->mount_count; i++) TRY(check_mount(p, i));
    for (uint32_t i = 1; i < c->program_count; i++) {
        p->line = p->program_line[i];
        WANT(p->m->program_file[i], "[program]: expected the program's file: file = FILE");
        for (uint32_t k = 0; k < i; k++)
            WANT(c->program[k].path.size != c->program[i].path.size ||
                     !cella_equal(c->program[k].path.data, c->program[i].path.data,
                                  c->program[i].path.size),
                 "[program]: another program has the same path");
    }
    TRY(check_vault(p));
    if (c->arg_count == 0) c->arg_count = 1;
    if (!c->arg[0].data) c->arg[0] = c->program[0].path;
    for (uint32_t i = 0; i < c->arg_count; i++)
        WANT(c->arg[i].data, "[arguments]: number %u is missing", i);
    return CELLA_SUCCESS;
}

static CELLA_RESULT run(struct parse *p) {
    for (size_t i = 0; i < p->bytes.size; i++) {
        uint8_t b = p->bytes.data[i];
        p->line += b == '\n';
        if (b == 0 || (b < ' ' && b != '\t' && b != '\n' && b != '\r') || b == 0x7f)
            return bad_at(p, p->line + 1, "a control character (byte 0x%02x)", b);
    }
    p->line = 0;
    int bad_line = ini_parse_stream(read_line, p, on_setting, p);
    TRY(p->error);
    if (bad_line)
        return bad_at(p, p->line < (unsigned)bad_line ? p->line : (unsigned)bad_line,
                      "expected NAME = VALUE, [section] or a comment");
    return check_whole(p);
}

CELLA_RESULT cella_manifest_parse(struct cella_bytes bytes, const char *name,
                                  const char *program_path, struct cella_manifest *out) {
    memset(out, 0, sizeof(*out));
    ENSURE(bytes.size <= CELLA_MANIFEST_MAX, CELLA_ERR_LIMIT, NULL, "%s: larger than %d bytes",
           name, CELLA_MANIFEST_MAX);
    struct parse *p = calloc(1, sizeof(*p));
    ENSURE(p, CELLA_ERR_MEMORY, NULL, "no memory for a manifest");
    *p = (struct parse){.name = name, .bytes = bytes, .m = out};
    out->heap_size = DEFAULT_HEAP;
    out->stack_size = DEFAULT_STACK;
    out->config.thread_count = DEFAULT_THREADS;
    out->config.program_count = 1;
    struct cella_result r = keep(p, program_path, &out->config.program[0].path);
    if (!cella_failed(r)) r = run(p);
    free(p);
    if (!cella_failed(r)) return CELLA_SUCCESS;
    cella_manifest_free(out);
    return cella_result_trace(r, CELLA_WHERE);
}
