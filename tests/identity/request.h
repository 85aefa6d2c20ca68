/* Requests without a network: headers from a list, and the answer taken apart. Stands in for the
 * HTTP server's own functions, so that it is not linked. */
#ifndef CELLA_TESTS_IDENTITY_REQUEST_H
#define CELLA_TESTS_IDENTITY_REQUEST_H

#include "stand.h"

struct fake_headers {
    const char *type, *authorization, *client_request_id;
};

bool cella_http_request_header(const struct cella_http_request *request, const char *name,
                               struct cella_bytes *value) {
    const struct fake_headers *h = request->inside;
    const char *text = strcmp(name, "content-type") == 0        ? h->type
                       : strcmp(name, "authorization") == 0     ? h->authorization
                       : strcmp(name, "client-request-id") == 0 ? h->client_request_id
                                                                : NULL;
    if (text) *value = cella_bytes_text(text);
    return text != NULL;
}

void cella_http_header(struct cella_http_response *response, const char *name, const char *value) {
    if (response->header_count >= CELLA_HTTP_HEADERS) return;
    response->header[response->header_count].name = name;
    response->header[response->header_count++].value = value;
}

struct answer {
    int status;
    json_t *body; /* owned */
    char header[1024];
};
static inline void answer_free(struct answer *a) {
    json_decref(a->body);
    a->body = NULL;
}
#define ANSWER __attribute__((cleanup(answer_free))) struct answer

static const char form_type[] = "application/x-www-form-urlencoded;charset=utf-8";

static inline void ask(struct stand *s, const char *method, const char *target, const char *body,
                       const struct fake_headers *headers, struct answer *out) {
    struct cella_http_response response = {0};
    struct cella_http_request request = {.method = cella_bytes_text(method),
                                         .target = cella_bytes_text(target),
                                         .body = cella_bytes_text(body),
                                         .id = "99999999-9999-4999-8999-999999999999",
                                         .peer = "127.0.0.1",
                                         .inside = headers};
    answer_free(out);
    cella_issuer_answer(s->issuer, &request, &response);
    out->status = response.status;
    out->header[0] = 0;
    for (size_t i = 0; i < response.header_count; i++) {
        size_t n = strlen(out->header);
        snprintf(out->header + n, sizeof(out->header) - n, "%s: %s\n", response.header[i].name,
                 response.header[i].value);
    }
    GOOD(cella_json_object(response.body, "answer", &out->body));
    cella_buffer_free(&response.text);
    cella_buffer_free(&response.header_text);
}

static inline void post(struct stand *s, const char *target, const char *body, struct answer *out) {
    const struct fake_headers headers = {.type = form_type};
    ask(s, "POST", target, body, &headers, out);
}

static inline const char *member(const struct answer *a, const char *name) {
    const char *text = json_string_value(json_object_get(a->body, name));
    return text ? text : "";
}
static inline unsigned code_in(const struct answer *a) {
    return (unsigned)json_integer_value(json_array_get(json_object_get(a->body, "error_codes"), 0));
}

/* Appends name=value, the value percent-encoded. */
static inline void field(struct cella_buffer *body, const char *name, const char *value) {
    if (body->size) GOOD(cella_buffer_append(body, cella_bytes_text("&")));
    GOOD(cella_buffer_append(body, cella_bytes_text(name)));
    GOOD(cella_buffer_append(body, cella_bytes_text("=")));
    for (; *value; value++) {
        char text[4];
        snprintf(text, sizeof(text), "%%%02X", (unsigned)(uint8_t)*value);
        GOOD(cella_buffer_append(body, cella_bytes_text(text)));
    }
}
static inline const char *done(struct cella_buffer *body) {
    GOOD(cella_buffer_append(body, cella_bytes("", 1)));
    return (const char *)body->data;
}

#define TOKEN  "/" TENANT "/oauth2/v2.0/token"
#define TOKEN1 "/" TENANT "/oauth2/token"
#define SCOPE  VAULT "/.default"

/* The usual form; NULL leaves a field out. */
struct wish {
    const char *grant, *client, *secret, *scope, *resource, *assertion, *type;
};
static inline void wish_for(struct stand *s, const char *target, const struct wish *w,
                            struct answer *out) {
    CELLA_BUFFER body = {0};
    if (w->client) field(&body, "client_id", w->client);
    if (w->scope) field(&body, "scope", w->scope);
    if (w->resource) field(&body, "resource", w->resource);
    if (w->grant) field(&body, "grant_type", w->grant);
    if (w->secret) field(&body, "client_secret", w->secret);
    if (w->type) field(&body, "client_assertion_type", w->type);
    if (w->assertion) field(&body, "client_assertion", w->assertion);
    field(&body, "x-client-SKU", "msal.js.node");
    post(s, target, done(&body), out);
}

#endif
