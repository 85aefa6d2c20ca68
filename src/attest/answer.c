#include "attest/answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "crypto/jose.h"

static const char content_type_json[] = "application/json; charset=utf-8";
static const char no_memory[] =
    "{\"error\":{\"code\":\"InternalError\",\"message\":\"The service has no memory for an "
    "answer.\"}}";

enum { MESSAGE_MAX = 1600 };

static void put_static(struct cella_http_response *response, int status, const char *body) {
    cella_buffer_free(&response->text);
    response->status = status;
    response->content_type = content_type_json;
    response->body = cella_bytes_text(body);
}

static bool put(struct cella_http_response *response, struct cella_bytes bytes) {
    struct cella_result r = cella_buffer_append(&response->text, bytes);
    bool good = !cella_failed(r);
    cella_result_drop(r);
    return good;
}

/* The text may have moved while it grew. */
static void settle(struct cella_http_response *response, int status) {
    response->status = status;
    response->content_type = content_type_json;
    response->body = cella_buffer_bytes(&response->text);
}

void cella_answer_json(struct cella_http_response *response, int status, const json_t *body) {
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    cella_buffer_free(&response->text);
    bool good = text && put(response, cella_bytes_text(text));
    free(text);
    if (good)
        settle(response, status);
    else
        put_static(response, 500, no_memory);
}

void cella_answer_error(struct cella_http_response *response, int status, const char *code,
                        const char *format, ...) {
    char message[MESSAGE_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    CELLA_JSON body =
        json_pack("{s:{s:s, s:o}}", "error", "code", code, "message", cella_json_text(message));
    cella_answer_json(response, status, body);
}

static int status_of(enum cella_code code) {
    switch (code) {
    case CELLA_ERR_IO:
    case CELLA_ERR_UNAVAILABLE: return 503;
    case CELLA_ERR_MEMORY:
    case CELLA_ERR_INTERNAL: return 500;
    default: return 400;
    }
}

void cella_answer_failure(struct cella_http_response *response, const char *code,
                          struct cella_result result) {
    const struct cella_error *error = result.error;
    int status = status_of(cella_code_of(result));
    if (status == 400)
        cella_answer_error(response, status, code, "%s%s%s", error->what, error->hint ? "; " : "",
                           error->hint ? error->hint : "");
    else { /* the operator's log has the details; a caller has no use for them */
        cella_log(CELLA_LOG_ERROR, "attest: %s (%s)", error->what, error->where);
        if (status == 503) cella_http_header(response, "Retry-After", "5");
        cella_answer_error(response, status, status == 503 ? "ServiceUnavailable" : "InternalError",
                           status == 503 ? "The service cannot do this now; try again."
                                         : "The service failed; its log says why.");
    }
    cella_result_drop(result);
}

void cella_answer_token(struct cella_http_response *response, struct cella_bytes token) {
    cella_buffer_free(&response->text);
    if (put(response, cella_bytes_text("{\"token\":\"")) && put(response, token) &&
        put(response, cella_bytes_text("\"}")))
        settle(response, 200);
    else
        put_static(response, 500, no_memory);
}
