#include "cli/seal_arguments.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/envelope.h"
#include "seal/keyfile.h"

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void show_progress(void *context, uint64_t done, uint64_t total) {
    struct cella_cli_progress *p = context;
    double now = now_s(), mib = (double)done / (1 << 20);
    bool end = total && done == total;
    if (now - p->started_s < 1 && !p->shown) return; /* quick work needs no words */
    if (!end && now - p->told_s < 0.2) return;
    p->told_s = now;
    p->shown = true;
    fprintf(stderr, "\r%s: %.0f MiB", p->verb, mib);
    if (total)
        fprintf(stderr, " of %.0f MiB (%.0f %%)", (double)total / (1 << 20),
                100.0 * (double)done / (double)total);
    fprintf(stderr, ", %.0f MiB/s ", mib / (now - p->started_s));
    fflush(stderr);
}

void cella_cli_seal_free(struct cella_cli_seal *s) {
    if (s->progress.shown) fputc('\n', stderr);
    cella_secret_free(&s->key);
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static struct cella_result parse_words(const char *verb, int argc, char **argv,
                                       struct cella_cli_seal *s) {
    int places = 0;
    bool only_places = false;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i], **value = NULL;
        if (!only_places && word[0] == '-' && word[1]) {
            if (strcmp(word, "--key") == 0)
                value = &s->key_path;
            else if (strcmp(word, "--name") == 0)
                value = &s->name;
            else if (strcmp(word, "--vault") == 0)
                value = &s->vault;
            else if (strcmp(word, "--ca") == 0)
                value = &s->ca;
            else if (strcmp(word, "--wrapped") == 0)
                value = &s->wrapped;
            else if (strcmp(word, "--info") == 0 && strcmp(verb, "seal") == 0)
                value = &s->info;
            else if (strcmp(word, "--force") == 0)
                s->force = true;
            else if (strcmp(word, "--progress") == 0)
                s->progress.wanted = true;
            else if (strcmp(word, "--") == 0)
                only_places = true;
            else
                return cella_cli_usage(verb, "unknown option '%s'", word);
            if (!value) continue;
            if (i + 1 == argc) return cella_cli_usage(verb, "%s needs a value", word);
            *value = argv[++i];
        } else if (places < 2) {
            *(places++ ? &s->out : &s->in) = word;
        } else {
            return cella_cli_usage(verb, "expected IN and OUT, found also '%s'", word);
        }
    }
    if (s->info) return CELLA_SUCCESS;
    if (places < 2) return cella_cli_usage(verb, "expected IN and OUT, found %d of them", places);
    if (!s->key_path == !s->vault)
        return cella_cli_usage(verb, "expected either --key FILE or --vault URL");
    return CELLA_SUCCESS;
}

/* The wrapped key lies beside the sealed file, unless it is said where. */
static struct cella_result vault_key(const char *verb, const char *sealed,
                                     struct cella_cli_seal *s) {
    char path[4096];
    if (!s->wrapped && strcmp(sealed, "-") == 0)
        return cella_cli_usage(verb, "expected --wrapped FILE, where the wrapped key is kept");
    int size = s->wrapped ? snprintf(path, sizeof(path), "%s", s->wrapped)
                          : snprintf(path, sizeof(path), "%s.key.json", sealed);
    ENSURE(size > 0 && (size_t)size < sizeof(path), CELLA_ERR_LIMIT, NULL, "a path this long");
    if (strcmp(verb, "seal") == 0) return cella_cli_envelope_new(s->vault, s->ca, path, &s->key);
    return cella_cli_envelope_open(s->vault, s->ca, path, &s->key);
}

CELLA_RESULT cella_cli_seal_parse(const char *verb, int argc, char **argv,
                                  struct cella_cli_seal *s) {
    s->progress = (struct cella_cli_progress){
        .verb = verb, .wanted = isatty(STDERR_FILENO), .started_s = now_s()};
    TRY(parse_words(verb, argc, argv, s));
    if (s->info) return CELLA_SUCCESS;
    const char *sealed = strcmp(verb, "seal") == 0 ? s->out : s->in;
    if (!s->name) s->name = base_name(sealed);
    if (strcmp(s->name, "-") == 0 || !s->name[0])
        return cella_cli_usage(verb, "expected --name NAME, since '%s' gives no name to bind to",
                               sealed);
    if (s->vault)
        TRY(vault_key(verb, sealed, s));
    else
        TRY(cella_keyfile_read(s->key_path, &s->key));
    s->options.key = cella_secret_bytes(&s->key);
    s->options.name = cella_bytes_text(s->name);
    s->options.progress = s->progress.wanted ? show_progress : NULL;
    s->options.context = &s->progress;
    return CELLA_SUCCESS;
}
