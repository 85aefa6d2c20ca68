/* The shim's surroundings for hosted tests: what the core promises (shim.h), a host program over a
 * real folder, and a platform, each of which can be told to lie. The raw system calls of the files
 * half go to the real kernel, those on the two channels to the functions here. */
#ifndef TESTS_SHIM_FAKE_H
#define TESTS_SHIM_FAKE_H

#include <setjmp.h>
#include <stdbool.h>

#include "shim/fd.h"

enum { FAKE_MESSAGE_MAX = 70000 };

struct fake_reply {
    uint8_t bytes[FAKE_MESSAGE_MAX];
    size_t size;
    int fds[3];
    unsigned fd_count;
};

struct fake {
    char folder[64]; /* mount i is folder/i */
    void (*lie_host)(uint32_t op,
                     struct fake_reply *reply); /* changes a true reply; NULL: honest */
    void (*lie_platform)(uint32_t op, struct fake_reply *reply);
    /* Changes the result of a raw system call; NULL: honest. */
    long (*lie_kernel)(long number, long result);
    uint8_t grants[8][1024]; /* what KEY_GRANT hands out, in order, then -ECANCELED */
    size_t grant_size[8];
    unsigned grant_count, grant_next;
    uint8_t request[40000]; /* what KEY_REQUEST got */
    size_t request_size;
    uint8_t boot[4096]; /* BOOT's payload */
    size_t boot_size;
    unsigned evidence_count, seal_count;
    char connected[256]; /* what CONNECT was asked for last */
    unsigned connect_count;
    int connect_error; /* errno of its answer; 0: it connects */
    int peer;          /* the other end of the last connection */
    char said[4096];   /* lines of shim_say and shim_abort since fake_clear */
    jmp_buf on_abort;
    bool catching;
};
extern struct fake fake;

/* A fresh folder per mount and an empty configuration. */
void fake_start(void);
void fake_end(void);
/* Adds a mount to shim.config; returns its index. */
uint32_t fake_mount(const char *path, uint32_t type, uint32_t key, uint32_t key_index,
                    bool writable);
void fake_clear(void);
/* True when the statement ends the enclave. */
#define FAKE_ABORTS(statement)                                                                     \
    ({                                                                                             \
        volatile bool aborted_ = true;                                                             \
        fake.catching = true;                                                                      \
        if (setjmp(fake.on_abort) == 0) {                                                          \
            statement;                                                                             \
            aborted_ = false;                                                                      \
        }                                                                                          \
        fake.catching = false;                                                                     \
        aborted_;                                                                                  \
    })
/* The files half keeps locks when it ends; the next test begins with open ones. */
void fake_unlock_all(void);
/* For fuzzing: locks open, descriptors closed, arenas given back. */
void fake_reset(void);
/* Path on disk of a file below mount i. */
const char *fake_path(uint32_t mount, const char *rest);
void fake_write(uint32_t mount, const char *rest, const void *bytes, size_t size);
size_t fake_read(uint32_t mount, const char *rest, void *bytes, size_t size);

#endif
