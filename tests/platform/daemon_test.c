/* Hostile clients of a running platform: whatever one does, the next is served at once. */
#include "cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/writer.h"
#include "platform/channel.h"
#include "platform/client.h"
#include "platform/monitor.h"

static char folder[64];
static struct cella_client_options client;
static pid_t daemon_pid;

static void start_daemon(void) {
    int ready[2];
    char word;
    assert_int_equal(pipe(ready), 0);
    daemon_pid = fork();
    if (daemon_pid == 0) {
        close(ready[0]);
        struct cella_monitor_options o = {
            .paths = client.paths, .pool_size = 1 << 20, .root = "file", .ready_fd = ready[1]};
        struct cella_result r = cella_monitor_run(&o);
        cella_result_print(r);
        _exit(cella_failed(r));
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &word, 1), 1);
    assert_int_equal(word, 'R');
    close(ready[0]);
}

static int set_up(void **state) {
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    strcpy(folder, "/tmp/cella-daemon-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(client.paths.socket, sizeof(client.paths.socket), "%s/run/p.sock", folder);
    snprintf(client.paths.state, sizeof(client.paths.state), "%s/state", folder);
    client.paths.overridden = true;
    start_daemon();
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    char command[128];
    int status;
    kill(daemon_pid, SIGTERM);
    assert_int_equal(waitpid(daemon_pid, &status, 0), daemon_pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command);
}

static int64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void assert_serves(void) {
    int socket;
    struct cella_buffer answer = {0};
    int64_t start = now_ms();
    assert_ok(cella_client_connect(&client, &socket));
    assert_ok(cella_client_ask(socket, CELLA_PROTOCOL_STATUS, &answer));
    assert_ok(cella_buffer_append(&answer, cella_bytes("", 1)));
    assert_non_null(strstr((char *)answer.data, "enclaves=0"));
    assert_true(now_ms() - start < 1000);
    cella_buffer_free(&answer);
    close(socket);
}

static int raw(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, client.paths.socket);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* The code of the platform's answer; 255 when it only closed. */
static unsigned answer_code(int fd) {
    uint8_t answer[CELLA_PROTOCOL_ANSWER_MAX];
    struct timeval patience = {5, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    ssize_t n = recv(fd, answer, sizeof(answer), 0);
    assert_true(n >= 0 || errno == ECONNRESET);
    return n >= 8 ? answer[4] : 255;
}

static size_t start_bytes(uint8_t out[64]) {
    struct cella_writer w = cella_writer(out, 64);
    cella_writer_u32le(&w, CELLA_PROTOCOL_START);
    cella_writer_u32le(&w, CELLA_PROTOCOL_VERSION);
    cella_writer_u16le(&w, 1);
    cella_writer_put(&w, cella_bytes("x", 1));
    return w.size;
}

/* START with these as image and host channel; the code of the answer. */
static unsigned start_with(int image, int host) {
    uint8_t bytes[64];
    size_t size = start_bytes(bytes);
    int fd = raw(), fds[5] = {image, 0, 1, 2, host};
    assert_int_equal(cella_channel_send(fd, cella_bytes(bytes, size), fds, 5, 0),
                     CELLA_CHANNEL_MESSAGE);
    unsigned code = answer_code(fd);
    close(fd);
    return code;
}

static void test_garbage(void **state) {
    (void)state;
    static uint8_t bytes[CELLA_PROTOCOL_REQUEST_MAX * 64];
    for (unsigned i = 0; i < 200; i++) {
        int fd = raw();
        for (size_t k = 0; k < sizeof(bytes); k++) bytes[k] = (uint8_t)(i * 31 + k * 7 + (k >> 3));
        if (i % 3 == 0) memcpy(bytes, "\1\0\0\0\1\0\0\0", 8);
        (void)!send(fd, bytes, (size_t)i * i, MSG_NOSIGNAL); /* empty, short, over the limit */
        (void)answer_code(fd);
        close(fd);
    }
    assert_serves();
}

static void test_wrong_descriptors(void **state) {
    (void)state;
    int host[2], stream[2], pipes[2], file = open("/proc/self/exe", O_RDONLY);
    assert_ok(cella_channel_pair(host));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, stream), 0);
    assert_int_equal(pipe(pipes), 0);
    int zero = open("/dev/zero", O_RDONLY), folder_fd = open("/", O_RDONLY | O_DIRECTORY);
    int path_only = open("/proc/self/exe", O_PATH), empty = memfd_create("empty", 0);
    int write_only = open(client.paths.state, O_TMPFILE | O_WRONLY, 0600),
        huge = memfd_create("huge", 0);
    assert_int_equal(ftruncate(huge, 1LL << 40), 0);
    assert_int_equal(start_with(pipes[0], host[0]), CELLA_ERR_FORMAT);
    assert_int_equal(start_with(zero, host[0]), CELLA_ERR_FORMAT);
    assert_int_equal(start_with(folder_fd, host[0]), CELLA_ERR_FORMAT);
    assert_int_equal(start_with(host[1], host[0]), CELLA_ERR_FORMAT);
    assert_int_equal(start_with(path_only, host[0]),
                     CELLA_ERR_PERMISSION); /* may not be readable to this client */
    if (write_only >= 0) assert_int_equal(start_with(write_only, host[0]), CELLA_ERR_PERMISSION);
    assert_int_equal(start_with(empty, host[0]), CELLA_ERR_LIMIT);
    assert_int_equal(start_with(huge, host[0]), CELLA_ERR_LIMIT);
    assert_int_equal(start_with(file, file), CELLA_ERR_PROTOCOL);
    assert_int_equal(start_with(file, stream[0]), CELLA_ERR_PROTOCOL);
    assert_int_equal(start_with(file, pipes[1]), CELLA_ERR_PROTOCOL);
    assert_int_equal(start_with(file, host[0]), CELLA_ERR_FORMAT); /* an ELF is no image */
    assert_serves();
}

static void test_descriptor_floods(void **state) {
    (void)state;
    uint8_t bytes[64];
    size_t size = start_bytes(bytes);
    int many[8];
    for (int i = 0; i < 8; i++) many[i] = 0;
    for (int round = 0; round < 300;
         round++) { /* would run the daemon out of descriptors if it kept any */
        int fd = raw();
        (void)cella_channel_send(fd, cella_bytes(bytes, size), many, 1 + round % 8, 0);
        if (round % 2) (void)answer_code(fd);
        close(fd);
    }
    assert_serves();
}

/* K17: connections that say nothing are bounded, and go away by themselves; others are served
 * meanwhile. */
static void test_silent_connections(void **state) {
    (void)state;
    int fds[200];
    for (int i = 0; i < 200; i++) {
        fds[i] = raw();
        (void)fcntl(fds[i], F_SETFL, O_NONBLOCK);
    }
    assert_serves();
    for (int i = 0; i < 200; i++) close(fds[i]);
    assert_serves();
}

/* Half a million bytes of requests whose answers are never read. */
static void test_client_that_does_not_read(void **state) {
    (void)state;
    uint8_t request[8] = {CELLA_PROTOCOL_STATUS, 0, 0, 0, CELLA_PROTOCOL_VERSION};
    int fd = raw();
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 2000; i++)
        if (send(fd, request, sizeof(request), MSG_NOSIGNAL) < 0 && errno != EAGAIN) break;
    assert_serves();
    close(fd);
    assert_serves();
}

static void test_second_daemon_is_refused(void **state) {
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        struct cella_monitor_options o = {
            .paths = client.paths, .pool_size = 1 << 20, .root = "file", .ready_fd = -1};
        struct cella_result r = cella_monitor_run(&o);
        _exit((int)cella_code_of(r));
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), CELLA_ERR_EXISTS);
    assert_serves();
}

/* After kill -9 the socket's file is still there; the next daemon takes its place and has the same
 * keys. */
static void test_restart_after_kill(void **state) {
    (void)state;
    struct cella_buffer before = {0}, after = {0};
    int fd;
    assert_ok(cella_client_connect(&client, &fd));
    assert_ok(cella_client_ask(fd, CELLA_PROTOCOL_KEY, &before));
    kill(daemon_pid, SIGKILL);
    waitpid(daemon_pid, NULL, 0);
    assert_code(CELLA_ERR_UNAVAILABLE, cella_client_ask(fd, CELLA_PROTOCOL_STATUS, &after));
    close(fd);
    start_daemon();
    assert_ok(cella_client_connect(&client, &fd));
    assert_ok(cella_client_ask(fd, CELLA_PROTOCOL_KEY, &after));
    close(fd);
    assert_int_equal(before.size, after.size);
    assert_memory_equal(before.data, after.data, before.size);
    cella_buffer_free(&before);
    cella_buffer_free(&after);
    assert_serves();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_wrong_descriptors),
        cmocka_unit_test(test_descriptor_floods),
        cmocka_unit_test(test_silent_connections),
        cmocka_unit_test(test_client_that_does_not_read),
        cmocka_unit_test(test_second_daemon_is_refused),
        cmocka_unit_test(test_restart_after_kill),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
