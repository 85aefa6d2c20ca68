#include <cella/image.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/config.h"
#include "abi/keygrant.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli/cli.h"
#include "fetch/authorities.h"
#include "fetch/settings.h"
#include "image/foreign.h"
#include "image/region.h"
#include "image/sigstruct.h"

const char cella_help_inspect[] = "usage: cella inspect [--json] FILE\n"
                                  "Shows what an image is: identity, signature, manifest, layout. "
                                  "Exit status 3 when it is not what its signer\n"
                                  "signed. Also takes a signed enclave of Intel's SDK (.so) and a "
                                  "raw SIGSTRUCT of 1808 bytes.\n\n"
                                  "  --json   one JSON object: kind, verdict, mrenclave, mrsigner, "
                                  "product_id, security_version, debug, sigstruct,\n"
                                  "           and for images config_id, enclave, programs, "
                                  "arguments, environment, keys, vault, mounts, trusted,\n"
                                  "           regions\n";

/* The document both forms are printed from: inspect gathers all it can show in JSON, and the
 * readable form walks it, so that the two never disagree. */

static void drop_json(json_t **j) { json_decref(*j); }
#define JSON __attribute__((cleanup(drop_json))) json_t *

static void put(json_t *to, const char *name, json_t *value) {
    json_object_set_new(to, name, value);
}

static json_t *hex_of(const uint8_t *data, size_t size) {
    char text[2 * CELLA_RSA3072_SIZE + 1];
    cella_hex_encode(cella_bytes(data, size), text);
    return json_string(text);
}
#define HEX(array) hex_of((array), sizeof(array))

static json_t *number_hex(uint64_t v) {
    char text[24];
    snprintf(text, sizeof(text), "0x%llx", (unsigned long long)v);
    return json_string(text);
}

static json_t *integer(uint64_t v) { return json_integer((json_int_t)v); }

/* A stranger's configuration may hold bytes that are not UTF-8, which JSON cannot, or that command
 * a terminal. Such a text is shown with \xNN for each byte outside printable ASCII. */
static json_t *text_of(struct cella_bytes text) {
    bool control = false;
    for (size_t i = 0; i < text.size; i++) control |= text.data[i] < ' ' || text.data[i] == 0x7f;
    json_t *plain = control ? NULL : json_stringn((const char *)text.data, text.size);
    if (plain || text.size == 0) return plain ? plain : json_string("");
    size_t room = 4 * text.size + 1, used = 0;
    char *escaped = malloc(room);
    for (size_t i = 0; escaped && i < text.size; i++) {
        bool shown = text.data[i] >= ' ' && text.data[i] < 0x7f;
        int size = snprintf(escaped + used, room - used, shown ? "%c" : "\\x%02x", text.data[i]);
        used += (size_t)size;
    }
    json_t *j = json_stringn(escaped ? escaped : "", escaped ? used : 0);
    free(escaped);
    return j;
}

/* ---- gathering ---- */

static json_t *sigstruct_json(const struct cella_sigstruct *s) {
    json_t *j = json_object();
    char date[16];
    snprintf(date, sizeof(date), "%08x", s->date);
    put(j, "vendor", number_hex(s->vendor));
    put(j, "date", json_string(date));
    put(j, "swdefined", number_hex(s->swdefined));
    put(j, "miscselect", number_hex(s->miscselect));
    put(j, "miscmask", number_hex(s->miscmask));
    put(j, "flags", number_hex(s->flags));
    put(j, "flags_mask", number_hex(s->flags_mask));
    put(j, "xfrm", number_hex(s->xfrm));
    put(j, "xfrm_mask", number_hex(s->xfrm_mask));
    put(j, "enclavehash", HEX(s->mrenclave));
    put(j, "family_id", HEX(s->family_id));
    put(j, "ext_product_id", HEX(s->ext_product_id));
    put(j, "modulus", HEX(s->modulus));
    put(j, "signature", HEX(s->signature));
    return j;
}

static CELLA_RESULT gather_sigstruct(struct cella_bytes bytes, json_t *doc) {
    struct cella_sigstruct s;
    uint8_t mrsigner[CELLA_SGX_HASH_SIZE];
    TRY(cella_sigstruct_parse(bytes, &s));
    put(doc, "sigstruct", sigstruct_json(&s));
    put(doc, "product_id", integer(s.product_id));
    put(doc, "security_version", integer(s.svn));
    put(doc, "debug", json_boolean(s.flags & CELLA_SGX_ATTRIBUTE_DEBUG));
    if (s.modulus[CELLA_RSA3072_SIZE - 1] == 0) return CELLA_SUCCESS; /* not signed yet */
    TRY(cella_sigstruct_mrsigner(&s, mrsigner));
    put(doc, "mrsigner", HEX(mrsigner));
    return CELLA_SUCCESS;
}

static json_t *range_json(const struct cella_config_range *range) {
    json_t *j = json_object();
    put(j, "offset", number_hex(range->offset));
    put(j, "size", integer(range->pages * CELLA_PAGE_SIZE));
    return j;
}

static void gather_layout(const struct cella_config *c, json_t *doc) {
    json_t *enclave = json_object(), *programs = json_array();
    put(enclave, "size", integer(c->enclave_size));
    put(enclave, "base", json_string(c->base_mode ? "zero" : "any"));
    put(enclave, "threads", integer(c->thread_count));
    put(enclave, "heap", range_json(&c->heap));
    put(enclave, "stack", range_json(&c->stack));
    put(enclave, "memory",
        json_string(c->flags & CELLA_CONFIG_MEMORY_PRIVATE ? "private" : "secret"));
    put(enclave, "host_signals", number_hex(c->host_signals));
    put(enclave, "calls", integer(c->calls_size));
    put(doc, "enclave", enclave);
    put(doc, "config_id", HEX(c->config_id));
    for (uint32_t i = 0; i < c->program_count; i++) {
        json_t *p = json_object();
        put(p, "path", text_of(c->program[i].path));
        put(p, "offset", number_hex(c->program[i].whole.offset));
        put(p, "size", integer(c->program[i].whole.pages * CELLA_PAGE_SIZE));
        put(p, "entry", number_hex(c->program[i].entry));
        json_array_append_new(programs, p);
    }
    put(doc, "programs", programs);
}

static void gather_words(const struct cella_config *c, json_t *doc) {
    json_t *arguments = json_object(), *fixed = json_array(), *environment = json_array(),
           *keys = json_array();
    for (uint32_t i = 0; i < c->arg_count; i++) json_array_append_new(fixed, text_of(c->arg[i]));
    put(arguments, "fixed", fixed);
    put(arguments, "host", json_boolean(c->flags & CELLA_CONFIG_HOST_ARGS));
    put(doc, "arguments", arguments);
    for (uint32_t i = 0; i < c->env_count; i++) {
        json_t *e = json_object();
        put(e, "name", text_of(c->env[i].name));
        put(e, "value", text_of(c->env[i].value));
        put(e, "from_host", json_boolean(c->env[i].from_host));
        json_array_append_new(environment, e);
    }
    put(doc, "environment", environment);
    for (uint32_t i = 0; i < c->key_count; i++) {
        json_t *k = json_object();
        put(k, "name", text_of(c->key[i]));
        put(k, "id",
            c->key_id[i].size ? hex_of(c->key_id[i].data, CELLA_KEY_ID_SIZE) : json_null());
        put(k, "from", json_string(c->key_vault[i] ? "vault" : "owner"));
        json_array_append_new(keys, k);
    }
    put(doc, "keys", keys);
}

static struct cella_result gather_authority(void *list, const struct cella_fetch_authority *one) {
    json_t *j = json_object();
    put(j, "subject", json_string(one->name));
    put(j, "sha256", HEX(one->sha256));
    json_array_append_new(list, j);
    return CELLA_SUCCESS;
}

/* "url" of each key that comes from a vault; whom the image believes about that. */
static CELLA_RESULT gather_vault(const struct cella_config *c, json_t *doc) {
    CELLA_FETCH_SETTINGS s = {0};
    json_t *vault = json_object(), *authorities = json_array(), *key;
    size_t k;
    put(vault, "authorities", authorities);
    put(doc, "vault", vault);
    if (!c->vault.size) {
        put(doc, "vault", json_null());
        return CELLA_SUCCESS;
    }
    TRY(cella_fetch_settings_read(c->vault, &s));
    put(vault, "attest", json_string(s.attest));
    put(vault, "program", text_of(c->program[c->program_count - 1].path));
    for (size_t i = 0; i < s.count; i++)
        json_array_foreach(json_object_get(doc, "keys"), k,
                           key) if (strcmp(json_string_value(json_object_get(key, "name")),
                                           s.key[i].name) == 0)
            put(key, "url", json_string(s.key[i].url));
    return cella_fetch_authorities(s.ca, gather_authority, authorities);
}

static json_t *mount_key(const struct cella_config *c, const struct cella_config_mount *m) {
    if (m->key == CELLA_KEY_SEAL_ENCLAVE) return json_string("seal:enclave");
    if (m->key == CELLA_KEY_SEAL_SIGNER) return json_string("seal:signer");
    if (m->key != CELLA_KEY_NAMED) return json_null();
    struct cella_bytes name = c->key[m->key_index];
    return json_sprintf("named:%.*s", (int)name.size, (const char *)name.data);
}

static void gather_mounts(const struct cella_config *c, json_t *doc) {
    static const char *const types[] = {"", "protected", "trusted", "shared"};
    json_t *mounts = json_array(), *trusted = json_array();
    for (uint32_t i = 0; i < c->mount_count; i++) {
        const struct cella_config_mount *m = &c->mount[i];
        json_t *j = json_object();
        put(j, "path", text_of(m->path));
        put(j, "type", json_string(types[m->type]));
        put(j, "host", text_of(m->host));
        put(j, "key", mount_key(c, m));
        put(j, "writable", json_boolean(m->writable));
        json_array_append_new(mounts, j);
    }
    put(doc, "mounts", mounts);
    for (uint32_t i = 0; i < c->trusted_count; i++) {
        const struct cella_config_trusted *t = &c->trusted[i];
        json_t *j = json_object(), *hashes = json_array();
        put(j, "mount", text_of(c->mount[t->mount].path));
        put(j, "path", text_of(t->path));
        put(j, "size", integer(t->size));
        for (size_t at = 0; at < t->hashes.size; at += CELLA_SGX_HASH_SIZE)
            json_array_append_new(hashes, hex_of(t->hashes.data + at, CELLA_SGX_HASH_SIZE));
        put(j, "sha256", hashes);
        json_array_append_new(trusted, j);
    }
    put(doc, "trusted", trusted);
}

static void flags_text(uint64_t flags, char out[8]) {
    if (flags & CELLA_SGX_SECINFO_TCS)
        snprintf(out, 8, "tcs");
    else
        snprintf(out, 8, "%c%c%c", flags & CELLA_SGX_SECINFO_R ? 'r' : '-',
                 flags & CELLA_SGX_SECINFO_W ? 'w' : '-', flags & CELLA_SGX_SECINFO_X ? 'x' : '-');
}

static void gather_regions(const struct cella_image *image, json_t *doc) {
    json_t *regions = json_array();
    for (uint32_t i = 0; i < image->region_count; i++) {
        const struct cella_region *g = &image->regions[i];
        json_t *j = json_object();
        char flags[8];
        flags_text(g->flags, flags);
        put(j, "offset", number_hex(g->offset));
        put(j, "pages", integer(g->pages));
        put(j, "kind", json_string(cella_region_rule(g->kind)->name));
        put(j, "index", integer(g->index));
        put(j, "flags", json_string(flags));
        put(j, "measured", json_boolean(g->measured));
        put(j, "content", g->file_offset ? integer(g->file_offset) : json_null());
        json_array_append_new(regions, j);
    }
    put(doc, "regions", regions);
}

static CELLA_RESULT gather_image(const struct cella_image *image, struct cella_config *config,
                                 json_t *doc) {
    uint8_t mrenclave[CELLA_SGX_HASH_SIZE];
    put(doc, "kind", json_string("image"));
    TRY(cella_image_measure(image, mrenclave));
    put(doc, "mrenclave", HEX(mrenclave));
    TRY(gather_sigstruct(image->sigstruct, doc));
    TRY(cella_config_decode(image->config, config));
    gather_layout(config, doc);
    gather_words(config, doc);
    TRY(gather_vault(config, doc));
    gather_mounts(config, doc);
    gather_regions(image, doc);
    return CELLA_SUCCESS;
}

/* ---- the readable form ---- */

static const char *say(json_t *from, const char *name) {
    const char *text = json_string_value(json_object_get(from, name));
    return text ? text : "-";
}
static unsigned long long count(json_t *from, const char *name) {
    return (unsigned long long)json_integer_value(json_object_get(from, name));
}

static void print_identity(json_t *doc, const char *verdict) {
    json_t *s = json_object_get(doc, "sigstruct");
    printf("%s\n", verdict);
    printf("mrenclave         %s\n", say(doc, "mrenclave"));
    printf("mrsigner          %s\n", say(doc, "mrsigner"));
    printf("product id        %llu\n", count(doc, "product_id"));
    printf("security version  %llu\n", count(doc, "security_version"));
    printf("debug             %s\n", json_is_true(json_object_get(doc, "debug"))
                                         ? "yes: its memory is open to a debugger"
                                         : "no");
    if (json_object_get(doc, "config_id")) printf("config id         %s\n", say(doc, "config_id"));
    printf("signed            %s, vendor %s\n", say(s, "date"), say(s, "vendor"));
    printf("attributes        %s mask %s, xfrm %s mask %s\n", say(s, "flags"), say(s, "flags_mask"),
           say(s, "xfrm"), say(s, "xfrm_mask"));
    printf("miscselect        %s mask %s\n", say(s, "miscselect"), say(s, "miscmask"));
}

static void print_key(json_t *key) {
    bool vault = strcmp(say(key, "from"), "vault") == 0;
    bool pinned = json_is_string(json_object_get(key, "id"));
    printf("key               %s, from %s%s%s%s\n", say(key, "name"),
           vault ? "the vault " : "its owner", vault ? say(key, "url") : "",
           pinned ? ", with the id " : ", any (no id is pinned)", pinned ? say(key, "id") : "");
}

static void print_vault(json_t *vault) {
    json_t *item;
    size_t i;
    if (!json_is_object(vault)) return;
    printf("vault             keys are got by %s, before the first program, on a token of %s\n",
           say(vault, "program"), say(vault, "attest"));
    json_array_foreach(json_object_get(vault, "authorities"), i, item)
        printf("authority         %s, SHA-256 %s\n", say(item, "subject"), say(item, "sha256"));
}

static void print_manifest(json_t *doc) {
    json_t *e = json_object_get(doc, "enclave"), *a = json_object_get(doc, "arguments"), *item;
    size_t i;
    printf("\nenclave           %llu MiB at %s, %llu threads, heap %llu KiB, stack %llu KiB, "
           "memory %s\n",
           count(e, "size") >> 20,
           strcmp(say(e, "base"), "zero") == 0 ? "address 0" : "any address", count(e, "threads"),
           count(json_object_get(e, "heap"), "size") >> 10,
           count(json_object_get(e, "stack"), "size") >> 10, say(e, "memory"));
    if (count(e, "calls"))
        printf("calls             %llu slots of %llu KiB\n", count(e, "threads"),
               count(e, "calls") >> 10);
    json_array_foreach(json_object_get(doc, "programs"), i, item)
        printf("program           %s at %s, %llu KiB\n", say(item, "path"), say(item, "offset"),
               count(item, "size") >> 10);
    json_array_foreach(json_object_get(a, "fixed"), i, item)
        printf("argument %-2zu       %s\n", i, json_string_value(item));
    if (json_is_true(json_object_get(a, "host"))) printf("arguments         more from the host\n");
    json_array_foreach(json_object_get(doc, "environment"), i, item)
        printf("environment       %s=%s%s\n", say(item, "name"), say(item, "value"),
               json_is_true(json_object_get(item, "from_host")) ? "  (the host may set it)" : "");
    json_array_foreach(json_object_get(doc, "keys"), i, item) print_key(item);
    print_vault(json_object_get(doc, "vault"));
    json_array_foreach(json_object_get(doc, "mounts"), i, item)
        printf("mount             %s: %s%s%s, %s, host folder %s\n", say(item, "path"),
               say(item, "type"), json_is_string(json_object_get(item, "key")) ? " under " : "",
               json_is_string(json_object_get(item, "key")) ? say(item, "key") : "",
               json_is_true(json_object_get(item, "writable")) ? "writable" : "read-only",
               say(item, "host"));
    json_array_foreach(json_object_get(doc, "trusted"), i, item)
        printf("pinned            %s/%s, %llu bytes\n", say(item, "mount"), say(item, "path"),
               count(item, "size"));
}

static void print_regions(json_t *doc) {
    json_t *item;
    size_t i;
    printf("\n%-14s %8s  %-4s %-14s %5s  %s\n", "offset", "pages", "", "kind", "index", "");
    json_array_foreach(json_object_get(doc, "regions"), i, item)
        printf("%-14s %8llu  %-4s %-14s %5llu  %s%s\n", say(item, "offset"), count(item, "pages"),
               say(item, "flags"), say(item, "kind"), count(item, "index"),
               json_is_integer(json_object_get(item, "content")) ? "content" : "zeros",
               json_is_true(json_object_get(item, "measured")) ? "" : ", not measured");
}

/* ---- the command ---- */

static CELLA_RESULT inspect_image(struct cella_bytes file, json_t *doc,
                                  struct cella_result *verdict) {
    struct cella_image image;
    struct cella_identity id;
    struct cella_config *config = malloc(sizeof(*config));
    ENSURE(config, CELLA_ERR_MEMORY, NULL, "no memory for a configuration");
    struct cella_result r = cella_image_open(file, &image);
    if (!cella_failed(r)) r = gather_image(&image, config, doc);
    if (!cella_failed(r)) *verdict = cella_image_verify(&image, &id);
    cella_image_free(&image);
    free(config);
    return r;
}

static CELLA_RESULT inspect_foreign(struct cella_bytes file, json_t *doc,
                                    struct cella_result *verdict) {
    struct cella_sdk_enclave sdk = {.sigstruct = file};
    struct cella_sigstruct s;
    put(doc, "kind", json_string(file.size == CELLA_SGX_SIGSTRUCT_SIZE ? "sigstruct" : "sdk"));
    if (file.size != CELLA_SGX_SIGSTRUCT_SIZE) TRY(cella_sdk_measure(file, &sdk));
    TRY(cella_sigstruct_parse(sdk.sigstruct, &s));
    put(doc, "mrenclave",
        file.size == CELLA_SGX_SIGSTRUCT_SIZE ? HEX(s.mrenclave) : HEX(sdk.mrenclave));
    TRY(gather_sigstruct(sdk.sigstruct, doc));
    *verdict = cella_sigstruct_verify(&s);
    if (!cella_failed(*verdict) && file.size != CELLA_SGX_SIGSTRUCT_SIZE &&
        !cella_equal(s.mrenclave, sdk.mrenclave, sizeof(s.mrenclave)))
        *verdict = CELLA_FAILURE(CELLA_ERR_INTEGRITY, NULL,
                                 "the file does not measure to the hash that is signed");
    return CELLA_SUCCESS;
}

CELLA_RESULT cella_cmd_inspect(int argc, char **argv) {
    static const struct option options[] = {{"json", no_argument, NULL, 'j'}, {NULL, 0, NULL, 0}};
    CELLA_BUFFER file = {0};
    JSON doc = json_object();
    bool json = false;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c != 'j') return cella_cli_usage("inspect", "unknown option");
        json = true;
    }
    if (optind + 1 != argc) return cella_cli_usage("inspect", "expected one file");
    TRY(cella_file_read(argv[optind], CELLA_IMAGE_FILE_MAX, &file));
    struct cella_bytes bytes = cella_buffer_bytes(&file);
    struct cella_result verdict = CELLA_SUCCESS;
    bool foreign = bytes.size == CELLA_SGX_SIGSTRUCT_SIZE || cella_sdk_is(bytes);
    TRY_IN(foreign ? inspect_foreign(bytes, doc, &verdict) : inspect_image(bytes, doc, &verdict),
           "%s", argv[optind]);
    bool good = !cella_failed(verdict);
    put(doc, "verdict", json_string(good ? "valid" : verdict.error->what));
    if (json) {
        json_dumpf(doc, stdout, JSON_INDENT(2));
        putchar('\n');
    } else {
        print_identity(doc, good ? "signature valid" : "NOT VALID, see the error below");
        if (!foreign) print_manifest(doc);
        if (!foreign) print_regions(doc);
    }
    if (!good) return cella_result_context(verdict, CELLA_WHERE, "%s", argv[optind]);
    return CELLA_SUCCESS;
}
