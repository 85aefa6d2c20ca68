/* An enclave's host calls, against a folder of their own whose neighbour must never be reached. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/hostserver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/tmp/cella-fuzz-host-XXXXXX";
static char canary[64];

static int open_once(void) {
    static int fd = -1;
    if (fd >= 0) return fd;
    char inside[64];
    if (!mkdtemp(folder)) abort();
    snprintf(canary, sizeof(canary), "%s/canary", folder);
    snprintf(inside, sizeof(inside), "%s/inside", folder);
    if (mkdir(inside, 0700) != 0) abort();
    int file = open(canary, O_CREAT | O_WRONLY, 0400);
    if (file < 0 || write(file, "bird", 4) != 4) abort();
    close(file);
    fd = open(inside, O_PATH | O_DIRECTORY);
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t reply[CELLA_HOSTCALL_MAX];
    static struct cella_config config;
    struct cella_host_server server = {.mount_count = 1, .config = &config};
    server.mount[0].folder = open_once();
    server.mount[0].writable = true;
    size_t reply_size = 0;
    int fd = -1;
    enum cella_host_answer answer =
        cella_host_serve(&server, cella_bytes(data, size), reply, &reply_size, &fd);
    if (answer == CELLA_HOST_ANSWERED &&
        (reply_size < CELLA_HOSTCALL_REPLY_HEADER || reply_size > sizeof(reply)))
        abort();
    if (fd >= 0) close(fd);
    struct stat st;
    if (stat(canary, &st) != 0 || st.st_size != 4) abort();
    return 0;
}
