/* Judges release policies line by line, for a test that knows the answers itself: reads JSON
 * objects
 * {"policy", "issuer", "claims"}, writes "held", "unmet" or "refused" and why. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "vault/release_policy.h"

static const char *judge(const json_t *line, char *why, size_t size) {
    const json_t *text = json_object_get(line, "policy");
    struct cella_release_policy *policy = NULL;
    struct cella_result result = cella_release_policy_new(
        cella_bytes(json_string_value(text), json_string_length(text)), &policy);
    if (cella_failed(result)) {
        snprintf(why, size, "%s", result.error->what);
        cella_result_drop(result);
        return "refused";
    }
    bool held =
        cella_release_policy_holds(policy, json_string_value(json_object_get(line, "issuer")),
                                   json_object_get(line, "claims"), why, size);
    cella_release_policy_free(&policy);
    return held ? "held" : "unmet";
}

int main(void) {
    char *text = NULL, why[256];
    size_t room = 0;
    for (ssize_t n; (n = getline(&text, &room, stdin)) > 0;) {
        json_error_t error;
        json_t *line = json_loadb(text, (size_t)n, JSON_ALLOW_NUL, &error);
        if (!line) return fprintf(stderr, "release_batch: %s\n", error.text), 2;
        const char *verdict = judge(line, why, sizeof(why));
        printf("%s %s\n", verdict, why);
        json_decref(line);
    }
    free(text);
    return 0;
}
