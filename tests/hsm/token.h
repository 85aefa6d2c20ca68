/* A token of SoftHSM in a folder of its own, for tests of what stands on an HSM. Needs
 * softhsm2-util; without it the test says so and skips. */
#ifndef CELLA_TESTS_HSM_TOKEN_H
#define CELLA_TESTS_HSM_TOKEN_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../results.h"

#define TOKEN_PIN "246810"

struct token {
    char folder[64], module[128], uri[512], conf[128];
};

static inline const char *token_module(void) {
    static const char *const paths[] = {"/usr/lib/softhsm/libsofthsm2.so",
                                        "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
                                        "/usr/lib64/pkcs11/libsofthsm2.so"};
    for (size_t i = 0; i < 3; i++)
        if (access(paths[i], R_OK) == 0) return paths[i];
    return NULL;
}

static inline void token_need(void) {
    if (token_module() && system("command -v softhsm2-util >/dev/null") == 0) return;
    printf("skipped: no softhsm2\n");
    exit(77);
}

static inline void token_file(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0600), 0);
}

static inline void token_pin(const struct token *token, const char *pin) {
    char path[128];
    snprintf(path, sizeof(path), "%s/pin", token->folder);
    token_file(path, pin);
}

/* The configuration that SoftHSM reads when a process first loads it. mechanisms: "ALL", or a list
 * with - before it of what it is to lack. */
static inline void token_configure(const struct token *token, const char *mechanisms) {
    char text[512];
    snprintf(text, sizeof(text),
             "directories.tokendir = %s/tokens\nobjectstore.backend = file\nlog.level = ERROR\n"
             "slots.mechanisms = %s\n",
             token->folder, mechanisms);
    token_file(token->conf, text);
    assert_int_equal(setenv("SOFTHSM2_CONF", token->conf, 1), 0);
}

static inline void token_new(struct token *token) {
    char path[128], command[256];
    snprintf(token->folder, sizeof(token->folder), "/tmp/cella-hsm-XXXXXX");
    assert_non_null(mkdtemp(token->folder));
    snprintf(token->conf, sizeof(token->conf), "%s/softhsm2.conf", token->folder);
    snprintf(path, sizeof(path), "%s/tokens", token->folder);
    assert_int_equal(mkdir(path, 0700), 0);
    token_configure(token, "ALL");
    token_pin(token, TOKEN_PIN "\n");
    snprintf(command, sizeof(command),
             "softhsm2-util --init-token --free --label vault --so-pin 12345678 --pin " TOKEN_PIN
             " >/dev/null");
    assert_int_equal(system(command), 0);
    snprintf(token->uri, sizeof(token->uri),
             "pkcs11:token=vault?module-path=%s&pin-source=file:%s/pin", token_module(),
             token->folder);
}

static inline void token_free(struct token *token) {
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", token->folder);
    assert_int_equal(system(command), 0);
}

/* Takes the token away, and puts it back. */
static inline void token_move(const struct token *token, bool away) {
    char here[128], there[128];
    snprintf(here, sizeof(here), "%s/tokens", token->folder);
    snprintf(there, sizeof(there), "%s/away", token->folder);
    assert_int_equal(away ? rename(here, there) : rename(there, here), 0);
}

#endif
