/* Requests to handlers, and answers to bytes. */
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "http/server_inner.h"

enum { HEAD_ROOM = 512, PATH_LOGGED = 256, CLIENT_ID_MAX = 128, LINE_ROOM = 1024 };

uint64_t cella_http_now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void cella_http_header(struct cella_http_response *response, const char *name, const char *value) {
    if (response->header_count == CELLA_HTTP_HEADERS) return;
    response->header[response->header_count].name = name;
    response->header[response->header_count++].value = value;
}

void cella_http_header_copy(struct cella_http_response *response, const char *name,
                            struct cella_bytes value) {
    struct cella_buffer *text = &response->header_text;
    const uint8_t *before = text->data;
    size_t size = text->size;
    uint8_t *to = NULL;
    struct cella_result r = cella_buffer_extend(text, value.size + 1, &to);
    if (!cella_failed(r)) cella_copy(to, value.data, value.size);
    bool good = !cella_failed(r);
    cella_result_drop(r);
    if (!good) return;
    /* Values before it moved with the buffer. */
    for (size_t i = 0; before && i < response->header_count; i++) {
        uintptr_t at = (uintptr_t)response->header[i].value, old = (uintptr_t)before;
        if (at >= old && at < old + size)
            response->header[i].value = (const char *)text->data + (at - old);
    }
    cella_http_header(response, name, (const char *)to);
}

bool cella_http_request_header(const struct cella_http_request *request, const char *name,
                               struct cella_bytes *value) {
    *value = cella_bytes(NULL, 0);
    return request->inside && cella_http_message_field(request->inside, name, value);
}

/* --- Identity and time --- */

static bool make_id(struct worker *w, char id[static CELLA_HTTP_ID]) {
    if (w->random_left == 0) {
        if (RAND_bytes(w->random, sizeof(w->random)) != 1) return false;
        w->random_left = sizeof(w->random);
    }
    w->random_left -= 16;
    uint8_t *r = w->random + w->random_left;
    static const char digits[] = "0123456789abcdef";
    char *to = id;
    r[6] = (uint8_t)((r[6] & 0x0f) | 0x40); /* RFC 9562 §5.4 */
    r[8] = (uint8_t)((r[8] & 0x3f) | 0x80);
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) *to++ = '-';
        *to++ = digits[r[i] >> 4];
        *to++ = digits[r[i] & 15];
    }
    *to = 0;
    return true;
}

static const char *date(struct worker *w) {
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"},
                      months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t now = time(NULL);
    struct tm t;
    if ((uint64_t)now == w->date_unix || !gmtime_r(&now, &t)) return w->date;
    w->date_unix = (uint64_t)now;
    snprintf(w->date, sizeof(w->date), "%s, %02d %s %04d %02d:%02d:%02d GMT", days[t.tm_wday],
             t.tm_mday, months[t.tm_mon], (t.tm_year + 1900) % 10000, t.tm_hour, t.tm_min,
             t.tm_sec);
    return w->date;
}

/* --- Bytes --- */

static const char *phrase(int status) {
    static const struct {
        int status;
        const char *phrase;
    } known[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (known[i].status == status) return known[i].phrase;
    return status < 400 ? "OK" : "Error";
}

static void put(struct cella_buffer *out, const void *data, size_t size) {
    cella_copy(out->data + out->size, data, size); /* room was made for all */
    out->size += size;
}
static void put_text(struct cella_buffer *out, const char *text) { put(out, text, strlen(text)); }
static void put_header(struct cella_buffer *out, const char *name, const char *value) {
    put_text(out, name);
    put(out, ": ", 2);
    put_text(out, value);
    put(out, "\r\n", 2);
}

static bool make_room(struct cella_buffer *out, size_t size) {
    uint8_t *unused = NULL;
    out->size = 0;
    if (out->capacity >= size) return true;
    struct cella_result r = cella_buffer_extend(out, size, &unused);
    bool good = !cella_failed(r);
    cella_result_drop(r);
    out->size = 0;
    return good;
}

/* The client's own name for the request, where it is nothing but a name. */
static struct cella_bytes client_id(const struct cella_http_message *message) {
    struct cella_bytes id;
    if (!message || !cella_http_message_field(message, "x-ms-client-request-id", &id))
        return id = cella_bytes(NULL, 0);
    bool good = id.size <= CLIENT_ID_MAX;
    for (size_t i = 0; good && i < id.size; i++) {
        uint8_t c = id.data[i];
        good =
            (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
    }
    return good ? id : cella_bytes(NULL, 0);
}

/* What a handler made of a client's words may not end the header. */
static bool header_good(const char *value) {
    for (; *value; value++)
        if (((uint8_t)*value < ' ' && *value != '\t') || *value == 0x7f) return false;
    return true;
}

static size_t header_room(const struct cella_http_response *response) {
    size_t room = HEAD_ROOM + CLIENT_ID_MAX;
    if (response->content_type) room += strlen(response->content_type);
    for (size_t i = 0; i < response->header_count; i++)
        room += strlen(response->header[i].name) + strlen(response->header[i].value) + 4;
    return room;
}

struct exchange {
    const struct cella_http_message *message; /* NULL: refused before it was understood */
    char id[CELLA_HTTP_ID];
    uint64_t start_ns;
};

static bool format(struct connection *c, const struct exchange *e,
                   const struct cella_http_response *response, struct cella_bytes body) {
    struct cella_buffer *out = &c->worker->out;
    char line[64];
    bool bodiless = response->status == 204 || response->status == 304,
         head = e->message && e->message->method.size == 4 &&
                cella_equal(e->message->method.data, "HEAD", 4);
    struct cella_bytes id = client_id(e->message);
    if (!make_room(out, header_room(response) + body.size)) return false;
    snprintf(line, sizeof(line), "HTTP/1.1 %03u ", (unsigned)response->status % 1000);
    put_text(out, line);
    put_text(out, phrase(response->status));
    put(out, "\r\n", 2);
    put_header(out, "Date", date(c->worker));
    if (!bodiless) {
        snprintf(line, sizeof(line), "Content-Length: %zu\r\n", body.size);
        put_text(out, line);
        if (response->content_type) put_header(out, "Content-Type", response->content_type);
    }
    put_header(out, "x-ms-request-id", e->id);
    if (id.size) {
        put_text(out, "x-ms-client-request-id: ");
        put(out, id.data, id.size);
        put(out, "\r\n", 2);
    }
    for (size_t i = 0; i < response->header_count; i++)
        put_header(out, response->header[i].name, response->header[i].value);
    if (c->last) put_header(out, "Connection", "close");
    put(out, "\r\n", 2);
    if (!bodiless && !head) put(out, body.data, body.size);
    return true;
}

/* --- Log --- */

/* The path without its query: names that a caller chose, but no secret (K11). The head was checked:
 * there is nothing in it that could end the line. */
static void log_line(const struct connection *c, const struct exchange *e,
                     const struct cella_http_response *response, uint64_t ns) {
    const struct cella_http_settings *s = &c->worker->server->settings;
    char line[LINE_ROOM], time_text[32] = "";
    struct timespec now;
    struct tm t;
    const struct cella_http_message *m = e->message;
    const uint8_t *mark = m ? memchr(m->target.data, '?', m->target.size) : NULL;
    size_t path = !m ? 0 : mark ? (size_t)(mark - m->target.data) : m->target.size;
    if (s->access_log_fd <= 0) return;
    clock_gettime(CLOCK_REALTIME, &now);
    if (gmtime_r(&now.tv_sec, &t)) strftime(time_text, sizeof(time_text), "%Y-%m-%dT%H:%M:%S", &t);
    int size = snprintf(line, sizeof(line), "%s.%03ldZ %s %s %.*s %.*s%s %d %zu %llu us %s%s%s\n",
                        time_text, now.tv_nsec / 1000000, c->peer_text, c->site->given.name,
                        m ? (int)m->method.size : 1, m ? (const char *)m->method.data : "-",
                        m ? (int)(path < PATH_LOGGED ? path : PATH_LOGGED) : 1,
                        m ? (const char *)m->target.data : "-", path > PATH_LOGGED ? "..." : "",
                        response->status, c->worker->out.size, (unsigned long long)(ns / 1000),
                        e->id, response->note ? " " : "", response->note ? response->note : "");
    if (size > 0 && (size_t)size < sizeof(line) &&
        write(s->access_log_fd, line, (size_t)size) != size)
        cella_metric_count(c->worker->server->unlogged, 1);
}

static void account(const struct connection *c, const struct exchange *e,
                    const struct cella_http_response *response) {
    uint64_t ns = cella_http_now_ns() - e->start_ns;
    unsigned class = (unsigned)response->status / 100;
    cella_metric_count(c->site->requests[class < CELLA_HTTP_CLASSES ? class : 0], 1);
    cella_metric_observe(c->site->seconds, ns);
    log_line(c, e, response, ns);
}

/* --- The two ways --- */

static bool begin(struct connection *c, struct exchange *e) {
    e->start_ns = cella_http_now_ns();
    return make_id(c->worker, e->id);
}

static void call(struct connection *c, const struct exchange *e, struct cella_bytes body,
                 struct cella_http_response *response) {
    const struct cella_http_site *site = &c->site->given;
    struct cella_http_request request = {
        .method = e->message->method,
        .target = e->message->target,
        .authority = e->message->authority,
        .body = body,
        .id = e->id,
        .peer = c->peer_text,
        .worker = c->worker->index,
        .inside = e->message,
    };
    site->handler(site->context, &request, response);
    bool good = response->status >= 200 && response->status <= 599;
    for (size_t i = 0; good && i < response->header_count; i++)
        good = header_good(response->header[i].value);
    if (good) return;
    cella_buffer_free(&response->text);
    cella_buffer_free(&response->header_text);
    *response = (struct cella_http_response){
        .status = 500,
        .content_type = "application/json; charset=utf-8",
        .body = cella_bytes_text("{\"error\":{\"code\":\"InternalServerError\","
                                 "\"message\":\"The server could not answer.\"}}"),
    };
}

bool cella_http_answer(struct connection *c, struct cella_bytes body) {
    struct exchange e = {.message = &c->worker->message};
    struct cella_http_response response = {0};
    if (!begin(c, &e)) return false;
    call(c, &e, body, &response);
    if (atomic_load(&c->worker->server->stopping)) c->last = true;
    bool good = format(c, &e, &response,
                       response.body.size ? response.body : cella_buffer_bytes(&response.text));
    account(c, &e, &response);
    cella_buffer_free(&response.text);
    cella_buffer_free(&response.header_text);
    return good;
}

bool cella_http_refuse(struct connection *c, struct cella_http_refusal refusal) {
    struct exchange e = {.message = NULL};
    char body[256];
    snprintf(body, sizeof(body),
             "{\"error\":{\"code\":\"BadRequest\",\"message\":\"The request was refused: %s.\"}}",
             refusal.why);
    struct cella_http_response response = {.status = refusal.status,
                                           .content_type = "application/json; charset=utf-8",
                                           .note = refusal.why};
    c->last = true;
    if (!begin(c, &e) || !format(c, &e, &response, cella_bytes_text(body))) return false;
    account(c, &e, &response);
    cella_metric_count(refusal.status == 408 ? NULL : c->worker->server->malformed, 1);
    return true;
}
